//! Which RTP timestamp and which wall clock time a point of the publisher's timeline has for one viewer.
//!
//! Sound and pictures share one line, so that sender reports of both agree exactly (RFC 3550 §6.4.1: that is what lip
//! sync is made of).

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use weir_media::Timestamp;

use super::packets::Packets;

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_UNIX_SECONDS: u64 = 2_208_988_800;
const SECOND: i128 = 1_000_000_000;
/// A timeline that goes back by more than this, in nanoseconds, began anew. Reordered pictures and sound that is behind
/// its pictures go back by less.
const BACK_MAX: i64 = 5 * SECOND as i64;
/// A timeline that leaps forward by more than this, in nanoseconds, while less time has passed, began anew.
const LEAP_MAX: i64 = 10 * SECOND as i64;

/// One reading of the wall clock, from which all others are counted by the steady one: reports never step.
static WALL: LazyLock<(Instant, Duration)> =
    LazyLock::new(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));

/// Nanoseconds since 1970.
fn wall(now: Instant) -> i64 {
    let (instant, since_epoch) = *WALL;
    let at = match now.checked_duration_since(instant) {
        Some(later) => since_epoch.saturating_add(later),
        None => since_epoch.saturating_sub(instant.saturating_duration_since(now)),
    };
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// The NTP timestamp (RFC 5905 §6) of `now`: seconds since 1900 and 32 bits of fraction.
pub(super) fn ntp(now: Instant) -> u64 {
    let nanos = wall(now).max(0) as u64;
    let seconds = (nanos / SECOND as u64 + NTP_UNIX_SECONDS) & 0xffff_ffff;
    let fraction = ((nanos % SECOND as u64) << 32) / SECOND as u64;
    seconds << 32 | fraction
}

/// Six bits of seconds and 18 of fraction, as the abs-send-time extension has them.
pub(super) fn send_time(now: Instant) -> u32 {
    (ntp(now) >> 14) as u32 & 0xff_ffff
}

/// The line of one viewer.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What is added to the publisher's nanoseconds. Changes only when its timeline begins anew.
    shift: i64,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    /// Nanoseconds on the publisher's own line.
    pts: i64,
    arrived: Instant,
    /// The wall clock less the viewer's line, in nanoseconds. The same for all frames.
    wall: i64,
}

impl Line {
    /// Takes notice of a frame; returns where it lies on the viewer's line, in nanoseconds.
    pub(super) fn place(&mut self, packets: &Packets) -> i64 {
        let pts = packets.pts.nanos();
        match &mut self.last {
            None => {
                let wall = wall(packets.arrived).saturating_sub(pts);
                self.last = Some(Last { pts, arrived: packets.arrived, wall });
            }
            Some(last) => {
                let step = packets.pts.since(Timestamp::from_nanos(last.pts));
                let passed = packets.arrived.saturating_duration_since(last.arrived).as_nanos();
                let passed = i64::try_from(passed).unwrap_or(i64::MAX);
                if step < -BACK_MAX || step > passed.saturating_add(LEAP_MAX) {
                    // The next point is as much later as time has passed.
                    self.shift = self.shift.wrapping_add(passed.max(1_000_000)).wrapping_sub(step);
                }
                last.pts = pts;
                last.arrived = last.arrived.max(packets.arrived);
            }
        }
        pts.wrapping_add(self.shift)
    }

    /// Where `now` lies on the viewer's line, in nanoseconds; `None` before the first frame.
    pub(super) fn now(&self, now: Instant) -> Option<i64> {
        self.last.map(|last| wall(now).wrapping_sub(last.wall))
    }
}

/// The RTP timestamp of a point of the viewer's line, without the stream's random offset.
pub(super) fn rtp(nanos: i64, clock_rate: u32) -> u32 {
    // Rounded to the nearest: pictures every 33.3 ms are 3 000 units apart, always.
    let units = (i128::from(nanos) * i128::from(clock_rate) + SECOND / 2).div_euclid(SECOND);
    units as u32 // wraps, as RTP timestamps do
}

//! Frames that wait for their turn on a link without headroom: a leaky bucket, bounded in time, frames and bytes.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::packets::Packets;

/// Packets leave in groups this long: a wake-up less would cost the smoothness, one more the processor.
const TICK: Duration = Duration::from_millis(5);
/// How much faster than the estimate packets leave, so that a keyframe does not hold up what follows it (2.5 times, as
/// libwebrtc has it): numerator and denominator.
const FACTOR: (u64, u64) = (5, 2);
/// Slowest pace, in bits per second: an estimate at its floor must not stretch a frame over seconds.
const RATE_MIN: u64 = 500_000;
/// Pace while nothing is known about the link, in bits per second: 2 s of a 2.5 Mbit/s stream leave in 50 ms, a keyframe of
/// 300 kB in 24 ms.
const RATE_START: u64 = 100_000_000;
/// Longest that frames may have to wait. Beyond, video goes on with the next keyframe.
const DELAY_MAX: Duration = Duration::from_millis(400);
/// The same while a keyframe is first in the queue: it is many times larger than what follows, and giving up behind it
/// would show nothing but keyframes.
const DELAY_KEYFRAME_MAX: Duration = Duration::from_secs(1);
/// A keyframe does not wait longer than this for frames before it; they are left out.
const BEHIND: Duration = Duration::from_millis(100);
/// Frames that may wait: 4 s at 60 pictures/s, when a viewer joins.
const FRAMES_MAX: usize = 256;
/// Frames that the queue keeps room for while it is empty.
const FRAMES_KEPT: usize = 8;

/// A frame that is not sent yet, or not entirely.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) packets: Arc<Packets>,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    /// Number of the picture, once it is begun.
    pub(super) picture: u16,
    /// The packet that leaves next.
    pub(super) next: usize,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    queue: VecDeque<Queued>,
    /// Payload bytes in the queue, those of begun frames in full.
    bytes: usize,
    /// When what was sent has left at the pace.
    free_at: Option<Instant>,
}

/// The pace for an estimate, in bits per second.
pub(super) fn pace(estimate: Option<u64>) -> u64 {
    estimate.map_or(RATE_START, |rate| (rate.saturating_mul(FACTOR.0) / FACTOR.1).max(RATE_MIN))
}

impl Pacer {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, queued: Queued) {
        self.bytes += queued.packets.bytes;
        self.queue.push_back(queued);
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Queued> {
        self.queue.front_mut()
    }

    pub(super) fn pop(&mut self) {
        if let Some(queued) = self.queue.pop_front() {
            self.bytes = self.bytes.saturating_sub(queued.packets.bytes);
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(FRAMES_KEPT);
        }
    }

    /// Whether another packet may leave now.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|free_at| free_at < now + TICK)
    }

    /// A packet left.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize, rate: u64) {
        let nanos = (bytes as u64 * 8).saturating_mul(1_000_000_000) / rate.max(1);
        self.free_at = Some(self.free_at.map_or(now, |free_at| free_at.max(now)) + Duration::from_nanos(nanos));
    }

    /// When something that waits may leave.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.queue.is_empty() { None } else { self.free_at }
    }

    /// Whether what waits would hold up a keyframe noticeably.
    pub(super) fn is_behind(&self, rate: u64) -> bool {
        self.bytes as u64 > rate / 8 * BEHIND.as_millis() as u64 / 1000
    }

    /// Whether more waits than may.
    pub(super) fn is_overfull(&self, rate: u64) -> bool {
        let keyframe = self.queue.front().is_some_and(|queued| queued.packets.keyframe);
        let limit = if keyframe { DELAY_KEYFRAME_MAX } else { DELAY_MAX };
        let room = rate / 8 * limit.as_millis() as u64 / 1000;
        self.queue.len() > FRAMES_MAX || (self.queue.len() > 1 && self.bytes as u64 > room)
    }

    /// Gives up all frames of which nothing was sent; returns how many.
    pub(super) fn give_up(&mut self) -> u64 {
        let before = self.queue.len();
        let bytes = &mut self.bytes;
        self.queue.retain(|queued| {
            let keep = queued.next > 0;
            if !keep {
                *bytes = bytes.saturating_sub(queued.packets.bytes);
            }
            keep
        });
        (before - self.queue.len()) as u64
    }
}

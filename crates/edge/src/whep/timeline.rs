//! One timeline for a channel's publishes: each continues where the one before would be by now, so that a viewer's
//! decoder sees a pause and not another origin.

use std::time::{Duration, Instant};

use weir_media::{Frame, Timestamp};

/// How far a publish's clock may run from the time its frames come in before it counts as set anew: more than any
/// network delays a frame and still delivers it.
const JUMP_MAX: Duration = Duration::from_secs(10);
/// The least that lies between two publishes: a frame of 60 fps.
const STEP_MIN: Duration = Duration::from_millis(16);

/// Moves frames onto the channel's timeline.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// What is added to the current publish's times, in nanoseconds; `None` until its first frame.
    offset: Option<i64>,
    /// The latest frame: when it was to be decoded, on the channel's timeline, and when it came in.
    last: Option<(Timestamp, Instant)>,
}

impl Timeline {
    /// Another publish begins.
    pub(super) fn begin(&mut self) {
        self.offset = None;
    }

    /// Moves a frame.
    pub(super) fn place(&mut self, frame: &mut Frame) {
        let expected = self.last.map(|(last, arrived)| last + frame.arrived.saturating_duration_since(arrived));
        let offset = match (self.offset, expected) {
            (Some(offset), Some(expected)) if is_near(frame.dts.offset(offset), expected) => offset,
            (_, Some(expected)) => (expected + STEP_MIN).since(frame.dts),
            (Some(offset), None) => offset,
            (None, None) => 0,
        };
        self.offset = Some(offset);
        frame.pts = frame.pts.offset(offset);
        frame.dts = frame.dts.offset(offset);
        if self.last.is_none_or(|(last, _)| frame.dts > last) {
            self.last = Some((frame.dts, frame.arrived));
        }
    }
}

fn is_near(time: Timestamp, expected: Timestamp) -> bool {
    u128::from(time.since(expected).unsigned_abs()) <= JUMP_MAX.as_nanos()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weir_media::TrackId;

    use super::*;

    /// Frames as (time on the publisher's clock, time of arrival), in ms; `None` begins another publish. Gives where
    /// they are placed, in ms.
    fn check(frames: &[Option<(i64, u64)>], placed: &[i64]) {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        let mut times = Vec::new();
        for frame in frames {
            let Some((at, arrived)) = *frame else {
                timeline.begin();
                continue;
            };
            let (time, arrived) = (Timestamp::from_millis(at), start + Duration::from_millis(arrived));
            let mut frame = Frame {
                track: TrackId::VIDEO,
                pts: time.offset(40_000_000),
                dts: time,
                keyframe: true,
                arrived,
                data: Bytes::new(),
            };
            timeline.place(&mut frame);
            assert_eq!(frame.pts.since(frame.dts), 40_000_000);
            times.push(frame.dts.nanos() / 1_000_000);
        }
        assert_eq!(times, placed);
    }

    #[test]
    fn the_first_publish_keeps_its_times() {
        check(&[Some((5_000, 0)), Some((5_033, 40)), Some((5_066, 60))], &[5_000, 5_033, 5_066]);
    }

    #[test]
    fn the_next_publish_begins_where_the_clock_is_by_then() {
        check(&[Some((5_000, 0)), None, Some((77, 3_000)), Some((110, 3_030))], &[5_000, 8_016, 8_049]);
        check(&[None, Some((5_000, 0)), None, Some((900_000, 0))], &[5_000, 5_016]);
    }

    #[test]
    fn a_clock_that_jumps_is_set_right() {
        check(&[Some((0, 0)), Some((3_600_000, 33)), Some((3_600_033, 66))], &[0, 49, 82]);
        check(&[Some((3_600_000, 0)), Some((0, 33))], &[3_600_000, 3_600_049]);
    }

    #[test]
    fn frames_that_the_network_held_up_keep_their_times() {
        check(&[Some((0, 0)), Some((33, 5_000)), Some((66, 5_000))], &[0, 33, 66]);
    }
}

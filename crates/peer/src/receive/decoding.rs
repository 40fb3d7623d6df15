//! Decoding times, which RTP does not carry.
//!
//! WebRTC sends pictures in the order they are shown, and then they are decoded when they are shown. Where an encoder
//! reorders anyway, timestamps go back, and a picture's decoding time is the earliest of those that are still to be
//! shown: what a decoder with room for so many pictures would do.

use weir_media::Timestamp;

/// Pictures that H.264 and HEVC allow to hold back.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Decoding {
    /// Pictures that a decoder holds back.
    depth: usize,
    /// The latest `depth` + 1 presentation times, in order.
    latest: Vec<Timestamp>,
    last: Option<Timestamp>,
}

impl Decoding {
    /// The parameters say that so many pictures may be held back.
    pub(super) fn reorders(&mut self, depth: u32) {
        self.depth = self.depth.max(depth as usize).min(DEPTH_MAX);
    }

    /// The decoding time of the next picture: later than that of the one before.
    pub(super) fn time(&mut self, pts: Timestamp) -> Timestamp {
        let at = self.latest.partition_point(|known| *known <= pts);
        if at == 0 && self.latest.len() > self.depth {
            self.depth = (self.depth + 1).min(DEPTH_MAX);
        }
        self.latest.insert(at, pts);
        if self.latest.len() > self.depth + 1 {
            self.latest.remove(0);
        }
        let dts = self.latest.first().copied().unwrap_or(pts);
        let dts = self.last.map_or(dts, |last| dts.max(last.offset(1)));
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(depth: u32, pts: &[i64], expected: &[i64]) {
        let mut decoding = Decoding::default();
        decoding.reorders(depth);
        let dts: Vec<_> = pts.iter().map(|&pts| decoding.time(Timestamp::from_millis(pts)).nanos()).collect();
        let expected: Vec<_> = expected.iter().map(|ms| ms * 1_000_000).collect();
        let close = dts.iter().zip(&expected).all(|(dts, expected)| (dts - expected).abs() < 10);
        assert!(close, "{dts:?}");
    }

    #[test]
    fn pictures_in_order_are_decoded_when_they_are_shown() {
        check(0, &[0, 33, 66, 100], &[0, 33, 66, 100]);
    }

    #[test]
    fn pictures_with_b_frames_are_decoded_before_they_are_shown() {
        check(1, &[0, 99, 33, 66, 198, 132, 165], &[0, 0, 33, 66, 99, 132, 165]);
    }

    #[test]
    fn unannounced_b_frames_are_learnt() {
        check(0, &[0, 99, 33, 66, 198, 132, 165], &[0, 99, 99, 99, 99, 132, 165]);
    }

    proptest! {
        #[test]
        fn decoding_times_grow(depth in 0_u32..20, times in prop::collection::vec(-1_000_i64..1_000, 1..100)) {
            let mut decoding = Decoding::default();
            decoding.reorders(depth);
            let mut last = None;
            for time in times {
                let dts = decoding.time(Timestamp::from_millis(time));
                prop_assert!(last.is_none_or(|last| dts > last));
                last = Some(dts);
            }
        }
    }
}

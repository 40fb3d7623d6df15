//! RTMP's 32-bit milliseconds on a line that does not wrap.

/// Unwraps timestamps. Whatever is nearer counts: a step of more than 2^31 ms (24 days) ahead is a step back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The last timestamp as sent, and unwrapped.
    last: Option<(u32, i64)>,
}

impl Clock {
    /// Milliseconds on a line without wrap. Jumps back and standing still are passed on as they are.
    pub(super) fn unwrap(&mut self, timestamp: u32) -> i64 {
        let millis = match self.last {
            None => i64::from(timestamp),
            Some((last, millis)) => {
                let step = timestamp.wrapping_sub(last).cast_signed();
                millis.saturating_add(step.into())
            }
        };
        self.last = Some((timestamp, millis));
        millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(timestamps: &[u32], expected: &[i64]) {
        let mut clock = Clock::default();
        let told: Vec<_> = timestamps.iter().map(|timestamp| clock.unwrap(*timestamp)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn time_goes_on_after_the_wrap() {
        check(&[u32::MAX - 10, 10, 5, 40], &[4_294_967_285, 4_294_967_306, 4_294_967_301, 4_294_967_336]);
    }

    #[test]
    fn two_wraps_are_two() {
        let quarter = 1 << 30;
        let twice: Vec<u32> = (0..9_u32).map(|step| step.wrapping_mul(quarter)).collect();
        let line: Vec<i64> = (0..9).map(|step| step * i64::from(quarter)).collect();
        check(&twice, &line);
    }

    #[test]
    fn jumps_back_and_standing_still_stay_what_they_are() {
        check(&[5000, 5000, 0, 33], &[5000, 5000, 0, 33]);
    }
}

//! When a delivery that failed is tried again: a pure decision.

use std::time::Duration;

/// Tries at most; with the waits between them they take a day.
pub(super) const TRIES_MAX: u32 = 32;
/// The wait after the first try.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The wait after the try of that number, from 1; nothing when it was the last. `chance` is 0 to 255: receivers that
/// failed together are not tried together.
pub(super) fn wait(tries: u32, chance: u8) -> Option<Duration> {
    if tries >= TRIES_MAX {
        return None;
    }
    let whole = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST);
    // Half of it, and up to half more by chance.
    Some(whole / 2 + whole.mul_f64(f64::from(chance) / 510.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tries: u32, least: u64, most: u64) {
        let span = (wait(tries, 0).unwrap().as_millis(), wait(tries, 255).unwrap().as_millis());
        assert_eq!(span, (u128::from(least), u128::from(most)), "{tries}");
    }

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_about_a_day() {
        check(1, 2_500, 5_000);
        check(2, 5_000, 10_000);
        check(9, 640_000, 1_280_000);
        check(11, 1_800_000, 3_600_000);
        check(31, 1_800_000, 3_600_000);
        assert_eq!(wait(TRIES_MAX, 0), None);
        let all: Duration = (1..TRIES_MAX).filter_map(|tries| wait(tries, 255)).sum();
        assert!((20..=24).contains(&(all.as_secs() / 3_600)), "{all:?}");
    }
}

//! When everybody is told how many are there. In a small room each counts; in a large one a few more or less tell nobody
//! anything, and a frame to everybody costs.

use std::time::Duration;

/// In a room of so many each change is told.
const SMALL: u64 = 200;
/// A large room is told of a change of one in so many.
const ONE_IN: u64 = 100;
/// And of a smaller change after so long.
const AT_LAST: Duration = Duration::from_secs(30);

/// Whether `present` is worth telling where `shown` was told `ago`.
pub(crate) fn is_worth_telling(shown: u64, present: u64, ago: Duration) -> bool {
    let change = shown.abs_diff(present);
    change > 0 && (present <= SMALL || change >= present / ONE_IN || ago >= AT_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rooms_hear_of_large_changes_at_once_and_of_small_ones_in_time() {
        let check = |shown, present, seconds, told| {
            let ago = Duration::from_secs(seconds);
            assert_eq!(is_worth_telling(shown, present, ago), told, "{shown} {present} {seconds}");
        };
        check(3, 3, 600, false);
        check(3, 4, 0, true);
        check(200, 199, 0, true);
        check(100_000, 100_900, 5, false);
        check(100_000, 101_900, 5, true);
        check(100_000, 100_001, 30, true);
        check(100_000, 150, 0, true);
    }
}

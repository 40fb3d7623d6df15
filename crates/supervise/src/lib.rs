//! When a failed actor is started again: restart intensity, after Erlang/OTP's supervisors.
//!
//! A decision, not a mechanism: an owner keeps one [`Failures`] a child, asks [`decide`] when the child fails, and
//! acts. No clock, no actor, no IO, so that every schedule can be tested. `ractor` leaves this policy to its users.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How often a child may fail, and how long its owner waits before starting it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Failures allowed within [`Self::window`]; one more and the owner gives up.
    pub intensity: usize,
    /// How far back failures count.
    pub window: Duration,
    /// Wait after the first failure; doubled for each further one within the window.
    pub backoff_min: Duration,
    /// Longest wait.
    pub backoff_max: Duration,
}

impl Restart {
    /// Never started again: whoever is on the other side reconnects by itself.
    pub const NEVER: Self =
        Self { intensity: 0, window: Duration::ZERO, backoff_min: Duration::ZERO, backoff_max: Duration::ZERO };
}

/// What an owner does with a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start it again after this long.
    Again {
        /// The wait.
        after: Duration,
    },
    /// It failed too often: report it and leave it down.
    GiveUp,
}

/// One child's recent failures. Holds at most `intensity + 1` of them.
#[derive(Debug, Clone, Default)]
pub struct Failures(VecDeque<Instant>);

/// What to do with a child that failed at `now`, given its own recent failures (never its siblings'). The failure is
/// noted in `failures`.
pub fn decide(policy: &Restart, failures: &mut Failures, now: Instant) -> Decision {
    let recent = |at: &Instant| now.saturating_duration_since(*at) <= policy.window;
    failures.0.retain(recent);
    failures.0.push_back(now);
    let count = failures.0.len();
    if count > policy.intensity {
        failures.0.pop_front();
        return Decision::GiveUp;
    }
    // 2^20 times the shortest wait is past any sensible longest one; the bound keeps the shift legal.
    let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX).min(20);
    Decision::Again { after: policy.backoff_min.saturating_mul(1 << doublings).min(policy.backoff_max) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Restart = Restart {
        intensity: 3,
        window: Duration::from_secs(10),
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_millis(300),
    };

    /// Fails at each of `at` (ms) and says what was decided: the wait in ms, or `-` for giving up.
    fn check(policy: &Restart, at: &[u64], decisions: &str) {
        let start = Instant::now();
        let mut failures = Failures::default();
        let told: Vec<String> = at
            .iter()
            .map(|ms| match decide(policy, &mut failures, start + Duration::from_millis(*ms)) {
                Decision::Again { after } => after.as_millis().to_string(),
                Decision::GiveUp => "-".into(),
            })
            .collect();
        assert_eq!(told.join(" "), decisions);
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        check(&POLICY, &[0, 1, 2], "100 200 300");
    }

    #[test]
    fn too_many_failures_within_the_window_give_up() {
        check(&POLICY, &[0, 1, 2, 3], "100 200 300 -");
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        check(&POLICY, &[0, 11_000, 22_000, 33_000, 44_000], "100 100 100 100 100");
    }

    #[test]
    fn never_means_never() {
        check(&Restart::NEVER, &[0, 100_000], "- -");
    }

    #[test]
    fn a_child_that_keeps_failing_costs_no_memory() {
        let mut failures = Failures::default();
        let now = Instant::now();
        for _ in 0..10_000 {
            decide(&POLICY, &mut failures, now);
        }
        assert!(failures.0.len() <= POLICY.intensity + 1);
    }
}

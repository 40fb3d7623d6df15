//! What a provider said of itself, and when to ask it again. No IO, no clock.

use std::time::{Duration, Instant};

/// How long it is believed before it is asked for again.
const FRESH_FOR: Duration = Duration::from_secs(3_600);
/// How long it is believed at most, while the provider does not answer.
const STALE_FOR: Duration = Duration::from_secs(24 * 3_600);
/// A provider that did not answer is not asked again so soon: those who come meanwhile need not wait for it.
const FAILED_FOR: Duration = Duration::from_secs(5);
/// Keys that are not known make us ask again, but not more often than this.
const LOOKED_AGAIN_EVERY: Duration = Duration::from_secs(10);

/// What is known of one provider.
#[derive(Debug)]
pub(super) struct Cache<T> {
    got: Option<(T, Instant)>,
    failed_at: Option<Instant>,
    looked_again_at: Option<Instant>,
}

/// What to do for somebody who needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan<T> {
    /// It is known.
    Use(T),
    /// Ask the provider.
    Ask,
    /// It did not answer a moment ago.
    GiveUp,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { got: None, failed_at: None, looked_again_at: None }
    }
}

impl<T: Clone> Cache<T> {
    /// What to do at `now`.
    pub(super) fn plan(&self, now: Instant) -> Plan<T> {
        if let Some((known, at)) = &self.got
            && now < *at + FRESH_FOR
        {
            return Plan::Use(known.clone());
        }
        if self.failed_at.is_some_and(|at| now < at + FAILED_FOR) {
            return self.stale(now).map_or(Plan::GiveUp, Plan::Use);
        }
        Plan::Ask
    }

    /// As [`Self::plan`], for somebody for whom what was got at `seen` was not enough.
    pub(super) fn plan_newer(&mut self, seen: Instant, now: Instant) -> Plan<T> {
        if let Some((known, _)) = self.got.as_ref().filter(|(_, at)| *at > seen) {
            return Plan::Use(known.clone());
        }
        let lately = |at: Option<Instant>, span| at.is_some_and(|at| now < at + span);
        if lately(self.looked_again_at, LOOKED_AGAIN_EVERY) || lately(self.failed_at, FAILED_FOR) {
            return Plan::GiveUp;
        }
        self.looked_again_at = Some(now);
        Plan::Ask
    }

    /// The provider answered.
    pub(super) fn answered(&mut self, known: T, now: Instant) {
        self.got = Some((known, now));
        self.failed_at = None;
    }

    /// It did not. Gives what it said before, while that counts.
    pub(super) fn failed(&mut self, now: Instant) -> Option<T> {
        self.failed_at = Some(now);
        self.stale(now)
    }

    fn stale(&self, now: Instant) -> Option<T> {
        self.got.as_ref().filter(|(_, at)| now < *at + STALE_FOR).map(|(known, _)| known.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_believed_for_an_hour_and_longer_without_another() {
        let begin = Instant::now();
        let mut cache = Cache::default();
        assert_eq!(cache.plan(begin), Plan::Ask);
        cache.answered("a", begin);
        assert_eq!(cache.plan(begin + FRESH_FOR / 2), Plan::Use("a"));
        let late = begin + FRESH_FOR;
        assert_eq!(cache.plan(late), Plan::Ask);
        assert_eq!(cache.failed(late), Some("a"));
        assert_eq!(cache.plan(late), Plan::Use("a"), "nobody waits for a dead provider");
        assert_eq!(cache.plan(late + FAILED_FOR), Plan::Ask);
        assert_eq!(cache.failed(begin + STALE_FOR), None);
        assert_eq!(cache.plan(begin + STALE_FOR), Plan::GiveUp);
    }

    #[test]
    fn a_dead_provider_is_asked_now_and_then() {
        let begin = Instant::now();
        let mut cache = Cache::<&str>::default();
        assert_eq!(cache.failed(begin), None);
        assert_eq!(cache.plan(begin), Plan::GiveUp);
        assert_eq!(cache.plan(begin + FAILED_FOR), Plan::Ask);
        cache.answered("a", begin + FAILED_FOR);
        assert_eq!(cache.plan(begin + FAILED_FOR), Plan::Use("a"));
    }

    #[test]
    fn an_unknown_key_is_looked_for_once_in_a_while() {
        let begin = Instant::now();
        let mut cache = Cache::default();
        cache.answered("old", begin);
        let later = begin + Duration::from_secs(1);
        assert_eq!(cache.plan_newer(begin, later), Plan::Ask);
        cache.answered("new", later);
        assert_eq!(cache.plan_newer(begin, later), Plan::Use("new"), "somebody else has asked");
        assert_eq!(cache.plan_newer(later, later + LOOKED_AGAIN_EVERY / 2), Plan::GiveUp);
        assert_eq!(cache.plan_newer(later, later + LOOKED_AGAIN_EVERY), Plan::Ask);
    }
}

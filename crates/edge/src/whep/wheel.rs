//! Whom to look after when: deadlines rounded up to coarse ticks, so that many fall together.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How coarse: paced packets may leave this late, which is less than a frame of 120 fps.
const TICK: Duration = Duration::from_millis(5);

/// Deadlines of many, by key. A key may be in it several times; whoever takes it out looks whether there is something
/// to do.
#[derive(Debug)]
pub(super) struct Wheel<K> {
    start: Instant,
    due: BTreeMap<u64, Vec<K>>,
}

impl<K> Wheel<K> {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, due: BTreeMap::new() }
    }

    /// Has `key` looked after at `at`, or up to 5 ms later.
    pub(super) fn insert(&mut self, at: Instant, key: K) {
        let tick = at.saturating_duration_since(self.start).as_nanos().div_ceil(TICK.as_nanos());
        self.due.entry(u64::try_from(tick).unwrap_or(u64::MAX)).or_default().push(key);
    }

    /// When the next are due.
    pub(super) fn next(&self) -> Option<Instant> {
        let (tick, _) = self.due.first_key_value()?;
        // In nanoseconds 64 bits last for 584 years.
        Some(self.start + Duration::from_nanos(tick.saturating_mul(TICK.as_nanos() as u64)))
    }

    /// Takes those of one tick that are due at `now`.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<K>> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, keys)| keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_never_early() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut wheel = Wheel::new(start);
        for (ms, key) in [(12, 'c'), (0, 'a'), (11, 'd'), (4, 'b'), (15, 'e')] {
            wheel.insert(at(ms), key);
        }
        assert_eq!(wheel.next(), Some(at(0)));
        assert_eq!(wheel.take(at(4)), Some(vec!['a']));
        assert_eq!(wheel.take(at(4)), None);
        assert_eq!(wheel.take(at(20)), Some(vec!['b']));
        assert_eq!(wheel.take(at(20)), Some(vec!['c', 'd', 'e']));
        assert_eq!((wheel.take(at(20)), wheel.next()), (None, None));
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut wheel = Wheel::new(start);
        wheel.insert(start - Duration::from_secs(1), ());
        assert_eq!(wheel.take(start), Some(vec![()]));
    }
}

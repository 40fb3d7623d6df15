//! Probing: a short burst of padding, to see whether the link carries more than what is sent anyway.

use std::time::{Duration, Instant};

/// Bursts of a probe, and how far apart they are due.
const BURSTS: u32 = 4;
const BURST_EVERY: Duration = Duration::from_millis(5);
/// Who is late makes up for so much time at most: more would be a flood, which tells of queues and not of the link.
const LATE_MAX: Duration = Duration::from_millis(25);
/// Packets of a burst at most: 45 Mbit/s.
const BURST_PACKETS_MAX: u32 = 96;
/// The viewer has so long to tell.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// So many percent of the packets must arrive.
const ARRIVED_PERCENT: u32 = 80;

/// One probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    /// In bits per second.
    target: u64,
    bursts_left: u32,
    next_burst: Instant,
    last_burst: Option<Instant>,
    give_up_at: Instant,
    sent: Side,
    arrived: Side,
}

/// What is known of one end.
#[derive(Debug, Default)]
struct Side {
    packets: u32,
    bytes: u64,
    /// Microseconds, and the bytes that do not count at this end: those of the first burst where they are sent, each
    /// further one holding what the time since the one before asks for; the first packet where they arrive.
    first: Option<i64>,
    last: i64,
    apart: u64,
}

impl Side {
    fn rate(&self) -> Option<u64> {
        let span = self.last.checked_sub(self.first?).filter(|span| *span > 0)?.unsigned_abs();
        Some(self.bytes.saturating_sub(self.apart) * 8 * 1_000_000 / span)
    }
}

impl Probe {
    pub(super) fn new(now: Instant, target: u64) -> Self {
        let (sent, arrived) = (Side::default(), Side::default());
        let give_up_at = now + ANSWER_MAX;
        Self { target, bursts_left: BURSTS, next_burst: now, last_burst: None, give_up_at, sent, arrived }
    }

    /// When the next burst is due.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.bursts_left > 0).then_some(self.next_burst)
    }

    /// How many packets of `bytes` to send now: more when it is late, so that the rate is what it should be.
    pub(super) fn burst(&mut self, now: Instant, bytes: usize) -> u32 {
        if self.bursts_left == 0 || now < self.next_burst {
            return 0;
        }
        self.bursts_left -= 1;
        self.next_burst = now + BURST_EVERY;
        let since = self.last_burst.replace(now).map_or(BURST_EVERY, |last| now.saturating_duration_since(last));
        let wanted = self.target * since.min(LATE_MAX).as_micros() as u64 / 8_000_000;
        u32::try_from(wanted.div_ceil(bytes.max(1) as u64)).unwrap_or(u32::MAX).clamp(2, BURST_PACKETS_MAX)
    }

    /// A packet of the probe left.
    pub(super) fn sent(&mut self, at: i64, bytes: usize) {
        self.sent.packets += 1;
        self.sent.bytes += bytes as u64;
        if self.bursts_left + 1 == BURSTS {
            self.sent.apart += bytes as u64;
        }
        self.sent.first.get_or_insert(at);
        self.sent.last = at;
    }

    /// A packet of the probe arrived.
    pub(super) fn arrived(&mut self, at: i64, bytes: usize) {
        self.arrived.packets += 1;
        self.arrived.bytes += bytes as u64;
        if self.arrived.first.is_none() {
            self.arrived.first = Some(at);
            self.arrived.apart = bytes as u64;
            self.arrived.last = at;
        }
        self.arrived.last = self.arrived.last.max(at);
    }

    /// What the link carried at least, in bits per second, once that is known; `Some(None)` when the probe told nothing.
    pub(super) fn result(&self, now: Instant) -> Option<Option<u64>> {
        let enough = self.arrived.packets * 100 >= self.sent.packets * ARRIVED_PERCENT && self.sent.packets > 0;
        if self.bursts_left == 0 && enough {
            return Some(self.sent.rate().zip(self.arrived.rate()).map(|(sent, arrived)| {
                let carried = if arrived * 10 < sent * 9 { arrived * 95 / 100 } else { sent.min(arrived) };
                carried.min(self.target)
            }));
        }
        (now >= self.give_up_at).then_some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a probe of `target` finds on a link of `capacity`, both in bits per second, with bursts at the times at
    /// which they are due.
    fn check(target: u64, capacity: i64) -> Option<u64> {
        check_at(target, capacity, [0, 5_000, 10_000, 15_000])
    }

    /// The same with bursts at these microseconds.
    fn check_at(target: u64, capacity: i64, bursts: [i64; 4]) -> Option<u64> {
        let start = Instant::now();
        let mut probe = Probe::new(start, target);
        let mut free = 0_i64;
        for at in bursts {
            let now = start + Duration::from_micros(at.unsigned_abs());
            assert!(probe.due().is_some_and(|due| due <= now));
            for _ in 0..probe.burst(now, 290) {
                probe.sent(at, 290);
                free = at.max(free) + 290 * 8 * 1_000_000 / capacity;
                probe.arrived(99_000 + free, 290);
            }
        }
        assert_eq!(probe.due(), None);
        probe.result(start + Duration::from_millis(50)).unwrap()
    }

    #[test]
    fn a_fast_link_carries_what_was_tried() {
        let found = check(3_000_000, 100_000_000).unwrap();
        assert!((2_900_000..=3_000_000).contains(&found), "{found}");
    }

    #[test]
    fn bursts_that_are_late_still_show_what_was_tried() {
        // As timers of 5 ms that are a little late make them.
        for bursts in [[0, 9_700, 15_100, 24_900], [0, 6_000, 17_000, 23_000], [0, 15_000, 30_000, 45_000]] {
            for target in [650_000, 3_000_000] {
                let found = check_at(target, 100_000_000, bursts).unwrap();
                assert!(found * 100 >= target * 97, "{found} of {target}");
            }
        }
        let slow = check_at(3_000_000, 1_000_000, [0, 9_700, 15_100, 24_900]).unwrap();
        assert!((900_000..1_000_000).contains(&slow), "{slow}");
    }

    #[test]
    fn a_slow_link_shows_its_rate() {
        let found = check(5_000_000, 1_000_000).unwrap();
        assert!((900_000..1_000_000).contains(&found), "{found}");
    }

    #[test]
    fn a_probe_without_an_answer_ends() {
        let start = Instant::now();
        let mut probe = Probe::new(start, 1_000_000);
        probe.burst(start, 290);
        assert_eq!(probe.result(start + Duration::from_millis(999)), None);
        assert_eq!(probe.result(start + Duration::from_secs(1)), Some(None));
    }
}

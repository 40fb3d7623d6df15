//! Which packets of a stream are missing, when to ask for them again, and when to give them up (RFC 4585 §6.2.1).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Packets that are asked for at the same time. When more are missing, a keyframe is the cheaper repair.
pub(super) const MISSING_MAX: usize = 512;
/// How long a packet may be late before it is asked for: networks swap neighbours.
const REORDER_TOLERANCE: Duration = Duration::from_millis(10);
/// Between two requests for one packet while the round trip is not known.
const RETRY_FIRST: Duration = Duration::from_millis(80);
/// The least time between two requests for one packet, whatever the round trip.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// Requests for one packet.
const TRIES_MAX: u8 = 10;

/// How long a gap is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Whether missing packets can be asked for.
    pub(super) nack: bool,
    /// Until a packet is given up.
    pub(super) give_up: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Lost {
    sequence: i64,
    since: Instant,
    ask_at: Instant,
    asked: Option<Instant>,
    tries: u8,
}

#[derive(Debug)]
pub(super) struct Missing {
    patience: Patience,
    /// By number, and by the time they were missed: both grow.
    lost: VecDeque<Lost>,
    /// From a request to what it brought, smoothed.
    round_trip: Option<Duration>,
}

impl Missing {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, lost: VecDeque::new(), round_trip: None }
    }

    /// Packets with these numbers were skipped. `false` when too many are missing to ask for them.
    #[must_use]
    pub(super) fn skipped(&mut self, now: Instant, sequences: std::ops::Range<i64>) -> bool {
        if self.lost.len() as i64 + (sequences.end - sequences.start) > MISSING_MAX as i64 {
            return false;
        }
        let ask_at = now + REORDER_TOLERANCE;
        self.lost.extend(sequences.map(|sequence| Lost { sequence, since: now, ask_at, asked: None, tries: 0 }));
        true
    }

    /// A packet came. Whether it had been asked for.
    pub(super) fn arrived(&mut self, now: Instant, sequence: i64) -> bool {
        let Ok(at) = self.lost.binary_search_by_key(&sequence, |lost| lost.sequence) else { return false };
        let Some(lost) = self.lost.remove(at) else { return false };
        self.trim();
        // Which of several requests brought it cannot be known (Karn's rule).
        if let (1, Some(asked)) = (lost.tries, lost.asked) {
            let sample = now.saturating_duration_since(asked);
            self.round_trip = Some(self.round_trip.map_or(sample, |smoothed| (smoothed * 7 + sample) / 8));
        }
        lost.asked.is_some()
    }

    /// Everything before this number is over.
    pub(super) fn forget(&mut self, before: i64) {
        while self.lost.front().is_some_and(|lost| lost.sequence < before) {
            self.lost.pop_front();
        }
        self.trim();
    }

    /// The numbers to ask for now, in order.
    pub(super) fn ask(&mut self, now: Instant, out: &mut Vec<u16>) {
        if !self.patience.nack {
            return;
        }
        // A little more than the round trip: an answer on its way is not asked for again.
        let retry = self.round_trip.map_or(RETRY_FIRST, |round_trip| (round_trip * 5 / 4).max(RETRY_MIN));
        for lost in self.lost.iter_mut().filter(|lost| lost.ask_at <= now && lost.tries < TRIES_MAX) {
            out.push(lost.sequence as u16);
            lost.tries += 1;
            lost.asked = Some(now);
            lost.ask_at = now + retry;
        }
    }

    /// The number after the last packet that is given up now, if any is.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<i64> {
        let mut before = None;
        while let Some(lost) = self.lost.front()
            && now >= lost.since + self.patience.give_up
        {
            before = Some(lost.sequence + 1);
            self.lost.pop_front();
        }
        self.trim();
        before
    }

    /// When [`Self::ask`] or [`Self::give_up`] will have something.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let give_up = self.lost.front()?.since + self.patience.give_up;
        let ask = self.lost.iter().filter(|lost| self.patience.nack && lost.tries < TRIES_MAX).map(|lost| lost.ask_at);
        Some(ask.min().map_or(give_up, |ask| ask.min(give_up)))
    }

    /// From a request to what it brought.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn trim(&mut self) {
        if self.lost.is_empty() && self.lost.capacity() > 64 {
            self.lost = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Patience = Patience { nack: true, give_up: Duration::from_millis(400) };

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        let mut out = Vec::new();
        missing.ask(now, &mut out);
        out
    }

    #[test]
    fn a_packet_is_asked_for_after_the_tolerance_and_again_until_it_is_given_up() {
        let (mut missing, start) = (Missing::new(VIDEO), Instant::now());
        assert!(missing.skipped(start, 65_535..65_538));
        assert_eq!(missing.timeout(), Some(start + REORDER_TOLERANCE));
        assert!(asked(&mut missing, start).is_empty());
        assert_eq!(asked(&mut missing, start + REORDER_TOLERANCE), [65_535, 0, 1]);
        assert!(asked(&mut missing, start + REORDER_TOLERANCE).is_empty());
        assert!(missing.arrived(start + Duration::from_millis(30), 65_536));
        let mut requests = 1;
        while let Some(at) = missing.timeout() {
            requests += usize::from(asked(&mut missing, at) == [65_535, 1]);
            if let Some(before) = missing.give_up(at) {
                assert_eq!((before, at), (65_538, start + VIDEO.give_up));
            }
        }
        assert!((5..=usize::from(TRIES_MAX)).contains(&requests));
    }

    #[test]
    fn requests_keep_to_the_round_trip_that_was_seen() {
        let (mut missing, start) = (Missing::new(VIDEO), Instant::now());
        assert!(missing.skipped(start, 0..2));
        let first = start + REORDER_TOLERANCE;
        asked(&mut missing, first);
        missing.arrived(first + Duration::from_millis(40), 0);
        assert_eq!(missing.round_trip(), Some(Duration::from_millis(40)));
        let second = missing.timeout().unwrap();
        assert_eq!(asked(&mut missing, second), [1]);
        assert_eq!(missing.timeout(), Some(second + Duration::from_millis(50)));
    }

    #[test]
    fn without_requests_packets_are_only_waited_for() {
        let patience = Patience { nack: false, give_up: Duration::from_millis(60) };
        let (mut missing, start) = (Missing::new(patience), Instant::now());
        assert!(missing.skipped(start, 3..4));
        assert_eq!(missing.timeout(), Some(start + patience.give_up));
        assert!(asked(&mut missing, start + patience.give_up).is_empty());
        assert_eq!(missing.give_up(start + patience.give_up), Some(4));
        assert_eq!(missing.timeout(), None);
    }

    #[test]
    fn too_many_are_not_asked_for() {
        let (mut missing, start) = (Missing::new(VIDEO), Instant::now());
        assert!(missing.skipped(start, 0..500));
        assert!(!missing.skipped(start, 501..600));
    }
}

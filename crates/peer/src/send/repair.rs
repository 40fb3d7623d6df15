//! Which packets are sent again: those that the viewer asks for, each at most once in a round trip, and no more than a
//! share of what is sent anyway.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Packets that may wait to be sent again: a lost keyframe of 200 kB.
const QUEUE_MAX: usize = 192;
/// Packets whose last repetition is remembered.
const RECENT_MAX: usize = 192;
/// A packet is not sent again sooner than this, however short the round trip is believed to be.
const AGAIN_MIN: Duration = Duration::from_millis(10);
/// The round trip while none was measured.
const ROUND_TRIP_START: Duration = Duration::from_millis(100);
/// Sent again at most: this share of what is sent, as numerator and denominator.
const SHARE: (u64, u64) = (1, 2);
/// What may be sent again at any time, in bytes: a keyframe of a good stream.
const BURST_BYTES: u64 = 256 * 1024;

/// What is to be sent again.
#[derive(Debug)]
pub(super) struct Repair {
    queue: VecDeque<u16>,
    recent: VecDeque<(u16, Instant)>,
    /// In bytes.
    budget: u64,
    due: Option<Instant>,
}

impl Repair {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), recent: VecDeque::new(), budget: BURST_BYTES, due: None }
    }

    /// So many bytes were sent for the first time: the budget grows.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.budget = (self.budget + bytes as u64 * SHARE.0 / SHARE.1).min(BURST_BYTES);
    }

    /// The viewer misses a packet of `bytes`. `false`: it is not sent again (now).
    pub(super) fn ask(&mut self, now: Instant, sequence: u16, bytes: usize, round_trip: Option<Duration>) -> bool {
        let again = round_trip.unwrap_or(ROUND_TRIP_START).max(AGAIN_MIN);
        while self.recent.front().is_some_and(|(_, at)| now.saturating_duration_since(*at) >= again) {
            self.recent.pop_front();
        }
        if self.recent.iter().any(|(recent, _)| *recent == sequence) {
            return false;
        }
        if self.queue.len() >= QUEUE_MAX || self.recent.len() >= RECENT_MAX || self.budget < bytes as u64 {
            return false;
        }
        self.budget -= bytes as u64;
        self.queue.push_back(sequence);
        self.recent.push_back((sequence, now));
        self.due.get_or_insert(now);
        true
    }

    pub(super) fn pop(&mut self) -> Option<u16> {
        let sequence = self.queue.pop_front();
        if self.queue.is_empty() {
            self.due = None;
        }
        sequence
    }

    /// When there is something to send.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

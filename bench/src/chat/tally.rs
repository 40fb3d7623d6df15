//! What everybody heard, added up.

use std::{collections::BTreeMap, ops::Range};

use hdrhistogram::Histogram;

use crate::quantiles::Quantiles;

/// Counts. Moments are microseconds since the crowd came.
pub(crate) struct Tally {
    /// Messages that should have left in this time count.
    pub(crate) window: Range<u64>,
    pub(crate) said: u64,
    /// Taken of those that count: answers come in the order of what was said by one speaker.
    pub(crate) taken: u64,
    /// Messages that count, each for each who got it.
    pub(crate) deliveries: u64,
    /// Messages that came in this time, whenever they left.
    pub(crate) deliveries_within: u64,
    /// All messages, their bytes and their frames, whenever they came.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    pub(crate) holes: u64,
    pub(crate) doubles: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    ages: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            window: u64::MAX..u64::MAX,
            said: 0,
            taken: 0,
            deliveries: 0,
            deliveries_within: 0,
            messages: 0,
            bytes: 0,
            frames: 0,
            holes: 0,
            doubles: 0,
            errors: BTreeMap::new(),
            ages: Histogram::new(3).expect("three digits are allowed"),
        }
    }

    /// A frame with messages came.
    pub(crate) fn frame(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.frames += 1;
    }

    /// A message came at `now` that should have left at `left`.
    pub(crate) fn message(&mut self, left: u64, now: u64) {
        self.messages += 1;
        self.deliveries_within += u64::from(self.window.contains(&now));
        if self.window.contains(&left) {
            self.deliveries += 1;
            // The histogram grows as needed.
            let _ = self.ages.record(now.saturating_sub(left));
        }
    }

    /// The offset after `last` is `offset`.
    pub(crate) fn offset(&mut self, last: u64, offset: u64) {
        if offset <= last {
            self.doubles += 1;
        } else {
            self.holes += offset - last - 1;
        }
    }

    pub(crate) fn failed(&mut self, what: String) {
        *self.errors.entry(what).or_default() += 1;
    }

    pub(crate) fn ages(&self) -> Quantiles {
        Quantiles::of(&self.ages)
    }
}

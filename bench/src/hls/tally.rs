//! What all viewers saw, added up.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use crate::quantiles::Quantiles;

/// Counts since measuring began.
pub(crate) struct Tally {
    /// Nothing counts before.
    pub(crate) counts: bool,
    /// Viewers that get parts or segments.
    pub(crate) watching: u32,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Parts, or segments where there are no parts.
    pub(crate) parts: u64,
    /// Pictures that measured viewers never got.
    pub(crate) pictures_missed: u64,
    /// Times a viewer fell so far behind that parts had left the playlist.
    pub(crate) fell_behind: u64,
    /// Times nothing came for longer than a player has in its buffer.
    pub(crate) stalls: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Age of a part's newest and oldest picture when its last byte came, in microseconds.
    newest: Histogram<u64>,
    oldest: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        Self {
            counts: false,
            watching: 0,
            requests: 0,
            bytes: 0,
            parts: 0,
            pictures_missed: 0,
            fell_behind: 0,
            stalls: 0,
            errors: BTreeMap::new(),
            newest: histogram(),
            oldest: histogram(),
        }
    }

    pub(crate) fn answered(&mut self, bytes: usize) {
        if self.counts {
            self.requests += 1;
            self.bytes += bytes as u64;
        }
    }

    pub(crate) fn fell_behind(&mut self) {
        self.fell_behind += u64::from(self.counts);
    }

    pub(crate) fn failed(&mut self, what: String) {
        if self.counts {
            *self.errors.entry(what).or_default() += 1;
        }
    }

    /// A viewer did not even get the first playlist.
    pub(crate) fn refused(&mut self, what: String) {
        *self.errors.entry(what).or_default() += 1;
    }

    pub(crate) fn ages(&mut self, newest: Duration, oldest: Duration) {
        if self.counts {
            // The histograms grow as needed.
            let _ = self.newest.record(newest.as_micros() as u64);
            let _ = self.oldest.record(oldest.as_micros() as u64);
        }
    }

    pub(crate) fn newest(&self) -> Quantiles {
        Quantiles::of(&self.newest)
    }

    pub(crate) fn oldest(&self) -> Quantiles {
        Quantiles::of(&self.oldest)
    }
}

//! What all viewers saw, added up.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use crate::quantiles::Quantiles;

/// Counts since measuring began.
pub(crate) struct Tally {
    /// Nothing counts before.
    pub(crate) counts: bool,
    /// Viewers whose media came.
    pub(crate) watching: u32,
    pub(crate) packets: u64,
    /// Payload of UDP.
    pub(crate) bytes: u64,
    /// Packets that never came, by their sequence numbers.
    pub(crate) lost: u64,
    /// Pictures whose last packet came, of measured viewers.
    pub(crate) pictures: u64,
    /// Times nothing came for a second.
    pub(crate) stalls: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// From a picture's stamp to its last packet's arrival at the viewer's socket, in microseconds.
    ages: Histogram<u64>,
    /// The same until the packet was read: with what this process, which is all viewers at once, makes them wait.
    reads: Histogram<u64>,
    /// From the request to the first packet of a picture, in microseconds.
    starts: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        Self {
            counts: false,
            watching: 0,
            packets: 0,
            bytes: 0,
            lost: 0,
            pictures: 0,
            stalls: 0,
            errors: BTreeMap::new(),
            ages: histogram(),
            reads: histogram(),
            starts: histogram(),
        }
    }

    pub(crate) fn packet(&mut self, bytes: usize, lost: u32) {
        if self.counts {
            self.packets += 1;
            self.bytes += bytes as u64;
            self.lost += u64::from(lost);
        }
    }

    pub(crate) fn picture(&mut self, age: Duration, read: Duration) {
        if self.counts {
            self.pictures += 1;
            // The histograms grow as needed.
            let _ = self.ages.record(age.as_micros() as u64);
            let _ = self.reads.record(read.as_micros() as u64);
        }
    }

    pub(crate) fn started(&mut self, after: Duration) {
        self.watching += 1;
        let _ = self.starts.record(after.as_micros() as u64);
    }

    pub(crate) fn stalled(&mut self) {
        self.stalls += u64::from(self.counts);
    }

    pub(crate) fn failed(&mut self, what: String) {
        *self.errors.entry(what).or_default() += 1;
    }

    pub(crate) fn ages(&self) -> Quantiles {
        Quantiles::of(&self.ages)
    }

    pub(crate) fn reads(&self) -> Quantiles {
        Quantiles::of(&self.reads)
    }

    pub(crate) fn starts(&self) -> Quantiles {
        Quantiles::of(&self.starts)
    }
}

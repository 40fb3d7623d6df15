//! How much is sent a second.

use std::time::{Duration, Instant};

/// Bytes are counted this long before they change the rate.
const WINDOW: Duration = Duration::from_millis(500);

/// A rate, smoothed over about a second and a half.
#[derive(Debug)]
pub(super) struct Meter {
    since: Instant,
    bytes: u64,
    bits_per_second: Option<u64>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, bits_per_second: None }
    }

    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.bytes += bytes as u64;
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let rate = (self.bytes as u128 * 8 * 1_000_000 / passed.as_micros().max(1)) as u64;
            self.bits_per_second = Some(self.bits_per_second.map_or(rate, |before| (before * 2 + rate) / 3));
            (self.since, self.bytes) = (now, 0);
        }
    }

    /// Bits per second; 0 until a window is full.
    pub(super) fn rate(&self) -> u64 {
        self.bits_per_second.unwrap_or(0)
    }
}

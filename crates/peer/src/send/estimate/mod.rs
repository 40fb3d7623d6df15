//! What a viewer's link carries.

use std::time::Instant;

/// Estimates by what the viewer tells.
#[derive(Debug, Default)]
pub(super) struct Estimator {}

impl Estimator {
    /// An estimator.
    pub(super) fn new(_now: Instant, _transport_wide: bool) -> Self {
        Self {}
    }

    pub(super) fn sent(&mut self, _now: Instant, _sequence: u16, _bytes: usize, _probe: bool) {}

    pub(super) fn rate(&self) -> Option<u64> {
        None
    }
}

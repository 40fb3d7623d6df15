//! How late things were.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// How many were measured.
    pub(crate) count: u64,
}

impl Quantiles {
    /// Of a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: histogram.max() as f64 / 1e3, count: histogram.len() }
    }
}

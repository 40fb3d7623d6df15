//! Settings.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shortest recordings that may be asked for: a few segments.
const DURATION_LEAST: Duration = Duration::from_secs(60);

/// `[recording]`: what becomes of the streams of channels that are recorded. Recordings lie below `data_dir/vods`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes that stay free on the disk: with less, recordings end with what they have and none begins. Streams go on.
    pub disk_free_min: u64,
    /// Longest recording. The stream goes on in a further one. At least a minute.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub duration_max: Duration,
    /// Recordings that are older than this are removed. `0s` keeps them until somebody removes them.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keep: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { disk_free_min: 1 << 30, duration_max: Duration::from_secs(12 * 3600), keep: Duration::ZERO }
    }
}

impl Config {
    /// Refuses impossible values: the key, and why.
    ///
    /// # Errors
    /// The first key with such a value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.duration_max < DURATION_LEAST {
            return Err(("duration_max", "must be at least 1 minute".into()));
        }
        if !self.keep.is_zero() && self.keep < DURATION_LEAST {
            return Err(("keep", "must be 0s, or at least 1 minute".into()));
        }
        Ok(())
    }
}

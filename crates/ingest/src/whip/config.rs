//! `[ingest.whip]`: how WHIP publishers reach us.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most that may be connecting: each holds a DTLS handshake.
const PENDING_MAX: usize = 100_000;
/// Shortest interval between keyframes that are asked for by the clock: each is many times as large as another picture.
const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// `[ingest.whip]`: how WHIP publishers reach us. Their media comes over `[webrtc]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Publishers whose offer was answered and who are not connected yet. One more is turned away. Each is given up
    /// after 30 s.
    pub pending_max: usize,
    /// Ask for a keyframe when the last one is this long ago, at least 500 ms; `0s` never asks. Segments of LL-HLS begin
    /// at keyframes, and browsers make none by themselves.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keyframe_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { pending_max: 500, keyframe_interval: Duration::from_secs(2) }
    }
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, below `[ingest]`, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(1..=PENDING_MAX).contains(&self.pending_max) {
            return Err(("whip.pending_max", format!("must be between 1 and {PENDING_MAX}")));
        }
        if !self.keyframe_interval.is_zero() && self.keyframe_interval < KEYFRAME_INTERVAL_MIN {
            return Err(("whip.keyframe_interval", "must be at least 500ms, or 0s".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_possible() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn impossible_values_are_named() {
        let check = |config: Config, key| assert_eq!(config.validate().unwrap_err().0, key);
        check(Config { pending_max: 0, ..Config::default() }, "whip.pending_max");
        let keyframe_interval = Duration::from_millis(499);
        check(Config { keyframe_interval, ..Config::default() }, "whip.keyframe_interval");
    }
}

//! `[edge.whep]`: viewers over WebRTC.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[edge.whep]`: viewers over WebRTC (WHEP).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Viewers over WebRTC at the same time, of all channels together. One more is answered 503. Each costs some
    /// 100 KiB and its share of the line.
    pub viewers_max: usize,
    /// Viewers that were answered and are not connected yet, of all channels together. One more is answered 503. Those
    /// that do not connect are forgotten after 15 s.
    pub connecting_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { viewers_max: 10_000, connecting_max: 1_000 }
    }
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, below `[edge]`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for (key, value) in [("whep.viewers_max", self.viewers_max), ("whep.connecting_max", self.connecting_max)] {
            if value == 0 {
                return Err((key, "must be at least 1".to_owned()));
            }
        }
        Ok(())
    }
}

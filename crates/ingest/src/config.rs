//! `[ingest]`: how streams come in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{rtmp, whip};

/// `[ingest]`: how streams come in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// RTMP and RTMPS publishers.
    pub rtmp: rtmp::Config,
    /// WHIP publishers.
    pub whip: whip::Config,
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, below `[ingest]`, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        self.rtmp.validate()?;
        self.whip.validate()
    }
}

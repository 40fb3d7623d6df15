//! `[webhooks]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[webhooks]`: telling other programs what happens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Let hooks name addresses of this machine and of private networks. Whoever owns a channel can then make this
    /// server call what stands behind your firewall: for intranets and tests only.
    pub allow_private: bool,
    /// How long a receiver may take to answer, redirects included.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Deliveries under way at once.
    pub at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { allow_private: false, timeout: Duration::from_secs(10), at_once: 32 }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `webhooks`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(Duration::from_millis(100)..=Duration::from_secs(30)).contains(&self.timeout) {
            return Err(("timeout", "must be 100 ms to 30 s".into()));
        }
        if !(1..=1_000).contains(&self.at_once) {
            return Err(("at_once", "must be 1 to 1000".into()));
        }
        Ok(())
    }
}

//! `[emotes]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most bytes that `upload_bytes_max` may be: what a worker reads.
const UPLOAD_BYTES_LIMIT: usize = 8 << 20;

/// `[emotes]`: pictures for words of chat. Whoever sends one, it is made anew in a process of its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Largest picture that is taken, in bytes: PNG, JPEG, GIF or WebP. What is kept is at most half a megabyte, and at
    /// most 128 pixels across and down.
    pub upload_bytes_max: usize,
    /// Emotes of one channel.
    pub per_channel_max: usize,
    /// Emotes that may be written in every channel.
    pub global_max: usize,
    /// Pictures that are made anew at once, each in a process of its own; others wait.
    pub at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { upload_bytes_max: 1 << 20, per_channel_max: 100, global_max: 300, at_once: 1 }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `emotes`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(1..=UPLOAD_BYTES_LIMIT).contains(&self.upload_bytes_max) {
            return Err(("upload_bytes_max", format!("must be 1 to {UPLOAD_BYTES_LIMIT}")));
        }
        for (key, most) in [("per_channel_max", self.per_channel_max), ("global_max", self.global_max)] {
            if most > 1_000 {
                return Err((key, "must be at most 1000: every viewer gets the list".into()));
            }
        }
        if !(1..=64).contains(&self.at_once) {
            return Err(("at_once", "must be 1 to 64".into()));
        }
        Ok(())
    }
}

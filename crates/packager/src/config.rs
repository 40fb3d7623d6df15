//! Settings.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_hls::cut::Wishes;

/// `[hls]`: how streams are packaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Length of a part, rounded up to whole frames: 100 ms to 2 s. Shorter parts lower the latency and cost requests.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub part_duration: Duration,
    /// Length of a segment, where the publisher's keyframes allow: 1 s to 10 s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub segment_duration: Duration,
    /// Longest segment, in whole seconds. Keyframes further apart make segments that do not start with one.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub target_duration_max: Duration,
    /// How long a channel stays live without a publisher. One that comes back in time continues the same playlist.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub grace_time: Duration,
    /// Whether finished segments are kept in unlinked files below `data_dir/spool` and mapped, instead of in memory.
    pub spool: bool,
    /// Most bytes of spooled segments on disk; what is beyond stays in memory.
    pub spool_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            part_duration: Duration::from_millis(200),
            segment_duration: Duration::from_secs(2),
            target_duration_max: Duration::from_secs(10),
            grace_time: Duration::from_secs(10),
            spool: true,
            spool_bytes_max: 64 << 30,
        }
    }
}

impl Config {
    /// Refuses impossible values: the key, and why.
    ///
    /// # Errors
    /// The first key with such a value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let between = |key, value: Duration, least: u64, most: u64| {
            let range = Duration::from_millis(least)..=Duration::from_millis(most);
            if range.contains(&value) { Ok(()) } else { Err((key, format!("must be {least} ms to {most} ms"))) }
        };
        between("part_duration", self.part_duration, 100, 2_000)?;
        between("segment_duration", self.segment_duration, 1_000, 10_000)?;
        between("target_duration_max", self.target_duration_max, 1_000, 60_000)?;
        between("grace_time", self.grace_time, 0, 600_000)?;
        if self.part_duration * 2 > self.segment_duration {
            return Err(("part_duration", "must be at most half of segment_duration".into()));
        }
        if self.target_duration_max < self.segment_duration {
            return Err(("target_duration_max", "must not be shorter than segment_duration".into()));
        }
        if self.target_duration_max.subsec_nanos() != 0 {
            return Err(("target_duration_max", "must be whole seconds".into()));
        }
        Ok(())
    }

    pub(crate) fn wishes(&self) -> Wishes {
        Wishes {
            part_duration: self.part_duration,
            segment_duration: self.segment_duration,
            target_duration_max: self.target_duration_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn impossible_values_are_named() {
        let config = Config { part_duration: Duration::from_secs(2), ..Config::default() };
        assert_eq!(config.validate().unwrap_err().0, "part_duration");
        let config = Config { target_duration_max: Duration::from_secs(1), ..Config::default() };
        assert_eq!(config.validate().unwrap_err().0, "target_duration_max");
    }
}

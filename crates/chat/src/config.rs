//! The settings of chat, with their manual.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::room::{log::Limit, rules::Bounds};

/// `[chat]`: the room beside every channel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether messages and joins are limited: `on`, or `off` for benches.
    pub rate_limit: RateLimit,
    /// Messages that one account may send to a room within `messages_within`, on all nodes together.
    pub messages: usize,
    /// The same for the room's moderators and its owner.
    pub moderator_messages: usize,
    /// The time that `messages` and `moderator_messages` are counted over, at most an hour.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub messages_within: Duration,
    /// Joins from one address in a minute. A proxy or a campus is one address.
    pub joins_per_address: usize,
    /// Connections to rooms from one address at once.
    pub connections_per_address: usize,
    /// Connections to rooms at once on this node. One more is answered 503.
    pub connections: usize,
    /// Longest message, in characters.
    pub message_chars_max: usize,
    /// Longest frame that a client may send, in bytes.
    pub frame_bytes_max: usize,
    /// How long a client may take to say where it joins.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub join_timeout: Duration,
    /// How often a silent client is asked whether it is there. One that says nothing for twice as long is gone.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub ping_interval: Duration,
    /// How long messages may be gathered to be written together. Rooms with little to write gather nothing.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub gather_max: Duration,
    /// Messages of a room in memory: so many can be missed and are brought by a reconnect.
    pub history: usize,
    /// Messages that whoever comes for the first time is shown.
    pub history_shown: usize,
    /// A file with words that must not be said, one a line, as everybody spells them; other spellings are found. `mask:`
    /// (the default), `hold:` or `block:` before a word says what happens; `*` before or behind it lets it be part of a
    /// longer word. The file is read anew when it changes. Empty: no words.
    pub words: PathBuf,
    /// Other sites whose pages may open rooms, such as `["https://www.example.org"]`. This server's own pages always may,
    /// and programs that are no browsers.
    pub origins: Vec<String>,
}

/// Whether chat is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RateLimit {
    /// As a public server needs it.
    #[default]
    On,
    /// Not at all: for benches.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate_limit: RateLimit::On,
            messages: 20,
            moderator_messages: 100,
            messages_within: Duration::from_secs(30),
            joins_per_address: 10_000,
            connections_per_address: 10_000,
            connections: 50_000,
            message_chars_max: 500,
            frame_bytes_max: 16 * 1024,
            join_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(30),
            gather_max: Duration::from_millis(100),
            history: 500,
            history_shown: 50,
            words: PathBuf::new(),
            origins: Vec::new(),
        }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `chat`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let counts = [
            ("messages", self.messages),
            ("moderator_messages", self.moderator_messages),
            ("joins_per_address", self.joins_per_address),
            ("connections_per_address", self.connections_per_address),
            ("connections", self.connections),
            ("history", self.history),
        ];
        for (key, count) in counts {
            if count == 0 {
                return Err((key, "must be at least 1".into()));
            }
        }
        let most = [
            ("messages", self.messages, 1_000),
            ("moderator_messages", self.moderator_messages, 1_000),
            ("message_chars_max", self.message_chars_max, 4_000),
            ("history", self.history, 10_000),
            ("history_shown", self.history_shown, 1_000),
        ];
        for (key, count, max) in most {
            if count > max {
                return Err((key, format!("must be at most {max}")));
            }
        }
        let longest = [
            ("messages_within", self.messages_within, Duration::from_secs(3_600)),
            ("join_timeout", self.join_timeout, Duration::from_secs(60)),
            ("ping_interval", self.ping_interval, Duration::from_secs(600)),
        ];
        for (key, time, max) in longest {
            if time.is_zero() || time > max {
                return Err((key, format!("must be longer than 0 s and at most {} s", max.as_secs())));
            }
        }
        if self.gather_max > Duration::from_secs(1) {
            return Err(("gather_max", "must be at most 1 s".into()));
        }
        // A character is up to six bytes in JSON, twice where it is outside the basic plane; ids come with it.
        if self.frame_bytes_max > 1 << 20 || self.frame_bytes_max < self.message_chars_max * 12 + 1_024 {
            return Err(("frame_bytes_max", "must hold a message of message_chars_max, and be at most 1048576".into()));
        }
        for origin in &self.origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
                return Err(("origins", format!("`{origin}` is not like https://HOST[:PORT]")));
            }
        }
        Ok(())
    }

    /// Whether anything is limited by the time it is done in.
    pub(crate) fn limits_rates(&self) -> bool {
        self.rate_limit == RateLimit::On
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let limit = |count| self.limits_rates().then_some(Limit { count, within: self.messages_within });
        Bounds {
            text_chars_max: self.message_chars_max,
            limit: limit(self.messages),
            moderator_limit: limit(self.moderator_messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config), key: Option<&str>) {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.validate().err().map(|(key, _)| key), key);
    }

    #[test]
    fn impossible_values_are_named() {
        check(|_| {}, None);
        check(|config| config.messages = 0, Some("messages"));
        check(|config| config.frame_bytes_max = 100, Some("frame_bytes_max"));
        check(|config| config.join_timeout = Duration::ZERO, Some("join_timeout"));
        check(|config| config.origins = vec!["example.org".into()], Some("origins"));
        check(|config| config.origins = vec!["https://example.org:8443".into()], None);
    }
}

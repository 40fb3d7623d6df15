//! Settings of the sockets and of those who wait on them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::whep;

/// Limits and timeouts of the public HTTP listeners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections at the same time, of all listeners together. One more is closed at once. Each costs about 20 KiB
    /// and a file descriptor.
    pub connections: usize,
    /// Requests that wait for a part at the same time, of all streams together. One more is answered 503.
    pub held_requests: usize,
    /// Streams (requests) at the same time on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Close a connection whose client takes longer for a request's head, or is silent for this long between two
    /// requests.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub header_timeout: Duration,
    /// Close a connection whose client takes longer for the TLS handshake.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub handshake_timeout: Duration,
    /// Close a connection whose client reads less than 64 KiB of a waiting answer in this time; on HTTP/2, where
    /// answers share the connection, one that leaves an answer lying for eight times as long.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stall_timeout: Duration,
    /// Ask a silent HTTP/2 client for a sign of life this often; without an answer for as long, close.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub ping_interval: Duration,
    /// At shutdown, wait this long for answers that are under way, then close what is left.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub drain_timeout: Duration,
    /// Viewers over WebRTC.
    pub whep: whep::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 20_000,
            held_requests: 100_000,
            streams_per_connection: 256,
            header_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            ping_interval: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(5),
            whep: whep::Config::default(),
        }
    }
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let counts = [
            ("connections", self.connections),
            ("held_requests", self.held_requests),
            ("streams_per_connection", self.streams_per_connection as usize),
        ];
        for (key, value) in counts {
            if value == 0 {
                return Err((key, "must be at least 1".to_owned()));
            }
        }
        let durations = [
            ("header_timeout", self.header_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("stall_timeout", self.stall_timeout),
            ("ping_interval", self.ping_interval),
        ];
        for (key, value) in durations {
            if value < Duration::from_millis(100) {
                return Err((key, "must be at least 100ms".to_owned()));
            }
        }
        self.whep.validate()
    }
}

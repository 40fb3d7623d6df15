//! `[ingest.rtmp]`: how RTMP publishers reach us.

use std::{net::SocketAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[ingest.rtmp]`: how RTMP publishers reach us.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port for RTMP. `[::]` means every address of the machine, IPv4 included.
    pub listen: SocketAddr,
    /// Address and port for RTMPS. Used only when a certificate is configured.
    pub tls_listen: SocketAddr,
    /// Connections at once, publishing or not. One more is closed at once. Each costs about 24 KiB and a file
    /// descriptor until it publishes; how many may publish is `streams.publishers_max`.
    pub connections_max: usize,
    /// Connections at once from one address. A proxy or a campus is one address, and idle strangers there must not
    /// lock its publishers out; `login_timeout` ends them.
    pub connections_per_address_max: usize,
    /// Time from connecting until a publish is admitted, TLS and the check of the key included.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub login_timeout: Duration,
    /// Close a publisher that sends no whole message for this long.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// Close a peer that does not take what we tell it for this long.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub write_timeout: Duration,
    /// Largest message (a frame, mostly) in bytes. RTMP cannot carry more than 16 777 215.
    pub message_bytes_max: usize,
    /// Bytes of unfinished messages that one session may hold, all its chunk streams together.
    pub session_bytes_max: usize,
    /// Chunk streams that one session may use. Encoders use up to six.
    pub chunk_streams_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([0_u16; 8], 1935).into(),
            tls_listen: ([0_u16; 8], 1936).into(),
            connections_max: 20_000,
            connections_per_address_max: 12_000,
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            message_bytes_max: 8 << 20,
            session_bytes_max: 12 << 20,
            chunk_streams_max: 32,
        }
    }
}

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, below `[ingest]`, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let at_least = |key, value: usize, least: usize| match value < least {
            true => Err((key, format!("must be at least {least}, is {value}"))),
            false => Ok(()),
        };
        let positive = |key, value: Duration| match value.is_zero() {
            true => Err((key, "must be longer than nothing".to_owned())),
            false => Ok(()),
        };
        at_least("rtmp.connections_max", self.connections_max, 1)?;
        at_least("rtmp.connections_per_address_max", self.connections_per_address_max, 1)?;
        positive("rtmp.login_timeout", self.login_timeout)?;
        positive("rtmp.idle_timeout", self.idle_timeout)?;
        positive("rtmp.write_timeout", self.write_timeout)?;
        at_least("rtmp.message_bytes_max", self.message_bytes_max, 64 << 10)?;
        at_least("rtmp.session_bytes_max", self.session_bytes_max, self.message_bytes_max)?;
        at_least("rtmp.chunk_streams_max", self.chunk_streams_max, 4)
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
    fn ten_thousand_strangers_of_an_address_leave_room_for_its_publishers() {
        let config = Config::default();
        assert!(config.connections_per_address_max >= 10_000 + 500);
        assert!(config.connections_max > config.connections_per_address_max, "one address cannot take every place");
    }

    #[test]
    fn impossible_values_are_named() {
        let config = Config { session_bytes_max: 1, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().0, "rtmp.session_bytes_max");
        let config = Config { idle_timeout: Duration::ZERO, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().0, "rtmp.idle_timeout");
    }
}

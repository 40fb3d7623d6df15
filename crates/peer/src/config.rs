//! Settings of WebRTC.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[webrtc]`: every WebRTC session, in and out, on one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port, UDP and TCP. `[::]` means every address of the machine, IPv4 included: peers are told each of
    /// them but loopback, which is told when there is no other. A specific address is the one that peers are told.
    pub listen: SocketAddr,
    /// Whether the TCP port of the same number is opened too, for peers whose network lets no UDP through.
    pub tcp: bool,
    /// What peers are told instead of the machine's own addresses, when this server is reached under others: behind a
    /// NAT with forwarded ports, or in a cloud. `192.0.2.1`, `2001:db8::1`, or with a port where that differs:
    /// `192.0.2.1:18189`, `[2001:db8::1]:18189`.
    pub public_addresses: Vec<PublicAddress>,
    /// STUN servers as `HOST:PORT`, asked at the start and every few minutes which public address this server has; what
    /// they say is told to peers beside the machine's own addresses. Nobody is asked unless this is set.
    pub stun_servers: Vec<String>,
    /// STUN and TURN servers that publishers and viewers are told to use (`Link` headers), each with `urls` and, for
    /// TURN, `username` and `credential`. Needed only by clients that cannot reach this server otherwise.
    pub ice_servers: Vec<IceServer>,
    /// Sessions at the same time, publishers and viewers together. One more is refused. The default is the viewers that
    /// `edge.whep.viewers_max` allows by default and 1000 publishers, whom a full house must not keep out: keep that
    /// distance where you raise `viewers_max`.
    pub sessions_max: usize,
    /// TCP connections at the same time. One more is closed at once. A slow reader's may hold 512 KiB.
    pub tcp_connections_max: usize,
    /// Bytes that the kernel is asked to hold of what arrived over UDP and is not read yet. The kernel gives no more
    /// than `net.core.rmem_max`.
    pub receive_buffer_bytes: usize,
    /// Bytes that the kernel is asked to hold of what leaves over UDP. The kernel gives no more than
    /// `net.core.wmem_max`.
    pub send_buffer_bytes: usize,
}

/// Viewers over WebRTC that a server takes by default (`edge.whep.viewers_max`).
const VIEWERS: usize = 10_000;

/// Sessions beyond those, for publishers: without viewers there would still be a stream, without a publisher nothing.
const PUBLISHERS_RESERVED: usize = 1_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([0_u16; 8], 8189).into(),
            tcp: true,
            public_addresses: Vec::new(),
            stun_servers: Vec::new(),
            ice_servers: Vec::new(),
            sessions_max: VIEWERS + PUBLISHERS_RESERVED,
            tcp_connections_max: 5_000,
            receive_buffer_bytes: 8 << 20,
            send_buffer_bytes: 8 << 20,
        }
    }
}

/// Most servers of each list: each is asked, or told to every client.
const SERVERS_MAX: usize = 16;

/// Smallest buffer: less does not hold one keyframe to a few viewers.
const BUFFER_BYTES_MIN: usize = 64 << 10;

/// Largest buffer: the kernel counts in signed 32 bits and doubles what it is asked for.
const BUFFER_BYTES_MAX: usize = 512 << 20;

impl Config {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The key, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for (key, value) in [("sessions_max", self.sessions_max), ("tcp_connections_max", self.tcp_connections_max)] {
            if value == 0 {
                return Err((key, "must be at least 1".to_owned()));
            }
        }
        let buffers =
            [("receive_buffer_bytes", self.receive_buffer_bytes), ("send_buffer_bytes", self.send_buffer_bytes)];
        for (key, value) in buffers {
            if !(BUFFER_BYTES_MIN..=BUFFER_BYTES_MAX).contains(&value) {
                return Err((key, format!("must be between {BUFFER_BYTES_MIN} and {BUFFER_BYTES_MAX}")));
            }
        }
        let lengths = [
            ("public_addresses", self.public_addresses.len()),
            ("stun_servers", self.stun_servers.len()),
            ("ice_servers", self.ice_servers.len()),
        ];
        for (key, length) in lengths {
            if length > SERVERS_MAX {
                return Err((key, format!("must have at most {SERVERS_MAX} entries")));
            }
        }
        if self.public_addresses.iter().any(|address| address.ip.is_unspecified() || address.port == Some(0)) {
            return Err(("public_addresses", "must be addresses that peers can reach".to_owned()));
        }
        if let Some(server) = self.stun_servers.iter().find(|server| !is_host_and_port(server)) {
            return Err(("stun_servers", format!("`{server}` is not HOST:PORT")));
        }
        match self.ice_servers.iter().find_map(IceServer::fault) {
            Some(fault) => Err(("ice_servers", fault)),
            None => Ok(()),
        }
    }
}

fn is_host_and_port(server: &str) -> bool {
    server
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// An address under which peers reach this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PublicAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port, where it is not the one that is listened on.
    pub port: Option<u16>,
}

impl FromStr for PublicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(address) => Ok(Self { ip: address.ip(), port: Some(address.port()) }),
            Err(_) => Err(format!("`{text}` is neither an IP address nor one with a port")),
        }
    }
}

impl TryFrom<String> for PublicAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => write!(f, "{}", self.ip),
            Some(port) => write!(f, "{}", SocketAddr::new(self.ip, port)),
        }
    }
}

impl From<PublicAddress> for String {
    fn from(address: PublicAddress) -> Self {
        address.to_string()
    }
}

/// A STUN or TURN server that clients are told of.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IceServer {
    /// `stun:HOST:PORT`, `turn:HOST:PORT?transport=udp` and the like (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// User of a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password of that user. Every client gets to know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceServer {
    fn fault(&self) -> Option<String> {
        // They stand in a header's field, between angle brackets and quotes.
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte));
        let schemes = ["stun:", "stuns:", "turn:", "turns:"];
        if self.urls.is_empty() {
            return Some("each needs `urls`".to_owned());
        }
        for url in &self.urls {
            if !schemes.iter().any(|scheme| url.starts_with(scheme)) || !printable(url) {
                return Some(format!("`{url}` is no stun:, stuns:, turn: or turns: URL"));
            }
        }
        let turn = self.urls.iter().any(|url| url.starts_with("turn"));
        match (&self.username, &self.credential) {
            (Some(username), Some(credential)) if printable(username) && printable(credential) => None,
            (Some(_), Some(_)) => Some("`username` and `credential` must be printable ASCII without quotes".to_owned()),
            (None, None) if !turn => None,
            (None, None) => Some("a TURN server needs `username` and `credential`".to_owned()),
            _ => Some("`username` and `credential` go together".to_owned()),
        }
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    fn check(change: impl FnOnce(&mut Config), key: &str) {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.validate().unwrap_err().0, key);
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        check(|config| config.sessions_max = 0, "sessions_max");
        check(|config| config.tcp_connections_max = 0, "tcp_connections_max");
        check(|config| config.receive_buffer_bytes = 0, "receive_buffer_bytes");
        check(|config| config.send_buffer_bytes = usize::MAX, "send_buffer_bytes");
        check(|config| config.public_addresses = vec!["0.0.0.0".parse().unwrap()], "public_addresses");
        check(|config| config.stun_servers = vec!["stun.example.org".into()], "stun_servers");
        check(|config| config.stun_servers = vec!["stun.example.org:3478".into(); 17], "stun_servers");
        let ice = |urls: &str, username: Option<&str>, credential: Option<&str>| IceServer {
            urls: vec![urls.to_owned()],
            username: username.map(str::to_owned),
            credential: credential.map(str::to_owned),
        };
        for server in [
            IceServer::default(),
            ice("http://example.org", None, None),
            ice("stun:example.org>", None, None),
            ice("turn:example.org", None, None),
            ice("turn:example.org", Some("user"), None),
            ice("turn:example.org", Some("user"), Some("with\"quote")),
        ] {
            check(|config| config.ice_servers = vec![server], "ice_servers");
        }
    }

    #[test]
    fn servers_for_clients_are_accepted() {
        let turn = IceServer {
            urls: vec!["turn:example.org:3478?transport=udp".into(), "turns:example.org".into()],
            username: Some("user".into()),
            credential: Some("secret".into()),
        };
        assert!(!format!("{turn:?}").contains("secret"));
        let stun = IceServer { urls: vec!["stun:example.org".into()], ..IceServer::default() };
        assert_eq!(Config { ice_servers: vec![turn, stun], ..Config::default() }.validate(), Ok(()));
    }

    #[test]
    fn a_public_address_is_written_as_it_was_read() {
        for text in ["192.0.2.1", "2001:db8::1", "192.0.2.1:18189", "[2001:db8::1]:18189"] {
            assert_eq!(text.parse::<PublicAddress>().unwrap().to_string(), text);
        }
        assert!("example.org".parse::<PublicAddress>().is_err());
    }
}

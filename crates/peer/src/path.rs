//! Between which two addresses a datagram travels.

use std::net::SocketAddr;

/// How datagrams of a path are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The UDP socket.
    Udp,
    /// A TCP connection with RFC 4571 framing. The number tells connections from each other; it is never reused while
    /// the process lives, so a path of a closed connection reaches nobody.
    Tcp(u64),
}

/// One way between this server and one address of one peer.
///
/// `local` is the address the peer asked, not the one that was bound: an answer that left from another one would fail
/// the peer's checks (RFC 8445 §7.2.5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// What carries it.
    pub carrier: Carrier,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

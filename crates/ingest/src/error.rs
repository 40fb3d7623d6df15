//! What can go wrong with a publisher's connection, and whose fault it is.

use std::{io, net::SocketAddr, time::Duration};

use weir_peer::transport::Reason;

use crate::rtmp::{amf0::Amf0Error, chunks::ChunkError};

/// Why a listener cannot start, or a session ended other than by goodbye.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listening address cannot be used.
    #[error("cannot listen for RTMP on {address}: {source}")]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener's actor did not start.
    #[error("the listener did not start: {0}")]
    Spawn(#[from] ractor::SpawnErr),
    /// The first byte is not RTMP's version 3: another protocol, or the encrypted RTMPE.
    #[error("the peer does not speak RTMP: its first byte is {0:#04x}")]
    NotRtmp(u8),
    /// The handshake's library refused it.
    #[error("the RTMP handshake failed: {0}")]
    Handshake(String),
    /// The chunk stream cannot be read.
    #[error("bad RTMP chunk: {0}")]
    Chunk(#[from] ChunkError),
    /// A command cannot be read.
    #[error("bad AMF0: {0}")]
    Amf0(#[from] Amf0Error),
    /// A command is not legal here.
    #[error("RTMP command out of place: {0}")]
    Command(&'static str),
    /// No publish began in time.
    #[error("nothing was published within {0:?} of connecting")]
    LoginTimeout(Duration),
    /// A publisher fell silent.
    #[error("the publisher sent no whole message for {0:?}")]
    Idle(Duration),
    /// The peer does not read what we say.
    #[error("the peer took nothing for {0:?}")]
    WriteTimeout(Duration),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A WebRTC session ended other than by goodbye.
    #[error("the WebRTC session ended: {0:?}")]
    Webrtc(Reason),
    /// The session panicked: a bug of ours.
    #[error("the session panicked")]
    Panicked,
}

/// Whose problem an [`Error`] is: decides the log level and the metric label, in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The peer broke the protocol.
    Peer,
    /// The way between us.
    Network,
    /// This machine's settings or limits.
    Operator,
    /// A bug here.
    Ours,
}

impl Fault {
    /// A short name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Network => "network",
            Self::Operator => "operator",
            Self::Ours => "ours",
        }
    }
}

impl Error {
    /// Whose problem this is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotRtmp(_) | Self::Handshake(_) | Self::Chunk(_) | Self::Amf0(_) | Self::Command(_) => Fault::Peer,
            Self::LoginTimeout(_) | Self::Idle(_) | Self::WriteTimeout(_) | Self::Tls(_) | Self::Io(_) => {
                Fault::Network
            }
            Self::Webrtc(Reason::Handshake(_)) => Fault::Peer,
            Self::Webrtc(Reason::Peer | Reason::Silence | Reason::Timeout) => Fault::Network,
            Self::Bind { .. } => Fault::Operator,
            Self::Spawn(_) | Self::Panicked => Fault::Ours,
        }
    }
}

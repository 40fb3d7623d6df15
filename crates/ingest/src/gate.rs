//! The one question ingest asks of the rest of the server.

use std::{future::Future, net::SocketAddr, sync::Arc};

use weir_identity::StreamKey;
use weir_media::Publish;

/// Decides who may publish. Ingest asks; it does not know that there is a database.
pub trait Gate: Send + Sync + 'static {
    /// May whoever presents `key`, calling from `from`, publish, and what? [`Publish::protocol`] of the answer is set
    /// by ingest. The session reads nothing from its peer while it waits, and gives up at its login deadline.
    fn admit(&self, key: StreamKey, from: SocketAddr) -> impl Future<Output = Result<Publish, Denied>> + Send;
}

/// Why a key may not publish. `Display` is the sentence that the streamer reads in the encoder's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such key, or no key at all.
    #[error("This stream key is not known here. Copy the key from your channel's settings.")]
    UnknownKey,
    /// The key was withdrawn.
    #[error("This stream key was revoked. Make a new one in your channel's settings.")]
    Revoked,
    /// The key's time is over.
    #[error("This stream key has expired. Make a new one in your channel's settings.")]
    Expired,
    /// The channel or its owner may not go live.
    #[error("This channel is not allowed to go live.")]
    Suspended,
    /// Whoever the operator asks about publishers said no, in these words.
    #[error("{0}")]
    Refused(Arc<str>),
    /// Too many wrong keys came from this address.
    #[error("Too many attempts from this address. Try again in a minute.")]
    TooManyAttempts,
    /// Whoever knows the keys does not answer.
    #[error("The server cannot check stream keys at the moment. Try again shortly.")]
    Unavailable,
}

impl Denied {
    /// A short name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Refused(_) => "refused",
            Self::TooManyAttempts => "too_many_attempts",
            Self::Unavailable => "unavailable",
        }
    }
}

//! What can go wrong while frames become parts.

/// Why packaging failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// GStreamer, or a plugin of it, is not installed as it must be.
    #[error("GStreamer is not usable: {0}")]
    Gstreamer(String),
    /// The muxer refused or failed.
    #[error("the muxer failed: {0}")]
    Muxer(String),
    /// The publisher sends what cannot be packaged. The text is for the publisher.
    #[error("{0}")]
    Unsupported(String),
    /// The server holds as many streams as it may.
    #[error("this server holds as many streams as it may")]
    Full,
    /// The packager's own fault: a panic in one stream's packager.
    #[error("the packager panicked: {0}")]
    Panicked(String),
}

/// Whose problem an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The publisher's.
    Peer,
    /// The server's, or that of the machine it runs on.
    Server,
}

impl Error {
    /// Whose problem this is: it decides the log level.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unsupported(_) => Fault::Peer,
            Self::Gstreamer(_) | Self::Muxer(_) | Self::Full | Self::Panicked(_) => Fault::Server,
        }
    }
}

//! Makes pictures of strangers anew, asked of the rest of the server.

use bytes::Bytes;
use std::{future::Future, pin::Pin};

/// A picture that was made: PNG, without anything beside its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes.
    pub png: Bytes,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// It is not taken. The sentence is for whoever sent it.
    #[error("{0}")]
    Refused(String),
    /// Others are made, or it cannot be done now.
    #[error("no picture can be made right now")]
    Busy,
}

/// Makes pictures anew, away from this process. The API asks; it never looks into what strangers sent.
pub trait Maker: Send + Sync + 'static {
    /// What a picture looks like, as a small one of ours.
    fn make(&self, sent: Bytes) -> Pin<Box<dyn Future<Output = Result<Picture, NotMade>> + Send + '_>>;
}

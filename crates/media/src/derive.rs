//! Media that a publisher did not send, made from what it sends: sound in another codec, pictures without B-frames.
//!
//! Who needs it asks a [`Repair`]; the making goes on as long as somebody holds a [`Derived`] of it, and is shared by
//! all who want the same.

use std::{any::Any, sync::Arc};

use crate::{bus::Subscriber, registry::Live};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Want {
    /// The sound as Opus, 48 kHz, for WebRTC viewers of a publish with AAC.
    Opus,
    /// The sound as AAC-LC, for LL-HLS players of a publish with Opus.
    Aac,
    /// The pictures as H.264 without B-frames, for WebRTC viewers that cannot take what is sent.
    PlainH264,
}

/// A derived track: events on the publish's own timeline and with the track id of its source.
pub struct Derived {
    /// The events.
    pub subscriber: Subscriber,
    /// Dropping the last of these ends the making.
    pub keep: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

/// Why something cannot be made. `Display` is a sentence for the streamer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Every slot for such work is taken.
    #[error("The server is busy converting other streams.")]
    Busy,
    /// It is switched off, or cannot be done with this source.
    #[error("{0}")]
    Unsupported(String),
}

/// Makes derived tracks. May be called from any task; does not block.
pub trait Repair: Send + Sync + 'static {
    /// Begins to make what is wanted of `live`, or joins those who have it already.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no room or no way.
    fn derive(&self, live: &Arc<Live>, want: Want) -> Result<Derived, Unavailable>;
}

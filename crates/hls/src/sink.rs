//! Where complete segments go besides the playlist: whoever records a stream gives it a [`Sink`].

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{
    spec::{Body, RenditionSpec},
    stream::Stream,
};

/// Takes a stream's segments. It is called under a rendition's lock: it must not wait, and not ask the stream.
pub trait Sink: Send + Sync + std::fmt::Debug + 'static {
    /// A segment is complete. Those of one rendition come in order, each once. `false` when it was not taken: it comes
    /// again, to this sink or to the next one, while the window has it.
    fn segment(&self, rendition: &RenditionSpec, segment: Completed) -> bool;

    /// The stream ended: no more segments come.
    fn ended(&self);
}

/// Hears of every stream that a store opens. It must not wait.
pub trait Openings: Send + Sync + std::fmt::Debug + 'static {
    /// A stream was opened, and has nothing yet.
    fn opened(&self, stream: &Arc<Stream>);
}

/// A complete segment.
#[derive(Debug, Clone)]
pub struct Completed {
    /// Media sequence number.
    pub msn: u64,
    /// How long it plays.
    pub duration: Duration,
    /// Of its first frame.
    pub program_date_time: SystemTime,
    /// Whether the timeline breaks before it.
    pub discontinuity: bool,
    /// Whether it starts with an independent frame.
    pub independent: bool,
    /// Whether all of it is missing.
    pub gap: bool,
    /// Its initialization section, with the number that tells it from others of the rendition.
    pub init: Option<(u32, Bytes)>,
    /// `EXT-X-TARGETDURATION` of the stream.
    pub target: Duration,
    /// Its bytes, shared.
    pub body: Body,
}

/// A stream's sink, shared by its renditions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<RwLock<Option<Arc<dyn Sink>>>>);

impl Tap {
    pub(crate) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.0.read().clone()
    }

    pub(crate) fn set(&self, sink: Option<Arc<dyn Sink>>) -> Option<Arc<dyn Sink>> {
        std::mem::replace(&mut *self.0.write(), sink)
    }
}

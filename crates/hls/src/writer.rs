//! The writing end of a stream.

use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;

use crate::{
    spec::{Part, RenditionId, RenditionSpec, Timing},
    stream::Stream,
};

/// Writes one stream. Owned by whoever packages it; its calls take a short lock and wake the waiting, so they may come
/// from any thread, and none of them waits. Dropping it ends the stream.
#[derive(Debug)]
pub struct StreamWriter {
    stream: Arc<Stream>,
}

impl StreamWriter {
    pub(crate) fn new(stream: Arc<Stream>) -> Self {
        Self { stream }
    }

    /// The stream, as readers see it.
    #[must_use]
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Fixes the timing and says what the renditions are, in order of preference. Readers wait for it. Parts may be
    /// written before. Works once; a rendition that is not described here is never shown.
    pub fn describe(&self, timing: Timing, renditions: Vec<RenditionSpec>) {
        if !self.stream.describe(timing, renditions) {
            warn!("a stream was described twice, which changes nothing");
        }
    }

    /// The initialization section of what follows. Between segments; within one it holds from the next on.
    pub fn init(&self, rendition: &RenditionId, init: Bytes) {
        self.stream.rendition_or_new(rendition).state.lock().window.init(init);
    }

    /// Appends a part and wakes who waits for it.
    pub fn part(&self, rendition: &RenditionId, part: Part) {
        let rendition = self.stream.rendition_or_new(rendition);
        let length = part.duration;
        rendition.change(|state| {
            if !state.ended {
                state.window.push(part);
            }
        });
        rendition.viewers.part(length);
    }

    /// The parts since the last call are a segment.
    pub fn end_segment(&self, rendition: &RenditionId) {
        let rendition = self.stream.rendition_or_new(rendition);
        let ended = rendition.change(|state| {
            let ended = state.window.end_segment().is_some();
            if ended && let Some(segment) = state.window.listed().next_back() {
                state.rates.count(segment);
            }
            ended
        });
        if ended {
            self.stream.measured();
        }
    }

    /// The timeline breaks: the next segment of every rendition starts with a DISCONTINUITY. Open segments end, so end
    /// them in step before, or the renditions' sequence numbers drift apart.
    pub fn discontinuity(&self) {
        for rendition in self.stream.all().iter() {
            rendition.change(|state| state.window.discontinuity());
        }
    }

    /// Puts a finished segment's bytes elsewhere in memory; the old buffers are released. The bytes must be the same.
    pub fn replace_segment(&self, rendition: &RenditionId, msn: u64, body: Bytes) {
        let rendition = self.stream.rendition_or_new(rendition);
        if !rendition.state.lock().window.replace(msn, body) {
            tracing::debug!(msn, rendition = %rendition.id, "a segment to be replaced is gone or of another length");
        }
    }

    /// A complete segment's bytes while they are kept, for whoever puts them elsewhere.
    #[must_use]
    pub fn segment(&self, rendition: &RenditionId, msn: u64) -> Option<crate::spec::Body> {
        self.stream.rendition_or_new(rendition).state.lock().window.segment(msn)
    }

    /// Number of the segment that the next part belongs to.
    #[must_use]
    pub fn next_msn(&self, rendition: &RenditionId) -> u64 {
        self.stream.rendition_or_new(rendition).state.lock().window.open_msn()
    }

    /// Ends the playlist: everybody who waits is answered, and the stream expires a minute later.
    pub fn end(&self) {
        self.stream.end();
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.stream.end();
    }
}

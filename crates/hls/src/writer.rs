//! The writing end of a stream.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tracing::warn;

use crate::{
    rendition::State,
    spec::{Body, Part, RenditionId, RenditionSpec, Timing},
    stream::Stream,
};

/// How long a gap lasts that fills a rendition up before the timing is known.
const GAP_UNKNOWN: Duration = Duration::from_millis(200);

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

    /// Shows one more rendition of a stream that was described, whose first segment is `msn`: the number of the segment
    /// that is open in the others. Whoever has the multivariant playlist already does not hear of it.
    pub fn add(&self, rendition: RenditionSpec, msn: u64) {
        self.stream.add(rendition, msn);
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
        let ended = rendition.change(State::end_segment);
        if ended {
            self.stream.leave_together();
            self.stream.measured();
        }
    }

    /// The timeline breaks: the next segment of every rendition starts with a DISCONTINUITY. Open segments end. A
    /// rendition whose numbers lag behind gets GAP segments up to the others', so that the break has the same number
    /// everywhere (row B7); end segments in step before, and there are none.
    pub fn discontinuity(&self) {
        let renditions = self.stream.all();
        let ahead = renditions.iter().map(|rendition| {
            rendition.change(|state| {
                state.end_segment();
                state.window.open_msn()
            })
        });
        let at = ahead.max().unwrap_or(0);
        let gap = self.stream.timing().map_or(GAP_UNKNOWN, |timing| timing.part_target);
        for rendition in renditions.iter() {
            rendition.change(|state| {
                while state.window.open_msn() < at {
                    state.window.gap_segment(gap);
                }
                state.window.discontinuity();
            });
        }
        self.stream.leave_together();
        self.stream.measured();
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
    pub fn segment(&self, rendition: &RenditionId, msn: u64) -> Option<Body> {
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

//! What was sent lately, so that it can be sent again.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::packets::Packets;

/// How long a packet can be asked for again. Whoever has waited longer shows a frozen picture anyway.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Frames at most: a second at 120 pictures/s, and 5 KiB.
const FRAMES_MAX: usize = 128;

/// A frame under way, or sent, to one viewer.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) packets: Arc<Packets>,
    pub(super) timestamp: u32,
    /// Number of the picture, for the codecs that tell it.
    pub(super) picture: u16,
    /// Sequence number of the first packet, and how many were sent.
    first: u16,
    count: u16,
    at: Instant,
}

/// Frames in the order of their sequence numbers.
#[derive(Debug, Default)]
pub(super) struct History {
    frames: VecDeque<Sent>,
}

impl History {
    /// A frame begins to be sent, with this sequence number.
    pub(super) fn begin(&mut self, now: Instant, packets: &Arc<Packets>, timestamp: u32, picture: u16, first: u16) {
        while self
            .frames
            .front()
            .is_some_and(|sent| now.saturating_duration_since(sent.at) > AGE_MAX || self.frames.len() >= FRAMES_MAX)
        {
            self.frames.pop_front();
        }
        self.frames.push_back(Sent { packets: Arc::clone(packets), timestamp, picture, first, count: 0, at: now });
    }

    /// Another packet of the frame that began last was sent.
    pub(super) fn sent(&mut self) {
        if let Some(last) = self.frames.back_mut() {
            last.count = last.count.saturating_add(1);
        }
    }

    /// The frame that has the packet, and which of its packets it is.
    pub(super) fn find(&self, now: Instant, sequence: u16) -> Option<(&Sent, usize)> {
        self.frames
            .iter()
            .rev()
            .take_while(|sent| now.saturating_duration_since(sent.at) <= AGE_MAX)
            .find(|sent| sequence.wrapping_sub(sent.first) < sent.count)
            .map(|sent| (sent, usize::from(sequence.wrapping_sub(sent.first))))
    }
}

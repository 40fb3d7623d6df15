//! What a peer publishes: RTP becomes [`weir_media::Frame`]s and [`weir_media::Track`]s.
//!
//! [`Receiver`] is a value: decrypted packets and time go in; tracks, frames and RTCP come out. After every input, drain
//! [`Receiver::poll`] and [`Receiver::poll_rtcp`]; call [`Receiver::handle_timeout`] when [`Receiver::poll_timeout`] says.
//!
//! Reading order: `sources` (whose packet is it), `stream` (one stream: `reorder` and `missing` put it in order,
//! [`depacketize`] makes units of it), `timeline` (one clock for all of them), `layers` (which stream is which track);
//! then what is said to the peer: `feedback`, `reception`, `twcc`, `keyframes`.

mod decoding;
pub mod depacketize;
mod feedback;
#[doc(hidden)]
pub mod fuzz;
mod keyframes;
mod layers;
mod missing;
mod receiver;
mod reception;
mod reorder;
mod sources;
mod stats;
mod stream;
mod timeline;
mod twcc;

use weir_media::{Frame, Track, TrackId};

pub use self::{
    receiver::Receiver,
    sources::LAYERS_MAX,
    stats::{LayerStats, Stats},
};

/// What comes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// What a track holds from its next frame on. Comes before the first frame of a track, and before a keyframe whenever
    /// its parameters change.
    Track(Track),
    /// A frame. For video the first is a keyframe, and so is the first after a loss.
    Frame(Frame),
    /// A layer of simulcast stopped: the peer saves bandwidth, or ended it. When it comes back, its track comes first.
    Gone(TrackId),
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

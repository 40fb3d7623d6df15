//! One viewer.

use std::{sync::Arc, time::Instant};

use weir_media::TrackId;

use super::packets::Packets;
use crate::{
    agreed::{Outgoing, RtpCodec},
    socket::Batch,
};

/// What protects packets on their way out: [`crate::transport::Transport`].
pub trait Protect {
    /// Appends the SRTP packet. `false`: nothing was appended, the packet is lost.
    fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool;
    /// Appends the SRTCP packet. `false`: nothing was appended, the packet is lost.
    fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool;
}

/// A video layer that the viewer could get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Its track.
    pub track: TrackId,
    /// What it needs, as measured lately, in bits per second.
    pub bits_per_second: u64,
}

/// Which video a viewer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The layer that is sent, or will be from its next keyframe on; `None`: sound only.
    pub video: Option<TrackId>,
}

/// What an RTCP packet led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// A keyframe of this track is wanted now (as [`Sender::keyframe_wanted`] tells, which need not be asked again).
    pub keyframe_wanted: Option<TrackId>,
}

/// What a viewer got so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// RTP packets sent, retransmissions and probes included.
    pub packets: u64,
    /// Their bytes before protection.
    pub bytes: u64,
    /// Packets that were sent again.
    pub retransmissions: u64,
    /// Packets that the viewer asked for and that were not sent again: too old, or too many.
    pub refused_retransmissions: u64,
    /// Video frames that were left out because the viewer's link was behind.
    pub skipped_frames: u64,
    /// Changes of the video layer.
    pub switches: u64,
    /// Round trip, from receiver reports or retransmission requests, in microseconds; 0 while unknown.
    pub round_trip_us: u32,
    /// Share of packets that the viewer reported lost lately, in thousandths.
    pub loss_permille: u16,
}

/// Sends a publish to one viewer. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct Sender {
    outgoing: Vec<Outgoing>,
    stats: Stats,
}

impl Sender {
    /// A sender for what was agreed. The first video and the first audio section are used.
    #[must_use]
    pub fn new(now: Instant, outgoing: Vec<Outgoing>) -> Self {
        let _ = now;
        Self { outgoing, stats: Stats::default() }
    }

    /// Whether frames of this codec can be sent: a payload type was agreed for it.
    #[must_use]
    pub fn accepts(&self, codec: RtpCodec) -> bool {
        self.outgoing.iter().any(|section| section.payloads.iter().any(|payload| payload.codec == codec))
    }

    /// Catches up with a publish that is running: `gop` are the video frames from the last keyframe to now. Their
    /// timestamps are drawn together to just before the last one, so that the viewer decodes them at once and is live.
    /// Later frames keep their exact timestamps. Sound in `gop` is left out.
    pub fn join(&mut self, now: Instant, gop: &[Arc<Packets>], transport: &mut impl Protect, batch: &mut Batch) {
        let _ = (now, gop, transport, batch);
    }

    /// Takes a frame. What is due now is appended to `batch`, the rest is paced; frames of layers that are not chosen
    /// are left out.
    pub fn send(&mut self, now: Instant, packets: &Arc<Packets>, transport: &mut impl Protect, batch: &mut Batch) {
        let _ = (now, packets, transport, batch);
    }

    /// Takes a compound RTCP packet: NACK, PLI, FIR, transport-wide feedback, receiver reports. Anything else, and
    /// anything damaged, is ignored. Retransmissions leave with the next [`Self::handle_timeout`].
    pub fn rtcp(&mut self, now: Instant, compound: &[u8]) -> Feedback {
        let _ = (now, compound);
        Feedback::default()
    }

    /// The track of which a keyframe is needed, if one is: the viewer asked, fell behind or changes layers. At most one
    /// answer in 500 ms.
    pub fn keyframe_wanted(&mut self, now: Instant) -> Option<TrackId> {
        let _ = now;
        None
    }

    /// When [`Self::handle_timeout`] is due; may lie in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Sends what became due: paced packets, retransmissions, sender reports, probes.
    pub fn handle_timeout(&mut self, now: Instant, transport: &mut impl Protect, batch: &mut Batch) {
        let _ = (now, transport, batch);
    }

    /// What the viewer's link is believed to carry, in bits per second; `None` until something is known.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        None
    }

    /// Picks the video layer by the estimate. `layers` is best first; the change happens at the layer's next keyframe.
    /// Without any call the first layer whose keyframe comes is sent.
    pub fn choose(&mut self, now: Instant, layers: &[Layer]) -> Choice {
        let _ = now;
        Choice { video: layers.first().map(|layer| layer.track) }
    }

    /// What was sent so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}

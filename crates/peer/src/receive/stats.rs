//! What a publish looks like from here.

use std::time::Duration;

use weir_media::TrackId;

use crate::agreed::RtpCodec;

/// Everything since the receiver began, unless a field says otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// The layers from which something came.
    pub layers: Vec<LayerStats>,
    /// Packets that are no RTP, or of no stream that was agreed on.
    pub unknown: u64,
    /// RTCP packets that could not be read.
    pub unknown_rtcp: u64,
}

/// One stream: the sound, or one layer of the pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStats {
    /// Its track, once that is decided.
    pub track: Option<TrackId>,
    /// Whether it is video.
    pub video: bool,
    /// What the peer calls the layer.
    pub rid: Option<String>,
    /// What came last.
    pub codec: Option<RtpCodec>,
    /// Packets, without retransmissions.
    pub packets: u64,
    /// Bytes of payloads, with the retransmissions that were needed.
    pub bytes: u64,
    /// Packets that did not come at first.
    pub lost: u64,
    /// Those among them that came when they were asked for.
    pub recovered: u64,
    /// Times that waiting for packets ended without them.
    pub holes: u64,
    /// Payloads that could not be used.
    pub refused: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// From a request for lost packets to their arrival, when any were requested.
    pub round_trip: Option<Duration>,
    /// Frames that came out.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Bits a second, over the last second.
    pub bitrate: f64,
    /// Frames a second, over the last second.
    pub frame_rate: f64,
}

//! What an offer and its answer agreed on, as the sending and the receiving side need it.
//!
//! [`crate::sdp`] makes these, [`crate::receive`] and [`crate::send`] use them; neither side knows the other's text.

use weir_media::{AudioCodec, VideoCodec};

/// The canonical name (RFC 7022) of all that we send, in answers and in RTCP's source descriptions: one name a session, so
/// that its pictures and sound are shown together. Sessions share it: no peer has two of them in one RTP session.
pub const CNAME: &str = "weir";

/// A codec as RTP carries it. VP8 has no home in the pages' MP4, so it is known here only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RtpCodec {
    /// RFC 6184, packetization mode 1.
    H264,
    /// RFC 7798.
    Hevc,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// AOM's "RTP Payload Format For AV1".
    Av1,
    /// RFC 7587.
    Opus,
}

impl RtpCodec {
    /// RTP timestamp units a second.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        if self == Self::Opus { 48_000 } else { 90_000 }
    }

    /// What the rest of the server calls it, if it is video that the rest of the server carries.
    #[must_use]
    pub fn video(self) -> Option<VideoCodec> {
        match self {
            Self::H264 => Some(VideoCodec::H264),
            Self::Hevc => Some(VideoCodec::Hevc),
            Self::Vp8 => Some(VideoCodec::Vp8),
            Self::Vp9 => Some(VideoCodec::Vp9),
            Self::Av1 => Some(VideoCodec::Av1),
            Self::Opus => None,
        }
    }

    /// What the rest of the server calls it, if it is sound.
    #[must_use]
    pub fn audio(self) -> Option<AudioCodec> {
        (self == Self::Opus).then_some(AudioCodec::Opus)
    }
}

/// One payload type that may arrive or be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// RTP payload type, 0 to 127.
    pub pt: u8,
    /// What it carries.
    pub codec: RtpCodec,
    /// The format parameters that were agreed, as `a=fmtp` has them after the payload type.
    pub fmtp: String,
    /// The payload type of its retransmissions (RFC 4588), if both sides do that.
    pub rtx: Option<u8>,
}

/// Ids of the RTP header extensions in use (RFC 8285), 1 to 14 (one-byte form) or up to 255 (two-byte form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// Transport-wide sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub abs_send_time: Option<u8>,
    /// AV1's dependency descriptor.
    pub dependency_descriptor: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    pub playout_delay: Option<u8>,
}

/// A media section that the peer sends to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its `a=mid`.
    pub mid: String,
    /// Whether it is video.
    pub video: bool,
    /// Payload types that may arrive.
    pub payloads: Vec<Payload>,
    /// Header extensions in use.
    pub extensions: Extensions,
    /// Restriction ids of its simulcast layers in the peer's order (RFC 8853), best first as browsers have it; empty
    /// without simulcast.
    pub rids: Vec<String>,
    /// Synchronisation sources that the offer names, and which of them repairs which (`a=ssrc-group:FID`): pairs of
    /// media and RTX. Empty where the offer names none, as with simulcast.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Whether the peer understands generic NACK, PLI, FIR for this section, and transport-wide feedback.
    pub feedback: Feedback,
}

/// A media section that we send to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its `a=mid`.
    pub mid: String,
    /// Whether it is video.
    pub video: bool,
    /// What is sent. More than one where several codecs were agreed, the first to begin with.
    pub payloads: Vec<Payload>,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Our synchronisation source for retransmissions, if they are sent apart.
    pub rtx_ssrc: Option<u32>,
    /// Header extensions in use.
    pub extensions: Extensions,
    /// What the peer will tell us.
    pub feedback: Feedback,
}

/// RTCP feedback that both sides agreed on (RFC 4585, RFC 5104).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// Generic NACK.
    pub nack: bool,
    /// Picture loss indication.
    pub pli: bool,
    /// Full intra request.
    pub fir: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
}

//! One access unit: the bytes that decode to one picture, or to one stretch of sound.

use std::time::Instant;

use bytes::Bytes;

use crate::time::Timestamp;

/// Which track of a publish a frame belongs to. RTMP publishes have [`TrackId::VIDEO`] and [`TrackId::AUDIO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u8);

impl TrackId {
    /// The only, or first, video track.
    pub const VIDEO: Self = Self(0);
    /// The only, or first, audio track.
    pub const AUDIO: Self = Self(1);
}

/// One access unit, in the layout that MP4 samples have: length-prefixed NAL units for H.264 and HEVC, a temporal unit
/// without temporal delimiter for AV1, a frame for VP9, a raw AAC frame without ADTS, an Opus packet.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whose frame it is.
    pub track: TrackId,
    /// When it is shown or heard.
    pub pts: Timestamp,
    /// When it is decoded; equal to [`Self::pts`] where nothing is reordered.
    pub dts: Timestamp,
    /// Decodable without any earlier frame. Always true for sound.
    pub keyframe: bool,
    /// When its last byte came in.
    pub arrived: Instant,
    /// The coded bytes. Shared, never copied on the way.
    pub data: Bytes,
}

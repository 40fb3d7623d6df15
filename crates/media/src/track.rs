//! Codec parameters: what a decoder must know before the first frame.

use std::fmt;

use bytes::Bytes;

use crate::frame::TrackId;

/// A video codec that Weir carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264 / AVC; configuration is an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1).
    H264,
    /// H.265 / HEVC; configuration is an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1).
    Hevc,
    /// AV1; configuration is an `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3).
    Av1,
    /// VP8; configuration is a `VPCodecConfigurationRecord`, like that of VP9.
    Vp8,
    /// VP9; configuration is a `VPCodecConfigurationRecord` (VP Codec ISO Media File Format Binding, "vpcC").
    Vp9,
}

/// An audio codec that Weir carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC; configuration is an `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).
    Aac,
    /// Opus; configuration is an identification header, `OpusHead` (RFC 7845 §5.1).
    Opus,
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        })
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aac => "AAC",
            Self::Opus => "Opus",
        })
    }
}

/// Parameters of a video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoParams {
    /// How it is coded.
    pub codec: VideoCodec,
    /// The codec's configuration record, as [`VideoCodec`] says for each.
    pub config: Bytes,
    /// Picture width in pixels, after cropping.
    pub width: u32,
    /// Picture height in pixels, after cropping.
    pub height: u32,
    /// Frames a second as numerator and denominator, where the bitstream or the publisher says it. Advice only: what is
    /// observed counts.
    pub frame_rate: Option<(u32, u32)>,
    /// The `codecs` parameter of RFC 6381, such as `avc1.64001f`.
    pub rfc6381: String,
}

/// Parameters of an audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioParams {
    /// How it is coded.
    pub codec: AudioCodec,
    /// The codec's configuration, as [`AudioCodec`] says for each.
    pub config: Bytes,
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u8,
    /// The `codecs` parameter of RFC 6381, such as `mp4a.40.2`.
    pub rfc6381: String,
}

/// Parameters of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackParams {
    /// Pictures.
    Video(VideoParams),
    /// Sound.
    Audio(AudioParams),
}

impl TrackParams {
    /// The `codecs` parameter of RFC 6381.
    #[must_use]
    pub fn rfc6381(&self) -> &str {
        match self {
            Self::Video(video) => &video.rfc6381,
            Self::Audio(audio) => &audio.rfc6381,
        }
    }

    /// Whether it is a video track.
    #[must_use]
    pub fn is_video(&self) -> bool {
        matches!(self, Self::Video(_))
    }
}

/// One track of a publish, as it is from here on: a publisher may send new parameters for a track at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Which.
    pub id: TrackId,
    /// What it holds.
    pub params: TrackParams,
}

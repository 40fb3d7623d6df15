//! Reads codec configuration records into what players and muxers must know.
//!
//! One file a codec. Every parser is bounded by its input and gives [`BadConfig`] for what it cannot believe; none
//! panics. What only helps (frame rate, reordering) is left out when it is damaged, since a decoder may well accept it.

mod aac;
mod av1;
mod bits;
mod h264;
mod hevc;
mod opus;
mod vp8;
mod vp9;
mod vui;

use bytes::Bytes;

use crate::track::{AudioCodec, AudioParams, VideoCodec, VideoParams};

/// Longest side of a picture, in pixels: the largest that any level of the codecs here allows.
pub const SIDE_MAX: u32 = 16_384;
/// Fastest sampling, in Hz: twice what AAC's table of rates ends with.
const SAMPLE_RATE_MAX: u32 = 192_000;

/// A configuration record that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// It ends before what it announces.
    #[error("the codec configuration is cut short")]
    Short,
    /// A field has a value that the format does not allow.
    #[error("the codec configuration is damaged: {0}")]
    Damaged(&'static str),
    /// A side is zero or longer than [`SIDE_MAX`].
    #[error("the picture size is {width} x {height}")]
    Size {
        /// In pixels, after cropping.
        width: u32,
        /// In pixels, after cropping.
        height: u32,
    },
}

/// Reads a video codec's configuration record, in the format that [`VideoCodec`] names for each.
///
/// Width and height are 0 where the record has none: always for VP8 and VP9, and for AV1 without a sequence header. The first
/// keyframe tells them then ([`vp8_dimensions`], [`vp9_dimensions`], [`av1_dimensions`]).
///
/// # Errors
/// [`BadConfig`] when it is not such a record, or has an absurd picture size.
pub fn video(codec: VideoCodec, config: Bytes) -> Result<VideoParams, BadConfig> {
    let picture = match codec {
        VideoCodec::H264 => h264::picture(&config)?,
        VideoCodec::Hevc => hevc::picture(&config)?,
        VideoCodec::Av1 => av1::picture(&config)?,
        VideoCodec::Vp8 => vp8::picture(&config)?,
        VideoCodec::Vp9 => vp9::picture(&config)?,
    };
    let Picture { size, frame_rate, rfc6381, .. } = picture;
    let (width, height) = size.map_or(Ok((0, 0)), |(width, height)| sane_size(width, height))?;
    Ok(VideoParams { codec, config, width, height, frame_rate, rfc6381 })
}

/// Reads an audio codec's configuration. Opus may come as `OpusHead` (RFC 7845 §5.1) or as the content of an MP4
/// `dOps` box; the parameters hold an `OpusHead` in either case.
///
/// # Errors
/// [`BadConfig`] when it is not such a record, or its sample rate or channels are absurd.
pub fn audio(codec: AudioCodec, config: Bytes) -> Result<AudioParams, BadConfig> {
    let params = match codec {
        AudioCodec::Aac => aac::params(config)?,
        AudioCodec::Opus => opus::params(config)?,
    };
    if params.sample_rate == 0 || params.sample_rate > SAMPLE_RATE_MAX {
        return Err(BadConfig::Damaged("its sample rate is out of range"));
    }
    Ok(params)
}

/// Pictures that a decoder of H.264 or HEVC may have to hold back for reordering, where the record says so: 0 means
/// that there are no B-frames. `None` is unknown.
#[must_use]
pub fn reorder_frames(codec: VideoCodec, config: &[u8]) -> Option<u32> {
    match codec {
        VideoCodec::H264 => h264::picture(config).ok()?.reorder_frames,
        VideoCodec::Hevc => hevc::picture(config).ok()?.reorder_frames,
        VideoCodec::Av1 | VideoCodec::Vp8 | VideoCodec::Vp9 => Some(0),
    }
}

/// The `AVCDecoderConfigurationRecord` of these parameter sets: NAL units without start codes or lengths, as RTP carries
/// them. Samples that go with it prefix NAL units with lengths of 4 bytes.
///
/// # Errors
/// [`BadConfig`] when there is no sequence parameter set, or it is cut short or damaged.
pub fn h264_config(sps: &[Bytes], pps: &[Bytes]) -> Result<Bytes, BadConfig> {
    h264::record(sps, pps)
}

/// The `HEVCDecoderConfigurationRecord` of these parameter sets, given as for [`h264_config`].
///
/// # Errors
/// [`BadConfig`] when there is no sequence parameter set, or it is cut short or damaged.
pub fn hevc_config(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes]) -> Result<Bytes, BadConfig> {
    hevc::record(vps, sps, pps)
}

/// The `AV1CodecConfigurationRecord` of a sequence header: its OBU's payload, without header and length.
///
/// # Errors
/// [`BadConfig`] when it is cut short, damaged or of 128 bytes or more.
pub fn av1_config(sequence_header: &[u8]) -> Result<Bytes, BadConfig> {
    av1::record(sequence_header)
}

/// The `VPCodecConfigurationRecord` of a VP8 keyframe; `None` for other frames and damaged ones.
#[must_use]
pub fn vp8_config(frame: &[u8]) -> Option<Bytes> {
    vp8::config(frame)
}

/// The `VPCodecConfigurationRecord` of a VP9 keyframe; `None` for other frames and damaged ones.
#[must_use]
pub fn vp9_config(frame: &[u8]) -> Option<Bytes> {
    vp9::config(frame).ok()
}

/// Width and height, in pixels, of a VP8 keyframe; `None` for other frames and damaged ones.
#[must_use]
pub fn vp8_dimensions(frame: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = vp8::keyframe_size(frame)?;
    sane_size(width, height).ok()
}

/// Width and height, in pixels, of a VP9 keyframe; `None` for other frames and damaged ones.
#[must_use]
pub fn vp9_dimensions(frame: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = vp9::keyframe_size(frame).ok()??;
    sane_size(width, height).ok()
}

/// Width and height, in pixels, of an AV1 temporal unit with a sequence header, as keyframes have; otherwise `None`.
#[must_use]
pub fn av1_dimensions(frame: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = av1::sequence_header(frame).ok()??.size;
    sane_size(width, height).ok()
}

/// What fuzzing calls: the first byte chooses the parser.
#[doc(hidden)]
pub fn fuzz_config(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    let config = || Bytes::copy_from_slice(rest);
    let _ = match which % 15 {
        0 => video(VideoCodec::H264, config()).is_ok(),
        1 => video(VideoCodec::Hevc, config()).is_ok(),
        2 => video(VideoCodec::Av1, config()).is_ok(),
        3 => video(VideoCodec::Vp9, config()).is_ok(),
        4 => audio(AudioCodec::Aac, config()).is_ok(),
        5 => audio(AudioCodec::Opus, config()).is_ok(),
        6 => vp9_dimensions(rest).is_some(),
        7 => vp8_dimensions(rest).is_some(),
        8 => video(VideoCodec::Vp8, config()).is_ok(),
        10 => h264_config(&[config()], &[]).is_ok(),
        11 => hevc_config(&[], &[config()], &[]).is_ok(),
        12 => av1_config(rest).is_ok(),
        13 => vp8_config(rest).is_some(),
        14 => vp9_config(rest).is_some(),
        _ => av1_dimensions(rest).is_some(),
    };
}

/// What the video parsers find.
struct Picture {
    size: Option<(u32, u32)>,
    frame_rate: Option<(u32, u32)>,
    reorder_frames: Option<u32>,
    rfc6381: String,
}

fn sane_size(width: u32, height: u32) -> Result<(u32, u32), BadConfig> {
    let sane = 1..=SIDE_MAX;
    if sane.contains(&width) && sane.contains(&height) {
        Ok((width, height))
    } else {
        Err(BadConfig::Size { width, height })
    }
}

/// A frame rate of `ticks_per_second / ticks_per_frame`, unless it is one that no video has.
fn sane_rate(ticks_per_second: u64, ticks_per_frame: u64) -> Option<(u32, u32)> {
    /// Frames a second: what 960 fps cameras make.
    const RATE_MAX: u64 = 960;
    let sane = ticks_per_frame > 0
        && ticks_per_second >= ticks_per_frame / 10
        && ticks_per_second > 0
        && ticks_per_second <= ticks_per_frame.saturating_mul(RATE_MAX);
    let divisor = gcd(ticks_per_second, ticks_per_frame).max(1);
    let (num, den) = (ticks_per_second / divisor, ticks_per_frame / divisor);
    sane.then_some((u32::try_from(num).ok()?, u32::try_from(den).ok()?))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;

//! Bodies of audio and video messages: FLV tags (Video File Format Specification 10.1 annex E) and Enhanced RTMP
//! (v1 2023, v2 2024).

use weir_media::{AudioCodec, VideoCodec};

use super::{
    amf::{self, Value},
    chunk::kind,
};
use crate::media::{Codec, Movie, Track};

/// Which headers messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// FLV's own headers for H.264 and AAC, FourCC headers for everything else.
    #[default]
    Legacy,
    /// FourCC headers for all.
    Enhanced,
    /// FourCC headers, with the nanoseconds within the millisecond in a `ModEx` prefix (v2).
    EnhancedNanos,
}

const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const MOD_EX: u8 = 7;
/// The marker of an enhanced video header, and `SoundFormat` 9 of an enhanced audio header.
const EX_VIDEO: u8 = 0x80;
const EX_AUDIO: u8 = 0x90;
/// AAC, 44 kHz, 16 bits, stereo: what the header says for any AAC.
const LEGACY_AAC: u8 = 0xaf;
const LEGACY_AVC: u8 = 7;

/// The message type of a codec's messages.
#[must_use]
pub fn message_kind(codec: Codec) -> u8 {
    match codec {
        Codec::Video(_) => kind::VIDEO,
        Codec::Audio(_) => kind::AUDIO,
    }
}

/// The body of a message with a track's codec configuration.
#[must_use]
pub fn configuration(track: &Track, style: Style) -> Vec<u8> {
    let mut body = match (track.codec, style) {
        (Codec::Video(VideoCodec::H264), Style::Legacy) => vec![0x10 | LEGACY_AVC, 0, 0, 0, 0],
        (Codec::Audio(AudioCodec::Aac), Style::Legacy) => vec![LEGACY_AAC, 0],
        (Codec::Video(codec), _) => [&[EX_VIDEO | 0x10 | SEQUENCE_START], &fourcc_video(codec)[..]].concat(),
        (Codec::Audio(codec), _) => [&[EX_AUDIO | SEQUENCE_START], &fourcc_audio(codec)[..]].concat(),
    };
    body.extend_from_slice(&track.config);
    body
}

/// What stands before a sample in its message: `offset` is presentation less decoding time in ms, `nanos` what the
/// message's timestamp lacks.
#[must_use]
pub fn frame_head(codec: Codec, keyframe: bool, offset: i32, nanos: u32, style: Style) -> Vec<u8> {
    let frame_type = if keyframe { 0x10 } else { 0x20 };
    let [_, offset @ ..] = offset.to_be_bytes();
    match (codec, style) {
        (Codec::Video(VideoCodec::H264), Style::Legacy) => [&[frame_type | LEGACY_AVC, 1], &offset[..]].concat(),
        (Codec::Audio(AudioCodec::Aac), Style::Legacy) => vec![LEGACY_AAC, 1],
        (Codec::Video(codec), _) => {
            let reorders = matches!(codec, VideoCodec::H264 | VideoCodec::Hevc);
            let packet = if reorders && offset == [0; 3] { CODED_FRAMES_X } else { CODED_FRAMES };
            let mut head = enhanced(EX_VIDEO | frame_type, packet, nanos, style);
            head.extend_from_slice(fourcc_video(codec));
            if reorders && packet == CODED_FRAMES {
                head.extend_from_slice(&offset);
            }
            head
        }
        (Codec::Audio(codec), _) => {
            let mut head = enhanced(EX_AUDIO, CODED_FRAMES, nanos, style);
            head.extend_from_slice(fourcc_audio(codec));
            head
        }
    }
}

/// The first byte, and the `ModEx` of type 0 (`TimestampOffsetNano`, three bytes) if there is one.
fn enhanced(first: u8, packet: u8, nanos: u32, style: Style) -> Vec<u8> {
    if style != Style::EnhancedNanos {
        return vec![first | packet];
    }
    let [_, nanos @ ..] = nanos.to_be_bytes();
    // The size is one more than it says; the type stands in the upper half of the next packet's byte.
    [&[first | MOD_EX, 2], &nanos[..], &[packet]].concat()
}

/// The FourCC of a video codec.
#[must_use]
pub fn fourcc_video(codec: VideoCodec) -> &'static [u8; 4] {
    match codec {
        VideoCodec::H264 => b"avc1",
        VideoCodec::Hevc => b"hvc1",
        VideoCodec::Av1 => b"av01",
        VideoCodec::Vp8 => b"vp08",
        VideoCodec::Vp9 => b"vp09",
    }
}

/// The FourCC of an audio codec.
#[must_use]
pub fn fourcc_audio(codec: AudioCodec) -> &'static [u8; 4] {
    match codec {
        AudioCodec::Aac => b"mp4a",
        AudioCodec::Opus => b"Opus",
    }
}

/// The body of the `onMetaData` message, as OBS and ffmpeg send it.
#[must_use]
pub fn metadata(movie: &Movie, style: Style) -> Vec<u8> {
    let mut members: Vec<(String, Value)> = vec![("duration".into(), 0.0.into()), ("encoder".into(), "testkit".into())];
    for track in &movie.tracks {
        match track.codec {
            Codec::Video(codec) => {
                if let Ok(params) = weir_media::codec::video(codec, track.config.clone()) {
                    members.push(("width".into(), f64::from(params.width).into()));
                    members.push(("height".into(), f64::from(params.height).into()));
                }
                let legacy = codec == VideoCodec::H264 && style == Style::Legacy;
                let id = if legacy { LEGACY_AVC.into() } else { u32::from_be_bytes(*fourcc_video(codec)) };
                members.push(("videocodecid".into(), f64::from(id).into()));
                let rate = track.samples.len() as f64 * 1e9 / track.duration as f64;
                members.push(("framerate".into(), rate.into()));
            }
            Codec::Audio(codec) => {
                let legacy = codec == AudioCodec::Aac && style == Style::Legacy;
                let id = if legacy { 10 } else { u32::from_be_bytes(*fourcc_audio(codec)) };
                members.push(("audiocodecid".into(), f64::from(id).into()));
                if let Ok(params) = weir_media::codec::audio(codec, track.config.clone()) {
                    members.push(("audiosamplerate".into(), f64::from(params.sample_rate).into()));
                    members.push(("audiochannels".into(), f64::from(params.channels).into()));
                }
            }
        }
    }
    amf::encode(&["@setDataFrame".into(), "onMetaData".into(), Value::Map(members)])
}

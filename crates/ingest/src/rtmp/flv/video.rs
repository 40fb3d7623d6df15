//! The body of a video message: FLV's `VIDEODATA`, or Enhanced RTMP's `ExVideoTagHeader`.

use bytes::Bytes;
use weir_media::VideoCodec;

use super::{Content, Tag, Unsupported, modifiers, take};

/// First bit of a body: the rest of the byte is as Enhanced RTMP has it.
const ENHANCED: u8 = 0x80;
/// Frame types: a keyframe, one made by a server, and no picture at all.
const KEYFRAME: u8 = 1;
const GENERATED_KEYFRAME: u8 = 4;
const COMMAND: u8 = 5;

/// Enhanced RTMP's packet types.
mod packet {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const CODED_FRAMES_X: u8 = 3;
    pub(super) const METADATA: u8 = 4;
    pub(super) const MPEG2_TS_SEQUENCE_START: u8 = 5;
    pub(super) const MULTITRACK: u8 = 6;
}

/// Reads a body. `None` when it holds nothing that is carried: it is empty or cut short, or marks an end.
pub(super) fn parse(body: &Bytes) -> Result<Option<Tag<VideoCodec>>, Unsupported> {
    let mut rest = body.clone();
    let Some(first) = take(&mut rest, 1).and_then(|first| first.first().copied()) else { return Ok(None) };
    if first & ENHANCED == 0 { legacy(first, rest) } else { enhanced(first, rest) }
}

fn legacy(first: u8, mut rest: Bytes) -> Result<Option<Tag<VideoCodec>>, Unsupported> {
    let (frame_type, id) = (first >> 4, first & 15);
    if frame_type == COMMAND {
        return Ok(None);
    }
    if id != 7 {
        return Err(unsupported(legacy_name(id)));
    }
    let Some(head) = take(&mut rest, 4) else { return Ok(None) };
    let content = match head[0] {
        0 => config(rest),
        1 => frame(frame_type, composition(&head[1..]), rest),
        _ => None,
    };
    Ok(content.map(|content| Tag { codec: VideoCodec::H264, content, offset_nanos: 0 }))
}

fn enhanced(first: u8, mut rest: Bytes) -> Result<Option<Tag<VideoCodec>>, Unsupported> {
    let frame_type = first >> 4 & 7;
    let Some((kind, offset_nanos)) = modifiers(first & 15, &mut rest) else { return Ok(None) };
    match kind {
        packet::MULTITRACK => {
            return Err(Unsupported(
                "This server carries one video track. Switch off multitrack video in the encoder.".into(),
            ));
        }
        packet::METADATA => return Ok(None),
        _ if frame_type == COMMAND => return Ok(None),
        _ => {}
    }
    let Some(four_cc) = take(&mut rest, 4) else { return Ok(None) };
    let (codec, is_reordered) = match &four_cc[..] {
        b"avc1" => (VideoCodec::H264, true),
        b"hvc1" => (VideoCodec::Hevc, true),
        b"av01" => (VideoCodec::Av1, false),
        b"vp09" => (VideoCodec::Vp9, false),
        other => return Err(unsupported(&other.escape_ascii().to_string())),
    };
    let content = match kind {
        packet::SEQUENCE_START => config(rest),
        packet::CODED_FRAMES if is_reordered => match take(&mut rest, 3) {
            Some(offset) => frame(frame_type, composition(&offset), rest),
            None => None,
        },
        packet::CODED_FRAMES | packet::CODED_FRAMES_X => frame(frame_type, 0, without_delimiter(codec, rest)),
        packet::MPEG2_TS_SEQUENCE_START => return Err(unsupported("AV1 as MPEG-2 TS describes it")),
        _ => None,
    };
    Ok(content.map(|content| Tag { codec, content, offset_nanos }))
}

fn config(record: Bytes) -> Option<Content> {
    (!record.is_empty()).then_some(Content::Config(record))
}

fn frame(frame_type: u8, composition_millis: i32, data: Bytes) -> Option<Content> {
    let keyframe = matches!(frame_type, KEYFRAME | GENERATED_KEYFRAME);
    (!data.is_empty()).then_some(Content::Frame { keyframe, composition_millis, data })
}

/// A signed number of 24 bits.
fn composition(bytes: &[u8]) -> i32 {
    match bytes {
        [a, b, c, ..] => i32::from_be_bytes([*a, *b, *c, 0]) >> 8,
        _ => 0,
    }
}

/// MP4 samples have no temporal delimiter OBU (AV1 in ISOBMFF §2.4), and not every encoder leaves it out.
fn without_delimiter(codec: VideoCodec, mut data: Bytes) -> Bytes {
    /// An OBU of type 2 with a size field, and its size of 0.
    const DELIMITER: &[u8] = &[0x12, 0];
    while codec == VideoCodec::Av1 && data.starts_with(DELIMITER) {
        let _ = data.split_to(DELIMITER.len());
    }
    data
}

fn unsupported(name: &str) -> Unsupported {
    Unsupported(format!(
        "This server carries H.264, HEVC, AV1 and VP9 video, not {name}. Choose another video encoder."
    ))
}

fn legacy_name(id: u8) -> &'static str {
    match id {
        2 => "Sorenson H.263",
        3 | 6 => "Screen Video",
        4 | 5 => "VP6",
        12 => "HEVC outside of Enhanced RTMP",
        _ => "this unknown codec",
    }
}

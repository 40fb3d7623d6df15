//! The body of an audio message: FLV's `AUDIODATA`, or Enhanced RTMP's `ExAudioTagHeader`.

use bytes::Bytes;
use weir_media::AudioCodec;

use super::{Content, Tag, Unsupported, modifiers, take};

/// Sound formats: the rest of the byte is as Enhanced RTMP has it; AAC.
const ENHANCED: u8 = 9;
const AAC: u8 = 10;

/// Enhanced RTMP's packet types.
mod packet {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const MULTITRACK: u8 = 5;
}

/// Reads a body. `None` when it holds nothing that is carried: it is empty or cut short, or marks an end.
pub(super) fn parse(body: &Bytes) -> Result<Option<Tag<AudioCodec>>, Unsupported> {
    let mut rest = body.clone();
    let Some(first) = take(&mut rest, 1).and_then(|first| first.first().copied()) else { return Ok(None) };
    match first >> 4 {
        AAC => Ok(legacy(rest)),
        ENHANCED => enhanced(first & 15, rest),
        other => Err(unsupported(legacy_name(other))),
    }
}

fn legacy(mut rest: Bytes) -> Option<Tag<AudioCodec>> {
    let is_config = take(&mut rest, 1)?[0] == 0;
    Some(Tag { codec: AudioCodec::Aac, content: content(is_config, rest)?, offset_nanos: 0 })
}

fn enhanced(first: u8, mut rest: Bytes) -> Result<Option<Tag<AudioCodec>>, Unsupported> {
    let Some((kind, offset_nanos)) = modifiers(first, &mut rest) else { return Ok(None) };
    if kind == packet::MULTITRACK {
        return Err(Unsupported(
            "This server carries one audio track. Choose a single audio track in the encoder.".into(),
        ));
    }
    let Some(four_cc) = take(&mut rest, 4) else { return Ok(None) };
    let codec = match &four_cc[..] {
        b"mp4a" => AudioCodec::Aac,
        b"Opus" => AudioCodec::Opus,
        other => return Err(unsupported(&other.escape_ascii().to_string())),
    };
    let content = match kind {
        packet::SEQUENCE_START => content(true, rest),
        packet::CODED_FRAMES => content(false, rest),
        _ => None,
    };
    Ok(content.map(|content| Tag { codec, content, offset_nanos }))
}

fn content(is_config: bool, data: Bytes) -> Option<Content> {
    match (data.is_empty(), is_config) {
        (true, _) => None,
        (false, true) => Some(Content::Config(data)),
        (false, false) => Some(Content::Frame { keyframe: true, composition_millis: 0, data }),
    }
}

fn unsupported(name: &str) -> Unsupported {
    Unsupported(format!("This server carries AAC and Opus audio, not {name}. Choose another audio encoder."))
}

fn legacy_name(format: u8) -> &'static str {
    match format {
        0 | 3 => "uncompressed PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        13 => "Opus outside of Enhanced RTMP",
        _ => "this unknown codec",
    }
}

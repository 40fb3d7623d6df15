//! VP9: `VPCodecConfigurationRecord` (VP Codec ISO Media File Format Binding, "vpcC") and the uncompressed header of
//! keyframes (VP9 bitstream specification §6.2).

use bytes::Bytes;

use super::{BadConfig, Picture, bits::Bits};

/// `frame_sync_code` of a keyframe.
const SYNC: u32 = 0x49_83_42;
/// `color_space` of RGB.
const RGB: u32 = 7;
/// `chromaSubsampling` of the record; 4:2:0 with samples beside each other.
const CHROMA_420: u8 = 1;
const CHROMA_422: u8 = 2;
const CHROMA_444: u8 = 3;
const CHROMA_440: u8 = 4;

pub(super) fn picture(vpcc: &[u8]) -> Result<Picture, BadConfig> {
    let (profile, level, depth) = record(vpcc)?;
    Ok(Picture {
        size: None,
        frame_rate: None,
        reorder_frames: Some(0),
        rfc6381: format!("vp09.{profile:02}.{level:02}.{depth:02}"),
    })
}

/// Profile, level and bit depth of the record, which VP8 shares.
pub(super) fn record(vpcc: &[u8]) -> Result<(u8, u8, u8), BadConfig> {
    // The box in MP4 begins with version and flags, the record in RTMP has none. No record has 0 bits a sample, so a
    // leading 1 0 0 0 is never one.
    let record = vpcc.strip_prefix(&[1, 0, 0, 0]).unwrap_or(vpcc);
    let &[profile, level, format, _, _, _, ..] = record else { return Err(BadConfig::Short) };
    let depth = format >> 4;
    if profile > 3 || ![8, 10, 12].contains(&depth) {
        return Err(BadConfig::Damaged("its profile or bit depth is unknown"));
    }
    Ok((profile, level, depth))
}

/// Width and height of a keyframe, or `None` when the frame is no keyframe.
pub(super) fn keyframe_size(frame: &[u8]) -> Result<Option<(u32, u32)>, BadConfig> {
    Ok(keyframe(frame)?.map(|keyframe| keyframe.size))
}

/// The record, without the head of a box, for a keyframe.
pub(super) fn config(frame: &[u8]) -> Result<Bytes, BadConfig> {
    let found = keyframe(frame)?.ok_or(BadConfig::Damaged("the frame is no keyframe"))?;
    let Keyframe { size, profile, depth, chroma, full_range } = found;
    let format = depth << 4 | chroma << 1 | u8::from(full_range);
    Ok(write(profile, size, format))
}

/// The record of what decoders must know; colours are not described.
pub(super) fn write(profile: u8, (width, height): (u32, u32), format: u8) -> Bytes {
    /// Levels with the largest picture that each allows, in pixels (VP9 bitstream specification, annex A); of levels with
    /// equal pictures the one for 60 frames a second.
    const LEVELS: [(u64, u8); 9] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 41),
        (8_912_896, 51),
        (u64::MAX, 61),
    ];
    /// "Unspecified" of colour primaries, transfer and matrix.
    const COLOR: u8 = 2;
    let pixels = u64::from(width) * u64::from(height);
    let level = LEVELS.iter().find(|(most, _)| pixels <= *most).map_or(61, |(_, level)| *level);
    Bytes::copy_from_slice(&[profile, level, format, COLOR, COLOR, COLOR, 0, 0])
}

struct Keyframe {
    size: (u32, u32),
    profile: u8,
    /// Bits a sample.
    depth: u8,
    /// As the record counts formats.
    chroma: u8,
    full_range: bool,
}

fn keyframe(frame: &[u8]) -> Result<Option<Keyframe>, BadConfig> {
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 2 {
        return Err(BadConfig::Damaged("the frame marker is missing"));
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.flag()?; // reserved_zero
    }
    let (shows_another, depends_on_others) = (bits.flag()?, bits.flag()?);
    if shows_another || depends_on_others {
        return Ok(None);
    }
    bits.skip(2)?; // show_frame, error_resilient_mode
    if bits.take(24)? != SYNC {
        return Err(BadConfig::Damaged("the sync code is missing"));
    }
    let depth = match profile >= 2 {
        false => 8,
        true if bits.flag()? => 12,
        true => 10,
    };
    let subsampling_is_coded = profile % 2 == 1;
    let (mut chroma, mut full_range) = (CHROMA_420, true);
    if bits.take(3)? != RGB {
        full_range = bits.flag()?;
        if subsampling_is_coded {
            chroma = match (bits.flag()?, bits.flag()?) {
                (true, true) => CHROMA_420,
                (true, false) => CHROMA_422,
                (false, true) => CHROMA_440,
                (false, false) => CHROMA_444,
            };
            bits.flag()?; // reserved_zero
        }
    } else {
        chroma = CHROMA_444;
        if subsampling_is_coded {
            bits.flag()?; // reserved_zero
        }
    }
    let size = (bits.take(16)? + 1, bits.take(16)? + 1);
    Ok(Some(Keyframe { size, profile: profile as u8, depth, chroma, full_range }))
}

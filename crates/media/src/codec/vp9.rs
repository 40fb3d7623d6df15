//! VP9: `VPCodecConfigurationRecord` (VP Codec ISO Media File Format Binding, "vpcC") and the uncompressed header of
//! keyframes (VP9 bitstream specification §6.2).

use super::{BadConfig, Picture, bits::Bits};

/// `frame_sync_code` of a keyframe.
const SYNC: u32 = 0x49_83_42;
/// `color_space` of RGB.
const RGB: u32 = 7;

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
    if profile >= 2 {
        bits.flag()?; // ten_or_twelve_bit
    }
    let subsampling_is_coded = profile % 2 == 1;
    if bits.take(3)? != RGB {
        bits.flag()?; // color_range
        if subsampling_is_coded {
            bits.skip(3)?; // subsampling_x, subsampling_y, reserved_zero
        }
    } else if subsampling_is_coded {
        bits.flag()?; // reserved_zero
    }
    Ok(Some((bits.take(16)? + 1, bits.take(16)? + 1)))
}

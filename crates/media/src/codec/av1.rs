//! AV1: `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3) and the sequence header in it (AV1 §5.5).

use super::{BadConfig, Picture, bits::Bits, sane_rate};

/// `obu_type` of a sequence header.
const OBU_SEQUENCE_HEADER: u8 = 1;

pub(super) fn picture(av1c: &[u8]) -> Result<Picture, BadConfig> {
    let &[version, level, format, _, ref obus @ ..] = av1c else { return Err(BadConfig::Short) };
    if version != 0x81 {
        return Err(BadConfig::Damaged("its marker and version are not 0x81"));
    }
    let profile = level >> 5;
    if profile > 2 {
        return Err(BadConfig::Damaged("its profile is unknown"));
    }
    let tier = if format & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (format & 0x40 != 0, format & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let header = sequence_header(obus)?;
    Ok(Picture {
        size: header.as_ref().map(|header| header.size),
        frame_rate: header.and_then(|header| header.frame_rate),
        reorder_frames: Some(0),
        rfc6381: format!("av01.{profile}.{:02}{tier}.{depth:02}", level & 0x1f),
    })
}

pub(super) struct SequenceHeader {
    /// In pixels.
    pub(super) size: (u32, u32),
    frame_rate: Option<(u32, u32)>,
}

/// The first sequence header among OBUs in the low-overhead format (§5.2), if there is one.
pub(super) fn sequence_header(mut obus: &[u8]) -> Result<Option<SequenceHeader>, BadConfig> {
    while let Some((&head, rest)) = obus.split_first() {
        let (kind, extended, sized) = (head >> 3 & 15, head & 4 != 0, head & 2 != 0);
        let mut rest = rest.get(usize::from(extended)..).ok_or(BadConfig::Short)?;
        let length = if sized { leb128(&mut rest)? } else { rest.len() };
        let (payload, after) = rest.split_at_checked(length).ok_or(BadConfig::Short)?;
        if kind == OBU_SEQUENCE_HEADER {
            return read(&mut Bits::new(payload)).map(Some);
        }
        obus = after;
    }
    Ok(None)
}

fn leb128(data: &mut &[u8]) -> Result<usize, BadConfig> {
    let mut value = 0_u64;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = data.split_first().ok_or(BadConfig::Short)?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| BadConfig::Short);
        }
    }
    Err(BadConfig::Damaged("a length has more than 8 bytes"))
}

fn read(bits: &mut Bits<'_>) -> Result<SequenceHeader, BadConfig> {
    let mut frame_rate = None;
    bits.skip(4)?; // seq_profile, still_picture
    if bits.flag()? {
        bits.skip(5)?; // seq_level_idx of a reduced still picture header
    } else {
        let mut delay_bits = None;
        if bits.flag()? {
            frame_rate = timing(bits)?;
            if bits.flag()? {
                delay_bits = Some(bits.take(5)? as usize + 1);
                bits.skip(42)?; // num_units_in_decoding_tick and two lengths
            }
        }
        operating_points(bits, delay_bits)?;
    }
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Ok(SequenceHeader { size: (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1), frame_rate })
}

fn timing(bits: &mut Bits<'_>) -> Result<Option<(u32, u32)>, BadConfig> {
    let (ticks, ticks_per_second) = (bits.take(32)?, bits.take(32)?);
    if !bits.flag()? {
        return Ok(None); // pictures are not equally far apart
    }
    let ticks_per_picture = u64::from(bits.ue()?) + 1;
    Ok(sane_rate(u64::from(ticks_per_second), u64::from(ticks).saturating_mul(ticks_per_picture)))
}

/// `delay_bits` is the length of delays, when there is a decoder model.
fn operating_points(bits: &mut Bits<'_>, delay_bits: Option<usize>) -> Result<(), BadConfig> {
    let display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?; // operating_point_idc
        if bits.take(5)? > 7 {
            bits.flag()?; // seq_tier
        }
        if let Some(length) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * length + 1)?; // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?; // initial_display_delay_minus_1
        }
    }
    Ok(())
}

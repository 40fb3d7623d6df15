//! AV1: `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3) and the sequence header in it (AV1 §5.5).

use bytes::{BufMut as _, Bytes, BytesMut};

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
    profile: u32,
    /// Level and tier of the first operating point.
    level: (u32, bool),
    /// Whether it says much less, as still pictures do.
    reduced: bool,
}

/// The record around a sequence header's payload, without its OBU header.
pub(super) fn record(header: &[u8]) -> Result<Bytes, BadConfig> {
    let mut bits = Bits::new(header);
    let read = read(&mut bits)?;
    let format = color(&mut bits, &read)?;
    let (level, tier) = read.level;
    let length = u8::try_from(header.len()).ok().filter(|length| *length < 0x80);
    let length = length.ok_or(BadConfig::Damaged("its sequence header is too long"))?;
    let mut record = BytesMut::with_capacity(6 + header.len());
    record.put_slice(&[0x81, (read.profile << 5 | level) as u8, u8::from(tier) << 7 | format, 0]);
    record.put_slice(&[OBU_SEQUENCE_HEADER << 3 | 2, length]); // with its length
    record.put_slice(header);
    Ok(record.freeze())
}

/// `high_bitdepth` to `chroma_sample_position` as the record has them, after what [`read`] reads.
fn color(bits: &mut Bits<'_>, header: &SequenceHeader) -> Result<u8, BadConfig> {
    if !header.reduced && bits.flag()? {
        bits.skip(7)?; // delta_frame_id_length_minus_2, additional_frame_id_length_minus_1
    }
    bits.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !header.reduced {
        bits.skip(4)?; // enable_interintra_compound to enable_dual_filter
        let order_hint = bits.flag()?;
        if order_hint {
            bits.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        let screen_content = bits.flag()? || bits.flag()?;
        if screen_content && !bits.flag()? {
            bits.flag()?; // seq_force_integer_mv
        }
        if order_hint {
            bits.skip(3)?; // order_hint_bits_minus_1
        }
    }
    bits.skip(3)?; // enable_superres, enable_cdef, enable_restoration
    let high = bits.flag()?;
    let twelve = header.profile == 2 && high && bits.flag()?;
    let mono = header.profile != 1 && bits.flag()?;
    let description = if bits.flag()? { Some((bits.byte()?, bits.byte()?, bits.byte()?)) } else { None };
    /// BT.709 primaries with the transfer of sRGB and no matrix: RGB (§5.5.2).
    const RGB: (u8, u8, u8) = (1, 13, 0);
    let (x, y) = match header.profile {
        _ if !mono && description == Some(RGB) => (false, false),
        profile => {
            bits.flag()?; // color_range
            match profile {
                _ if mono => (true, true),
                0 => (true, true),
                1 => (false, false),
                _ if twelve => {
                    let x = bits.flag()?;
                    (x, x && bits.flag()?)
                }
                _ => (true, false),
            }
        }
    };
    let position = if x && y && !mono { bits.take(2)? as u8 } else { 0 };
    let flags = [(high, 6), (twelve, 5), (mono, 4), (x, 3), (y, 2)];
    Ok(flags.iter().fold(position, |format, &(flag, at)| format | u8::from(flag) << at))
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
    let profile = bits.take(3)?;
    bits.flag()?; // still_picture
    let reduced = bits.flag()?;
    let level = if reduced {
        (bits.take(5)?, false) // seq_level_idx of a reduced still picture header
    } else {
        let mut delay_bits = None;
        if bits.flag()? {
            frame_rate = timing(bits)?;
            if bits.flag()? {
                delay_bits = Some(bits.take(5)? as usize + 1);
                bits.skip(42)?; // num_units_in_decoding_tick and two lengths
            }
        }
        operating_points(bits, delay_bits)?
    };
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
    Ok(SequenceHeader { size, frame_rate, profile, level, reduced })
}

fn timing(bits: &mut Bits<'_>) -> Result<Option<(u32, u32)>, BadConfig> {
    let (ticks, ticks_per_second) = (bits.take(32)?, bits.take(32)?);
    if !bits.flag()? {
        return Ok(None); // pictures are not equally far apart
    }
    let ticks_per_picture = u64::from(bits.ue()?) + 1;
    Ok(sane_rate(u64::from(ticks_per_second), u64::from(ticks).saturating_mul(ticks_per_picture)))
}

/// Level and tier of the first operating point. `delay_bits` is the length of delays, when there is a decoder model.
fn operating_points(bits: &mut Bits<'_>, delay_bits: Option<usize>) -> Result<(u32, bool), BadConfig> {
    let display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?; // operating_point_idc
        let level = bits.take(5)?;
        let tier = level > 7 && bits.flag()?;
        first.get_or_insert((level, tier));
        if let Some(length) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * length + 1)?; // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?; // initial_display_delay_minus_1
        }
    }
    Ok(first.unwrap_or_default())
}

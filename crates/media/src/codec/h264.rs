//! H.264: `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1) and its first sequence parameter set
//! (ISO/IEC 14496-10 §7.3.2.1.1, VUI in annex E).

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    BadConfig, Picture,
    bits::{Bits, unescape},
    sane_rate,
    vui::{at_most, skip_head},
};

/// `nal_unit_type` of a sequence parameter set.
const NAL_SPS: u8 = 7;
/// Profiles whose sequence parameter set tells its chroma format and scaling lists.
const PROFILES_HIGH: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

pub(super) fn picture(avcc: &[u8]) -> Result<Picture, BadConfig> {
    let &[version, _, _, _, lengths, sps_count, ref rest @ ..] = avcc else { return Err(BadConfig::Short) };
    if version != 1 {
        return Err(BadConfig::Damaged("its version is not 1"));
    }
    if lengths & 3 == 2 {
        return Err(BadConfig::Damaged("NAL units cannot have lengths of 3 bytes"));
    }
    if sps_count & 0x1f == 0 {
        return Err(BadConfig::Damaged("it has no sequence parameter set"));
    }
    let (&[high, low], rest) = rest.split_first_chunk().ok_or(BadConfig::Short)?;
    let sps = rest.get(..usize::from(u16::from_be_bytes([high, low]))).ok_or(BadConfig::Short)?;
    sequence_parameter_set(sps)
}

/// The record of these parameter sets, for NAL units with lengths of 4 bytes.
pub(super) fn record(sps: &[Bytes], pps: &[Bytes]) -> Result<Bytes, BadConfig> {
    /// Parameter sets of each kind that the format has ids for (§7.4.2.1.1, §7.4.2.2), as their count's field allows.
    const SETS_MAX: (usize, usize) = (31, 255);
    let first = sps.first().ok_or(BadConfig::Damaged("it has no sequence parameter set"))?;
    let &[_, profile, constraints, level, ..] = first.as_ref() else { return Err(BadConfig::Short) };
    let (sps, pps) = (&sps[..sps.len().min(SETS_MAX.0)], &pps[..pps.len().min(SETS_MAX.1)]);
    let mut record = BytesMut::with_capacity(16 + sps.iter().chain(pps).map(|set| 2 + set.len()).sum::<usize>());
    record.put_slice(&[1, profile, constraints, level, 0xff, 0xe0 | sps.len() as u8]);
    put_sets(sps, &mut record)?;
    record.put_u8(pps.len() as u8);
    put_sets(pps, &mut record)?;
    if PROFILES_HIGH.contains(&profile) {
        let (chroma_format, luma, chroma) = sample_format(first)?;
        // No sequence parameter set extension follows.
        record.put_slice(&[0xfc | chroma_format as u8, 0xf8 | luma as u8, 0xf8 | chroma as u8, 0]);
    }
    Ok(record.freeze())
}

fn put_sets(sets: &[Bytes], record: &mut BytesMut) -> Result<(), BadConfig> {
    for set in sets {
        let length = u16::try_from(set.len()).map_err(|_| BadConfig::Damaged("a parameter set is too long"))?;
        record.put_u16(length);
        record.put_slice(set);
    }
    Ok(())
}

/// Chroma format, and bits beyond 8 of luma and chroma, of a high profile's sequence parameter set.
fn sample_format(sps: &[u8]) -> Result<(u32, u32, u32), BadConfig> {
    let plain = unescape(sps);
    let mut bits = Bits::new(&plain);
    bits.skip(32)?; // NAL header, profile, constraints, level
    bits.ue()?; // seq_parameter_set_id
    let chroma_format = at_most(bits.ue()?, 3)?;
    if chroma_format == 3 {
        bits.flag()?; // separate_colour_plane_flag
    }
    Ok((chroma_format, at_most(bits.ue()?, 7)?, at_most(bits.ue()?, 7)?))
}

fn sequence_parameter_set(nal: &[u8]) -> Result<Picture, BadConfig> {
    let plain = unescape(nal);
    let mut bits = Bits::new(&plain);
    if bits.byte()? & 0x1f != NAL_SPS {
        return Err(BadConfig::Damaged("its sequence parameter set is something else"));
    }
    let (profile, constraints, level) = (bits.byte()?, bits.byte()?, bits.byte()?);
    bits.ue()?; // seq_parameter_set_id
    let (mut chroma_format, mut separate_planes) = (1, false);
    if PROFILES_HIGH.contains(&profile) {
        chroma_format = bits.ue()?;
        if chroma_format > 3 {
            return Err(BadConfig::Damaged("its chroma format is unknown"));
        }
        separate_planes = chroma_format == 3 && bits.flag()?;
        bits.ue()?; // bit_depth_luma_minus8
        bits.ue()?; // bit_depth_chroma_minus8
        bits.flag()?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    let order_type = bits.ue()?;
    match order_type {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.flag()?; // delta_pic_order_always_zero_flag
            bits.se()?; // offset_for_non_ref_pic
            bits.se()?; // offset_for_top_to_bottom_field
            for _ in 0..at_most(bits.ue()?, 255)? {
                bits.se()?; // offset_for_ref_frame
            }
        }
        2 => {}
        _ => return Err(BadConfig::Damaged("its picture order count type is unknown")),
    }
    bits.ue()?; // max_num_ref_frames
    bits.flag()?; // gaps_in_frame_num_value_allowed_flag
    let (columns, rows) = (u64::from(bits.ue()?) + 1, u64::from(bits.ue()?) + 1);
    let fields = u64::from(!bits.flag()?);
    if fields == 1 {
        bits.flag()?; // mb_adaptive_frame_field_flag
    }
    bits.flag()?; // direct_8x8_inference_flag
    let (mut width, mut height) = (columns * 16, rows * 16 * (1 + fields));
    if bits.flag()? {
        // Cropping counts in chroma samples, and in rows of both fields (equations 7-19 to 7-22).
        let (unit_x, unit_y) = match chroma_format {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let x = u64::from(bits.ue()?) + u64::from(bits.ue()?);
        let y = u64::from(bits.ue()?) + u64::from(bits.ue()?);
        width = width.saturating_sub(x * unit_x);
        height = height.saturating_sub(y * unit_y * (1 + fields));
    }
    let vui = if bits.flag()? { usability(&mut bits) } else { Vui::default() };
    // Type 2 forbids reordering (§8.2.1.3).
    let reorder_frames = if order_type == 2 { Some(0) } else { vui.reorder_frames };
    Ok(Picture {
        size: Some((u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))),
        frame_rate: vui.frame_rate,
        reorder_frames,
        rfc6381: format!("avc1.{profile:02x}{constraints:02x}{level:02x}"),
    })
}

fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Result<(), BadConfig> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Vui {
    frame_rate: Option<(u32, u32)>,
    reorder_frames: Option<u32>,
}

/// Reads the video usability information as far as it goes.
fn usability(bits: &mut Bits<'_>) -> Vui {
    let mut vui = Vui::default();
    // What was read before the damage stays.
    let _ = read_usability(bits, &mut vui);
    vui
}

fn read_usability(bits: &mut Bits<'_>, vui: &mut Vui) -> Result<(), BadConfig> {
    skip_head(bits)?;
    if bits.flag()? {
        let (ticks_per_field, ticks_per_second) = (bits.take(32)?, bits.take(32)?);
        bits.flag()?; // fixed_frame_rate_flag
        vui.frame_rate = sane_rate(u64::from(ticks_per_second), u64::from(ticks_per_field) * 2);
    }
    let mut hrd = false;
    for _ in 0..2 {
        if bits.flag()? {
            hrd = true;
            hrd_parameters(bits)?;
        }
    }
    if hrd {
        bits.flag()?; // low_delay_hrd_flag
    }
    bits.flag()?; // pic_struct_present_flag
    if bits.flag()? {
        bits.flag()?; // motion_vectors_over_pic_boundaries_flag
        for _ in 0..4 {
            bits.ue()?; // max_bytes_per_pic_denom to log2_max_mv_length_vertical
        }
        vui.reorder_frames = Some(at_most(bits.ue()?, 16)?);
    }
    Ok(())
}

fn hrd_parameters(bits: &mut Bits<'_>) -> Result<(), BadConfig> {
    let count = at_most(bits.ue()?, 31)? + 1;
    bits.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        bits.ue()?; // bit_rate_value_minus1
        bits.ue()?; // cpb_size_value_minus1
        bits.flag()?; // cbr_flag
    }
    bits.skip(20) // three lengths and time_offset_length, 5 bits each
}

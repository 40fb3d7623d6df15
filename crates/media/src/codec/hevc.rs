//! HEVC: `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1), its first sequence parameter set (ISO/IEC 23008-2
//! §7.3.2.2) and the `codecs` string (ISO/IEC 14496-15 annex E).

use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    BadConfig, Picture,
    bits::{Bits, unescape},
    sane_rate,
    vui::{at_most, skip_head},
};

/// `nal_unit_type` of a sequence parameter set.
const NAL_SPS: u8 = 33;

pub(super) fn picture(hvcc: &[u8]) -> Result<Picture, BadConfig> {
    let (head, mut rest) = hvcc.split_first_chunk::<23>().ok_or(BadConfig::Short)?;
    // Before the format was final, version 0 was written.
    if head[0] > 1 {
        return Err(BadConfig::Damaged("its version is not 1"));
    }
    if head[21] & 3 == 2 {
        return Err(BadConfig::Damaged("NAL units cannot have lengths of 3 bytes"));
    }
    for _ in 0..head[22] {
        let (&[kind, high, low], nals) = rest.split_first_chunk().ok_or(BadConfig::Short)?;
        rest = nals;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let (&[high, low], nals) = rest.split_first_chunk().ok_or(BadConfig::Short)?;
            let (nal, nals) =
                nals.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or(BadConfig::Short)?;
            if kind & 0x3f == NAL_SPS {
                return sequence_parameter_set(nal, codecs(head));
            }
            rest = nals;
        }
    }
    Err(BadConfig::Damaged("it has no sequence parameter set"))
}

/// The record of these parameter sets, for NAL units with lengths of 4 bytes.
pub(super) fn record(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes]) -> Result<Bytes, BadConfig> {
    /// `nal_unit_type` of video and picture parameter sets.
    const NAL_VPS: u8 = 32;
    const NAL_PPS: u8 = 34;
    let first = sps.first().ok_or(BadConfig::Damaged("it has no sequence parameter set"))?;
    let plain = unescape(first);
    let mut bits = Bits::new(&plain);
    bits.skip(20)?; // NAL header, sps_video_parameter_set_id
    let (sub_layers, nested) = (bits.take(3)?, bits.flag()?);
    let general = plain.get(3..15).ok_or(BadConfig::Short)?;
    profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma_format = at_most(bits.ue()?, 3)?;
    if chroma_format == 3 {
        bits.flag()?; // separate_colour_plane_flag
    }
    bits.ue()?; // pic_width_in_luma_samples
    bits.ue()?; // pic_height_in_luma_samples
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // conformance window
        }
    }
    let (luma, chroma) = (at_most(bits.ue()?, 7)?, at_most(bits.ue()?, 7)?);

    let mut record = BytesMut::with_capacity(256);
    record.put_u8(1);
    record.put_slice(general);
    record.put_u16(0xf000); // min_spatial_segmentation_idc: unknown
    record.put_u8(0xfc); // parallelismType: unknown
    record.put_slice(&[0xfc | chroma_format as u8, 0xf8 | luma as u8, 0xf8 | chroma as u8]);
    record.put_u16(0); // avgFrameRate: unknown
    record.put_u8((sub_layers as u8 + 1) << 3 | u8::from(nested) << 2 | 3);
    record.put_u8(3);
    for (kind, sets) in [(NAL_VPS, vps), (NAL_SPS, sps), (NAL_PPS, pps)] {
        record.put_u8(0x80 | kind); // all of them are here
        record.put_u16(u16::try_from(sets.len()).map_err(|_| BadConfig::Damaged("it has too many parameter sets"))?);
        for set in sets {
            let length = u16::try_from(set.len()).map_err(|_| BadConfig::Damaged("a parameter set is too long"))?;
            record.put_u16(length);
            record.put_slice(set);
        }
    }
    Ok(record.freeze())
}

/// Profile, compatibility, tier and level, constraints: the record's second to 13th byte.
fn codecs(head: &[u8; 23]) -> String {
    let profile = head[1];
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let compatibility = u32::from_be_bytes([head[2], head[3], head[4], head[5]]).reverse_bits();
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut codecs = format!("hvc1.{space}{}.{compatibility:X}.{tier}{}", profile & 0x1f, head[12]);
    let constraints = &head[6..12];
    let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        let _ = write!(codecs, ".{byte:X}");
    }
    codecs
}

fn sequence_parameter_set(nal: &[u8], rfc6381: String) -> Result<Picture, BadConfig> {
    let plain = unescape(nal);
    let mut bits = Bits::new(&plain);
    if (bits.take(16)? >> 9) as u8 & 0x3f != NAL_SPS {
        return Err(BadConfig::Damaged("its sequence parameter set is something else"));
    }
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.take(3)?; // sps_max_sub_layers_minus1
    bits.flag()?; // sps_temporal_id_nesting_flag
    profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma_format = bits.ue()?;
    if chroma_format > 3 {
        return Err(BadConfig::Damaged("its chroma format is unknown"));
    }
    let separate_planes = chroma_format == 3 && bits.flag()?;
    let (mut width, mut height) = (bits.ue()?, bits.ue()?);
    if bits.flag()? {
        let (unit_x, unit_y) = match chroma_format {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let x = bits.ue()?.saturating_add(bits.ue()?);
        let y = bits.ue()?.saturating_add(bits.ue()?);
        width = width.saturating_sub(x.saturating_mul(unit_x));
        height = height.saturating_sub(y.saturating_mul(unit_y));
    }
    let mut hints = Hints::default();
    // What was read before any damage stays.
    let _ = read_hints(&mut bits, sub_layers, &mut hints);
    let Hints { reorder_frames, frame_rate } = hints;
    Ok(Picture { size: Some((width, height)), frame_rate, reorder_frames, rfc6381 })
}

fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Result<(), BadConfig> {
    bits.skip(96)?; // general profile, tier, compatibility, constraints, level
    let mut present = [(false, false); 7];
    for flags in &mut present[..sub_layers as usize] {
        *flags = (bits.flag()?, bits.flag()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?; // reserved_zero_2bits
    }
    for (profile, level) in present {
        bits.skip(88 * usize::from(profile) + 8 * usize::from(level))?;
    }
    Ok(())
}

#[derive(Default)]
struct Hints {
    reorder_frames: Option<u32>,
    frame_rate: Option<(u32, u32)>,
}

/// Everything between the picture size and the frame rate.
fn read_hints(bits: &mut Bits<'_>, sub_layers: u32, hints: &mut Hints) -> Result<(), BadConfig> {
    bits.ue()?; // bit_depth_luma_minus8
    bits.ue()?; // bit_depth_chroma_minus8
    let order_bits = at_most(bits.ue()?, 12)? + 4; // log2_max_pic_order_cnt_lsb_minus4
    let first = if bits.flag()? { 0 } else { sub_layers };
    let mut reorder_frames = 0;
    for _ in first..=sub_layers {
        bits.ue()?; // sps_max_dec_pic_buffering_minus1
        reorder_frames = at_most(bits.ue()?, 15)?;
        bits.ue()?; // sps_max_latency_increase_plus1
    }
    hints.reorder_frames = Some(reorder_frames);
    for _ in 0..6 {
        bits.ue()?; // block sizes and transform depths
    }
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        bits.skip(8)?; // pcm bit depths
        bits.ue()?;
        bits.ue()?; // pcm block sizes
        bits.flag()?; // pcm_loop_filter_disabled_flag
    }
    reference_picture_sets(bits)?;
    if bits.flag()? {
        for _ in 0..at_most(bits.ue()?, 32)? {
            bits.skip(order_bits as usize + 1)?; // lt_ref_pic_poc_lsb_sps, used_by_curr_pic_lt_sps_flag
        }
    }
    bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if bits.flag()? {
        hints.frame_rate = usability(bits)?;
    }
    Ok(())
}

fn scaling_lists(bits: &mut Bits<'_>) -> Result<(), BadConfig> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if bits.flag()? {
                if size > 1 {
                    bits.se()?; // scaling_list_dc_coef_minus8
                }
                for _ in 0..64.min(1 << (4 + 2 * size)) {
                    bits.se()?; // scaling_list_delta_coef
                }
            } else {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
            }
        }
    }
    Ok(())
}

/// `st_ref_pic_set` (§7.3.7), of which only the number of pictures matters here: the next set may build on it.
fn reference_picture_sets(bits: &mut Bits<'_>) -> Result<(), BadConfig> {
    let mut pictures = 0;
    for set in 0..at_most(bits.ue()?, 64)? {
        if set > 0 && bits.flag()? {
            bits.flag()?; // delta_rps_sign
            bits.ue()?; // abs_delta_rps_minus1
            let before = pictures;
            pictures = 0;
            for _ in 0..=before {
                let used = bits.flag()?;
                if used || bits.flag()? {
                    pictures += 1;
                }
            }
        } else {
            pictures = at_most(bits.ue()?, 16)? + at_most(bits.ue()?, 16)?;
            for _ in 0..pictures {
                bits.ue()?; // delta_poc_minus1
                bits.flag()?; // used_by_curr_pic_flag
            }
        }
        at_most(pictures, 32)?;
    }
    Ok(())
}

/// The video usability information (annex E), as far as the frame rate.
fn usability(bits: &mut Bits<'_>) -> Result<Option<(u32, u32)>, BadConfig> {
    skip_head(bits)?;
    bits.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // default display window
        }
    }
    if !bits.flag()? {
        return Ok(None);
    }
    let (ticks_per_frame, ticks_per_second) = (bits.take(32)?, bits.take(32)?);
    Ok(sane_rate(u64::from(ticks_per_second), u64::from(ticks_per_frame)))
}

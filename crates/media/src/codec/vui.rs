//! What the video usability information of H.264 and HEVC have in common (annex E of ISO/IEC 14496-10 and 23008-2).

use super::{BadConfig, bits::Bits};

/// Skips the first fields, which both codecs write alike: aspect ratio, overscan, signal type, chroma location.
pub(super) fn skip_head(bits: &mut Bits<'_>) -> Result<(), BadConfig> {
    /// `aspect_ratio_idc` that is followed by its own width and height.
    const EXTENDED_SAR: u8 = 255;
    if bits.flag()? && bits.byte()? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(4)?; // video_format, video_full_range_flag
        if bits.flag()? {
            bits.skip(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    Ok(())
}

/// A count that was read, unless it is past what the format allows: it decides how often a loop runs.
pub(super) fn at_most(count: u32, limit: u32) -> Result<u32, BadConfig> {
    if count > limit { Err(BadConfig::Damaged("a count is larger than the format allows")) } else { Ok(count) }
}

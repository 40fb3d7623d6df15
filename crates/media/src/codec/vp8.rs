//! VP8: `VPCodecConfigurationRecord`, as for VP9, and the uncompressed data chunk of keyframes (RFC 6386 §9.1).

use bytes::Bytes;

use super::{BadConfig, Picture, vp9};

/// The start code of a keyframe.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

pub(super) fn picture(vpcc: &[u8]) -> Result<Picture, BadConfig> {
    let (profile, level, depth) = vp9::record(vpcc)?;
    let rfc6381 = format!("vp08.{profile:02}.{level:02}.{depth:02}");
    Ok(Picture { size: None, frame_rate: None, reorder_frames: Some(0), rfc6381 })
}

/// Width and height of a keyframe, or `None` when it is no whole head of one.
pub(super) fn keyframe_size(frame: &[u8]) -> Option<(u32, u32)> {
    let &[tag, _, _, a, b, c, w0, w1, h0, h1, ..] = frame else { return None };
    // The lowest bit is clear in keyframes. The upper two bits of each size are a scale for showing it.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    (tag & 1 == 0 && [a, b, c] == START_CODE).then(|| (side(w0, w1), side(h0, h1)))
}

/// The record for a keyframe: always 8 bits and 4:2:0.
pub(super) fn config(frame: &[u8]) -> Option<Bytes> {
    /// 8 bits, 4:2:0 with samples beside each other, limited range.
    const FORMAT: u8 = 0x82;
    let size = keyframe_size(frame)?;
    let version = frame.first()? >> 1 & 7;
    Some(vp9::write(version.min(3), size, FORMAT))
}

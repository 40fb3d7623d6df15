//! Frames become one PNG (third edition). Of a frame only the part is written that differs from the one before.

use std::time::Duration;

use bytes::Bytes;
use image::{RgbaImage, imageops};

use crate::{
    IMAGE_BYTES_MAX, Made, Refused, SIDE_MAX,
    decode::{Still, scaled},
};

/// Sizes that are tried, largest first, until the picture is short enough.
const SIDES: [u32; 4] = [SIDE_MAX, 96, 64, 48];
/// In how many parts a second is divided for the time that a frame is shown.
const PER_SECOND: u16 = 1_000;

pub(crate) fn encode(stills: Vec<Still>) -> Result<Made, Refused> {
    let mut stills = without_repeats(stills);
    for side in SIDES {
        for still in &mut stills {
            still.pixels = scaled(std::mem::take(&mut still.pixels), side);
        }
        // That a frame cannot be written says that it makes no sense.
        let png = write(&stills).map_err(|_| Refused::Damaged)?;
        if png.len() <= IMAGE_BYTES_MAX {
            let (width, height) = stills.first().map(|first| first.pixels.dimensions()).ok_or(Refused::Damaged)?;
            return Ok(Made { png: Bytes::from(png), width, height, animated: stills.len() > 1 });
        }
    }
    Err(Refused::TooMuch)
}

/// A frame that looks like the one before only shows that for longer.
fn without_repeats(stills: Vec<Still>) -> Vec<Still> {
    let mut kept: Vec<Still> = Vec::with_capacity(stills.len());
    for still in stills {
        match kept.last_mut() {
            Some(last) if last.pixels == still.pixels => last.shown = last.shown.saturating_add(still.shown),
            _ => kept.push(still),
        }
    }
    kept
}

fn write(stills: &[Still]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let Some((first, rest)) = stills.split_first() else { return Ok(bytes) };
    let (width, height) = first.pixels.dimensions();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    if !rest.is_empty() {
        encoder.set_animated(u32::try_from(stills.len()).unwrap_or(u32::MAX), 0)?;
        encoder.set_frame_delay(delay(first.shown), PER_SECOND)?;
        encoder.set_blend_op(png::BlendOp::Source)?;
        encoder.set_dispose_op(png::DisposeOp::None)?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(first.pixels.as_raw())?;
    for (before, still) in stills.iter().zip(rest) {
        let (x, y, width, height) = difference(&before.pixels, &still.pixels);
        let part = imageops::crop_imm(&still.pixels, x, y, width, height).to_image();
        writer.set_frame_delay(delay(still.shown), PER_SECOND)?;
        // A frame of the first's size stands where the first does: its place is set back before its size grows.
        writer.set_frame_position(0, 0)?;
        writer.set_frame_dimension(width, height)?;
        writer.set_frame_position(x, y)?;
        writer.write_image_data(part.as_raw())?;
    }
    writer.finish()?;
    Ok(bytes)
}

fn delay(shown: Duration) -> u16 {
    u16::try_from(shown.as_millis()).unwrap_or(u16::MAX)
}

/// Where two pictures of one size differ: left, top, width and height. At least one pixel.
fn difference(one: &RgbaImage, other: &RgbaImage) -> (u32, u32, u32, u32) {
    let differ = one.enumerate_pixels().zip(other.pixels()).filter(|((_, _, one), other)| one != other);
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for ((x, y, _), _) in differ {
        (left, top) = (left.min(x), top.min(y));
        (right, bottom) = (right.max(x), bottom.max(y));
    }
    if left > right {
        return (0, 0, 1, 1);
    }
    (left, top, right - left + 1, bottom - top + 1)
}

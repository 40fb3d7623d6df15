//! A picture as it was sent becomes frames of at most [`SIDE_MAX`] pixels a side.
//!
//! Its size is read and judged before anything is decoded. Frames of moving pictures are made small one by one, so that
//! no more than one large frame is in memory.

use std::{io::Cursor, time::Duration};

use image::{
    AnimationDecoder as _, DynamicImage, Frame, Frames, ImageDecoder, ImageError, ImageFormat, Limits, RgbaImage,
    codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    imageops::{self, FilterType},
};

use crate::{Refused, SIDE_MAX};

/// Most pixels across and down.
const SENT_SIDE_MAX: u32 = 4_096;
/// Most pixels of all frames of a moving picture together.
const SENT_PIXELS_MAX: u64 = 256_000_000;
/// Most bytes that a decoder may take for pixels: 16 bits of four colours each.
const DECODER_BYTES_MAX: u64 = 8 * (SENT_SIDE_MAX as u64) * (SENT_SIDE_MAX as u64) + (16 << 20);
/// Most frames of a moving picture.
pub(crate) const FRAMES_MAX: usize = 200;
/// Longest moving picture.
const DURATION_MAX: Duration = Duration::from_secs(30);
/// Shortest time that a frame is shown.
const DELAY_MIN: Duration = Duration::from_millis(20);
/// What browsers make of shorter ones, which are no time that anybody meant.
const DELAY_UNSAID: Duration = Duration::from_millis(100);

/// One frame, and how long it is shown. Zero for one that does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Still {
    pub(crate) pixels: RgbaImage,
    pub(crate) shown: Duration,
}

/// At least one frame, all of one size.
pub(crate) fn decode(sent: &[u8]) -> Result<Vec<Still>, Refused> {
    match image::guess_format(sent) {
        Ok(ImageFormat::Png) => png(sent),
        Ok(ImageFormat::Jpeg) => still(JpegDecoder::new(Cursor::new(sent)).map_err(refused)?),
        Ok(ImageFormat::Gif) => {
            let mut decoder = GifDecoder::new(Cursor::new(sent)).map_err(refused)?;
            let size = judge(&mut decoder)?;
            moving(decoder.into_frames(), size)
        }
        Ok(ImageFormat::WebP) => {
            let mut decoder = WebPDecoder::new(Cursor::new(sent)).map_err(refused)?;
            if !decoder.has_animation() {
                return still(decoder);
            }
            let size = judge(&mut decoder)?;
            moving(decoder.into_frames(), size)
        }
        _ => Err(Refused::NotAPicture),
    }
}

fn png(sent: &[u8]) -> Result<Vec<Still>, Refused> {
    let mut decoder = PngDecoder::with_limits(Cursor::new(sent), limits()).map_err(refused)?;
    if !decoder.is_apng().map_err(refused)? {
        return still(decoder);
    }
    let size = judge(&mut decoder)?;
    moving(decoder.apng().map_err(refused)?.into_frames(), size)
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SENT_SIDE_MAX);
    limits.max_image_height = Some(SENT_SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    limits
}

/// The size of a picture that is not too large.
fn judge(decoder: &mut impl ImageDecoder) -> Result<(u32, u32), Refused> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Refused::Damaged);
    }
    if width > SENT_SIDE_MAX || height > SENT_SIDE_MAX {
        return Err(Refused::TooLarge);
    }
    decoder.set_limits(limits()).map_err(refused)?;
    Ok((width, height))
}

fn still(mut decoder: impl ImageDecoder) -> Result<Vec<Still>, Refused> {
    judge(&mut decoder)?;
    // A camera's picture may lie on its side, and say so beside the pixels.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(vec![Still { pixels: small(picture.into_rgba8()), shown: Duration::ZERO }])
}

fn moving(frames: Frames<'_>, (width, height): (u32, u32)) -> Result<Vec<Still>, Refused> {
    let (mut stills, mut pixels, mut length) = (Vec::new(), 0_u64, Duration::ZERO);
    for frame in frames {
        if stills.len() == FRAMES_MAX {
            return Err(Refused::TooManyFrames);
        }
        pixels += u64::from(width) * u64::from(height);
        if pixels > SENT_PIXELS_MAX {
            return Err(Refused::TooLarge);
        }
        let still = frame.map(still_of).map_err(refused)?;
        length = length.saturating_add(still.shown);
        if length > DURATION_MAX {
            return Err(Refused::TooLong);
        }
        stills.push(still);
    }
    let size = stills.first().map(|first: &Still| first.pixels.dimensions()).ok_or(Refused::Damaged)?;
    if stills.iter().any(|still| still.pixels.dimensions() != size) {
        return Err(Refused::Damaged);
    }
    Ok(stills)
}

fn still_of(frame: Frame) -> Still {
    let shown = Duration::from(frame.delay());
    let shown = if shown < DELAY_MIN { DELAY_UNSAID } else { shown };
    Still { pixels: small(frame.into_buffer()), shown }
}

/// At most [`SIDE_MAX`] pixels a side, with the same shape.
fn small(picture: RgbaImage) -> RgbaImage {
    scaled(picture, SIDE_MAX)
}

/// At most `side` pixels a side, with the same shape.
pub(crate) fn scaled(mut picture: RgbaImage, side: u32) -> RgbaImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= side {
        return picture;
    }
    // What cannot be seen has a colour too, and must not bleed into its neighbours.
    for pixel in picture.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let times = |colour: u8| u8::try_from(u16::from(colour) * u16::from(alpha) / 255).unwrap_or(u8::MAX);
        pixel.0 = [times(red), times(green), times(blue), alpha];
    }
    let part = |of: u32| {
        let part = (u64::from(of) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(part).unwrap_or(side).clamp(1, side)
    };
    let mut small = imageops::resize(&picture, part(width), part(height), FilterType::CatmullRom);
    for pixel in small.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let by = |colour: u8| {
            let whole = u16::from(colour) * 255;
            whole.checked_div(u16::from(alpha)).map_or(0, |colour| u8::try_from(colour).unwrap_or(u8::MAX))
        };
        pixel.0 = [by(red), by(green), by(blue), alpha];
    }
    small
}

fn refused(error: ImageError) -> Refused {
    match error {
        ImageError::Limits(_) => Refused::TooLarge,
        _ => Refused::Damaged,
    }
}

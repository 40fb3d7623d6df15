//! The wall clock in a picture: digits for people, and a row of cells for programs.
//!
//! Drawn by hand, since GStreamer's text overlays need Pango, fonts and half of X11. Along the top edge stand
//! [`CELLS`] squares of [`CELL`] pixels, black for 0 and white for 1: milliseconds since 1970 (UTC), the most
//! significant bit first, modulo 2^[`CELLS`].

use std::time::Duration;

/// Side of a cell in pixels: survives any bit rate that is worth watching.
pub const CELL: usize = 24;
/// Cells: 2^40 ms are 34 years.
pub const CELLS: usize = 40;

const BLACK: u8 = 16;
const WHITE: u8 = 235;
const GREY: u8 = 128;
/// Digits: width, height, stroke and distance in pixels.
const DIGIT_WIDTH: usize = 48;
const DIGIT_HEIGHT: usize = 96;
const STROKE: usize = 12;
const STEP: usize = 64;
/// Segments of a digit that shines, from the top clockwise, the middle one last.
const DIGITS: [u8; 10] = [
    0b011_1111, 0b000_0110, 0b101_1011, 0b100_1111, 0b110_0110, 0b110_1101, 0b111_1101, 0b000_0111, 0b111_1111,
    0b110_1111,
];

/// An I420 picture without padding.
struct Picture<'a> {
    luma: &'a mut [u8],
    chroma: &'a mut [u8],
    width: usize,
    height: usize,
}

/// Draws `now`, the time since 1970, into an I420 picture. One of another size stays as it is.
pub(crate) fn draw(i420: &mut [u8], width: usize, height: usize, now: Duration) {
    if i420.len() < width * height * 3 / 2 || width < CELL * CELLS || height < 400 {
        return;
    }
    let (luma, chroma) = i420.split_at_mut(width * height);
    let mut picture = Picture { luma, chroma, width, height };
    let bits = now.as_millis();
    for cell in 0..CELLS {
        let shines = bits >> (CELLS - 1 - cell) & 1 == 1;
        picture.fill(cell * CELL, 0, CELL, CELL, if shines { WHITE } else { BLACK });
    }
    let seconds = now.as_secs() % 86_400;
    let text =
        format!("{:02}:{:02}:{:02}.{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60, now.subsec_millis() / 10);
    let (left, top) = ((width - text.len() * STEP) / 2, height - DIGIT_HEIGHT - 64);
    picture.fill(left - 16, top - 16, text.len() * STEP + 16, DIGIT_HEIGHT + 32, BLACK);
    for (n, character) in text.bytes().enumerate() {
        picture.character(left + n * STEP, top, character);
    }
}

/// Reads the cells of a picture's luma plane: milliseconds since 1970, modulo 2^[`CELLS`].
#[must_use]
pub fn read(luma: &[u8], stride: usize) -> Option<u64> {
    (0..CELLS).try_fold(0, |bits, cell| {
        let middle = CELL / 2 * stride + cell * CELL + CELL / 2;
        Some(bits << 1 | u64::from(*luma.get(middle)? > GREY))
    })
}

impl Picture<'_> {
    /// A grey rectangle, cut at the picture's edges.
    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, luma: u8) {
        let (right, bottom) = ((x + width).min(self.width), (y + height).min(self.height));
        for row in y..bottom {
            self.luma[row * self.width + x..row * self.width + right].fill(luma);
        }
        let (chroma_width, plane) = (self.width / 2, self.chroma.len() / 2);
        for row in y / 2..bottom / 2 {
            for start in [row * chroma_width, plane + row * chroma_width] {
                self.chroma[start + x / 2..start + right / 2].fill(GREY);
            }
        }
    }

    fn character(&mut self, x: usize, y: usize, character: u8) {
        let (middle, bottom) = (y + (DIGIT_HEIGHT - STROKE) / 2, y + DIGIT_HEIGHT - STROKE);
        let half = DIGIT_HEIGHT / 2;
        let right = x + DIGIT_WIDTH - STROKE;
        match character {
            b'0'..=b'9' => {
                let bars = [
                    (x, y, DIGIT_WIDTH, STROKE),
                    (right, y, STROKE, half),
                    (right, y + half, STROKE, half),
                    (x, bottom, DIGIT_WIDTH, STROKE),
                    (x, y + half, STROKE, half),
                    (x, y, STROKE, half),
                    (x, middle, DIGIT_WIDTH, STROKE),
                ];
                let shines = DIGITS[usize::from(character - b'0')];
                for (n, (x, y, width, height)) in bars.into_iter().enumerate() {
                    if shines >> n & 1 == 1 {
                        self.fill(x, y, width, height, WHITE);
                    }
                }
            }
            b':' => {
                for y in [y + half / 2, y + half + half / 2] {
                    self.fill(x + STEP / 2 - STROKE, y, STROKE, STROKE, WHITE);
                }
            }
            _ => self.fill(x + STEP / 2 - STROKE, bottom, STROKE, STROKE, WHITE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 1280;
    const HEIGHT: usize = 720;

    #[test]
    fn the_time_can_be_read_back() {
        let mut picture = vec![77; WIDTH * HEIGHT * 3 / 2];
        let now = Duration::from_millis(1_795_246_337_421);
        draw(&mut picture, WIDTH, HEIGHT, now);
        assert_eq!(read(&picture, WIDTH), Some(now.as_millis() as u64 % (1 << CELLS)));
        assert_eq!(read(&picture[..100], WIDTH), None);
    }

    #[test]
    fn a_picture_of_another_size_stays_as_it_is() {
        let mut picture = vec![77; 320 * 180 * 3 / 2];
        draw(&mut picture, 320, 180, Duration::ZERO);
        assert!(picture.iter().all(|byte| *byte == 77));
        draw(&mut picture, WIDTH, HEIGHT, Duration::ZERO);
        assert!(picture.iter().all(|byte| *byte == 77));
    }
}

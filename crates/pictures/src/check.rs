//! A worker looked at what a stranger made: by then it may say what the stranger wants. Its answer is taken only if it is
//! a PNG of the size that it claims, with nothing in it but pixels.

use crate::{IMAGE_BYTES_MAX, Made, SIDE_MAX};

/// How every PNG begins (PNG third edition §5.2).
const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// The chunks that carry pixels, and how and when they are shown.
const CHUNKS: [&[u8; 4]; 6] = [b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"];
/// What a chunk has beside its data: length, type, checksum.
const CHUNK_EXTRA_BYTES: usize = 12;

/// Whether it is what it says.
pub(crate) fn holds(made: &Made) -> bool {
    let sizes = [made.width, made.height];
    sizes.iter().all(|side| (1..=SIDE_MAX).contains(side))
        && made.png.len() <= IMAGE_BYTES_MAX
        && is_plain(&made.png, made).unwrap_or(false)
}

fn is_plain(png: &[u8], made: &Made) -> Option<bool> {
    let mut rest = png.strip_prefix(SIGNATURE)?;
    let (mut first, mut moves) = (true, false);
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let kind = after.first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let chunk = rest.get(..length.checked_add(CHUNK_EXTRA_BYTES)?)?;
        let data = chunk.get(8..8 + length)?;
        if !CHUNKS.contains(&kind) || first != (kind == b"IHDR") {
            return Some(false);
        }
        if first {
            let (width, data) = data.split_first_chunk::<4>()?;
            let height = data.first_chunk::<4>()?;
            if u32::from_be_bytes(*width) != made.width || u32::from_be_bytes(*height) != made.height {
                return Some(false);
            }
        }
        first = false;
        moves |= kind == b"acTL";
        rest = rest.get(chunk.len()..)?;
        if kind == b"IEND" {
            return Some(rest.is_empty() && moves == made.animated);
        }
    }
    Some(false)
}

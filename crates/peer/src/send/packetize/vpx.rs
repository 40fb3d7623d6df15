//! VP8 (RFC 7741) and VP9 (RFC 9628, non-flexible mode, one layer): a frame is cut anywhere.
//!
//! Both carry a picture number of 15 bits, which must grow by one from picture to picture as the viewer gets them. The
//! sender of a viewer writes it ([`PICTURE_AT`]); here it is 0.

use weir_media::{Frame, codec};

use super::super::packets::{PAYLOAD_MAX, Writer};

/// Where the picture number lies in the payload header of VP8 and of VP9.
pub(in crate::send) const VP8_PICTURE_AT: usize = 2;
pub(in crate::send) const VP9_PICTURE_AT: usize = 1;
/// Says that the picture number has 15 bits (`M`).
pub(in crate::send) const PICTURE_LONG: u8 = 0x80;

/// `X`: an extension byte follows.
const VP8_EXTENDED: u8 = 0x80;
/// `S`: a partition starts here.
const VP8_START: u8 = 0x10;
/// `I`: there is a picture number.
const PICTURE: u8 = 0x80;
/// `P`: predicted from earlier pictures.
const VP9_PREDICTED: u8 = 0x40;
/// `B`: the picture starts here.
const VP9_START: u8 = 0x08;
/// `E`: the picture ends here.
const VP9_END: u8 = 0x04;
/// `V`: a scalability structure follows.
const VP9_STRUCTURE: u8 = 0x02;
/// The scalability structure's first byte: one layer, whose size follows (`Y`).
const VP9_ONE_SIZED_LAYER: u8 = 0x10;

pub(super) fn vp8(frame: &Frame, writer: &mut Writer) {
    cut(frame.data.len(), 4, 0, |start, length, first, _| {
        let descriptor = VP8_EXTENDED | if first { VP8_START } else { 0 };
        writer.push(&[descriptor, PICTURE, PICTURE_LONG, 0], start, length);
    });
}

pub(super) fn vp9(frame: &Frame, writer: &mut Writer) {
    let size = if frame.keyframe { codec::vp9_dimensions(&frame.data) } else { None };
    let structure = size.map(|(width, height)| {
        let ([w0, w1], [h0, h1]) = ((width as u16).to_be_bytes(), (height as u16).to_be_bytes()); // at most 16 384
        [VP9_ONE_SIZED_LAYER, w0, w1, h0, h1]
    });
    let extra = structure.map_or(0, |structure| structure.len());
    cut(frame.data.len(), 3, extra, |start, length, first, last| {
        let flags = PICTURE
            | if frame.keyframe { 0 } else { VP9_PREDICTED }
            | if first { VP9_START } else { 0 }
            | if last { VP9_END } else { 0 };
        match structure {
            Some([a, b, c, d, e]) if first => {
                writer.push(&[flags | VP9_STRUCTURE, PICTURE_LONG, 0, a, b, c, d, e], start, length);
            }
            _ => writer.push(&[flags, PICTURE_LONG, 0], start, length),
        }
    });
}

/// Cuts `total` bytes into parts of equal size on the wire, the last maybe shorter. Each has `head` bytes before it, the
/// first `extra` more.
fn cut(total: usize, head: usize, extra: usize, mut each: impl FnMut(usize, usize, bool, bool)) {
    if total == 0 {
        return;
    }
    let room = PAYLOAD_MAX - head;
    let packets = (total + extra).div_ceil(room);
    let size = (total + extra).div_ceil(packets);
    let mut at = 0;
    while at < total {
        let first = at == 0;
        let end = (at + if first { size - extra.min(size - 1) } else { size }).min(total);
        each(at, end - at, first, end == total);
        at = end;
    }
}

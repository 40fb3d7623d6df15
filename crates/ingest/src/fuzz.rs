//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use std::time::Instant;

use bytes::Bytes;

use crate::rtmp::{
    amf0,
    chunks::{Limits, Reader},
    flv::Demuxer,
    handshake::Handshake,
};

/// The handshake, in pieces whose size is the first byte.
pub fn handshake(data: &[u8]) {
    let mut handshake = Handshake::new();
    in_pieces(data, |mut piece| match handshake.feed(&mut piece) {
        Ok(progress) => !progress.done,
        Err(_) => false,
    });
}

/// The chunk stream, in pieces whose size is the first byte.
pub fn chunks(data: &[u8]) {
    let mut reader = Reader::new(Limits { message_bytes_max: 1 << 20, held_bytes_max: 1 << 20, streams_max: 16 });
    in_pieces(data, |mut piece| {
        loop {
            match reader.next(&mut piece) {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    });
}

/// AMF0: the guard and the parser behind it.
pub fn amf0(data: &[u8]) {
    let _ = amf0::parse(data);
}

/// Audio and video bodies: for each, a byte for which and its time, a byte for its length, then the body.
pub fn flv(mut data: &[u8]) {
    let mut demuxer = Demuxer::default();
    let now = Instant::now();
    while let [which, length, rest @ ..] = data {
        let (body, after) = rest.split_at(rest.len().min((*length).into()));
        let time = u32::from(*which) << 24;
        let body = Bytes::copy_from_slice(body);
        let _ = if which & 1 == 0 { demuxer.video(time, &body, now) } else { demuxer.audio(time, &body, now) };
        data = after;
    }
}

/// Hands `data` over in pieces whose size is its first byte, until `take` says that it is enough.
fn in_pieces(data: &[u8], take: impl FnMut(&[u8]) -> bool) {
    let Some((size, data)) = data.split_first() else { return };
    let _ = data.chunks(usize::from(*size).max(1)).all(take);
}

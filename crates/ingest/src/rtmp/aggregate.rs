//! Aggregate messages: several audio and video messages in one (RTMP 1.0 §7.1.6).

use bytes::{Buf, Bytes};

use super::chunks::kind;

/// What stands before each part: type, length, time, message stream.
const HEAD_BYTES: usize = 11;
/// What stands behind each part: its length, head included.
const TAIL_BYTES: usize = 4;

/// One of the messages in an aggregate.
#[derive(Debug)]
pub(super) struct Part {
    /// Milliseconds on the publisher's clock, modulo 2^32.
    pub(super) timestamp: u32,
    /// Audio or video.
    pub(super) kind: u8,
    pub(super) payload: Bytes,
}

/// The audio and video in the aggregate of `timestamp`, which is the time of its first part. Ends where it is cut short.
pub(super) fn parts(timestamp: u32, mut body: Bytes) -> impl Iterator<Item = Part> {
    let mut first = None;
    std::iter::from_fn(move || {
        let head = (body.len() >= HEAD_BYTES).then(|| body.split_to(HEAD_BYTES))?;
        let [kind, a, b, c, d, e, f, high, ..] = *head else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let time = u32::from_be_bytes([high, d, e, f]);
        let payload = (body.len() >= length).then(|| body.split_to(length))?;
        body.advance(TAIL_BYTES.min(body.len()));
        let since_first = time.wrapping_sub(*first.get_or_insert(time));
        Some(Part { timestamp: timestamp.wrapping_add(since_first), kind, payload })
    })
    .filter(|part| matches!(part.kind, kind::AUDIO | kind::VIDEO))
}

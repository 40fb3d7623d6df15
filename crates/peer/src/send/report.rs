//! Sender reports (RFC 3550 §6.4.1) and the name that goes with them (§6.5).

use std::time::Instant;

use super::{clock, stream::Stream};
use crate::agreed::CNAME;

const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
/// The item of a source description that is the canonical name.
const CNAME_ITEM: u8 = 1;
/// Bytes of a chunk: source, item, its length, the name, and zeros that end the list and fill up the last word.
const CHUNK_BYTES: usize = (4 + 2 + CNAME.len() + 1).next_multiple_of(4);

/// Replaces what is in `out` by one compound that reports all `streams`, each with the RTP timestamp that `nanos`, the
/// present on the viewer's line, has in it.
pub(super) fn write<'a>(
    now: Instant,
    nanos: i64,
    streams: impl Iterator<Item = &'a Stream> + Clone,
    out: &mut Vec<u8>,
) {
    out.clear();
    let ntp = clock::ntp(now).to_be_bytes();
    for stream in streams.clone() {
        out.extend_from_slice(&[0x80, SENDER_REPORT, 0, 6]);
        out.extend_from_slice(&stream.ssrc.to_be_bytes());
        out.extend_from_slice(&ntp);
        out.extend_from_slice(&stream.timestamp(nanos, stream.clock_rate).to_be_bytes());
        out.extend_from_slice(&stream.packets.to_be_bytes());
        out.extend_from_slice(&stream.octets.to_be_bytes());
    }
    let count = streams.clone().count();
    // Two streams at most.
    out.extend_from_slice(&[0x80 | count as u8, SOURCE_DESCRIPTION, 0, (count * CHUNK_BYTES / 4) as u8]);
    for stream in streams {
        let end = out.len() + CHUNK_BYTES;
        out.extend_from_slice(&stream.ssrc.to_be_bytes());
        out.extend_from_slice(&[CNAME_ITEM, CNAME.len() as u8]);
        out.extend_from_slice(CNAME.as_bytes());
        out.resize(end, 0);
    }
}

//! Sender reports (RFC 3550 §6.4.1) and the name that goes with them (§6.5).

use std::time::Instant;

use super::{clock, stream::Stream};

const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
const CNAME: u8 = 1;

/// Replaces what is in `out` by one compound that reports all `streams`, each with the RTP timestamp that `nanos`, the
/// present on the viewer's line, has in it.
pub(super) fn write<'a>(
    now: Instant,
    nanos: i64,
    cname: &[u8; 16],
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
    // Each chunk: source, item, its length, 16 characters, two bytes that end the list: six words.
    out.extend_from_slice(&[0x80 | count as u8, SOURCE_DESCRIPTION, 0, 6 * count as u8]); // two streams at most
    for stream in streams {
        out.extend_from_slice(&stream.ssrc.to_be_bytes());
        out.extend_from_slice(&[CNAME, cname.len() as u8]);
        out.extend_from_slice(cname);
        out.extend_from_slice(&[0, 0]);
    }
}

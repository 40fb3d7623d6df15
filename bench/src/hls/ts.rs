//! Takes MPEG transport streams (ISO/IEC 13818-1 §2.4.3) apart, so that nothing is split by packet headers.

use std::collections::BTreeMap;

const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;

/// The payloads of each packet identifier, joined; `None` when it is something else, such as MP4.
pub(crate) fn payloads(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    if data.first() != Some(&SYNC) || data.get(PACKET_BYTES).is_some_and(|&byte| byte != SYNC) {
        return None;
    }
    let mut streams: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for packet in data.chunks_exact(PACKET_BYTES) {
        let identifier = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff;
        let (adapted, filled) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let begin = if adapted { 5 + usize::from(packet[4]) } else { 4 };
        if let (true, Some(payload)) = (filled, packet.get(begin..)) {
            streams.entry(identifier).or_default().extend_from_slice(payload);
        }
    }
    Some(streams.into_values().collect())
}

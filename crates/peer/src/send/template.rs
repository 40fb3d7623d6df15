//! The header of a viewer's packets, made once; what changes from packet to packet is patched in.

use crate::{
    agreed::{Extensions, Outgoing},
    rtp::Header,
};

/// Longest MID that is sent, in bytes: what the one-byte form of extensions can carry.
const MID_MAX: usize = 16;
/// What a viewer may hold back, in units of 10 ms (playout-delay extension): none as a rule, and at most 400 ms while it
/// waits for retransmissions. Browsers show pictures as soon as they can below 500 ms.
const PLAYOUT_DELAY: (u32, u32) = (0, 40);

/// What is patched in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Transport-wide number, written where that was agreed.
    pub(super) transport_sequence: u16,
    /// Seconds of 6 bits and 18 bits of fraction, written where that was agreed.
    pub(super) send_time: u32,
}

/// A header with its extensions.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Box<[u8]>,
    transport_sequence_at: Option<usize>,
    send_time_at: Option<usize>,
}

impl Template {
    /// The header that packets begin with, until the viewer has told that it knows them: with everything that it needs
    /// to know but once.
    pub(super) fn introducing(section: &Outgoing) -> Self {
        let mid = section.mid.as_bytes();
        let mid = section.extensions.mid.filter(|_| (1..=MID_MAX).contains(&mid.len())).map(|id| (id, mid));
        let delay = (PLAYOUT_DELAY.0 << 12 | PLAYOUT_DELAY.1).to_be_bytes();
        let delay = section.extensions.playout_delay.filter(|_| section.video).map(|id| (id, &delay[1..]));
        Self::new(&section.extensions, mid.into_iter().chain(delay))
    }

    /// The header of all later packets.
    pub(super) fn plain(section: &Outgoing) -> Self {
        Self::new(&section.extensions, [])
    }

    fn new<'a>(extensions: &Extensions, more: impl IntoIterator<Item = (u8, &'a [u8])>) -> Self {
        let mut elements: Vec<(u8, &[u8])> = Vec::with_capacity(4);
        elements.extend(extensions.transport_cc.map(|id| (id, &[0_u8; 2][..])));
        elements.extend(extensions.abs_send_time.map(|id| (id, &[0_u8; 3][..])));
        elements.extend(more);
        let header = Header { marker: false, payload_type: 0, sequence: 0, timestamp: 0, ssrc: 0 };
        let mut bytes = Vec::with_capacity(48);
        header.write(&elements, &mut bytes);
        // Elements follow the fixed header and four bytes that say form and length.
        let head = if bytes.get(12) == Some(&0xbe) { 1 } else { 2 };
        let transport_sequence_at = extensions.transport_cc.map(|_| 16 + head);
        let send_time_at =
            extensions.abs_send_time.map(|_| 16 + head + extensions.transport_cc.map_or(0, |_| 2 + head));
        Self { bytes: bytes.into_boxed_slice(), transport_sequence_at, send_time_at }
    }

    /// Whether packets carry a transport-wide number.
    pub(super) fn is_numbered(&self) -> bool {
        self.transport_sequence_at.is_some()
    }

    /// Replaces what is in `packet` by the header.
    pub(super) fn write(&self, fields: &Fields, packet: &mut Vec<u8>) {
        packet.clear();
        packet.extend_from_slice(&self.bytes);
        let Some(fixed) = packet.first_chunk_mut::<12>() else { return };
        fixed[1] = u8::from(fields.marker) << 7 | fields.payload_type;
        fixed[2..4].copy_from_slice(&fields.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
        fixed[8..].copy_from_slice(&fields.ssrc.to_be_bytes());
        if let Some(at) = self.transport_sequence_at {
            packet[at..at + 2].copy_from_slice(&fields.transport_sequence.to_be_bytes());
        }
        if let Some(at) = self.send_time_at {
            packet[at..at + 3].copy_from_slice(&fields.send_time.to_be_bytes()[1..]);
        }
    }
}

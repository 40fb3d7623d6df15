//! One outgoing stream of a viewer: its numbers, its payload types, its counts.

use crate::agreed::{Outgoing, Payload, RtpCodec};

use super::template::Template;

/// What is sent under one synchronisation source.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) feedback: crate::agreed::Feedback,
    payloads: Vec<(RtpCodec, u8, Option<u8>)>,
    introducing: Template,
    plain: Template,
    /// The viewer reported about the stream: it knows what introducing headers tell.
    introduced: bool,
    /// The next sequence number.
    sequence: u16,
    rtx_sequence: u16,
    /// The next picture number, of 15 bits.
    picture: u16,
    /// Added to every RTP timestamp.
    offset: u32,
    /// Packets and payload bytes sent, for sender reports (RFC 3550 §6.4.1). They wrap.
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// Units of RTP timestamps a second of what was sent last.
    pub(super) clock_rate: u32,
}

impl Stream {
    pub(super) fn new(section: &Outgoing) -> Self {
        let random = random();
        let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
        Self {
            ssrc: section.ssrc,
            rtx_ssrc: section.rtx_ssrc,
            feedback: section.feedback,
            payloads: section.payloads.iter().map(|Payload { codec, pt, rtx, .. }| (*codec, *pt, *rtx)).collect(),
            introducing: Template::introducing(section),
            plain: Template::plain(section),
            introduced: false,
            // In the lower half, so that libraries which cannot tell a wrap near the start from a late packet are fine.
            sequence: u16::from_be_bytes([a, b]) & 0x7fff,
            rtx_sequence: u16::from_be_bytes([c, d]) & 0x7fff,
            picture: 0,
            offset: u32::from_be_bytes([e, f, g, h]),
            packets: 0,
            octets: 0,
            clock_rate: if section.video { 90_000 } else { 48_000 },
        }
    }

    /// Payload type of a codec.
    pub(super) fn payload_type(&self, codec: RtpCodec) -> Option<u8> {
        self.payloads.iter().find(|(known, ..)| *known == codec).map(|(_, pt, _)| *pt)
    }

    /// Payload type and source of a codec's retransmissions, if they are agreed.
    pub(super) fn retransmission(&self, codec: RtpCodec) -> Option<(u8, u32)> {
        self.payloads.iter().find(|(known, ..)| *known == codec).and_then(|(_, _, rtx)| *rtx).zip(self.rtx_ssrc)
    }

    /// Payload type and source of packets that carry nothing: those of retransmissions, which disturb no picture.
    pub(super) fn padding(&self) -> Option<(u8, u32)> {
        self.payloads.iter().find_map(|(_, _, rtx)| *rtx).zip(self.rtx_ssrc)
    }

    /// The header to use now.
    pub(super) fn template(&self) -> &Template {
        if self.introduced { &self.plain } else { &self.introducing }
    }

    /// The viewer reported about the stream.
    pub(super) fn reported(&mut self) {
        self.introduced = true;
    }

    /// The sequence number of the next packet.
    pub(super) fn peek_sequence(&self) -> u16 {
        self.sequence
    }

    pub(super) fn next_sequence(&mut self) -> u16 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }

    pub(super) fn next_rtx_sequence(&mut self) -> u16 {
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        sequence
    }

    pub(super) fn next_picture(&mut self) -> u16 {
        let picture = self.picture;
        self.picture = (picture + 1) & 0x7fff;
        picture
    }

    /// The RTP timestamp of a point of the viewer's line.
    pub(super) fn timestamp(&self, nanos: i64, clock_rate: u32) -> u32 {
        super::clock::rtp(nanos, clock_rate).wrapping_add(self.offset)
    }

    pub(super) fn count(&mut self, payload_bytes: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_bytes as u32);
    }
}

/// Numbers that nobody can foretell (RFC 3550 §5.1); without randomness from the system, numbers that differ.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(0)
    })
}

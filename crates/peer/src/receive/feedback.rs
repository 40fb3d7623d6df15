//! What we say to the peer: compound RTCP packets (RFC 3550 §6.1), each beginning with a receiver report and our name.

use bytes::Bytes;
use rtc::rtcp::{
    Packet,
    packet::marshal,
    payload_feedbacks::{
        full_intra_request::{FirEntry, FullIntraRequest},
        picture_loss_indication::PictureLossIndication,
    },
    receiver_report::ReceiverReport,
    reception_report::ReceptionReport,
    source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem},
    transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack},
};

/// Pairs of a number and a mask in one request: 800 bytes.
const NACK_PAIRS_MAX: usize = 200;

/// Our voice towards one peer.
#[derive(Debug)]
pub(super) struct Voice {
    /// Our synchronisation source.
    pub(super) ssrc: u32,
    name: Bytes,
    /// Full intra requests are numbered, so that the network's copies are no new ones (RFC 5104 §4.3.1.2).
    requests: u8,
}

impl Voice {
    pub(super) fn new() -> Self {
        // Without randomness, which never lacks here, all peers would hear the same name, and they hear one each.
        let random = getrandom::u64().unwrap_or(1);
        let name = format!("{random:016x}");
        Self { ssrc: random as u32 | 1, name: name.into(), requests: 0 }
    }

    /// Reports, and whatever else is to be said with them.
    pub(super) fn compound(
        &self,
        reports: Vec<ReceptionReport>,
        rest: impl IntoIterator<Item = Box<dyn Packet>>,
    ) -> Vec<u8> {
        let report = ReceiverReport { ssrc: self.ssrc, reports, ..ReceiverReport::default() };
        let items = vec![SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: self.name.clone() }];
        let description = SourceDescription { chunks: vec![SourceDescriptionChunk { source: self.ssrc, items }] };
        let mut packets: Vec<Box<dyn Packet>> = vec![Box::new(report), Box::new(description)];
        packets.extend(rest);
        // Everything here is of sizes that can be written.
        marshal(&packets).map(|bytes| bytes.to_vec()).unwrap_or_default()
    }

    /// Asks for packets again, whose numbers are in order.
    pub(super) fn nack(&self, media: u32, numbers: &[u16]) -> Vec<Box<dyn Packet>> {
        let mut pairs: Vec<NackPair> = Vec::new();
        for &number in numbers {
            match pairs.last_mut() {
                Some(pair) if (1..=16).contains(&number.wrapping_sub(pair.packet_id)) => {
                    pair.lost_packets |= 1 << (number.wrapping_sub(pair.packet_id) - 1);
                }
                _ => pairs.push(NackPair { packet_id: number, lost_packets: 0 }),
            }
        }
        let request = |nacks: &[NackPair]| -> Box<dyn Packet> {
            Box::new(TransportLayerNack { sender_ssrc: self.ssrc, media_ssrc: media, nacks: nacks.to_vec() })
        };
        pairs.chunks(NACK_PAIRS_MAX).map(request).collect()
    }

    /// Asks for a keyframe (RFC 4585 §6.3.1).
    pub(super) fn picture_loss(&self, media: u32) -> Box<dyn Packet> {
        Box::new(PictureLossIndication { sender_ssrc: self.ssrc, media_ssrc: media })
    }

    /// Asks for a keyframe the other way (RFC 5104 §4.3.1).
    pub(super) fn full_intra(&mut self, media: u32) -> Box<dyn Packet> {
        self.requests = self.requests.wrapping_add(1);
        let fir = vec![FirEntry { ssrc: media, sequence_number: self.requests }];
        Box::new(FullIntraRequest { sender_ssrc: self.ssrc, media_ssrc: 0, fir })
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::packet::unmarshal;

    use super::*;

    #[test]
    fn numbers_near_each_other_share_a_request() {
        let voice = Voice::new();
        let packets = voice.nack(7, &[65_534, 0, 14, 15, 100]);
        let nack = packets[0].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        let numbers: Vec<_> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        assert_eq!((packets.len(), nack.nacks.len(), numbers), (1, 3, vec![65_534, 0, 14, 15, 100]));
    }

    #[test]
    fn a_compound_begins_with_report_and_name() {
        let mut voice = Voice::new();
        let rest = [voice.picture_loss(7), voice.full_intra(8)];
        let compound = voice.compound(vec![ReceptionReport { ssrc: 7, ..ReceptionReport::default() }], rest);
        assert_eq!(compound.len() % 4, 0);
        let packets = unmarshal(&mut &compound[..]).unwrap();
        assert!(packets[0].as_any().is::<ReceiverReport>());
        assert!(packets[1].as_any().is::<SourceDescription>());
        assert!(packets[2].as_any().is::<PictureLossIndication>());
        assert!(packets[3].as_any().is::<FullIntraRequest>());
    }
}

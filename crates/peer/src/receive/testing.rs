//! A publisher for tests: cuts units into RTP packets, of the smallest sizes that show every form.

use bytes::Bytes;

use crate::{
    agreed::{Extensions, Feedback, Incoming, Payload, RtpCodec},
    rtp::Header,
};

/// Bytes of the largest payload: small, so that few bytes make many fragments.
pub(crate) const PAYLOAD_MAX: usize = 60;

pub(crate) const VIDEO_PT: u8 = 96;
pub(crate) const RTX_PT: u8 = 97;
pub(crate) const SOUND_PT: u8 = 111;

/// A section with everything agreed.
pub(crate) fn section(codec: RtpCodec) -> Incoming {
    let video = codec != RtpCodec::Opus;
    let payload = Payload {
        pt: if video { VIDEO_PT } else { SOUND_PT },
        codec,
        fmtp: String::new(),
        rtx: video.then_some(RTX_PT),
    };
    Incoming {
        mid: if video { "v" } else { "a" }.into(),
        video,
        payloads: vec![payload],
        extensions: Extensions {
            mid: Some(1),
            rid: Some(2),
            repaired_rid: Some(3),
            transport_cc: Some(4),
            ..Extensions::default()
        },
        rids: Vec::new(),
        ssrcs: Vec::new(),
        feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true },
    }
}

/// One stream that is sent.
pub(crate) struct Publisher {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
}

impl Publisher {
    pub(crate) fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 65_530, extensions: Vec::new() }
    }

    /// The packets of these payloads; the last has the marker.
    pub(crate) fn packets(&mut self, payload_type: u8, timestamp: u32, payloads: &[Vec<u8>]) -> Vec<Bytes> {
        let last = payloads.len().saturating_sub(1);
        let packets = payloads.iter().enumerate();
        packets.map(|(at, payload)| self.packet(payload_type, timestamp, at == last, payload)).collect()
    }

    pub(crate) fn packet(&mut self, payload_type: u8, timestamp: u32, marker: bool, payload: &[u8]) -> Bytes {
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = Vec::new();
        let extensions: Vec<_> = self.extensions.iter().map(|(id, data)| (*id, data.as_slice())).collect();
        header.write(&extensions, &mut packet);
        packet.extend(payload);
        packet.into()
    }
}

/// The retransmission (RFC 4588) of a packet.
pub(crate) fn retransmission(rtx: &mut Publisher, packet: &Bytes) -> Bytes {
    let parsed = Header::parse(packet).unwrap();
    let mut payload = parsed.header.sequence.to_be_bytes().to_vec();
    payload.extend(&packet[parsed.payload]);
    rtx.packet(RTX_PT, parsed.header.timestamp, parsed.header.marker, &payload)
}

/// Cuts NAL units with a header of so many bytes, in the way of H.264 (1) or HEVC (2). Parameter sets at the beginning
/// travel together.
pub(crate) fn nal_payloads(header: usize, nals: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let small: Vec<_> = nals.iter().take_while(|nal| nal.len() < PAYLOAD_MAX / 2).collect();
    if small.len() > 1 {
        let mut together = if header == 1 { vec![0x78] } else { vec![48 << 1, 1] };
        for nal in &small {
            together.extend((nal.len() as u16).to_be_bytes());
            together.extend(**nal);
        }
        payloads.push(together);
    }
    for nal in &nals[if small.len() > 1 { small.len() } else { 0 }..] {
        if nal.len() <= PAYLOAD_MAX {
            payloads.push(nal.to_vec());
            continue;
        }
        let (head, body) = nal.split_at(header);
        let count = body.chunks(PAYLOAD_MAX).count();
        for (at, chunk) in body.chunks(PAYLOAD_MAX).enumerate() {
            let flags = u8::from(at == 0) << 7 | u8::from(at + 1 == count) << 6;
            let mut payload = if header == 1 {
                vec![head[0] & 0xe0 | 28, flags | head[0] & 0x1f]
            } else {
                vec![head[0] & 0x81 | 49 << 1, head[1], flags | head[0] >> 1 & 0x3f]
            };
            payload.extend(chunk);
            payloads.push(payload);
        }
    }
    payloads
}

/// NAL units of a unit in the layout of MP4.
pub(crate) fn nals(unit: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    let mut rest = unit;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (nal, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        nals.push(nal);
        rest = after;
    }
    assert!(rest.is_empty());
    nals
}

/// Parameter sets as x264 writes them: 1280x720, High.
pub(crate) const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
    0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
];
pub(crate) const PPS: &[u8] = &[0x68, 0xef, 0x8f, 0xcb];

/// The NAL units of a picture with so many bytes.
pub(crate) fn h264_picture(number: u32, keyframe: bool, bytes: usize) -> Vec<Vec<u8>> {
    let mut slice = vec![if keyframe { 0x65 } else { 0x41 }, 0x9a];
    slice.extend(number.to_be_bytes());
    slice.resize(bytes.max(slice.len()), number as u8 | 1);
    if keyframe { vec![SPS.to_vec(), PPS.to_vec(), slice] } else { vec![slice] }
}

pub(crate) fn h264_payloads(number: u32, keyframe: bool, bytes: usize) -> Vec<Vec<u8>> {
    let picture = h264_picture(number, keyframe, bytes);
    nal_payloads(1, &picture.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

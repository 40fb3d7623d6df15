//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rtc::{rtcp::sender_report::SenderReport, shared::marshal::Marshal as _};
use weir_media::{Timestamp, TrackId};

use super::{
    Output, Receiver,
    depacketize::{Depacketizer, Piece, UNIT_BYTES_MAX, Unit},
};
use crate::{
    agreed::{Extensions, Feedback, Incoming, Payload, RtpCodec},
    rtp::Header,
};

const CODECS: [RtpCodec; 6] =
    [RtpCodec::H264, RtpCodec::Hevc, RtpCodec::Vp8, RtpCodec::Vp9, RtpCodec::Av1, RtpCodec::Opus];

/// The payloads of one stream. The first byte chooses the codec; then each payload has a byte of flags and one with its
/// length before it.
pub fn depacketize(data: &[u8]) {
    let Some((&which, mut rest)) = data.split_first() else { return };
    let codec = CODECS[usize::from(which) % CODECS.len()];
    let payload = Payload { pt: 96, codec, fmtp: String::new(), rtx: None };
    let mut depacketizer = Depacketizer::new(&payload);
    let mut timestamp = 0;
    while let Some((&[flags, length], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        timestamp += u32::from(flags >> 2 & 3);
        if flags & 2 != 0 {
            depacketizer.hole();
        }
        let piece = Piece { timestamp, marker: flags & 1 != 0, payload };
        let _ = depacketizer.push(piece, &mut |unit| check(codec, &unit));
    }
}

/// A unit has the layout that its codec promises.
fn check(codec: RtpCodec, unit: &Unit) {
    assert!(!unit.data.is_empty() && unit.data.len() <= UNIT_BYTES_MAX + 0x1_0000);
    let mut rest = &unit.data[..];
    match codec {
        RtpCodec::H264 | RtpCodec::Hevc => {
            while let Some((&length, after)) = rest.split_first_chunk() {
                let length = u32::from_be_bytes(length) as usize;
                assert!(length > 0);
                rest = after.get(length..).expect("a whole NAL unit");
            }
        }
        RtpCodec::Av1 => {
            while let Some((&head, after)) = rest.split_first() {
                assert!(head & 2 != 0, "an OBU has its size");
                let mut after = after.get(usize::from(head & 4 != 0)..).expect("a whole header");
                let (mut length, mut shift) = (0, 0);
                while let Some((&byte, next)) = after.split_first() {
                    after = next;
                    length |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte & 0x80 == 0 {
                        break;
                    }
                }
                rest = after.get(length..).expect("a whole OBU");
            }
        }
        RtpCodec::Vp8 | RtpCodec::Vp9 | RtpCodec::Opus => rest = &[],
    }
    assert!(rest.is_empty());
}

/// A publish. The first byte chooses what was agreed on; then each action has a byte for itself, and takes its arguments
/// from the bytes that follow.
pub fn receive(data: &[u8]) {
    let Some((&agreed, rest)) = data.split_first() else { return };
    let mut script = Script { rest };
    let start = Instant::now();
    let mut now = start;
    let mut receiver = Receiver::new(now, sections(agreed));
    let mut streams = [(0_u16, 0_u32); 4];
    let mut seen = HashMap::new();
    while let Some(action) = script.byte() {
        match action & 7 {
            0 => receiver.rtp(now, Bytes::copy_from_slice(script.bytes())),
            1 => receiver.rtcp(now, script.bytes()),
            2 => {
                now += Duration::from_millis(u64::from(action >> 3) * 17);
                receiver.handle_timeout(now);
            }
            3 => receiver.request_keyframe(now),
            4 => {
                let moment = u64::from(script.byte().unwrap_or(0)) << 28;
                let rtp_time = u32::from(script.byte().unwrap_or(0)) << 12;
                let report =
                    SenderReport { ssrc: u32::from(action >> 3 & 3), ntp_time: moment, rtp_time, ..Default::default() };
                receiver.rtcp(now, &report.marshal().expect("a report can be written"));
            }
            _ => {
                let which = action >> 3 & 3;
                let (sequence, timestamp) = &mut streams[usize::from(which)];
                let (step, flags) = (script.byte().unwrap_or(0), script.byte().unwrap_or(0));
                *sequence = sequence.wrapping_add(u16::from(step & 15).wrapping_sub(4));
                *timestamp = timestamp.wrapping_add(u32::from(step >> 4) << (flags >> 1 & 31));
                let header = Header {
                    marker: flags & 1 != 0,
                    payload_type: 96 + (action >> 5 & 3),
                    sequence: *sequence,
                    timestamp: *timestamp,
                    ssrc: u32::from(which),
                };
                let mut packet = Vec::new();
                let rid = [b'0' + which];
                let extensions: [(u8, &[u8]); 3] = [(1, b"v"), (2, &rid), (4, &sequence.to_be_bytes())];
                header.write(&extensions[..usize::from(flags >> 6 & 3)], &mut packet);
                packet.extend(script.bytes());
                receiver.rtp(now, packet.into());
            }
        }
        drain(&mut receiver, &mut seen);
        assert!(receiver.poll_timeout().is_none_or(|at| at > now.checked_sub(Duration::from_secs(1)).unwrap_or(start)));
    }
}

/// What comes out keeps its promises.
fn drain(receiver: &mut Receiver, seen: &mut HashMap<TrackId, Option<Timestamp>>) {
    while let Some(output) = receiver.poll() {
        match output {
            Output::Track(track) => {
                seen.entry(track.id).or_default();
            }
            Output::Frame(frame) => {
                let last = seen.get_mut(&frame.track).expect("a track comes before its frames");
                assert!(last.is_some() || frame.keyframe, "a track begins with a keyframe");
                assert!(last.is_none_or(|last| frame.dts > last), "frames come in the order of decoding");
                *last = Some(frame.dts);
            }
            Output::Gone(track) => assert!(seen.contains_key(&track)),
        }
    }
    while let Some(compound) = receiver.poll_rtcp() {
        assert!(!compound.is_empty() && compound.len() <= 1_200 && compound.len() % 4 == 0);
    }
}

struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// As many bytes as the next one says.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }
}

/// Video, with simulcast for odd numbers, and sound.
fn sections(agreed: u8) -> Vec<Incoming> {
    let codec = CODECS[usize::from(agreed >> 1) % 5];
    let payload = |pt, codec, rtx| Payload { pt, codec, fmtp: String::new(), rtx };
    let video = Incoming {
        mid: "v".into(),
        video: true,
        payloads: vec![payload(96, codec, Some(97)), payload(98, RtpCodec::Vp8, None)],
        extensions: Extensions {
            mid: Some(1),
            rid: Some(2),
            repaired_rid: Some(3),
            transport_cc: Some(4),
            ..Extensions::default()
        },
        rids: if agreed & 1 == 0 { Vec::new() } else { vec!["0".into(), "1".into(), "2".into()] },
        ssrcs: Vec::new(),
        feedback: Feedback { nack: true, pli: agreed & 0x40 == 0, fir: true, transport_cc: true },
    };
    let sound = Incoming {
        mid: "a".into(),
        video: false,
        payloads: vec![payload(99, RtpCodec::Opus, None)],
        rids: Vec::new(),
        ..video.clone()
    };
    vec![video, sound]
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_corpora_are_harmless_whole_and_cut_short() {
        for (target, run) in [("depacketize", depacketize as fn(&[u8])), ("receive", receive)] {
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
            let inputs: Vec<_> = fs::read_dir(&corpus).expect("the corpus is in the repository").collect();
            assert!(!inputs.is_empty(), "{target} has inputs");
            for input in inputs {
                let input = fs::read(input.expect("a readable entry").path()).expect("a readable input");
                run(&input);
                for end in (0..input.len()).step_by(29) {
                    run(&input[..end]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_script_breaks_a_promise(data in prop::collection::vec(any::<u8>(), 0..600)) {
            receive(&data);
        }
    }
}

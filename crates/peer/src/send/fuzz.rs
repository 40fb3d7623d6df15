//! What fuzzing calls, and `make test` replays: RTCP storms through a viewer's sender, and frames through every payload
//! format.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use weir_media::{Frame, Timestamp, Track, TrackId, TrackParams, VideoCodec, VideoParams};

use super::{Layer, PAYLOAD_MAX, Packetizer, Packets, Protect, Sender};
use crate::{
    agreed::{Extensions, Feedback, Outgoing, Payload, RtpCodec},
    rtp::Header,
    socket::Batch,
};

/// Pictures are this large, in bytes.
const PICTURE_BYTES: usize = 20_000;
const SSRC: u32 = 1;
const RTX_SSRC: u32 = 2;
/// Bytes that a viewer may get again within one step (17 ms), and at probing.
const STEP_BYTES_MAX: usize = 300_000 + 4 * 96 * 300;

/// Passes packets on as they are.
struct Plain;

impl Protect for Plain {
    fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(packet);
        true
    }

    fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(packet);
        true
    }
}

fn track(codec: VideoCodec, config: Bytes) -> Track {
    let params = VideoParams { codec, config, width: 0, height: 0, frame_rate: None, rfc6381: String::new() };
    Track { id: TrackId::VIDEO, params: TrackParams::Video(params) }
}

fn outgoing() -> Vec<Outgoing> {
    let payload = Payload { pt: 96, codec: RtpCodec::H264, fmtp: String::new(), rtx: Some(97) };
    vec![Outgoing {
        mid: "0".into(),
        video: true,
        payloads: vec![payload],
        ssrc: SSRC,
        rtx_ssrc: Some(RTX_SSRC),
        extensions: Extensions { mid: Some(1), transport_cc: Some(3), ..Extensions::default() },
        feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true },
    }]
}

/// A viewer that says what the input says: pieces of a length byte and so many bytes of RTCP; a length of 255 is a
/// retransmission request for a packet that there was, of two bytes.
///
/// # Panics
/// When the sender does, or answers with more than it may: that is what fuzzing looks for.
pub fn sender_rtcp(mut data: &[u8]) {
    let start = Instant::now();
    let mut sender = Sender::new(start, outgoing());
    let mut packetizer = Packetizer::new(&track(VideoCodec::H264, Bytes::new())).expect("RTP carries H.264");
    let mut batch = Batch::new();
    let mut first = None;
    for step in 0_u64.. {
        let now = start + Duration::from_millis(step * 17);
        let picture = picture(&mut packetizer, start, step);
        sender.send(now, &picture, &mut Plain, &mut batch);
        if first.is_none() {
            first = batch.datagrams().next().and_then(|packet| Some(Header::parse(packet).ok()?.header.sequence));
        }
        batch.clear();
        let Some((&length, rest)) = data.split_first() else { return };
        let taken = if length == u8::MAX { 2 } else { usize::from(length) }.min(rest.len());
        let (piece, after) = rest.split_at(taken);
        data = after;
        let request;
        let compound = match (length, piece) {
            (u8::MAX, &[back, more]) => {
                let [high, low] = first.unwrap_or_default().wrapping_add(u16::from(back)).to_be_bytes();
                request = [0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, SSRC as u8, high, low, more, more];
                &request[..]
            }
            _ => piece,
        };
        sender.rtcp(now, compound);
        sender.choose(now, &[Layer { track: TrackId::VIDEO, bits_per_second: 4_000_000 }]);
        // What is due over and over is bounded too.
        for _ in 0..8 {
            if sender.poll_timeout().is_some_and(|due| due <= now) {
                sender.handle_timeout(now, &mut Plain, &mut batch);
            }
        }
        assert!(batch.size_bytes() <= STEP_BYTES_MAX, "{} bytes", batch.size_bytes());
        batch.clear();
    }
}

fn picture(packetizer: &mut Packetizer, start: Instant, step: u64) -> Arc<Packets> {
    let keyframe = step.is_multiple_of(60);
    let mut data = (PICTURE_BYTES as u32).to_be_bytes().to_vec();
    data.push(if keyframe { 0x65 } else { 0x41 });
    data.resize(data.len() + PICTURE_BYTES - 1, 0);
    let at = Timestamp::from_millis(step.cast_signed() * 17);
    let arrived = start + Duration::from_millis(step * 17);
    packetizer.packetize(&Frame { track: TrackId::VIDEO, pts: at, dts: at, keyframe, arrived, data: data.into() })
}

/// A frame of the input: the first byte chooses the format and whether it is a keyframe, the second how much is the
/// configuration record.
///
/// # Panics
/// When the packetizer does, or makes a payload that does not fit a packet.
pub fn packetize(data: &[u8]) {
    let Some((&[which, config], rest)) = data.split_first_chunk() else { return };
    let (config, data) = rest.split_at(usize::from(config).min(rest.len()));
    let codecs = [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1, VideoCodec::Vp8, VideoCodec::Vp9];
    let codec = codecs[usize::from(which >> 1) % codecs.len()];
    let at = Timestamp::default();
    let frame = Frame {
        track: TrackId::VIDEO,
        pts: at,
        dts: at,
        keyframe: which & 1 == 1,
        arrived: Instant::now(),
        data: Bytes::copy_from_slice(data),
    };
    let config = Bytes::copy_from_slice(config);
    let packets = Packetizer::new(&track(codec, config)).expect("RTP carries video").packetize(&frame);
    for index in 0..packets.len() {
        let (head, body) = packets.payload(index);
        assert!((1..=PAYLOAD_MAX).contains(&(head.len() + body.len())));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let inputs = fs::read_dir(&corpus).expect("the corpus is in the repository");
        inputs.map(|input| fs::read(input.expect("an input").path()).expect("it can be read")).collect()
    }

    #[test]
    fn what_fuzzing_began_with_does_no_harm() {
        for (target, run) in [("sender_rtcp", sender_rtcp as fn(&[u8])), ("packetize", packetize)] {
            let inputs = corpus(target);
            assert!(!inputs.is_empty());
            inputs.iter().for_each(|input| run(input));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_storm_panics(data in prop::collection::vec(any::<u8>(), 0..600)) {
            sender_rtcp(&data);
            packetize(&data);
        }
    }
}

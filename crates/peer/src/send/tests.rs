use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use weir_media::{AudioCodec, AudioParams, Frame, Timestamp, Track, TrackId, TrackParams, VideoCodec, VideoParams};

use super::*;
use crate::{
    agreed::{Extensions, Feedback as Agreed, Outgoing, Payload, RtpCodec},
    rtp::Header,
    socket::Batch,
};

pub(super) const VIDEO_SSRC: u32 = 0x1111_1111;
pub(super) const RTX_SSRC: u32 = 0x2222_2222;
pub(super) const AUDIO_SSRC: u32 = 0x3333_3333;
pub(super) const VIDEO_PT: u8 = 96;
pub(super) const RTX_PT: u8 = 97;
pub(super) const AUDIO_PT: u8 = 111;
pub(super) const TRANSPORT_CC_ID: u8 = 3;

/// Passes packets on as they are.
pub(super) struct Plain;

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

/// A packet as the viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    pub(super) mid: Option<String>,
    pub(super) transport_sequence: Option<u16>,
}

/// The packets of a batch, which is emptied: RTP, and compounds of RTCP.
pub(super) fn seen(batch: &mut Batch) -> (Vec<Seen>, Vec<Vec<u8>>) {
    let (mut rtp, mut rtcp) = (Vec::new(), Vec::new());
    for datagram in batch.datagrams() {
        if (192..224).contains(&datagram[1]) {
            rtcp.push(datagram.to_vec());
            continue;
        }
        let parsed = Header::parse(datagram).unwrap();
        rtp.push(Seen {
            header: parsed.header,
            payload: datagram[parsed.payload.clone()].to_vec(),
            mid: parsed.extensions.get_str(1).map(str::to_owned),
            transport_sequence: parsed.extensions.get_u16(TRANSPORT_CC_ID),
        });
    }
    batch.clear();
    (rtp, rtcp)
}

pub(super) fn outgoing() -> Vec<Outgoing> {
    let extensions = Extensions {
        mid: Some(1),
        transport_cc: Some(TRANSPORT_CC_ID),
        abs_send_time: Some(2),
        playout_delay: Some(6),
        ..Extensions::default()
    };
    let feedback = Agreed { nack: true, pli: true, fir: true, transport_cc: true };
    vec![
        Outgoing {
            mid: "0".into(),
            video: true,
            payloads: [RtpCodec::H264, RtpCodec::Hevc, RtpCodec::Vp8, RtpCodec::Vp9, RtpCodec::Av1]
                .into_iter()
                .enumerate()
                .map(|(index, codec)| {
                    let pt = VIDEO_PT + 2 * u8::try_from(index).unwrap();
                    Payload { pt, codec, fmtp: String::new(), rtx: Some(pt + 1) }
                })
                .collect(),
            ssrc: VIDEO_SSRC,
            rtx_ssrc: Some(RTX_SSRC),
            extensions,
            feedback,
        },
        Outgoing {
            mid: "1".into(),
            video: false,
            payloads: vec![Payload { pt: AUDIO_PT, codec: RtpCodec::Opus, fmtp: String::new(), rtx: None }],
            ssrc: AUDIO_SSRC,
            rtx_ssrc: None,
            extensions,
            feedback: Agreed { transport_cc: true, ..Agreed::default() },
        },
    ]
}

/// An `avcC` with the sets `[0x67, 1]` and `[0x68, 2]`.
pub(super) fn h264_track(id: u8) -> Track {
    video_track(id, VideoCodec::H264, &[1, 66, 0, 31, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 2, 0x68, 2])
}

pub(super) fn video_track(id: u8, codec: VideoCodec, config: &'static [u8]) -> Track {
    let config = Bytes::from_static(config);
    let params = VideoParams { codec, config, width: 0, height: 0, frame_rate: None, rfc6381: String::new() };
    Track { id: TrackId(id), params: TrackParams::Video(params) }
}

pub(super) fn opus_track() -> Track {
    let config = Bytes::from_static(b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0");
    let codec = AudioCodec::Opus;
    let params = AudioParams { codec, config, sample_rate: 48_000, channels: 2, rfc6381: "opus".into() };
    Track { id: TrackId::AUDIO, params: TrackParams::Audio(params) }
}

/// A frame of one NAL unit of so many bytes.
pub(super) fn picture(start: Instant, track: u8, at_ms: u64, keyframe: bool, bytes: usize) -> Frame {
    let mut data = u32::try_from(bytes).unwrap().to_be_bytes().to_vec();
    data.push(if keyframe { 0x65 } else { 0x41 });
    data.extend((1..bytes).map(|index| (index * 7 + at_ms as usize) as u8));
    let at = Timestamp::from_millis(at_ms.cast_signed());
    let arrived = start + Duration::from_millis(at_ms);
    Frame { track: TrackId(track), pts: at, dts: at, keyframe, arrived, data: data.into() }
}

pub(super) fn sound(start: Instant, at_ms: u64) -> Frame {
    let at = Timestamp::from_millis(at_ms.cast_signed());
    let arrived = start + Duration::from_millis(at_ms);
    Frame { track: TrackId::AUDIO, pts: at, dts: at, keyframe: true, arrived, data: vec![0xfc; 160].into() }
}

/// A publish with one H.264 layer and Opus, and one viewer.
pub(super) struct Stage {
    pub(super) start: Instant,
    pub(super) sender: Sender,
    pub(super) batch: Batch,
    video: Packetizer,
    audio: Packetizer,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(outgoing())
    }

    pub(super) fn with(outgoing: Vec<Outgoing>) -> Self {
        let start = Instant::now();
        Self {
            start,
            sender: Sender::new(start, outgoing),
            batch: Batch::new(),
            video: Packetizer::new(&h264_track(0)).unwrap(),
            audio: Packetizer::new(&opus_track()).unwrap(),
        }
    }

    pub(super) fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    pub(super) fn packets(&mut self, track: u8, at_ms: u64, keyframe: bool, bytes: usize) -> Arc<Packets> {
        self.video.packetize(&picture(self.start, track, at_ms, keyframe, bytes))
    }

    pub(super) fn video(&mut self, at_ms: u64, keyframe: bool, bytes: usize) -> Vec<Seen> {
        let packets = self.packets(0, at_ms, keyframe, bytes);
        self.sender.send(self.at(at_ms), &packets, &mut Plain, &mut self.batch);
        seen(&mut self.batch).0
    }

    pub(super) fn audio(&mut self, at_ms: u64) -> Vec<Seen> {
        let packets = self.audio.packetize(&sound(self.start, at_ms));
        self.sender.send(self.at(at_ms), &packets, &mut Plain, &mut self.batch);
        seen(&mut self.batch).0
    }

    pub(super) fn timeout(&mut self, at_ms: u64) -> (Vec<Seen>, Vec<Vec<u8>>) {
        self.sender.handle_timeout(self.at(at_ms), &mut Plain, &mut self.batch);
        seen(&mut self.batch)
    }
}

pub(super) fn nack(ssrc: u32, first: u16, more: u16) -> Vec<u8> {
    let mut packet = vec![0x81, 205, 0, 3, 0, 0, 0, 9];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(first.to_be_bytes());
    packet.extend(more.to_be_bytes());
    packet
}

pub(super) fn pli(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 206, 0, 2, 0, 0, 0, 9];
    packet.extend(ssrc.to_be_bytes());
    packet
}

#[test]
fn nothing_is_sent_before_a_keyframe_and_then_numbers_go_on_without_holes() {
    let mut stage = Stage::new();
    assert!(stage.video(0, false, 3000).is_empty());
    assert_eq!(stage.sender.keyframe_wanted(stage.at(0)), Some(TrackId::VIDEO));
    let mut all = stage.video(33, true, 9000);
    all.extend(stage.video(66, false, 3000));
    all.extend(stage.video(100, false, 100));
    for (before, after) in all.iter().zip(&all[1..]) {
        assert_eq!(after.header.sequence, before.header.sequence.wrapping_add(1));
        assert_eq!(after.transport_sequence.unwrap(), before.transport_sequence.unwrap().wrapping_add(1));
    }
    let markers = all.iter().filter(|seen| seen.header.marker).count();
    assert_eq!(markers, 3);
    assert!(all.iter().all(|seen| seen.header.ssrc == VIDEO_SSRC && seen.header.payload_type == VIDEO_PT));
    assert!(all.iter().all(|seen| seen.mid.as_deref() == Some("0")));
    assert_eq!(stage.sender.keyframe_wanted(stage.at(700)), None);
}

#[test]
fn sound_and_pictures_keep_their_distance_in_timestamps_and_reports() {
    let mut stage = Stage::new();
    let video_packets = stage.packets(0, 0, true, 500);
    stage.sender.send(stage.start, &video_packets, &mut Plain, &mut stage.batch);
    let (rtp, reports) = seen(&mut stage.batch);
    let video = rtp[0].header.timestamp;
    assert_eq!(reports.len(), 1, "the first report comes with the first packet");
    let audio = stage.audio(20)[0].header.timestamp;
    assert_eq!(stage.video(1000, false, 500)[0].header.timestamp, video.wrapping_add(90_000));
    assert_eq!(stage.audio(1020)[0].header.timestamp, audio.wrapping_add(48_000));
    let (_, reports) = stage.timeout(3000);
    let report = &reports[0];
    let word = |at: usize| u32::from_be_bytes(report[at..at + 4].try_into().unwrap());
    assert_eq!((word(4), word(28 + 4)), (VIDEO_SSRC, AUDIO_SSRC));
    assert_eq!((word(8), word(12)), (word(28 + 8), word(28 + 12)), "one wall clock time for both");
    assert_eq!(word(16).wrapping_sub(video), 3 * 90_000);
    assert_eq!(word(28 + 16).wrapping_sub(audio), 2980 * 48);
    assert_eq!((word(20), word(28 + 20)), (2, 2));
}

#[test]
fn reports_give_the_name_that_the_answer_gave() {
    use rtc::rtcp::{packet::unmarshal, source_description::SourceDescription};
    let mut stage = Stage::new();
    stage.video(0, true, 500);
    stage.audio(20);
    let (_, reports) = stage.timeout(3_000);
    let packets = unmarshal(&mut &reports[0][..]).unwrap();
    let description = packets.iter().find_map(|packet| packet.as_any().downcast_ref::<SourceDescription>()).unwrap();
    let names = description.chunks.iter().map(|chunk| (chunk.source, chunk.items[0].text.as_ref()));
    let name = crate::agreed::CNAME.as_bytes();
    assert_eq!(names.collect::<Vec<_>>(), [(VIDEO_SSRC, name), (AUDIO_SSRC, name)]);
}

#[test]
fn a_lost_packet_is_sent_again_once_in_a_round_trip() {
    let mut stage = Stage::new();
    let sent = stage.video(0, true, 5000);
    let lost = &sent[1];
    stage.sender.rtcp(stage.at(40), &nack(VIDEO_SSRC, lost.header.sequence, 0));
    assert!(stage.sender.poll_timeout().unwrap() <= stage.at(40));
    let (again, _) = stage.timeout(40);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].header.ssrc, again[0].header.payload_type), (RTX_SSRC, RTX_PT));
    assert_eq!(again[0].header.timestamp, lost.header.timestamp);
    assert_eq!(again[0].payload[..2], lost.header.sequence.to_be_bytes());
    assert_eq!(again[0].payload[2..], lost.payload);
    stage.sender.rtcp(stage.at(60), &nack(VIDEO_SSRC, lost.header.sequence, 0));
    assert!(stage.timeout(60).0.is_empty());
    stage.sender.rtcp(stage.at(150), &nack(VIDEO_SSRC, lost.header.sequence, 0));
    assert_eq!(stage.timeout(150).0.len(), 1);
    assert_eq!(stage.sender.stats().retransmissions, 2);
    stage.sender.rtcp(stage.at(1600), &nack(VIDEO_SSRC, lost.header.sequence, 0));
    assert!(stage.timeout(1600).0.is_empty(), "too long ago");
}

#[test]
fn a_storm_of_requests_gets_a_share_of_what_is_sent_anyway() {
    let mut stage = Stage::new();
    let first = stage.video(0, true, 90_000)[0].header.sequence;
    let mut bytes = 0;
    for round in 0..200 {
        let at = 200 + round * 5;
        for base in (0..80).step_by(17) {
            stage.sender.rtcp(stage.at(at), &nack(VIDEO_SSRC, first.wrapping_add(base), 0xffff));
        }
        bytes += stage.timeout(at).0.iter().map(|seen| seen.payload.len()).sum::<usize>();
    }
    assert!((90_000..400_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_keyframe_is_asked_for_at_most_twice_a_second() {
    let mut stage = Stage::new();
    stage.video(0, true, 100);
    let wanted = |stage: &mut Stage, at: u64| stage.sender.rtcp(stage.at(at), &pli(VIDEO_SSRC)).keyframe_wanted;
    assert_eq!(wanted(&mut stage, 10), Some(TrackId::VIDEO));
    assert_eq!(wanted(&mut stage, 300), None);
    assert_eq!(wanted(&mut stage, 520), Some(TrackId::VIDEO));
    assert_eq!(stage.sender.rtcp(stage.at(2000), &pli(AUDIO_SSRC)).keyframe_wanted, None);
}

#[test]
fn a_viewer_that_asks_for_keyframes_for_ever_is_heard_now_and_then() {
    let mut stage = Stage::new();
    stage.video(0, true, 100);
    let asked = (0..100).map(|index| 600 * index + 10);
    let granted = asked.filter(|at| stage.sender.rtcp(stage.at(*at), &pli(VIDEO_SSRC)).keyframe_wanted.is_some());
    // Those that may come in a row, and one each 2 s of the minute.
    let granted = granted.count();
    assert!((25..=34).contains(&granted), "{granted} of 100");
}

#[test]
fn whoever_joins_gets_old_pictures_with_timestamps_of_now() {
    let mut stage = Stage::new();
    let gop: Vec<_> = (0..50).map(|index| stage.packets(0, index * 40, index == 0, 900)).collect();
    stage.sender.join(stage.at(2000), &gop, &mut Plain, &mut stage.batch);
    let (burst, _) = seen(&mut stage.batch);
    let live = stage.video(2000, false, 900);
    let stamps: Vec<u32> = burst.iter().filter(|seen| seen.header.marker).map(|seen| seen.header.timestamp).collect();
    assert_eq!(stamps.len(), 50);
    assert!(stamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 90));
    assert_eq!(live[0].header.timestamp.wrapping_sub(stamps[49]), 40 * 90);
}

#[test]
fn whoever_joins_a_publish_of_several_layers_begins_with_the_best() {
    let mut stage = Stage::new();
    let gop: Vec<_> = (0..20)
        .flat_map(|index| [3, 0, 2].map(|track| (track, index)))
        .map(|(track, index)| stage.packets(track, index * 40, index == 0, 900))
        .collect();
    stage.sender.join(stage.at(800), &gop, &mut Plain, &mut stage.batch);
    let (burst, _) = seen(&mut stage.batch);
    assert_eq!((burst.len(), stage.sender.layer()), (20, Some(TrackId::VIDEO)));
    assert!(burst.windows(2).all(|pair| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp) == 90));
}

#[test]
fn only_packets_that_carry_a_transport_wide_number_take_one() {
    let mut outgoing = outgoing();
    outgoing[1].extensions.transport_cc = None;
    let mut stage = Stage::with(outgoing);
    let mut numbers = Vec::new();
    for at in (0..400).step_by(20) {
        assert!(stage.audio(at).iter().all(|seen| seen.transport_sequence.is_none()));
        numbers.extend(stage.video(at, at == 0, 2_000).iter().map(|seen| seen.transport_sequence.unwrap()));
    }
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}

#[test]
fn a_packet_without_retransmissions_agreed_is_not_sent_again() {
    let mut outgoing = outgoing();
    outgoing[0].payloads[0].rtx = None;
    let mut stage = Stage::with(outgoing);
    let lost = stage.video(0, true, 5_000)[1].header.sequence;
    stage.sender.rtcp(stage.at(40), &nack(VIDEO_SSRC, lost, 0));
    assert!(stage.timeout(40).0.is_empty(), "no cipher may seal one number twice");
    let stats = stage.sender.stats();
    assert_eq!((stats.retransmissions, stats.refused_retransmissions), (0, 1));
}

#[test]
fn only_what_could_be_protected_is_counted() {
    /// Has no keys any more.
    struct Keyless;
    impl Protect for Keyless {
        fn protect_rtp(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
            false
        }

        fn protect_rtcp(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
            false
        }
    }
    let mut stage = Stage::new();
    let lost = stage.video(0, true, 5_000)[1].header.sequence;
    let before = stage.sender.stats();
    stage.sender.rtcp(stage.at(40), &nack(VIDEO_SSRC, lost, 0));
    stage.sender.handle_timeout(stage.at(40), &mut Keyless, &mut stage.batch);
    let packets = stage.packets(0, 60, false, 5_000);
    stage.sender.send(stage.at(60), &packets, &mut Keyless, &mut stage.batch);
    let after = stage.sender.stats();
    assert_eq!((after.packets, after.retransmissions), (before.packets, 0));
    stage.sender.handle_timeout(stage.at(2_000), &mut Plain, &mut stage.batch);
    let (_, reports) = seen(&mut stage.batch);
    let count = u32::from_be_bytes(reports[0][20..24].try_into().unwrap());
    assert_eq!(u64::from(count), before.packets);
}

#[test]
fn headers_get_shorter_once_the_viewer_reported() {
    let mut stage = Stage::new();
    stage.video(0, true, 100);
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    report.extend(VIDEO_SSRC.to_be_bytes());
    report.extend([0; 20]);
    stage.sender.rtcp(stage.at(30), &report);
    let later = stage.video(33, false, 100);
    assert_eq!(later[0].mid, None);
    assert!(later[0].transport_sequence.is_some());
}

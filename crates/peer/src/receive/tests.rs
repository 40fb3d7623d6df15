use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use rtc::rtcp::{
    packet::unmarshal, payload_feedbacks::picture_loss_indication::PictureLossIndication,
    receiver_report::ReceiverReport, sender_report::SenderReport,
    transport_feedbacks::transport_layer_nack::TransportLayerNack,
};
use rtc::shared::marshal::Marshal as _;
use weir_media::{Frame, Track, TrackId, TrackParams};

use super::{testing::*, *};
use crate::{
    agreed::{Incoming, RtpCodec},
    rtp::Header,
};

fn drain(receiver: &mut Receiver) -> (Vec<Track>, Vec<Frame>) {
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    while let Some(output) = receiver.poll() {
        match output {
            Output::Track(track) => tracks.push(track),
            Output::Frame(frame) => frames.push(frame),
            Output::Gone(_) => {}
        }
    }
    (tracks, frames)
}

#[test]
fn pictures_and_sound_come_out_with_their_tracks() {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section(RtpCodec::Opus), section(RtpCodec::H264)]);
    let (mut video, mut sound) = (Publisher::new(1), Publisher::new(2));
    for number in 0..10_u32 {
        let now = start + Duration::from_millis(u64::from(number) * 20);
        let payloads = h264_payloads(number, number == 0, 300);
        for packet in video.packets(VIDEO_PT, number.wrapping_mul(1_800).wrapping_sub(4_000), &payloads) {
            receiver.rtp(now, packet);
        }
        receiver.rtp(now, sound.packet(SOUND_PT, number * 960, false, &[0x7c, number as u8]));
    }
    let (tracks, frames) = drain(&mut receiver);
    assert_eq!(tracks.iter().map(|track| track.id).collect::<Vec<_>>(), [TrackId::VIDEO, TrackId::AUDIO]);
    let TrackParams::Video(params) = &tracks[0].params else { panic!("pictures first") };
    assert_eq!((params.width, params.height, params.rfc6381.as_str()), (1280, 720, "avc1.64001f"));
    for track in [TrackId::VIDEO, TrackId::AUDIO] {
        let frames: Vec<_> = frames.iter().filter(|frame| frame.track == track).collect();
        let expected: Vec<_> = (0..10).map(|number| number * 20_000_000).collect();
        assert_eq!(frames.iter().map(|frame| frame.pts.nanos()).collect::<Vec<_>>(), expected);
    }
    let keyframe = frames.iter().find(|frame| frame.track == TrackId::VIDEO).unwrap();
    assert!(keyframe.keyframe);
    assert_eq!(nals(&keyframe.data), [h264_picture(0, true, 300).pop().unwrap()]);
}

/// What the network does with a packet.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How often it is lost before it arrives, retransmissions included.
    lost: u8,
    /// Milliseconds on the way beyond those of the others.
    late: u64,
    twice: bool,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let lost = prop_oneof![6 => Just(0_u8), 1 => Just(1_u8), 1 => Just(3_u8)];
    let late = prop_oneof![6 => Just(0_u64), 1 => 0..30_u64];
    let fate = (lost, late, prop::bool::weighted(0.1)).prop_map(|(lost, late, twice)| Fate { lost, late, twice });
    prop::collection::vec(fate, 1..60)
}

const PICTURES: u32 = 60;
const GOP: u32 = 10;
/// Milliseconds of the way between publisher and us.
const WAY: u64 = 20;

/// Sends pictures through a network with these fates, over and over; the numbers of those that come out, and whether
/// each is a keyframe. Retransmissions are sent if they are asked for.
fn through(section: Incoming, fates: &[Fate]) -> Vec<(u32, bool)> {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section]);
    let (mut media, mut rtx) = (Publisher::new(1), Publisher::new(2));
    // By arrival in milliseconds; the number keeps packets of one time in order.
    let mut network: std::collections::BTreeMap<(u64, usize), Bytes> = Default::default();
    let mut sent: Vec<(u16, Bytes, u8)> = Vec::new();
    for number in 0..PICTURES {
        let bytes = 40 + (number as usize * 37) % 300;
        for packet in media.packets(VIDEO_PT, number * 3_000, &h264_payloads(number, number % GOP == 0, bytes)) {
            let at = sent.len();
            // The first packet is where the line of numbers begins, and nothing tells that the last are missing.
            let fate = if at == 0 || number + 1 == PICTURES {
                Fate { lost: 0, late: 0, twice: false }
            } else {
                fates[at % fates.len()]
            };
            let arrives = u64::from(number) * 33 + WAY + fate.late;
            if fate.lost == 0 {
                network.insert((arrives, network.len()), packet.clone());
            }
            if fate.twice {
                network.insert((arrives + 5, network.len() + 1_000_000), packet.clone());
            }
            sent.push((Header::parse(&packet).unwrap().header.sequence, packet, fate.lost));
        }
    }
    let mut out = Vec::new();
    let mut repairs = 2_000_000;
    loop {
        let timeout = receiver.poll_timeout().map(|at| at.duration_since(start).as_nanos().div_ceil(1_000_000) as u64);
        let Some(&key) = network.keys().next() else {
            // Nothing is on its way: wait for what is still asked for.
            if timeout.is_none_or(|at| at > u64::from(PICTURES) * 33 + 1_500) {
                break;
            }
            receiver.handle_timeout(start + Duration::from_millis(timeout.unwrap()));
            answer(&mut receiver, timeout.unwrap(), &mut sent, &mut rtx, &mut network, &mut repairs);
            continue;
        };
        let now = timeout.map_or(key.0, |at| at.min(key.0));
        let instant = start + Duration::from_millis(now);
        if timeout.is_some_and(|at| at <= key.0) {
            receiver.handle_timeout(instant);
        } else if let Some(packet) = network.remove(&key) {
            receiver.rtp(instant, packet);
        }
        answer(&mut receiver, now, &mut sent, &mut rtx, &mut network, &mut repairs);
        for frame in drain(&mut receiver).1 {
            let nals = nals(&frame.data);
            let number = u32::from_be_bytes(nals.last().unwrap()[2..6].try_into().unwrap());
            let whole = h264_picture(number, frame.keyframe, 40 + (number as usize * 37) % 300);
            assert_eq!(nals, whole[whole.len() - 1..]);
            out.push((number, frame.keyframe));
        }
    }
    out
}

/// The publisher answers what it is asked for.
fn answer(
    receiver: &mut Receiver,
    now: u64,
    sent: &mut [(u16, Bytes, u8)],
    rtx: &mut Publisher,
    network: &mut std::collections::BTreeMap<(u64, usize), Bytes>,
    repairs: &mut usize,
) {
    while let Some(compound) = receiver.poll_rtcp() {
        for packet in unmarshal(&mut &compound[..]).unwrap() {
            let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() else { continue };
            for number in nack.nacks.iter().flat_map(|pair| pair.packet_list()) {
                let (_, packet, lost) = sent.iter_mut().find(|(known, ..)| *known == number).unwrap();
                *lost = lost.saturating_sub(1);
                if *lost == 0 {
                    *repairs += 1;
                    network.insert((now + 2 * WAY, *repairs), retransmission(rtx, packet));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_retransmissions_all_pictures_come_out_in_order(fates in fates()) {
        let out = through(section(RtpCodec::H264), &fates);
        let expected: Vec<_> = (0..PICTURES).map(|number| (number, number % GOP == 0)).collect();
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn without_retransmissions_a_keyframe_follows_every_hole(fates in fates()) {
        let mut section = section(RtpCodec::H264);
        section.feedback.nack = false;
        let mut next = 0;
        for (number, keyframe) in through(section, &fates) {
            prop_assert!(number == next || number > next && keyframe, "{} after {}", number, next);
            next = number + 1;
        }
    }
}

#[test]
fn a_hole_is_answered_by_a_request_for_a_keyframe() {
    let start = Instant::now();
    let mut section = section(RtpCodec::H264);
    section.feedback.nack = false;
    let mut receiver = Receiver::new(start, vec![section]);
    let mut media = Publisher::new(1);
    let mut now = start;
    for number in 0..20_u32 {
        for packet in media.packets(VIDEO_PT, number * 3_000, &h264_payloads(number, number == 0, 100)) {
            if number != 5 {
                receiver.rtp(now, packet);
            }
        }
        now += Duration::from_millis(33);
        receiver.handle_timeout(now);
    }
    let requests = std::iter::from_fn(|| receiver.poll_rtcp())
        .flat_map(|compound| unmarshal(&mut &compound[..]).unwrap())
        .filter(|packet| packet.as_any().is::<PictureLossIndication>())
        .count();
    assert_eq!(requests, 1);
    assert_eq!(drain(&mut receiver).1.len(), 5);
}

#[test]
fn sender_reports_come_back_in_receiver_reports() {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section(RtpCodec::Opus)]);
    let mut sound = Publisher::new(7);
    receiver.rtp(start, sound.packet(SOUND_PT, 0, false, &[0x7c, 1]));
    let report = SenderReport { ssrc: 7, ntp_time: 0x1122_3344_5566_7788, ..SenderReport::default() };
    receiver.rtcp(start, &report.marshal().unwrap());
    receiver.handle_timeout(receiver.poll_timeout().unwrap());
    receiver.handle_timeout(receiver.poll_timeout().unwrap());
    let compounds: Vec<_> = std::iter::from_fn(|| receiver.poll_rtcp()).collect();
    let packets: Vec<_> = compounds.iter().flat_map(|compound| unmarshal(&mut &compound[..]).unwrap()).collect();
    let reports = packets.iter().filter_map(|packet| packet.as_any().downcast_ref::<ReceiverReport>());
    let blocks: Vec<_> = reports.flat_map(|report| &report.reports).collect();
    assert_eq!((blocks[0].ssrc, blocks[0].last_sender_report), (7, 0x3344_5566));
}

#[test]
fn what_stands_before_damage_in_a_compound_counts() {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section(RtpCodec::Opus)]);
    receiver.rtp(start, Publisher::new(7).packet(SOUND_PT, 0, false, &[0x7c, 1]));
    let report = SenderReport { ssrc: 7, ntp_time: 0x1122_3344_5566_7788, ..SenderReport::default() };
    let mut compound = report.marshal().unwrap().to_vec();
    // A description of a source that promises more than there is.
    compound.extend([0x81, 202, 0, 9, 0, 0, 0, 7]);
    receiver.rtcp(start, &compound);
    assert_eq!(receiver.stats().unknown_rtcp, 1);
    receiver.handle_timeout(receiver.poll_timeout().unwrap());
    receiver.handle_timeout(receiver.poll_timeout().unwrap());
    let compounds: Vec<_> = std::iter::from_fn(|| receiver.poll_rtcp()).collect();
    let packets: Vec<_> = compounds.iter().flat_map(|compound| unmarshal(&mut &compound[..]).unwrap()).collect();
    let reports = packets.iter().filter_map(|packet| packet.as_any().downcast_ref::<ReceiverReport>());
    assert!(reports.flat_map(|report| &report.reports).any(|block| block.last_sender_report == 0x3344_5566));
}

#[test]
fn simulcast_layers_become_tracks_in_falling_size() {
    let start = Instant::now();
    let mut section = section(RtpCodec::Vp8);
    section.rids = vec!["l".into(), "h".into(), "m".into()];
    let mut receiver = Receiver::new(start, vec![section]);
    let layers = [(1, "l", 320_u16), (2, "h", 1_280), (3, "m", 640)];
    let mut publishers = layers.map(|(ssrc, ..)| Publisher::new(ssrc));
    for (media, (ssrc, rid, width)) in publishers.iter_mut().zip(layers) {
        media.extensions = vec![(1, b"v".to_vec()), (2, rid.as_bytes().to_vec())];
        let mut keyframe = vec![0x10, 0x10, 2, 0, 0x9d, 1, 0x2a];
        keyframe.extend(width.to_le_bytes());
        keyframe.extend(180_u16.to_le_bytes());
        receiver.rtp(start, media.packet(VIDEO_PT, ssrc * 1_000_000, true, &keyframe));
    }
    let later = start + Duration::from_millis(33);
    for media in &mut publishers {
        media.extensions.clear();
        receiver.rtp(later, media.packet(VIDEO_PT, media.ssrc * 1_000_000 + 3_000, true, &[0x10, 0x11, 2, 0]));
    }
    let (tracks, frames) = drain(&mut receiver);
    let sizes = tracks.iter().map(|track| match &track.params {
        TrackParams::Video(params) => (track.id.0, params.width),
        TrackParams::Audio(_) => (track.id.0, 0),
    });
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(0, 1_280), (2, 640), (3, 320)]);
    assert_eq!(frames.iter().filter(|frame| frame.pts.nanos() == 0).count(), 3);
    assert_eq!(frames.iter().filter(|frame| frame.pts.nanos() == 33_333_333).count(), 3);
}

#[test]
fn another_payload_type_begins_another_track() {
    let start = Instant::now();
    let mut section = section(RtpCodec::H264);
    section.payloads.push(crate::agreed::Payload { pt: 100, codec: RtpCodec::Vp8, ..section.payloads[0].clone() });
    let mut receiver = Receiver::new(start, vec![section]);
    let mut media = Publisher::new(1);
    for packet in media.packets(VIDEO_PT, 0, &h264_payloads(0, true, 100)) {
        receiver.rtp(start, packet);
    }
    receiver.rtp(start, media.packet(100, 3_000, true, &[0x10, 0x11, 2, 0]));
    let keyframe = [0x10, 0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 180, 0];
    receiver.rtp(start, media.packet(100, 6_000, true, &keyframe));
    let (tracks, frames) = drain(&mut receiver);
    let codecs: Vec<_> = tracks.iter().map(|track| track.params.rfc6381().to_owned()).collect();
    assert_eq!(codecs, ["avc1.64001f", "vp08.00.11.08"]);
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_stream_goes_on_under_another_source_once_the_old_one_is_silent() {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section(RtpCodec::Opus)]);
    let (mut old, mut new) = (Publisher::new(1), Publisher::new(2));
    let mut places = Vec::new();
    for number in 0..200_u32 {
        let now = start + Duration::from_millis(u64::from(number) * 20);
        if number < 100 {
            receiver.rtp(now, old.packet(SOUND_PT, number * 960, false, &[0x7c, 1]));
        }
        if number > 50 {
            receiver.rtp(now, new.packet(SOUND_PT, 3_000_000_000 + number * 960, false, &[0x7c, 2]));
        }
        places.extend(drain(&mut receiver).1.into_iter().map(|frame| (frame.data[1], frame.pts.nanos() / 1_000_000)));
    }
    let expected = (0..100).map(|number| (1, number * 20)).chain((149..200).map(|number| (2, number * 20)));
    assert_eq!(places, expected.collect::<Vec<_>>());
}

#[test]
fn what_belongs_to_nobody_is_counted() {
    let start = Instant::now();
    let mut receiver = Receiver::new(start, vec![section(RtpCodec::Opus)]);
    receiver.rtp(start, Bytes::from_static(b"no RTP"));
    receiver.rtp(start, Publisher::new(9).packet(55, 0, false, &[1]));
    receiver.rtcp(start, b"no RTCP");
    let stats = receiver.stats();
    assert_eq!((stats.unknown, stats.unknown_rtcp, stats.layers.len()), (2, 1, 0));
    assert!(receiver.poll().is_none());
}

/// RTP that ffmpeg 5.1 made of 8 samples, each packet behind its length (16 bits); the sizes of those samples, and in
/// which order they are shown.
fn check_ffmpeg(codec: RtpCodec, fmtp: &str, rtp: &[u8], sizes: [usize; 8], order: [usize; 8]) {
    let start = Instant::now();
    let mut section = section(codec);
    (section.payloads[0].pt, section.payloads[0].fmtp) = (96, fmtp.into());
    let mut receiver = Receiver::new(start, vec![section]);
    let mut rest = rtp;
    while let Some((&length, after)) = rest.split_first_chunk() {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes(length)));
        receiver.rtp(start, Bytes::copy_from_slice(packet));
        rest = after;
    }
    let (tracks, frames) = drain(&mut receiver);
    assert_eq!(tracks.len(), 1);
    assert_eq!(frames.iter().map(|frame| frame.data.len()).collect::<Vec<_>>(), sizes);
    let mut shown: Vec<_> = (0..frames.len()).collect();
    shown.sort_by_key(|at| frames[*at].pts);
    assert_eq!(shown, order);
    assert!(frames.iter().all(|frame| frame.dts <= frame.pts), "decoded before it is shown");
    assert!(frames.windows(2).all(|pair| pair[0].dts < pair[1].dts), "decoded one after the other");
}

#[test]
fn what_ffmpeg_sends_comes_out_as_it_was() {
    const IN_ORDER: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    check_ffmpeg(
        RtpCodec::H264,
        "packetization-mode=1; sprop-parameter-sets=Z2QADazZQUGfnwEQAAADABAAAAMDwPFCmWA=,aO+Pyw==; \
         profile-level-id=64000D",
        include_bytes!("fixtures/h264-b-frames.rtp"),
        [4_048, 1_302, 871, 614, 1_454, 918, 542, 1_583],
        [0, 2, 3, 1, 5, 6, 4, 7],
    );
    check_ffmpeg(
        RtpCodec::Hevc,
        "sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwA8lZQJ; \
         sprop-sps=QgEBAWAAAAMAkAAAAwAAAwA8oAoIDB8+WVlSkwvAWgIAAAMAAgAAAwA8EA==; sprop-pps=RAHAc8GJ",
        include_bytes!("fixtures/hevc.rtp"),
        [4_120, 1_692, 845, 293, 474, 1_661, 627, 358],
        [0, 3, 2, 4, 1, 7, 6, 5],
    );
    let vp8 = [6_556, 747, 594, 866, 929, 867, 899, 1_151];
    check_ffmpeg(RtpCodec::Vp8, "", include_bytes!("fixtures/vp8.rtp"), vp8, IN_ORDER);
    let vp9 = [6_868, 2_558, 486, 617, 794, 576, 546, 769];
    check_ffmpeg(RtpCodec::Vp9, "", include_bytes!("fixtures/vp9.rtp"), vp9, IN_ORDER);
    let opus = [439, 293, 304, 284, 285, 286, 281, 293];
    check_ffmpeg(RtpCodec::Opus, "sprop-stereo=1", include_bytes!("fixtures/opus.rtp"), opus, IN_ORDER);
}

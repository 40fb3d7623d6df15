use proptest::prelude::*;
use weir_media::VideoParams;

use super::{
    super::testing::{PPS, SPS, h264_payloads, nal_payloads, nals},
    *,
};

fn payload(codec: RtpCodec, fmtp: &str) -> Payload {
    Payload { pt: 96, codec, fmtp: fmtp.into(), rtx: None }
}

/// Pushes payloads of one unit each row, the last of a row with marker; gives what came out.
fn units(depacketizer: &mut Depacketizer, rows: &[&[Vec<u8>]]) -> Vec<Unit> {
    let mut units = Vec::new();
    for (timestamp, row) in rows.iter().enumerate() {
        for (at, payload) in row.iter().enumerate() {
            let piece = Piece { timestamp: timestamp as u32, marker: at + 1 == row.len(), payload };
            let _ = depacketizer.push(piece, &mut |unit| units.push(unit));
        }
    }
    units
}

fn check(codec: RtpCodec, payloads: &[Vec<u8>], expected: &[u8]) {
    let mut depacketizer = Depacketizer::new(&payload(codec, ""));
    let units = units(&mut depacketizer, &[payloads]);
    assert_eq!(units.len(), 1, "one unit");
    assert_eq!(units[0].data, expected);
}

fn video(unit: &Unit) -> &VideoParams {
    match &unit.params {
        Some(TrackParams::Video(params)) => params,
        other => panic!("no parameters of video: {other:?}"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const HEVC_VPS: &str = "40010c01ffff016000000300900000030000030 05a959809";
const HEVC_SPS: &str = "42010101600000030090000003000003005aa00502016965959a4932bc05a020000003002000000781";
const HEVC_PPS: &str = "4401c172b46240";
/// A sequence header as libaom writes it: 320x180.
const AV1_SEQUENCE: &str = "000000043cfecc02f80040";
const VP9_KEYFRAME: &str = "824983420027f01676043824";

#[test]
fn h264_keeps_user_data_and_leaves_parameter_sets_and_delimiters_out() {
    let (delimiter, user_data, slice) = (&[9_u8, 0x10][..], &[6_u8, 5, 1, 2][..], &[0x65_u8, 0x80, 1, 2][..]);
    let payloads: Vec<_> = [delimiter, SPS, PPS, user_data, slice].map(<[u8]>::to_vec).into();
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let units = units(&mut depacketizer, &[&payloads]);
    assert_eq!(nals(&units[0].data), [user_data, slice]);
    assert!(units[0].keyframe);
    assert_eq!((video(&units[0]).width, video(&units[0]).rfc6381.as_str()), (1280, "avc1.64001f"));
}

#[test]
fn h264_announces_parameters_once_until_they_change() {
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let other_pps = [&PPS[..3], &[0xcd]].concat();
    let changed = nal_payloads(1, &[SPS, &other_pps, &[0x65, 0x80, 1]]);
    let [first, again] = [0, 1].map(|number| h264_payloads(number, true, 300));
    let found = units(&mut depacketizer, &[&first, &again, &changed]);
    assert_eq!(found.iter().map(|unit| unit.params.is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert!(video(&found[2]).config.windows(4).any(|window| window == other_pps));
}

#[test]
fn h264_takes_parameter_sets_from_the_offer() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let fmtp = format!(
        "packetization-mode=1;sprop-parameter-sets={},{};profile-level-id=64001f",
        STANDARD.encode(SPS),
        STANDARD.encode(PPS)
    );
    let slice = vec![vec![0x65, 0x80, 1]];
    let found = units(&mut Depacketizer::new(&payload(RtpCodec::H264, &fmtp)), &[&slice]);
    assert_eq!(video(&found[0]).height, 720);
    assert_eq!(units(&mut Depacketizer::new(&payload(RtpCodec::H264, "")), &[&slice]), []);
}

#[test]
fn h264_parameter_sets_that_change_between_keyframes_stay_in_the_pictures() {
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let other_pps = [&PPS[..3], &[0xcd]].concat();
    let delta = vec![other_pps.clone(), vec![0x41, 0x9a, 1]];
    let found = units(&mut depacketizer, &[&h264_payloads(0, true, 100), &delta]);
    assert_eq!(nals(&found[1].data), [&other_pps[..], &[0x41, 0x9a, 1]]);
}

#[test]
fn h264_drops_what_a_lost_fragment_belongs_to() {
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let (first, second) = (h264_payloads(0, true, 300), h264_payloads(1, true, 300));
    let (mut found, mut errors) = (Vec::new(), 0);
    for (timestamp, payloads, missing) in [(0, &first, 3), (1, &second, usize::MAX)] {
        for (at, payload) in payloads.iter().enumerate() {
            if at == missing {
                depacketizer.hole();
                continue;
            }
            let piece = Piece { timestamp, marker: at + 1 == payloads.len(), payload };
            errors += usize::from(depacketizer.push(piece, &mut |unit| found.push(unit)).is_err());
        }
    }
    assert_eq!((found.len(), found[0].timestamp, errors), (1, 1, 0));
}

#[test]
fn a_unit_without_a_marker_ends_with_the_next_timestamp() {
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let mut found = Vec::new();
    for timestamp in 0..3 {
        for payload in h264_payloads(timestamp, timestamp == 0, 100) {
            depacketizer
                .push(Piece { timestamp, marker: false, payload: &payload }, &mut |unit| found.push(unit))
                .unwrap();
        }
    }
    assert_eq!(found.iter().map(|unit| unit.timestamp).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn malformed_h264_is_refused() {
    for (bad, expected) in [
        (&[0x78, 0, 9, 1][..], BadPayload::Short),
        (&[0x78, 0][..], BadPayload::Short),
        (&[0x7c][..], BadPayload::Short),
        (&[0x7c, 0x05, 1][..], BadPayload::Fragment),
        (&[0x7a, 1, 2][..], BadPayload::Kind),
        (&[0x65, 0x80][..], BadPayload::Parameters),
    ] {
        let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
        let pushed = depacketizer.push(Piece { timestamp: 0, marker: true, payload: bad }, &mut |_| panic!("no unit"));
        assert_eq!(pushed, Err(expected));
    }
}

#[test]
fn an_endless_unit_is_given_up() {
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::H264, ""));
    let mut push = |payload: &[u8]| depacketizer.push(Piece { timestamp: 0, marker: false, payload }, &mut |_| {});
    push(&[0x7c, 0x85, 0x80]).unwrap();
    let fragment = [&[0x7c, 0x05][..], &[0x55; 1_400]].concat();
    let pushed = (0..4_000).find_map(|_| push(&fragment).err());
    assert_eq!(pushed, Some(BadPayload::Large));
    assert_eq!(push(&fragment), Ok(()), "the rest of it is ignored");
}

#[test]
fn hevc_comes_single_aggregated_and_fragmented() {
    let [vps, sps, pps] = [HEVC_VPS, HEVC_SPS, HEVC_PPS].map(hex);
    let slice = [&[19 << 1, 1, 0x80][..], &[7; 300]].concat();
    let delta = [&[1 << 1, 1, 0x80][..], &[8; 30]].concat();
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Hevc, ""));
    let keyframe = nal_payloads(2, &[&vps, &pps, &sps, &slice]);
    assert!(keyframe.len() > 4);
    let found = units(&mut depacketizer, &[&keyframe, &nal_payloads(2, &[&delta])]);
    assert_eq!(nals(&found[0].data), [slice]);
    assert_eq!(nals(&found[1].data), [delta]);
    assert_eq!((found[0].keyframe, found[1].keyframe), (true, false));
    assert_eq!((video(&found[0]).width, video(&found[0]).rfc6381.as_str()), (640, "hvc1.1.6.L90.90"));
}

#[test]
fn vp8_descriptors_of_every_length_are_taken_off() {
    let frame = [0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 180, 0, 5, 6];
    for descriptor in [&[0x10][..], &[0x90, 0x80, 0x11], &[0x90, 0x80, 0x91, 0x22], &[0x90, 0xf0, 0x91, 0x22, 3, 4]] {
        check(RtpCodec::Vp8, &[[descriptor, &frame[..8]].concat(), [&[0x00][..], &frame[8..]].concat()], &frame);
    }
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Vp8, ""));
    let rows = [vec![[&[0x10][..], &frame].concat()], vec![vec![0x10, 0x11, 0, 0]]];
    let found = units(&mut depacketizer, &[&rows[0], &rows[1]]);
    assert_eq!((video(&found[0]).width, video(&found[0]).height), (320, 180));
    assert_eq!((found[0].keyframe, found[1].keyframe), (true, false));
}

#[test]
fn vp9_layers_of_a_picture_come_out_as_a_superframe() {
    let base = hex(VP9_KEYFRAME);
    let upper = [0x86, 1, 2];
    // Picture id of two bytes, layers, begin and end, structure of two layers with sizes.
    let first =
        [&[0b1010_1110, 0x81, 0x02, 0b0000_0000, 0, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 1, 4, 0][..], &base[..]];
    let head = first.concat();
    let second = [&[0b1010_1100, 0x81, 0x02, 0b0000_0011, 0][..], &upper].concat();
    let index = [0xc0 | 2 << 3 | 1, base.len() as u8, 0, 0, 3, 0, 0, 0xc0 | 2 << 3 | 1];
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Vp9, ""));
    let found = units(&mut depacketizer, &[&[head, second]]);
    assert_eq!(found[0].data, [&base[..], &upper, &index].concat());
    assert!(found[0].keyframe);
    assert_eq!((video(&found[0]).width, video(&found[0]).height), (640, 360));
}

#[test]
fn vp9_in_flexible_mode_has_its_references_taken_off() {
    let keyframe = vec![[&[0b0001_1100][..], &hex(VP9_KEYFRAME)].concat()];
    let delta = vec![[&[0b1101_1100, 0x05, 0x03, 0x02][..], &[0x86, 9]].concat()];
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Vp9, ""));
    let found = units(&mut depacketizer, &[&keyframe, &delta]);
    assert_eq!((found[0].keyframe, video(&found[0]).rfc6381.as_str()), (true, "vp09.00.21.08"));
    assert_eq!((found[1].keyframe, &found[1].data[..]), (false, &[0x86, 9][..]));
}

#[test]
fn av1_gets_its_sizes_back_and_loses_its_delimiter() {
    let sequence = [&[0x08][..], &hex(AV1_SEQUENCE)].concat();
    let frame = [&[0x30, 0x10][..], &[7; 200]].concat();
    // Delimiter, sequence header, and the frame in two fragments.
    let first = [&[0x78, 1, 0x10, sequence.len() as u8][..], &sequence, &frame[..100]].concat();
    let second = [&[0x90][..], &frame[100..]].concat();
    let expected = [&[0x0a, 11][..], &sequence[1..], &[0x32, 0xc9, 1], &frame[1..]].concat();
    check(RtpCodec::Av1, &[first.clone(), second.clone()], &expected);
    let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Av1, ""));
    let delta = vec![vec![0x10, 0x30, 0x30, 1]];
    let found = units(&mut depacketizer, &[&[first, second], &delta]);
    assert_eq!((found[0].keyframe, found[1].keyframe), (true, false));
    assert_eq!((video(&found[0]).width, video(&found[0]).rfc6381.as_str()), (320, "av01.0.00M.08"));
    assert_eq!(found[1].data, [0x32, 2, 0x30, 1][..]);
}

#[test]
fn opus_is_stereo_once_it_is_announced_or_seen() {
    for (fmtp, expected) in [("minptime=10;useinbandfec=1", [1, 2]), ("minptime=10; stereo=1", [2, 2])] {
        let mut depacketizer = Depacketizer::new(&payload(RtpCodec::Opus, fmtp));
        let found = units(&mut depacketizer, &[&[vec![0x78, 1]], &[vec![0x7c, 2]], &[vec![0x78, 3]]]);
        let mut channels = found.iter().filter_map(|unit| match &unit.params {
            Some(TrackParams::Audio(params)) => Some(params.channels),
            _ => None,
        });
        assert_eq!(channels.next(), Some(expected[0]));
        assert_eq!(channels.next(), (expected[0] != expected[1]).then_some(expected[1]));
        assert_eq!(found.len(), 3);
    }
}

const CODECS: [RtpCodec; 6] =
    [RtpCodec::H264, RtpCodec::Hevc, RtpCodec::Vp8, RtpCodec::Vp9, RtpCodec::Av1, RtpCodec::Opus];

proptest! {
    #[test]
    fn no_payload_panics(
        codec in prop::sample::select(&CODECS[..]),
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0_u32..3, any::<bool>()), 1..30),
    ) {
        let mut depacketizer = Depacketizer::new(&payload(codec, ""));
        for (payload, timestamp, marker) in packets {
            if payload.first() == Some(&0) {
                depacketizer.hole();
            }
            let _ = depacketizer.push(Piece { timestamp, marker, payload: &payload }, &mut |_| {});
        }
    }
}

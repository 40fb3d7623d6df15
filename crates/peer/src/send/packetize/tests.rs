use std::time::Instant;

use proptest::prelude::*;
use weir_media::{Timestamp, TrackId};

use super::*;
use crate::send::{
    packets::PAYLOAD_MAX,
    tests::{h264_track, opus_track, video_track},
};

/// With one VPS, SPS and PPS: `[0x40, 1, 1]`, `[0x42, 1, 2]`, `[0x44, 1, 3]`.
const HVCC: [u8; 47] = {
    let mut record = [0; 47];
    record[0] = 1;
    record[21] = 3;
    record[22] = 3;
    let mut set = 0;
    while set < 3 {
        let at = 23 + set * 8;
        record[at] = 0x80 + 32 + set as u8;
        record[at + 2] = 1;
        record[at + 4] = 3;
        record[at + 5] = 0x40 + 2 * set as u8;
        record[at + 6] = 1;
        record[at + 7] = 1 + set as u8;
        set += 1;
    }
    record
};
/// With a sequence header OBU of three bytes.
const AV1C: [u8; 9] = [0x81, 0, 0, 0, 0x0a, 3, 7, 8, 9];

fn frame(keyframe: bool, data: Vec<u8>) -> Frame {
    let at = Timestamp::from_millis(0);
    Frame { track: TrackId::VIDEO, pts: at, dts: at, keyframe, arrived: Instant::now(), data: data.into() }
}

fn payloads(track: &Track, keyframe: bool, data: Vec<u8>) -> Vec<Vec<u8>> {
    let packets = Packetizer::new(track).unwrap().packetize(&frame(keyframe, data));
    let all: Vec<Vec<u8>> = (0..packets.len())
        .map(|index| {
            let (head, body) = packets.payload(index);
            [head, body].concat()
        })
        .collect();
    assert_eq!(packets.bytes, all.iter().map(Vec::len).sum::<usize>());
    assert!(all.iter().all(|payload| (1..=PAYLOAD_MAX).contains(&payload.len())));
    all
}

fn prefixed(units: &[Vec<u8>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat()).collect()
}

/// Takes payloads of H.264 (header of one byte) or HEVC (two bytes) apart again.
fn units(payloads: &[Vec<u8>], hevc: bool) -> Vec<Vec<u8>> {
    let header = if hevc { 2 } else { 1 };
    let mut all: Vec<Vec<u8>> = Vec::new();
    for payload in payloads {
        match if hevc { payload[0] >> 1 & 63 } else { payload[0] & 31 } {
            24 | 48 => {
                let mut rest = &payload[header..];
                while let [high, low, after @ ..] = rest {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    all.push(after[..length].to_vec());
                    rest = &after[length..];
                }
            }
            28 | 49 if hevc || payload[0] & 31 == 28 => {
                let edges = payload[header];
                if edges & 0x80 != 0 {
                    all.push(if hevc {
                        vec![payload[0] & 0x81 | (edges & 63) << 1, payload[1]]
                    } else {
                        vec![payload[0] & 0xe0 | edges & 31]
                    });
                }
                all.last_mut().unwrap().extend(&payload[header + 1..]);
            }
            _ => all.push(payload.clone()),
        }
    }
    all
}

fn unit_of(head: &[u8], length: usize) -> Vec<u8> {
    head.iter().copied().chain((0..).map(|index| (index * 31 + length) as u8)).take(length.max(head.len())).collect()
}

#[test]
fn fragments_of_a_picture_have_one_size() {
    for size in [1151, 2300, 9_999, 60_000] {
        let all = payloads(&h264_track(0), false, prefixed(&[unit_of(&[0x41], size)]));
        let (last, others) = all.split_last().unwrap();
        assert!(others.iter().all(|payload| payload.len() == others[0].len()));
        assert!(last.len() <= others[0].len() && last.len() + all.len() > others[0].len(), "no crumb is left over");
    }
}

#[test]
fn a_keyframe_brings_its_parameter_sets() {
    let sets = [vec![0x67, 1], vec![0x68, 2]];
    let picture = unit_of(&[0x65], 3000);
    let all = payloads(&h264_track(0), true, prefixed(std::slice::from_ref(&picture)));
    assert_eq!(units(&all, false), [sets[0].clone(), sets[1].clone(), picture.clone()]);
    assert_eq!(all[0][0], 0x60 | 24);
    // It has them: they rule, although the record has others. What nobody needs is left out.
    let own = [vec![0x09, 0xf0], vec![0x67, 9], vec![0x68, 9], picture.clone(), vec![0x0c, 0xff]];
    assert_eq!(units(&payloads(&h264_track(0), true, prefixed(&own)), false), [&own[1][..], &own[2], &picture]);
    // It has none and is none.
    assert_eq!(units(&payloads(&h264_track(0), false, prefixed(std::slice::from_ref(&picture))), false), [picture]);
}

#[test]
fn hevc_gathers_and_cuts_with_headers_of_two_bytes() {
    let (slice, message) = (unit_of(&[0x26, 1], 5000), unit_of(&[0x4e, 1], 20));
    let all = payloads(&video_track(0, VideoCodec::Hevc, &HVCC), true, prefixed(&[message.clone(), slice.clone()]));
    assert_eq!(all[0][..2], [48 << 1, 1]);
    assert_eq!(units(&all, true), [vec![0x40, 1, 1], vec![0x42, 1, 2], vec![0x44, 1, 3], message, slice]);
}

#[test]
fn vp8_and_vp9_tell_start_end_and_kind() {
    let data = unit_of(&[0x10], 3000);
    let all = payloads(&video_track(0, VideoCodec::Vp8, &[]), true, data.clone());
    assert_eq!(all.iter().map(|payload| payload[0]).collect::<Vec<_>>(), [0x90, 0x80, 0x80]);
    assert_eq!(all.iter().flat_map(|payload| payload[4..].to_vec()).collect::<Vec<_>>(), data);
    let all = payloads(&video_track(0, VideoCodec::Vp9, &[]), false, data.clone());
    assert_eq!(all.iter().map(|payload| payload[0]).collect::<Vec<_>>(), [0xc8, 0xc0, 0xc4]);
    assert_eq!(all.iter().flat_map(|payload| payload[3..].to_vec()).collect::<Vec<_>>(), data);
    // A keyframe of 320x180 tells its size.
    let mut key = vec![0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30];
    key.extend(unit_of(&[], 2000));
    let all = payloads(&video_track(0, VideoCodec::Vp9, &[]), true, key.clone());
    assert_eq!(all[0][..8], [0x8a, 0x80, 0, 0x10, 1, 64, 0, 180]);
    assert_eq!([&all[0][8..], &all[1][3..]].concat(), key);
}

/// Takes payloads of AV1 apart again: OBUs without sizes.
fn obus(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for payload in payloads {
        let count = payload[0] >> 4 & 3;
        assert_eq!(payload[0] & 0x80 != 0, goes_on);
        let mut rest = &payload[1..];
        for index in 1..=count {
            let mut length = rest.len();
            if index < count {
                let bytes = if rest[0] & 0x80 == 0 { 1 } else { 2 };
                length = usize::from(rest[0] & 0x7f) | if bytes == 2 { usize::from(rest[1]) << 7 } else { 0 };
                rest = &rest[bytes..];
            }
            if index == 1 && goes_on {
                all.last_mut().unwrap().extend(&rest[..length]);
            } else {
                all.push(rest[..length].to_vec());
            }
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        goes_on = payload[0] & 0x40 != 0;
    }
    assert!(!goes_on);
    all
}

/// A temporal unit of these OBUs, each with its size.
fn temporal_unit(obus: &[Vec<u8>]) -> Vec<u8> {
    let sized = |obu: &Vec<u8>| {
        let length = obu.len() - 1;
        let mut all = vec![obu[0] | 2];
        all.extend([length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8]);
        all.extend(&obu[1..]);
        all
    };
    obus.iter().flat_map(sized).collect()
}

#[test]
fn av1_brings_a_sequence_header_and_cuts_what_is_long() {
    let track = video_track(0, VideoCodec::Av1, &AV1C);
    let (delimiter, picture) = (vec![0x10], unit_of(&[0x30], 4000));
    let all = payloads(&track, true, temporal_unit(&[delimiter, picture.clone()]));
    assert_eq!(obus(&all), [vec![0x08, 7, 8, 9], picture.clone()]);
    assert_eq!(all.iter().map(|payload| payload[0] & 8).collect::<Vec<_>>(), [8, 0, 0, 0]);
    let (last, others) = all.split_last().unwrap();
    assert!(others.iter().all(|payload| payload.len() == others[0].len() && last.len() <= payload.len()));
    let own = vec![0x08, 1, 2];
    let all = payloads(&track, true, temporal_unit(&[own.clone(), picture.clone()]));
    assert_eq!(obus(&all), [own, picture]);
}

#[test]
fn sound_is_a_packet_as_it_is() {
    assert_eq!(payloads(&opus_track(), true, vec![1, 2, 3]), [[1, 2, 3]]);
    assert!(payloads(&opus_track(), true, Vec::new()).is_empty());
}

proptest! {
    #[test]
    fn units_are_the_same_on_the_other_side(
        lengths in prop::collection::vec(prop_oneof![1..60_usize, 1..4000_usize, 1145..1155_usize], 1..12),
        keyframe: bool,
        hevc: bool,
    ) {
        let head: &[u8] = match (hevc, keyframe) {
            (false, true) => &[0x65],
            (false, false) => &[0x21],
            (true, true) => &[0x26, 1],
            (true, false) => &[0x02, 1],
        };
        let all: Vec<Vec<u8>> = lengths.iter().map(|length| unit_of(head, *length)).collect();
        let track = if hevc { video_track(0, VideoCodec::Hevc, &HVCC) } else { h264_track(0) };
        let arrived = units(&payloads(&track, keyframe, prefixed(&all)), hevc);
        let sets = if !keyframe { 0 } else if hevc { 3 } else { 2 };
        prop_assert_eq!(&arrived[sets..], &all);
    }

    #[test]
    fn obus_are_the_same_on_the_other_side(
        lengths in prop::collection::vec(prop_oneof![1..60_usize, 1..4000_usize, 200..300_usize], 1..12),
        keyframe: bool,
    ) {
        let all: Vec<Vec<u8>> = lengths.iter().map(|length| unit_of(&[0x18], *length)).collect();
        let arrived = obus(&payloads(&video_track(0, VideoCodec::Av1, &AV1C), keyframe, temporal_unit(&all)));
        prop_assert_eq!(&arrived[usize::from(keyframe)..], &all);
    }

    #[test]
    fn no_frame_panics(data in prop::collection::vec(any::<u8>(), 0..3000), keyframe: bool, codec in 0..5_usize) {
        let tracks = [
            h264_track(0),
            video_track(0, VideoCodec::Hevc, &HVCC),
            video_track(0, VideoCodec::Av1, &AV1C),
            video_track(0, VideoCodec::Vp8, &[]),
            video_track(0, VideoCodec::Vp9, &[]),
        ];
        payloads(&tracks[codec], keyframe, data);
    }

    #[test]
    fn no_record_panics(record in prop::collection::vec(any::<u8>(), 0..100)) {
        let record = Bytes::from(record);
        for config in [h264::config(&record), hevc::config(&record)] {
            prop_assert!((1..=4).contains(&config.length_bytes));
            prop_assert!(config.sets.iter().map(Bytes::len).sum::<usize>() <= record.len());
        }
        av1::config(&record);
    }
}

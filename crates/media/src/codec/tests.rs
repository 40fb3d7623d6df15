//! Records as ffmpeg writes them around x264, x265, SVT-AV1, libaom, libvpx, its AAC encoder and libopus.

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Bits written as `101 1`, filled up with zeros.
fn bits(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|&digit| digit != b' ').map(|digit| digit - b'0').collect();
    let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).unwrap_or(&0));
    digits.chunks(8).map(byte).collect()
}

const H264: &str = "0164001fffe100186764001facd9405005bb011000003e90000ea600f183196001000468ef8fcbfdf8f800";
const H264_BASELINE: &str = "0142c028ffe1001a6742c028da01e0089ea6c044000003000400000300ca3c60ca8001000468ce0fc8";
const H264_FIELDS: &str = "01640028ffe1002667640028acd9405a044fde1c2000000300200000064c080002625a0001312dc98601f162d9
    6001000568faacb22cfdf8f800";
const H264_444: &str =
    "01f4001effe1001b67f4001e919b281405ff138088000003000800000301e078b16cb001000868eae3c44c000440fff8f800";
const HEVC: &str = "0101600000009000000000005af000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003005a95
    9809a10001002942010101600000030090000003000003005aa00502016965959a4932bc05a020000003002000000781a2000100074401c172b46240";
const HEVC_10: &str =
    "0102200000009000000000003cf000fcfdfafa00000f03a00001001840010c01ffff02200000030090000003000003003c95
    9809a10001002c42010102200000030090000003000003003ca00a080b9d48d96566924caf016808000003000800000300f040a200010007
    4401c172b46240";
const AV1: &str = "81000c000a0b000000043cfecc02f80040";
const VP9: &str = "01000000000b820202020000";
const VP9_KEYFRAME: &str = "824983420027f01676043824";

fn check_video(codec: VideoCodec, config: &str, expected: &str) {
    let params = video(codec, hex(config)).unwrap();
    let rate = params.frame_rate.map_or("?".into(), |(num, den)| format!("{num}/{den}"));
    let reorder = reorder_frames(codec, &hex(config)).map_or("?".into(), |count| count.to_string());
    assert_eq!(
        format!("{}x{} at {rate}, {reorder} reordered, {}", params.width, params.height, params.rfc6381),
        expected
    );
}

fn check_audio(codec: AudioCodec, config: Bytes, expected: &str) {
    let params = audio(codec, config).unwrap();
    assert_eq!(format!("{} Hz, {} channels, {}", params.sample_rate, params.channels, params.rfc6381), expected);
}

#[test]
fn h264_tells_size_rate_and_reordering() {
    check_video(VideoCodec::H264, H264, "1280x720 at 30000/1001, 2 reordered, avc1.64001f");
    check_video(VideoCodec::H264, H264_BASELINE, "1918x1078 at 25/1, 0 reordered, avc1.42c028");
}

#[test]
fn h264_reads_fields_buffering_parameters_and_scaling_lists() {
    check_video(VideoCodec::H264, H264_FIELDS, "1440x1080 at 25/1, 2 reordered, avc1.640028");
    check_video(VideoCodec::H264, H264_444, "640x360 at 30/1, 2 reordered, avc1.f4001e");
}

#[test]
fn hevc_tells_size_rate_and_profile() {
    check_video(VideoCodec::Hevc, HEVC, "640x360 at 60/1, 2 reordered, hvc1.1.6.L90.90");
    check_video(VideoCodec::Hevc, HEVC_10, "318x178 at 30/1, 2 reordered, hvc1.2.4.L60.90");
}

#[test]
fn av1_tells_its_size_in_its_sequence_header_if_it_has_one() {
    check_video(VideoCodec::Av1, AV1, "320x180 at ?, 0 reordered, av01.0.00M.08");
    check_video(VideoCodec::Av1, "81 0d ca 00", "0x0 at ?, 0 reordered, av01.0.13H.10");
}

#[test]
fn av1_keyframes_tell_their_size() {
    assert_eq!(av1_dimensions(&hex("1200 0a0b000000043cfecc02f80040 3200")), Some((320, 180)));
    assert_eq!(av1_dimensions(&hex("1200 3200")), None);
}

#[test]
fn vp9_is_the_same_with_and_without_the_head_of_a_box() {
    check_video(VideoCodec::Vp9, VP9, "0x0 at ?, 0 reordered, vp09.00.11.08");
    check_video(VideoCodec::Vp9, "000b820202020000", "0x0 at ?, 0 reordered, vp09.00.11.08");
}

#[test]
fn vp9_keyframes_tell_their_size() {
    assert_eq!(vp9_dimensions(&hex(VP9_KEYFRAME)), Some((640, 360)));
    assert_eq!(vp9_dimensions(&hex("8600 4001")), None);
}

/// The parameter sets of a record, and the record that is made of them.
fn remade(codec: VideoCodec, config: &[u8]) -> Bytes {
    fn sets(rest: &mut &[u8], count: usize) -> Vec<Bytes> {
        let mut set = || {
            let (length, after) = rest.split_first_chunk().unwrap();
            let (set, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            *rest = after;
            Bytes::copy_from_slice(set)
        };
        (0..count).map(|_| set()).collect()
    }
    if codec == VideoCodec::H264 {
        let mut rest = &config[6..];
        let sps = sets(&mut rest, usize::from(config[5] & 31));
        let (&count, mut rest) = rest.split_first().unwrap();
        return h264_config(&sps, &sets(&mut rest, usize::from(count))).unwrap();
    }
    let mut rest = &config[23..];
    let mut next = || {
        let (head, after) = rest.split_first_chunk::<3>().unwrap();
        rest = after;
        sets(&mut rest, usize::from(head[2]))
    };
    hevc_config(&next(), &next(), &next()).unwrap()
}

#[test]
fn records_of_parameter_sets_are_those_that_ffmpeg_writes() {
    for config in [H264, H264_BASELINE, H264_FIELDS, H264_444] {
        assert_eq!(remade(VideoCodec::H264, &hex(config)), hex(config));
    }
    for config in [HEVC, HEVC_10] {
        assert_eq!(remade(VideoCodec::Hevc, &hex(config)), hex(config));
    }
    assert_eq!(av1_config(&hex("000000043cfecc02f80040")), Ok(hex(AV1)));
}

#[test]
fn records_of_vp8_and_vp9_are_made_of_keyframes() {
    assert_eq!(vp9_config(&hex(VP9_KEYFRAME)), Some(hex("00 15 82 020202 0000")));
    assert_eq!(vp9_config(&hex("8600 4001")), None);
    assert_eq!(vp8_config(&hex("10 02 00 9d012a 8002 6801")), Some(hex("00 15 82 020202 0000")));
    assert_eq!(vp8_config(&hex("11 02 00 9d012a 8002 6801")), None);
}

#[test]
fn aac_announces_sbr_and_ps_in_front_behind_or_not_at_all() {
    for (config, expected) in [
        ("118856e500", "48000 Hz, 1 channels, mp4a.40.2"),
        ("1210", "44100 Hz, 2 channels, mp4a.40.2"),
        ("11b856e500", "48000 Hz, 8 channels, mp4a.40.2"),
        ("2b118800", "48000 Hz, 2 channels, mp4a.40.5"),
        ("eb098800", "48000 Hz, 2 channels, mp4a.40.29"),
        ("131056e598", "48000 Hz, 2 channels, mp4a.40.5"),
        ("130856e59d4880", "48000 Hz, 2 channels, mp4a.40.29"),
    ] {
        check_audio(AudioCodec::Aac, hex(config), expected);
    }
}

#[test]
fn aac_may_write_its_rate_and_channels_out() {
    check_audio(
        AudioCodec::Aac,
        bits("00010 1111 000000001010110001000100 0010 000"),
        "44100 Hz, 2 channels, mp4a.40.2",
    );
    // A program with one single element, one pair in front, and a low frequency element.
    let program = "0000 01 0011 0010 0000 0000 01 000 0000 0 0 0  0 0000 1 0001 0000";
    let config = format!("00010 0011 0000 000 {program} 0000 00000000");
    check_audio(AudioCodec::Aac, bits(&config), "48000 Hz, 4 channels, mp4a.40.2");
}

#[test]
fn opus_comes_as_header_or_as_box_and_leaves_as_header() {
    let head = audio(AudioCodec::Opus, hex("4f70757348656164 01 02 3801 80bb0000 0000 00")).unwrap();
    let boxed = audio(AudioCodec::Opus, hex("00 02 0138 0000bb80 0000 00")).unwrap();
    assert_eq!(head, boxed);
    check_audio(AudioCodec::Opus, head.config, "48000 Hz, 2 channels, opus");
    check_audio(AudioCodec::Opus, hex("000601380000bb800000010402000401020305"), "48000 Hz, 6 channels, opus");
}

#[test]
fn absurd_sizes_are_refused() {
    let header = "000 0 0 0 0 00000 000000000000 00000 1111 1111 1111111111111111 0000000010110011";
    let payload = bits(header);
    let mut config = hex("81000c00").to_vec();
    config.extend([0x0a, payload.len() as u8]);
    config.extend(payload);
    assert_eq!(video(VideoCodec::Av1, config.into()), Err(BadConfig::Size { width: 65_536, height: 180 }));
}

#[test]
fn what_is_no_record_is_refused_with_a_reason() {
    for (codec, config) in [
        (VideoCodec::H264, ""),
        (VideoCodec::H264, "0164001fffe0"),
        (VideoCodec::H264, "0064001fffe10018"),
        (VideoCodec::Hevc, "0101600000009000000000005af000fcfdf8f800000f00"),
        (VideoCodec::Av1, "01000c00"),
        (VideoCodec::Vp9, "010000000b"),
    ] {
        assert!(video(codec, hex(config)).is_err(), "{codec} {config}");
    }
    for (codec, config) in [
        (AudioCodec::Aac, ""),
        (AudioCodec::Aac, "1180"),
        (AudioCodec::Aac, "f000"),
        (AudioCodec::Opus, "4f70757348656164"),
        (AudioCodec::Opus, "4f70757348656164 01 00 3801 80bb0000 0000 00"),
        (AudioCodec::Opus, "01020304050607080910"),
    ] {
        assert!(audio(codec, hex(config)).is_err(), "{codec} {config}");
    }
}

#[test]
fn records_cut_anywhere_do_no_harm() {
    for (which, config) in [H264, HEVC, AV1, VP9].iter().enumerate() {
        let config = hex(config);
        for end in 0..config.len() {
            fuzz_config(&[&[which as u8], &config[..end]].concat());
        }
    }
}

proptest! {
    #[test]
    fn nothing_makes_a_parser_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for which in 0..8 {
            fuzz_config(&[&[which], &data[..]].concat());
        }
    }

    #[test]
    fn a_damaged_record_makes_no_parser_panic(which in 0..9_usize, at in any::<prop::sample::Index>(), bit in 0..8) {
        let (codec, config) = [
            (0, H264), (0, H264_BASELINE), (0, H264_FIELDS), (0, H264_444), (1, HEVC), (1, HEVC_10), (2, AV1), (3, VP9),
            (6, VP9_KEYFRAME),
        ][which];
        let mut config = hex(config).to_vec();
        let at = at.index(config.len());
        config[at] ^= 1_u8 << bit;
        config.insert(0, codec);
        fuzz_config(&config);
    }
}

#[test]
fn no_known_configuration_does_harm() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/codec_config");
    for input in std::fs::read_dir(corpus).expect("the corpus is in the repository") {
        fuzz_config(&std::fs::read(input.unwrap().path()).unwrap());
    }
}

//! Bodies as encoders write them, and cut anywhere.

use proptest::prelude::*;

use super::*;

/// `avcC` of a 640 x 480 baseline stream from x264.
const AVCC: &[u8] = &[
    1, 66, 192, 30, 255, 225, 0, 23, 103, 66, 192, 30, 217, 0, 160, 61, 160, 16, 0, 0, 3, 0, 16, 0, 0, 3, 3, 32, 241,
    98, 228, 128, 1, 0, 4, 104, 203, 140, 178,
];
/// AAC LC, 48 kHz, stereo.
const ASC: &[u8] = &[0x11, 0x90];
/// `vpcC` of profile 0, level 3.1, 8 bits.
const VPCC: &[u8] = &[0, 31, 0x82, 1, 1, 1, 0, 0];
/// The uncompressed header of a VP9 keyframe of 320 x 240.
const VP9_KEYFRAME: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf0, 0, 0];

fn join(parts: &[&[u8]]) -> Bytes {
    Bytes::from(parts.concat())
}

/// Feeds bodies (`v` or `a`, time, bytes) and compares what comes out, as words: `video:WxH`, `audio:RATE`, `V100+33:5`
/// for a keyframe of 5 bytes at 100 ms shown 33 ms later, `v…` for another frame, `a…` for sound, or the refusal.
fn check(bodies: &[(char, u32, Bytes)], expected: &str) {
    assert_eq!(told(bodies), expected);
}

fn told(bodies: &[(char, u32, Bytes)]) -> String {
    let mut demuxer = Demuxer::default();
    let mut words = Vec::new();
    for (which, time, body) in bodies {
        let media = match which {
            'v' => demuxer.video(*time, body, Instant::now()),
            _ => demuxer.audio(*time, body, Instant::now()),
        };
        match media {
            Ok(Media { track, frame }) => {
                words.extend(track.map(|track| match track.params {
                    TrackParams::Video(video) => format!("video:{}x{}", video.width, video.height),
                    TrackParams::Audio(audio) => format!("audio:{}", audio.sample_rate),
                }));
                words.extend(frame.map(|frame| {
                    let letter = match (frame.track, frame.keyframe) {
                        (TrackId::AUDIO, _) => 'a',
                        (_, true) => 'V',
                        (_, false) => 'v',
                    };
                    let (dts, shown) = (frame.dts.nanos() as f64 / 1e6, frame.pts.since(frame.dts) / 1_000_000);
                    format!("{letter}{dts}{shown:+}:{}", frame.data.len())
                }));
            }
            Err(Unsupported(why)) => words.push(why),
        }
    }
    words.join(" ")
}

fn avc_config() -> (char, u32, Bytes) {
    ('v', 0, join(&[&[0x17, 0, 0, 0, 0], AVCC]))
}

#[test]
fn legacy_h264_and_aac_become_frames() {
    check(
        &[
            avc_config(),
            ('a', 0, join(&[&[0xaf, 0], ASC])),
            ('v', 0, join(&[&[0x17, 1, 0, 0, 66], &[1; 5]])),
            ('a', 21, join(&[&[0xaf, 1], &[2; 7]])),
            ('v', 33, join(&[&[0x27, 1, 0, 0, 0], &[1; 6]])),
        ],
        "video:640x480 audio:48000 V0+66:5 a21+0:7 v33+0:6",
    );
}

#[test]
fn composition_times_may_be_negative() {
    check(&[avc_config(), ('v', 40, join(&[&[0x27, 1, 0xff, 0xff, 0xdf], &[1]]))], "video:640x480 v40-33:1");
}

#[test]
fn enhanced_h264_means_the_same_as_legacy_h264() {
    check(
        &[
            ('v', 0, join(&[&[0x90], b"avc1", AVCC])),
            ('v', 0, join(&[&[0x91], b"avc1", &[0, 0, 66], &[1; 5]])),
            ('v', 33, join(&[&[0xa3], b"avc1", &[1; 6]])),
            ('v', 66, join(&[&[0xa2], b"avc1"])),
        ],
        "video:640x480 V0+66:5 v33+0:6",
    );
}

#[test]
fn nanoseconds_are_added_to_the_time() {
    let modifier = [2, 0x07, 0xa1, 0x20, 0x01]; // 3 bytes: 500 000 ns; then type 0, and CodedFrames
    check(
        &[avc_config(), ('v', 10, join(&[&[0x97], &modifier, b"avc1", &[0, 0, 0], &[1; 5]]))],
        "video:640x480 V10.5+0:5",
    );
    check(
        &[('a', 0, join(&[&[0x90], b"mp4a", ASC])), ('a', 10, join(&[&[0x97], &modifier, b"mp4a", &[1; 5]]))],
        "audio:48000 a10.5+0:5",
    );
}

#[test]
fn a_modifier_of_the_long_form_is_skipped() {
    let long = [&[255, 1, 0][..], &[9; 257], &[0x10 | 0x01]].concat();
    check(&[avc_config(), ('v', 10, join(&[&[0x97], &long, b"avc1", &[0, 0, 0], &[1; 5]]))], "video:640x480 V10+0:5");
}

#[test]
fn vp9_learns_its_size_from_keyframes() {
    let config = ('v', 0, join(&[&[0x90], b"vp09", VPCC]));
    check(
        &[
            config,
            ('v', 0, join(&[&[0xa1], b"vp09", &[1; 5]])),
            ('v', 33, join(&[&[0x91], b"vp09", VP9_KEYFRAME])),
            ('v', 66, join(&[&[0xa1], b"vp09", &[1; 5]])),
        ],
        "video:320x240 V33+0:11 v66+0:5",
    );
}

#[test]
fn temporal_delimiters_are_removed() {
    let bare = without("av01", &[0x0a, 1, 2]);
    let delimited = without("av01", &[0x12, 0, 0x0a, 1, 2]);
    assert_eq!((bare.len(), delimited), (3, bare));
}

/// The data of a coded frame after parsing.
fn without(four_cc: &str, data: &[u8]) -> Bytes {
    let tag = video::parse(&join(&[&[0x91], four_cc.as_bytes(), data])).unwrap().unwrap();
    let Content::Frame { data, .. } = tag.content else { panic!("a frame") };
    data
}

#[test]
fn a_changed_configuration_changes_the_track_and_an_equal_one_does_not() {
    let mut main = AVCC.to_vec();
    main[3] = 31;
    main[11] = 31;
    let changed = ('v', 50, join(&[&[0x17, 0, 0, 0, 0], &main]));
    check(&[avc_config(), avc_config(), changed], "video:640x480 video:640x480");
}

#[test]
fn frames_before_their_configuration_are_dropped() {
    check(
        &[('v', 0, join(&[&[0x17, 1, 0, 0, 0], &[1]])), ('a', 0, join(&[&[0xaf, 1], &[1]])), avc_config()],
        "video:640x480",
    );
}

#[test]
fn empty_bodies_ends_and_commands_are_nothing() {
    let bodies: Vec<_> = [&[][..], &[0x17], &[0x17, 1, 0, 0, 0], &[0x17, 0, 0, 0, 0], &[0x17, 2, 0, 0, 0], &[0x57, 0]]
        .into_iter()
        .chain([&[0x94][..], &[0x92, b'a', b'v', b'c', b'1'], &[0xd0, 0], &[0x97, 2, 1]])
        .map(|body| ('v', 0, Bytes::copy_from_slice(body)))
        .chain([&[][..], &[0xaf], &[0xaf, 1], &[0x92, b'O', b'p', b'u', b's']].map(|body| ('a', 0, join(&[body]))))
        .collect();
    check(&bodies, "");
}

#[test]
fn codecs_that_are_not_carried_are_refused_in_words() {
    for (which, body, name) in [
        ('v', &[0x12][..], "Sorenson H.263"),
        ('v', &[0x14], "VP6"),
        ('v', &[0x1c], "HEVC outside of Enhanced RTMP"),
        ('v', &[0x90, b'v', b'v', b'c', b'1'], "vvc1"),
        ('a', &[0x2f], "MP3"),
        ('a', &[0xbf], "Speex"),
        ('a', &[0x90, b'f', b'L', b'a', b'C'], "fLaC"),
    ] {
        let why = told(&[(which, 0, Bytes::from_static(body))]);
        assert!(why.contains(&format!("not {name}. Choose another")), "{why}");
    }
}

#[test]
fn multitrack_is_refused_in_words() {
    assert!(told(&[('v', 0, Bytes::from_static(&[0x96, 0]))]).contains("one video track"));
    assert!(told(&[('a', 0, Bytes::from_static(&[0x95, 0]))]).contains("one audio track"));
}

#[test]
fn a_damaged_configuration_is_refused_in_words() {
    let why = told(&[('v', 0, join(&[&[0x17, 0, 0, 0, 0], &[1, 2, 3]]))]);
    assert!(why.starts_with("The encoder's H.264 configuration cannot be used"), "{why}");
    let why = told(&[('a', 0, join(&[&[0xaf, 0], &[0; 20_000]]))]);
    assert!(why.contains("absurdly long: 20000 bytes"), "{why}");
}

proptest! {
    #[test]
    fn bodies_cut_anywhere_do_no_harm(cut in 0_usize..60, which in 0_usize..6, time in any::<u32>()) {
        let bodies = [
            join(&[&[0x17, 0, 0, 0, 0], AVCC]),
            join(&[&[0x97, 2, 7, 0xa1, 0x20, 1], b"hvc1", &[0, 0, 0], &[1; 20]]),
            join(&[&[0x90], b"av01", &[0x81, 0, 0, 0]]),
            join(&[&[0x90], b"vp09", VPCC]),
            join(&[&[0xaf, 0], ASC]),
            join(&[&[0x90], b"Opus", b"OpusHead", &[1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0]]),
        ];
        let body = bodies[which].slice(..cut.min(bodies[which].len()));
        let _ = told(&[('v', time, body.clone()), ('a', time, body)]);
    }

    #[test]
    fn garbage_does_no_harm(bodies in prop::collection::vec((any::<bool>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
        let bodies: Vec<_> = bodies
            .into_iter()
            .map(|(video, time, body)| (if video { 'v' } else { 'a' }, time, Bytes::from(body)))
            .collect();
        let _ = told(&bodies);
    }
}

use std::time::{Duration, Instant};

use weir_media::{Frame, Track, TrackId, TrackParams};

use super::{testing::*, *};
use crate::agreed::RtpCodec;

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

//! Every codec and irregularity: what comes out plays.

use std::sync::Arc;

use weir_media::{Frame, Timestamp, TrackId};

use super::{
    House,
    clip::{Clip, interleave},
    seen::{Seen, moofs, tool},
};
use crate::{Error, package::Package};

/// What holds for every rendition: rows B1, B2, F3, and media that follows itself without a hole.
fn check_rendition(seen: &Seen, timescale: f64) {
    check_parts(seen);
    let mut end = None;
    for segment in &seen.segments {
        if segment.discontinuity {
            end = None;
        }
        for moof in moofs(&segment.data) {
            if let Some(end) = end {
                assert_eq!(moof.tfdt, end, "decoding times follow each other at {}", moof.tfdt as f64 / timescale);
            }
            end = Some(moof.tfdt + moof.samples.iter().map(|sample| u64::from(sample.0)).sum::<u64>());
        }
    }
}

/// What holds for every rendition, whatever is missing of it.
pub(super) fn check_parts(seen: &Seen) {
    let target = seen.text.lines().find_map(|line| line.strip_prefix("#EXT-X-PART-INF:PART-TARGET="));
    let target: f64 = target.expect("a PART-TARGET").parse().expect("a number");
    assert!(!seen.segments.is_empty());
    for segment in &seen.segments {
        assert!(segment.duration.round() <= 10.0);
        let joined: Vec<u8> = segment.parts.iter().flat_map(|part| part.data.to_vec()).collect();
        assert!(segment.parts.is_empty() || joined == segment.data, "a segment is its parts");
        for (n, part) in segment.parts.iter().enumerate() {
            assert!(part.duration <= target + 1e-4, "{} of {target}", part.duration);
            let last = segment.parts.get(n + 1).is_none_or(|next| next.gap);
            assert!(last || part.independent || part.gap || part.duration >= target * 0.85 - 1e-4);
            if part.gap {
                continue;
            }
            let moofs = moofs(&part.data);
            assert_eq!(moofs.len(), 1, "a part is one chunk");
            let has_sync = moofs[0].samples.iter().any(|(_, _, sync)| *sync);
            assert_eq!(has_sync, part.independent, "INDEPENDENT says whether a sync sample is there");
        }
    }
}

/// No tool has anything to say about the media; answers how many frames can be decoded.
pub(super) fn check_plays(seen: &Seen) -> usize {
    let file = seen.file();
    let probe = tool("ffprobe", &["-v", "warning", "-i", "{}"], &file);
    assert_eq!(probe, "", "ffprobe");
    let decoded = tool("ffmpeg", &["-v", "warning", "-i", "{}", "-f", "null", "-"], &file);
    assert_eq!(decoded, "", "decoding");
    let count = ["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "{}"];
    tool("ffprobe", &count, &file).trim().parse().expect("a number of frames")
}

async fn both(video: &Clip, audio: &Clip) -> (House, Seen, Seen) {
    let house = House::new();
    house.package(&[&video.track, &audio.track], interleave(&[video, audio], 7_000)).await.expect("it is packaged");
    let stream = house.stream();
    let (video, audio) = (Seen::of(&stream, "video").await, Seen::of(&stream, "audio").await);
    (house, video, audio)
}

#[tokio::test]
async fn h264_and_aac_play() {
    let clips = (Clip::h264(200, 60), Clip::aac(6.6, 48_000));
    let (_house, video, audio) = both(&clips.0, &clips.1).await;
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(check_plays(&video), 200);
    assert!(check_plays(&audio) >= clips.1.frames.len() - 2);
    assert_eq!(video.segments.len(), audio.segments.len());
    assert!((video.segments[1].duration - 2.0).abs() < 0.002);
    assert!(video.text.contains("#EXT-X-TARGETDURATION:2\n"));
    assert!(video.text.contains("PART-TARGET=0.22"), "{}", video.text);
}

#[tokio::test]
async fn reordered_pictures_keep_their_order() {
    let clip = Clip::h264_with_b_frames(200, 60);
    assert!(clip.frames.iter().any(|frame| frame.pts != frame.dts), "there are B-frames");
    let (_house, video, audio) = both(&clip, &Clip::aac(6.6, 44_100)).await;
    check_rendition(&video, 9e4);
    check_rendition(&audio, 44_100.0);
    assert_eq!(check_plays(&video), 200);
    let file = video.file();
    let shown: Vec<u64> = moofs_of(&file)
        .flat_map(|moof| {
            let mut at = moof.tfdt;
            moof.samples
                .into_iter()
                .map(|(duration, offset, _)| {
                    let shown = at + u64::from(offset);
                    at += u64::from(duration);
                    shown
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let mut expected: Vec<_> =
        clip.frames.iter().map(|frame| ((frame.pts + 500_000) / 1_000_000 * 90) as u64).collect();
    let first = shown[0] as i64 - expected[0] as i64;
    for at in &mut expected {
        *at = at.saturating_add_signed(first);
    }
    assert_eq!(shown, expected, "every picture is shown when the publisher said");
}

fn moofs_of(file: &[u8]) -> impl Iterator<Item = super::seen::Moof> {
    moofs(file).into_iter()
}

#[tokio::test]
async fn hevc_plays() {
    let clip = Clip::hevc(100);
    let (_house, video, audio) = both(&clip, &Clip::opus(3.3)).await;
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(check_plays(&video), 100);
    assert!(check_plays(&audio) > 150);
}

#[tokio::test]
async fn av1_plays() {
    let (_house, video, audio) = both(&Clip::av1(100), &Clip::opus(3.3)).await;
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(check_plays(&video), 100);
}

#[tokio::test]
async fn vp9_plays() {
    let (_house, video, _) = both(&Clip::vp9(100), &Clip::opus(3.3)).await;
    check_rendition(&video, 9e4);
    assert_eq!(check_plays(&video), 100);
}

#[tokio::test]
async fn sound_alone_plays() {
    let house = House::new();
    let clip = Clip::aac(7.0, 44_100);
    house.package(&[&clip.track], clip.frames_at(0)).await.expect("it is packaged");
    let audio = Seen::of(&house.stream(), "audio").await;
    check_rendition(&audio, 44_100.0);
    assert!(check_plays(&audio) >= clip.frames.len() - 2);
    assert!(audio.segments.len() >= 3);
}

#[tokio::test]
async fn pictures_alone_play() {
    let house = House::new();
    let clip = Clip::h264(150, 60);
    house.package(&[&clip.track], clip.frames_at(0)).await.expect("it is packaged");
    let video = Seen::of(&house.stream(), "video").await;
    check_rendition(&video, 9e4);
    assert_eq!(check_plays(&video), 150);
}

#[tokio::test]
async fn a_publisher_that_comes_back_continues_after_a_discontinuity() {
    let house = House::new();
    let (video, audio) = (Clip::h264(150, 60), Clip::aac(5.0, 48_000));
    for at in [1_000, 90_000] {
        let frames = interleave(&[&video, &audio], at);
        house.package(&[&video.track, &audio.track], frames).await.expect("it is packaged");
    }
    let stream = house.stream();
    let (video, audio) = (Seen::of(&stream, "video").await, Seen::of(&stream, "audio").await);
    for seen in [&video, &audio] {
        let breaks: Vec<_> = seen.segments.iter().map(|segment| segment.discontinuity).collect();
        assert_eq!(breaks, [false, false, false, true, false, false]);
        let starts: Vec<_> = seen.segments.iter().map(|segment| moofs(&segment.data)[0].tfdt).collect();
        assert!(starts.is_sorted(), "times go on: {starts:?}");
    }
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(video.inits.len(), 1, "the same initialization section goes on");
    assert_eq!(check_plays(&video), 300);
}

#[tokio::test]
async fn a_jump_of_the_clock_is_a_discontinuity() {
    let house = House::new();
    let (video, audio) = (Clip::h264(150, 60), Clip::aac(5.0, 48_000));
    let mut frames = interleave(&[&video, &audio], 500_000);
    frames.extend(interleave(&[&video, &audio], 20));
    house.package(&[&video.track, &audio.track], frames).await.expect("it is packaged");
    let stream = house.stream();
    let (video, audio) = (Seen::of(&stream, "video").await, Seen::of(&stream, "audio").await);
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(video.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
    assert_eq!(check_plays(&video), 300);
    assert_eq!(house.station.health.report().clock_jumps, 1);
    assert_eq!(video.segments.len(), audio.segments.len());
}

#[tokio::test]
async fn new_parameters_of_the_same_codec_are_a_new_map_after_a_discontinuity() {
    let house = House::new();
    let (small, large, audio) = (Clip::h264(150, 60), Clip::h264_large(150, 60), Clip::aac(5.0, 48_000));
    for (video, at) in [(&small, 0), (&large, 5_000)] {
        let frames = interleave(&[video, &audio], at);
        house.package(&[&video.track, &audio.track], frames).await.expect("it is packaged");
    }
    let stream = house.stream();
    let video = Seen::of(&stream, "video").await;
    check_rendition(&video, 9e4);
    assert_eq!(video.inits.len(), 2);
    assert_eq!(Seen::of(&stream, "audio").await.inits.len(), 1);
}

#[tokio::test]
async fn another_codec_is_another_session() {
    let house = House::new();
    let (h264, av1, audio) = (Clip::h264(100, 60), Clip::av1(70), Clip::opus(3.0));
    let frames = interleave(&[&h264, &audio], 0);
    house.package(&[&h264.track, &audio.track], frames).await.expect("it is packaged");
    let before = house.stream();
    let frames = interleave(&[&av1, &audio], 9_000);
    house.package(&[&av1.track, &audio.track], frames).await.expect("it is packaged");
    let after = house.stream();
    assert_ne!(before.session(), after.session());
    assert!(before.ended().is_some() && after.ended().is_none());
}

#[tokio::test]
async fn pictures_missing_for_a_second_are_a_gap() {
    let house = House::new();
    let (video, audio) = (Clip::h264(240, 60), Clip::aac(8.0, 48_000));
    // From 5 s on, up to the keyframe at 6 s.
    let is_lost =
        |frame: &Frame| frame.track == TrackId::VIDEO && (5_000..5_990).contains(&(frame.dts.nanos() / 1_000_000));
    let frames: Vec<_> = interleave(&[&video, &audio], 0).into_iter().filter(|frame| !is_lost(frame)).collect();
    house.package(&[&video.track, &audio.track], frames).await.expect("it is packaged");
    let stream = house.stream();
    let video = Seen::of(&stream, "video").await;
    check_rendition(&video, 9e4);
    let gaps = video.segments.iter().flat_map(|segment| &segment.parts).filter(|part| part.gap).count();
    assert!(gaps >= 4, "{gaps}");
    assert_eq!(video.segments.len(), Seen::of(&stream, "audio").await.segments.len());
}

#[tokio::test]
async fn pictures_before_the_first_keyframe_are_dropped() {
    let house = House::new();
    let clip = Clip::h264(200, 60);
    house.package(&[&clip.track], clip.frames_at(0).split_off(20)).await.expect("it is packaged");
    let video = Seen::of(&house.stream(), "video").await;
    check_rendition(&video, 9e4);
    assert_eq!(check_plays(&video), 140);
}

#[tokio::test]
async fn a_track_without_a_size_cannot_be_packaged() {
    let mut clip = Clip::h264(100, 60);
    if let weir_media::TrackParams::Video(params) = &mut clip.track.params {
        params.width = 0;
    }
    let house = House::new();
    let result = house.package(&[&clip.track], clip.frames_at(0)).await;
    assert!(matches!(result, Err(Error::Unsupported(_))), "{result:?}");
}

#[tokio::test]
async fn sound_that_never_comes_keeps_sequence_numbers_in_step() {
    let house = House::new();
    let (video, audio) = (Clip::h264(420, 60), Clip::aac(3.0, 48_000));
    let frames = interleave(&[&video, &audio], 0);
    house.package(&[&video.track, &audio.track], frames).await.expect("it is packaged");
    let stream = house.stream();
    let (video, audio) = (Seen::of(&stream, "video").await, Seen::of(&stream, "audio").await);
    check_rendition(&video, 9e4);
    check_rendition(&audio, 48e3);
    assert_eq!(video.segments.len(), audio.segments.len());
    assert_eq!(check_plays(&video), 420, "no picture is lost");
    let breaks = |seen: &Seen| seen.segments.iter().map(|segment| segment.discontinuity).collect::<Vec<_>>();
    assert_eq!(breaks(&video), breaks(&audio), "on the same sequence numbers");
}

#[tokio::test]
async fn segments_but_the_newest_go_to_disk_and_stay_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = crate::Spool::start(dir.path(), 1 << 30).expect("a disk");
    let house = House::with_spool(Some(spool));
    let clip = Clip::h264(330, 30);
    house.package(&[&clip.track], clip.frames_at(0)).await.expect("it is packaged");
    let stream = house.stream();
    let is_one = || async {
        let (body, _) = stream.resource("video", weir_hls::Resource::Segment(0)).await.expect("it is there");
        matches!(body, weir_hls::Body::One(_))
    };
    while !is_one().await {
        tokio::task::yield_now().await;
    }
    let video = Seen::of(&stream, "video").await;
    check_rendition(&video, 9e4);
    assert_eq!(check_plays(&video), 330);
}

#[tokio::test]
async fn what_the_muxer_chokes_on_is_an_error_and_not_a_hang() {
    let mut clip = Clip::opus(3.0);
    if let weir_media::TrackParams::Audio(params) = &mut clip.track.params {
        params.config = bytes::Bytes::from_static(b"OpusHead that is none");
    }
    let house = House::new();
    let result = house.package(&[&clip.track], clip.frames_at(0)).await;
    assert!(matches!(result, Err(Error::Muxer(_))), "{result:?}");
}

#[tokio::test]
async fn pictures_that_never_begin_are_refused_in_words() {
    let clip = Clip::h264(1000, 2000);
    let house = House::new();
    let result = house.package(&[&clip.track], clip.frames_at(0).split_off(5)).await;
    assert!(matches!(&result, Err(Error::Unsupported(why)) if why.contains("30 seconds")), "{result:?}");
}

#[tokio::test]
async fn pictures_whose_clock_stands_still_are_shown_all_the_same() {
    let clip = Clip::h264(600, 60);
    let house = House::new();
    let publisher = super::publish(&house.registry);
    let mut package = Package::new(house.station.clone(), publisher.live().clone());
    package.track(Arc::new(clip.track.clone())).await.expect("a track");
    for frame in clip.frames_at(0) {
        let still = Timestamp::from_millis(7);
        package.frame(Frame { dts: still, pts: still, ..frame }).await.expect("a frame");
    }
    let live = house.store.current(&super::channel()).expect("it is live before the publish ends");
    package.finish().await.expect("it ends well");
    assert_eq!(check_plays(&Seen::of(&live, "video").await), 600);
}

#[tokio::test]
async fn a_stream_is_there_before_its_first_segment_is_whole() {
    let clip = Clip::h264(150, 60);
    let house = House::new();
    let publisher = super::publish(&house.registry);
    let mut package = Package::new(house.station.clone(), publisher.live().clone());
    package.track(Arc::new(clip.track.clone())).await.expect("a track");
    let (early, late): (Vec<_>, Vec<_>) =
        clip.frames_at(0).into_iter().partition(|frame| frame.dts.nanos() < 1_500_000_000);
    for frame in early {
        package.frame(frame).await.expect("a frame");
    }
    let waiting = house.store.current(&super::channel()).expect("it is there");
    assert!(waiting.timing().is_none(), "but nothing is promised yet");
    for frame in late {
        package.frame(frame).await.expect("a frame");
    }
    package.finish().await.expect("it ends well");
    assert_eq!(house.stream().session(), waiting.session());
    assert_eq!(check_plays(&Seen::of(&waiting, "video").await), 150);
}

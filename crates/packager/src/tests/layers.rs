//! Layers of one picture as renditions of one playlist.

use weir_media::{Frame, TrackId};

use super::{
    House,
    clip::{Clip, interleave},
    media::{check_parts, check_plays},
    seen::{Seen, moofs},
};

const HALF: TrackId = TrackId(2);
const QUARTER: TrackId = TrackId(3);

/// Three layers with a keyframe every 2 s, and sound, for so many seconds.
fn clips(seconds: u32) -> [Clip; 4] {
    let layer = |id, height| Clip::layer(id, height, seconds * 30, 60);
    [layer(TrackId::VIDEO, 360), layer(HALF, 180), layer(QUARTER, 90), Clip::opus(f64::from(seconds))]
}

/// Packages what `comes` lets through, by track and milliseconds.
async fn package(clips: &[Clip; 4], comes: impl Fn(TrackId, i64) -> bool) -> House {
    let house = House::new();
    let comes = |frame: &Frame| comes(frame.track, frame.dts.nanos() / 1_000_000);
    let frames = interleave(&clips.each_ref(), 0).into_iter().filter(comes).collect();
    let tracks = clips.each_ref().map(|clip| &clip.track);
    house.package(&tracks, frames).await.expect("it is packaged");
    house
}

const RENDITIONS: [&str; 4] = ["video", "video_2", "video_3", "audio"];

/// All four renditions, after what holds for each was checked.
async fn see(house: &House) -> [Seen; 4] {
    let stream = house.stream();
    let mut all = Vec::new();
    for id in RENDITIONS {
        let seen = Seen::of(&stream, id).await;
        check_parts(&seen);
        let starts: Vec<_> =
            seen.segments.iter().flat_map(|segment| moofs(&segment.data)).map(|moof| moof.tfdt).collect();
        assert!(starts.is_sorted(), "{id}: times go on");
        assert_eq!(seen.inits.len(), 1, "{id}");
        assert!(!seen.text.contains("#EXT-X-DISCONTINUITY\n"), "{id}");
        all.push(seen);
    }
    all.try_into().unwrap_or_else(|_| unreachable!("four renditions"))
}

fn lengths(seen: &Seen) -> Vec<f64> {
    seen.segments.iter().map(|segment| segment.duration).collect()
}

/// Whole segments without media, by index.
fn gaps(seen: &Seen) -> Vec<usize> {
    seen.segments.iter().enumerate().filter(|(_, segment)| segment.gap).map(|(n, _)| n).collect()
}

#[tokio::test]
async fn every_layer_is_a_rendition_cut_at_the_same_pictures() {
    let house = package(&clips(9), |_, _| true).await;
    let seen = see(&house).await;
    for layer in &seen[..3] {
        assert_eq!(lengths(layer), lengths(&seen[0]));
        assert_eq!(check_plays(layer), 270);
        assert!(layer.text.contains("#EXT-X-INDEPENDENT-SEGMENTS"));
        let starts = |seen: &Seen| seen.segments.iter().map(|segment| moofs(&segment.data)[0].tfdt).collect::<Vec<_>>();
        assert_eq!(starts(layer), starts(&seen[0]));
    }
    assert_eq!(seen[3].segments.len(), seen[0].segments.len());
    let reply = house.stream().multivariant().await.expect("a playlist");
    let text = String::from_utf8(reply.playlist.plain().to_vec()).expect("text");
    let variants: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")).collect();
    let said = |name: &str| -> Vec<String> {
        let value =
            |line: &&str| line.split(&format!("{name}=")).nth(1).unwrap_or("").split(',').next().unwrap().to_owned();
        variants.iter().map(value).collect()
    };
    assert_eq!(said("RESOLUTION"), ["640x360", "320x180", "160x90"]);
    assert_eq!(said("FRAME-RATE"), ["30.000"; 3]);
    let rates: Vec<u64> = said(":BANDWIDTH").iter().map(|rate| rate.parse().expect("a number")).collect();
    assert!(rates.is_sorted_by(|a, b| a > b), "{rates:?}");
}

#[tokio::test]
async fn a_layer_that_the_browser_stops_is_a_gap_and_stops_nobody() {
    let away = 5_000..12_900;
    let house = package(&clips(18), |track, at| track != HALF || !away.contains(&at)).await;
    let seen = see(&house).await;
    assert_eq!(seen.each_ref().map(|rendition| rendition.segments.len()), [9; 4]);
    assert_eq!(gaps(&seen[1]), [3, 4, 5, 6], "back with its keyframe at 14 s");
    assert!([0, 2, 3].iter().all(|other| gaps(&seen[*other]).is_empty()));
    assert_eq!(check_plays(&seen[0]), 540);
    assert_eq!(check_plays(&seen[1]), 150 + 120);
}

#[tokio::test]
async fn when_the_best_layer_stops_the_next_one_goes_on() {
    let house = package(&clips(18), |track, at| track != TrackId::VIDEO || !(5_000..12_900).contains(&at)).await;
    let seen = see(&house).await;
    assert_eq!(seen.each_ref().map(|rendition| rendition.segments.len()), [9; 4]);
    assert_eq!(gaps(&seen[0]), [3, 4, 5, 6]);
    assert!(seen[1..].iter().all(|other| gaps(other).is_empty()));
    assert_eq!((check_plays(&seen[0]), check_plays(&seen[1]), check_plays(&seen[2])), (150 + 120, 540, 540));
}

#[tokio::test]
async fn the_best_layer_may_come_late() {
    let house = package(&clips(18), |track, at| track != TrackId::VIDEO || at >= 7_000).await;
    let seen = see(&house).await;
    assert_eq!(seen[1].segments.len(), 9);
    assert_eq!(seen[0].segments.len(), 5, "from its keyframe at 8 s on");
    assert!(seen[0].text.contains("#EXT-X-MEDIA-SEQUENCE:4\n"));
    assert_eq!((check_plays(&seen[0]), check_plays(&seen[1])), (300, 540));
    let reply = house.stream().multivariant().await.expect("a playlist");
    let text = String::from_utf8(reply.playlist.plain().to_vec()).expect("text");
    assert!(text.contains("RESOLUTION=640x360"), "{text}");
}

#[tokio::test]
async fn layers_that_come_back_with_another_publish_continue() {
    let clips = clips(6);
    let house = House::new();
    for (at, layers) in [(1_000, 0..4), (90_000, 1..4), (180_000, 0..4)] {
        let clips: Vec<_> = clips[layers].iter().collect();
        let tracks: Vec<_> = clips.iter().map(|clip| &clip.track).collect();
        house.package(&tracks, interleave(&clips, at)).await.expect("it is packaged");
    }
    let stream = house.stream();
    let mut seen = Vec::new();
    for id in RENDITIONS {
        seen.push(Seen::of(&stream, id).await);
    }
    for rendition in &seen {
        check_parts(rendition);
        let breaks: Vec<_> = rendition.segments.iter().map(|segment| segment.discontinuity).collect();
        assert_eq!(breaks, [false, false, false, true, false, false, true, false, false]);
    }
    assert_eq!(gaps(&seen[0]), [3, 4, 5]);
    assert_eq!((check_plays(&seen[0]), check_plays(&seen[1])), (360, 540));
}

/// Packages in real workers what a browser sends: Opus, and pictures of this codec; answers the channel's playlist.
async fn from_browser(pictures: Clip, with_workers: bool) -> (House, weir_media::Publisher) {
    use crate::{intake::Intake, package::Package};
    let house = House::new();
    let publisher = super::publish(&house.registry);
    let live = publisher.live().clone();
    let workers = with_workers.then(crate::repair::tests::workers);
    let intake = Intake::new(live.clone(), live.subscribe(), workers);
    let package = Package::new(house.station.clone(), live);
    let clips = [pictures, Clip::opus(6.0)];
    for clip in &clips {
        publisher.set_track(clip.track.clone());
    }
    let done = std::sync::Arc::new(tokio::sync::Notify::new());
    let packaging = tokio::spawn(package.run(intake, done));
    // At twice the pace, so that what is made of it comes no later than it does in truth.
    let start = tokio::time::Instant::now();
    for frame in interleave(&clips.each_ref(), 0) {
        tokio::time::sleep_until(start + std::time::Duration::from_nanos(frame.dts.nanos().unsigned_abs() / 2)).await;
        publisher.send(frame);
    }
    let live = publisher.live().clone();
    drop(publisher);
    packaging.await.expect("no panic").expect("it is packaged");
    let publisher = super::publish(&house.registry);
    assert!(live.notices().len() <= 1);
    (house, publisher)
}

#[tokio::test]
async fn opus_has_aac_beside_it() {
    let (house, _) = from_browser(Clip::h264(180, 60), true).await;
    let stream = house.stream();
    let text = stream.multivariant().await.expect("a playlist");
    let text = String::from_utf8(text.playlist.plain().to_vec()).expect("text");
    assert!(text.contains(",opus\"") && text.contains(",mp4a.40.2\""), "{text}");
    assert!(text.contains("AUDIO=\"audio_aac\"") && text.contains("AUDIO=\"audio\""), "{text}");
    for id in ["video", "audio", "audio_aac"] {
        let seen = Seen::of(&stream, id).await;
        check_parts(&seen);
        assert!(gaps(&seen).is_empty(), "{id}: {}", seen.text);
        assert!(check_plays(&seen) > 100, "{id}");
    }
}

#[tokio::test]
async fn vp8_is_made_to_h264_for_hls() {
    let (house, _) = from_browser(Clip::vp8(180), true).await;
    let video = Seen::of(&house.stream(), "video").await;
    check_parts(&video);
    assert!(check_plays(&video) > 100);
}

#[tokio::test]
async fn vp8_that_nobody_converts_is_sound_alone() {
    let (house, _) = from_browser(Clip::vp8(180), false).await;
    let renditions = house.stream().renditions();
    assert_eq!(renditions.iter().map(|spec| spec.id.as_str()).collect::<Vec<_>>(), ["audio"]);
}

//! Layers of one picture are cut together, whatever becomes of one of them.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;

use crate::{
    cut::{Coming, Cut, Cutter, Lane, Wishes},
    spec::Timing,
};

const WISHES: Wishes = Wishes {
    part_duration: Duration::from_millis(200),
    segment_duration: Duration::from_secs(2),
    target_duration_max: Duration::from_secs(10),
};
const TIMING: Timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
const LOW: Lane = Lane::Layer(2);

/// What became of one lane: for each segment its parts, as announced length in milliseconds and whether it is a gap.
type Listed = Vec<Vec<(u64, bool)>>;

/// Feeds 30 fps with a keyframe every 2 s, and sound, for `seconds`. `comes` says whether a layer's frame at a
/// millisecond comes; the rest is what a packager does.
fn cut(seconds: u64, lanes: &[Lane], comes: impl Fn(Lane, u64) -> bool) -> HashMap<Lane, Listed> {
    let first: Vec<_> = lanes.iter().copied().filter(|lane| *lane == Lane::Audio || comes(*lane, 0)).collect();
    let mut cutter = Cutter::with(TIMING, WISHES, &first);
    let mut here = first.clone();
    let mut listed: HashMap<Lane, Listed> = HashMap::new();
    let mut list = |cuts: Vec<(Lane, Cut)>| {
        for (lane, cut) in cuts {
            let segments = listed.entry(lane).or_insert_with(|| vec![vec![]]);
            match cut {
                Cut::Part { duration, .. } => segments.last_mut().unwrap().push((duration.as_millis() as u64, false)),
                Cut::Gap { duration, .. } => segments.last_mut().unwrap().push((duration.as_millis() as u64, true)),
                Cut::Segment => segments.push(vec![]),
            }
        }
    };
    let frame = |lane: Lane| Duration::from_millis(if lane.is_video() { 33 } else { 20 });
    for n in 0..seconds * 30 {
        let millis = n * 1000 / 30;
        let at = Duration::from_millis(millis);
        let keyframe = n % 60 == 0;
        for lane in lanes.iter().copied().filter(|lane| lane.is_video() && comes(*lane, millis)) {
            if !here.contains(&lane) {
                if !keyframe {
                    continue;
                }
                let Some(cuts) = cutter.join(lane, at) else { continue };
                here.push(lane);
                list(cuts.into_iter().map(|cut| (lane, cut)).collect());
            }
            list(cutter.frame(lane, Coming { at, shown: at, keyframe }));
        }
        for twentieth in (millis..millis + 33).filter(|at| at % 20 == 0 && lanes.contains(&Lane::Audio)) {
            let at = Duration::from_millis(twentieth);
            list(cutter.frame(Lane::Audio, Coming { at, shown: at, keyframe: true }));
        }
        while let Some(gone) = cutter.gone() {
            let cuts = cutter.leave(gone, frame(gone));
            if cutter.lead() == gone {
                break;
            }
            here.retain(|lane| *lane != gone);
            list(cuts.into_iter().map(|cut| (gone, cut)).collect());
        }
    }
    list(cutter.finish(frame));
    listed
}

fn length(segments: &[Vec<(u64, bool)>]) -> u64 {
    segments.iter().flatten().map(|part| part.0).sum()
}

/// Sequence numbers are in step, and what came before is as long everywhere.
fn in_step(listed: &HashMap<Lane, Listed>, from: usize) {
    let lead = &listed[&Lane::Video];
    for (lane, segments) in listed {
        let missing = lead.len() - segments.len();
        assert!(missing == from || missing == 0, "{lane:?} has {} segments of {}", segments.len(), lead.len());
        for n in 1..segments.len() {
            let (own, leads) = (length(&segments[..n]), length(&lead[missing..missing + n]));
            assert!(own.abs_diff(leads) <= 300, "{lane:?} {n}: {own} {leads}\n{lead:?}\n{segments:?}");
        }
        for part in segments.iter().flatten() {
            assert!(part.0 <= 221, "{lane:?} {part:?}");
        }
    }
}

#[test]
fn layers_end_their_segments_at_the_same_frames() {
    let listed = cut(13, &[Lane::Video, LOW, Lane::Layer(3), Lane::Audio], |_, _| true);
    in_step(&listed, 0);
    assert_eq!(listed[&LOW], listed[&Lane::Video]);
    assert_eq!(listed[&Lane::Layer(3)], listed[&Lane::Video]);
}

#[test]
fn a_layer_that_goes_is_a_gap_until_it_comes_back() {
    let listed = cut(20, &[Lane::Video, LOW, Lane::Audio], |lane, at| lane != LOW || !(5_100..11_000).contains(&at));
    in_step(&listed, 0);
    let gaps: Vec<_> = listed[&LOW].iter().map(|parts| parts.iter().filter(|part| part.1).count()).collect();
    assert!(gaps[0] == 0 && gaps[1] == 0 && gaps[8] == 0, "{gaps:?}");
    assert!(gaps[3] >= 9 && gaps[4] >= 9, "nothing but gaps: {gaps:?}");
    assert!(listed[&Lane::Video].iter().flatten().all(|part| !part.1));
}

#[test]
fn when_the_best_layer_goes_the_next_one_leads() {
    let listed = cut(20, &[Lane::Video, LOW, Lane::Audio], |lane, at| lane == LOW || !(5_100..11_000).contains(&at));
    in_step(&listed, 0);
    assert!(listed[&LOW].iter().flatten().all(|part| !part.1), "{:?}", listed[&LOW]);
    assert!(listed[&Lane::Audio].iter().flatten().all(|part| !part.1));
    assert_eq!(listed[&LOW].len(), 11);
}

#[test]
fn a_layer_may_come_late() {
    let listed = cut(13, &[Lane::Video, LOW, Lane::Audio], |lane, at| lane != LOW || at >= 7_000);
    in_step(&listed, 4);
    assert!(listed[&LOW].iter().flatten().all(|part| !part.1), "it begins with its keyframe");
}

#[test]
fn what_comes_too_late_does_not_join() {
    let mut cutter = Cutter::with(TIMING, WISHES, &[Lane::Video]);
    cutter.expect(Lane::Sound(0));
    for n in 0..30 {
        let at = Duration::from_millis(n * 100);
        cutter.frame(Lane::Video, Coming { at, shown: at, keyframe: n == 0 });
    }
    assert_eq!(cutter.join(Lane::Sound(0), Duration::from_millis(1_500)), None, "gaps stand there already");
    assert!(cutter.join(Lane::Sound(0), Duration::from_millis(2_900)).is_some());
}

proptest! {
    #[test]
    fn numbers_stay_in_step_whatever_comes_and_goes(
        away in proptest::collection::vec((0u64..3, 100u64..30_000, 100u64..8_000), 0..8)
    ) {
        let lanes = [Lane::Video, LOW, Lane::Layer(3), Lane::Audio];
        let listed = cut(30, &lanes, |lane, at| {
            let which = lanes.iter().position(|known| *known == lane).unwrap_or(0) as u64;
            !away.iter().any(|(lane, from, long)| *lane == which && (*from..from + long).contains(&at))
        });
        let counts: Vec<_> = listed.values().map(Vec::len).collect();
        let pictures = listed.iter().filter(|(lane, _)| lane.is_video()).map(|(_, segments)| segments.len());
        prop_assert!(pictures.clone().max() == pictures.min(), "{counts:?}");
    }
}

#[test]
fn media_that_comes_after_a_gap_in_its_segment_has_its_map() {
    use crate::{spec::Part, window::Window};
    let mut window = Window::new(Duration::from_secs(30), 1 << 20);
    let part = |gap: bool| Part {
        data: bytes::Bytes::from_static(b"x"),
        duration: Duration::from_millis(200),
        independent: !gap,
        gap,
        program_date_time: std::time::SystemTime::UNIX_EPOCH,
        media_time: Duration::ZERO,
    };
    window.push(part(true));
    assert_eq!(window.open().and_then(|open| open.init), None);
    let first = window.init(bytes::Bytes::from_static(b"moov"));
    window.push(part(false));
    assert_eq!(window.open().and_then(|open| open.init), Some(first));
    window.init(bytes::Bytes::from_static(b"other"));
    assert_eq!(window.open().and_then(|open| open.init), Some(first), "what has media keeps its own");
}

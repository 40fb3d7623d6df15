//! Rows A1 to A6.

use super::*;

#[test]
fn a1_part_target_is_said() {
    let playlist = Show::new().segments(1).playlist("");
    assert_eq!(tags(&playlist, "#EXT-X-PART-INF"), ["PART-TARGET=0.22000"]);
}

#[test]
fn a2_to_a5_server_control_keeps_its_distances() {
    let playlist = Show::new().segments(1).playlist("");
    let control = tags(&playlist, "#EXT-X-SERVER-CONTROL")[0].to_owned();
    assert!(seconds(&control, "PART-HOLD-BACK") >= 3.0 * 0.22 - 1e-9, "A2: {control}");
    assert!(seconds(&control, "HOLD-BACK") >= 6.0, "A3: {control}");
    assert!(seconds(&control, "CAN-SKIP-UNTIL") >= 12.0, "A4: {control}");
    assert_eq!(attribute(&control, "CAN-BLOCK-RELOAD"), Some("YES"), "A5");
}

#[test]
fn a2_holds_for_part_targets_that_are_no_round_number() {
    for (frames, rate) in [(5.0, 24.0), (6.0, 30_000.0 / 1001.0), (12.0, 60_000.0 / 1001.0), (10.0, 48_000.0 / 1024.0)]
    {
        let show = Show::undescribed(Limits::default());
        let part_target = Duration::from_secs_f64(1.1 * frames / rate);
        show.writer.describe(Timing { part_target, ..TIMING }, specs());
        let playlist = show.segments(1).playlist("");
        let target = seconds(tags(&playlist, "#EXT-X-PART-INF")[0], "PART-TARGET");
        let hold_back = seconds(tags(&playlist, "#EXT-X-SERVER-CONTROL")[0], "PART-HOLD-BACK");
        assert!(target >= part_target.as_secs_f64(), "{target} for {part_target:?}");
        assert!(hold_back >= 3.0 * target - 1e-9, "{hold_back} for {target}");
    }
}

#[test]
fn a6_durations_never_change_and_are_the_same_everywhere() {
    let show = Show::new();
    let head = |playlist: &str| {
        let of = |tag| tags(playlist, tag).concat();
        [of("#EXT-X-TARGETDURATION"), of("#EXT-X-PART-INF"), of("#EXT-X-SERVER-CONTROL"), of("#EXT-X-VERSION")]
    };
    let first = head(&show.segments(1).playlist(""));
    assert_eq!(first[0], "2");
    assert!(first[3].parse::<u32>().unwrap() >= 9);
    // Longer segments later, and an attempt to describe anew.
    show.parts(14).end_segment();
    show.writer.describe(Timing { part_target: PART * 3, target_duration: Duration::from_secs(7) }, specs());
    show.segments(20);
    assert_eq!(head(&show.playlist("")), first);
    assert_eq!(head(&show.playlist_of("audio", "")), first);
}

//! Rows B3 to B5 and B7. (B1, B2 and B6 are the cutter's.)

use super::*;

#[test]
fn b3_independent_parts_are_marked() {
    let playlist = Show::new().segments(1).parts(3).playlist("");
    let marks: Vec<_> =
        tags(&playlist, "#EXT-X-PART").iter().map(|tag| attribute(tag, "INDEPENDENT").is_some()).collect();
    let expected: Vec<_> = (0..13).map(|part| part % 10 == 0).collect();
    assert_eq!(marks, expected);
}

#[test]
fn b4_what_a_segment_starts_with_stands_before_its_first_part() {
    let show = Show::new();
    show.segments(1);
    show.writer.discontinuity();
    show.writer.init(&show.video, Bytes::from_static(b"<new init>"));
    let playlist = show.parts(1).playlist("");
    let start = playlist.find("#EXT-X-DISCONTINUITY\n").unwrap();
    let lines: Vec<_> = playlist[start..].lines().take(4).collect();
    assert_eq!(
        lines,
        [
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-MAP:URI=\"init-1.mp4\"",
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:02.000Z",
            "#EXT-X-PART:DURATION=0.20000,URI=\"part-10.m4s\",INDEPENDENT=YES",
        ]
    );
    assert_eq!(show.file("init-1.mp4"), Poll::Ready(Ok(b"<new init>".to_vec())));
}

#[test]
fn b5_old_parts_leave_the_playlist_and_can_still_be_fetched_for_as_long_again() {
    let show = Show::new();
    let mut left_at = std::collections::HashMap::new();
    for published in 1..=600_u64 {
        show.parts(1);
        if published % 10 == 0 {
            show.end_segment();
        }
        let playlist = show.playlist("");
        let listed: Vec<u64> = tags(&playlist, "#EXT-X-PART")
            .iter()
            .map(|tag| attribute(tag, "URI").unwrap()[5..].trim_end_matches(".m4s").parse().unwrap())
            .collect();
        // 3 x TARGETDURATION are 30 parts: none is older, and at least those of the last two segments are there.
        assert!(published - listed[0] <= 30, "part {} of {published}", listed[0]);
        assert!(published - listed[0] >= published.min(20), "part {} of {published}", listed[0]);
        assert_eq!(listed.len() as u64, published - listed[0], "without a hole");
        for part in 0..listed[0] {
            let since = published - *left_at.entry(part).or_insert(published);
            let there = show.file(&format!("part-{part}.m4s")).map(|file| file.is_ok());
            assert!(since >= 30 || there == Poll::Ready(true), "part {part}, {since} parts after it left");
        }
    }
    assert_eq!(show.file("part-0.m4s"), Poll::Ready(Err(Error::NotFound)), "in the end it goes");
}

#[test]
fn b7_missing_content_is_a_gap() {
    let show = Show::new();
    show.parts(1);
    let gap = Part { gap: true, data: Bytes::new(), ..part(1, false) };
    show.writer.part(&show.video, gap.clone());
    assert!(show.playlist("").contains("URI=\"part-1.m4s\",GAP=YES\n"));
    assert_eq!(show.file("part-1.m4s"), Poll::Ready(Err(Error::NotFound)));
    show.end_segment();
    assert!(!show.playlist("").contains("#EXT-X-GAP\n"), "some of the segment is there");
    show.writer.part(&show.video, gap);
    show.end_segment();
    assert!(show.playlist("").contains("#EXT-X-GAP\n#EXTINF:0.20000,\nseg-1.m4s"));
    assert_eq!(show.file("seg-1.m4s"), Poll::Ready(Err(Error::NotFound)));
}

#[test]
fn b7_a_new_timeline_has_the_same_number_in_every_rendition() {
    let show = Show::new();
    show.segments(3).parts(2);
    // The sound lags by a segment.
    show.writer.end_segment(&show.video);
    show.writer.part(&show.video, part(32, true));
    show.writer.discontinuity();
    show.parts(1);
    let number = |playlist: &str| {
        let before = &playlist[..playlist.find("#EXT-X-DISCONTINUITY\n").unwrap()];
        let first: usize = tags(playlist, "#EXT-X-MEDIA-SEQUENCE")[0].parse().unwrap();
        first + tags(before, "#EXTINF").len()
    };
    assert_eq!(number(&show.playlist("")), 5);
    assert_eq!(number(&show.playlist_of("audio", "")), 5);
    assert!(show.playlist_of("audio", "").contains("#EXT-X-GAP\n"));
}

#[test]
fn a_break_before_anything_is_none() {
    let show = Show::new();
    show.writer.discontinuity();
    assert!(!show.segments(1).playlist("").contains("#EXT-X-DISCONTINUITY\n"));
}

//! Rows F1, F3 and E5's claim, the window's limits, and the playlist as text.

use super::*;

#[test]
fn a_whole_playlist_reads_like_this() {
    let show = Show::undescribed(Limits::default());
    show.writer.describe(
        Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_millis(400) },
        specs(),
    );
    show.parts(2).end_segment().parts(1);
    assert_eq!(
        show.playlist(""),
        "#EXTM3U\n\
         #EXT-X-VERSION:9\n\
         #EXT-X-TARGETDURATION:1\n\
         #EXT-X-PART-INF:PART-TARGET=0.22000\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.00000,HOLD-BACK=3.00000,PART-HOLD-BACK=0.66000\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:0\n\
         #EXT-X-MAP:URI=\"init-0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00.000Z\n\
         #EXT-X-PART:DURATION=0.20000,URI=\"part-0.m4s\",INDEPENDENT=YES\n\
         #EXT-X-PART:DURATION=0.20000,URI=\"part-1.m4s\"\n\
         #EXTINF:0.40000,\n\
         seg-0.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00.400Z\n\
         #EXT-X-PART:DURATION=0.20000,URI=\"part-2.m4s\",INDEPENDENT=YES\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-3.m4s\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"../audio/index.m3u8\",LAST-MSN=1,LAST-PART=0\n"
    );
}

#[test]
fn e5_independent_segments_are_claimed_only_while_true() {
    let show = Show::new();
    let claims = || show.playlist("").contains("#EXT-X-INDEPENDENT-SEGMENTS\n");
    show.segments(1);
    assert!(claims());
    show.writer.part(&show.video, part(10, false));
    assert!(!claims(), "a segment starts in the middle of a group of pictures");
    show.end_segment().segments(30);
    assert!(claims(), "it left the playlist");
}

#[test]
fn f1_segments_leave_only_while_enough_remain_and_stay_fetchable() {
    for (window, listed) in [(0, 6), (20, 10)] {
        let show = Show::undescribed(Limits { window: Duration::from_secs(window), ..Limits::default() });
        show.writer.describe(TIMING, specs());
        let mut first = 0;
        for count in 1..=60_u64 {
            show.segments(1);
            let playlist = show.playlist("");
            let sequence: u64 = tags(&playlist, "#EXT-X-MEDIA-SEQUENCE")[0].parse().unwrap();
            assert!(sequence == first || sequence == first + 1, "grows by what left");
            first = sequence;
            assert_eq!(count - sequence, count.min(listed));
            // As long again as the playlist, and a segment more.
            for old in sequence.saturating_sub(listed)..count {
                assert!(matches!(show.file(&format!("seg-{old}.m4s")), Poll::Ready(Ok(_))), "{old} of {count}");
            }
        }
        assert_eq!(show.file("seg-0.m4s"), Poll::Ready(Err(Error::NotFound)));
    }
}

#[test]
fn f1_segments_leave_every_rendition_together() {
    for window in [0, 20] {
        let show = Show::undescribed(Limits { window: Duration::from_secs(window), ..Limits::default() });
        show.writer.describe(TIMING, specs());
        let starts = || {
            ["video", "audio"].map(|rendition| {
                let playlist = show.playlist_of(rendition, "");
                tags(&playlist, "#EXT-X-MEDIA-SEQUENCE")[0].parse::<u64>().unwrap()
            })
        };
        for number in 0..60 {
            // Sound ends its segments up to a part later, with lengths that vary.
            show.parts(PARTS - 1).writer.part(&show.video, part(0, false));
            show.writer.end_segment(&show.video);
            let [video, audio] = starts();
            assert_eq!(video, audio, "pictures ended segment {number}");
            let milliseconds = [184, 208, 216][number % 3];
            show.writer.part(&show.audio, Part { duration: Duration::from_millis(milliseconds), ..part(0, true) });
            show.writer.end_segment(&show.audio);
            let [video, audio] = starts();
            assert_eq!(video, audio, "sound ended segment {number}");
        }
        assert!(starts()[0] >= 48, "{:?}", starts());
    }
}

#[test]
fn f1_a_rendition_that_stands_still_keeps_few_segments_of_the_others() {
    let show = Show::new();
    show.segments(12);
    for _ in 0..30 {
        show.writer.part(&show.video, part(0, true));
        show.writer.end_segment(&show.video);
        show.writer.part(&show.video, Part { duration: Duration::from_secs(2), ..part(0, true) });
        show.writer.end_segment(&show.video);
    }
    let listed = |rendition| tags(&show.playlist_of(rendition, ""), "#EXTINF").len();
    assert!(listed("video") <= 22 + 2, "{}", listed("video"));
    assert!(listed("audio") >= 6, "{}", listed("audio"));
}

#[test]
fn f1_breaks_that_left_are_counted() {
    let show = Show::new();
    let sequence = || tags(&show.playlist(""), "#EXT-X-DISCONTINUITY-SEQUENCE")[0].parse::<u64>().unwrap();
    show.segments(2);
    show.writer.discontinuity();
    show.segments(10);
    assert!(show.playlist("").contains("#EXT-X-DISCONTINUITY\n"));
    assert_eq!(sequence(), 0, "the break is still listed");
    show.segments(1);
    assert!(!show.playlist("").contains("#EXT-X-DISCONTINUITY\n"));
    assert_eq!(sequence(), 1);
}

#[test]
fn f3_a_segment_is_its_parts_one_after_another() {
    let show = Show::new();
    show.segments(2);
    let parts = (10..20).flat_map(|part| match show.file(&format!("part-{part}.m4s")) {
        Poll::Ready(Ok(bytes)) => bytes,
        other => panic!("{other:?}"),
    });
    assert_eq!(show.file("seg-1.m4s"), Poll::Ready(Ok(parts.collect())));
}

#[test]
fn f3_a_segment_that_moved_has_the_same_bytes_and_so_have_its_parts() {
    let show = Show::new();
    show.segments(2);
    let Poll::Ready(Ok(before)) = show.file("seg-1.m4s") else { panic!("no segment") };
    let moved = Bytes::from(before.clone());
    let inside = moved.as_ptr() as usize..moved.as_ptr() as usize + moved.len();
    show.writer.replace_segment(&show.video, 1, moved);
    assert_eq!(show.file("seg-1.m4s"), Poll::Ready(Ok(before)));
    let Poll::Ready(Ok((body, _))) = once(show.stream().resource("video", Resource::Part(15))) else { panic!() };
    assert_eq!(body.chunks().concat(), b"<part 15>");
    assert!(inside.contains(&(body.chunks()[0].as_ptr() as usize)), "the old buffer is released");
    // Bytes of another length are somebody's mistake.
    show.writer.replace_segment(&show.video, 0, Bytes::from_static(b"other"));
    assert!(matches!(show.file("seg-0.m4s"), Poll::Ready(Ok(bytes)) if bytes.len() > 5));
}

#[test]
fn memory_is_bounded_whatever_the_rules_say() {
    let show = Show::undescribed(Limits { rendition_bytes: 3_000, ..Limits::default() });
    show.writer.describe(TIMING, specs());
    for _ in 0..50 {
        let big = Part { data: Bytes::from(vec![7; 1_000]), ..part(0, true) };
        show.writer.part(&show.video, big);
        show.writer.end_segment(&show.video);
        show.writer.part(&show.audio, part(0, true));
        show.writer.end_segment(&show.audio);
    }
    let playlist = show.playlist("");
    assert_eq!(tags(&playlist, "#EXT-X-MEDIA-SEQUENCE"), ["47"]);
    assert_eq!(show.file("seg-46.m4s"), Poll::Ready(Err(Error::NotFound)));
    assert_eq!(show.file("part-46.m4s"), Poll::Ready(Err(Error::NotFound)));
    assert!(matches!(show.file("seg-47.m4s"), Poll::Ready(Ok(_))));
    let audio = show.playlist_of("audio", "");
    assert!(tags(&audio, "#EXTINF").len() > 6, "the sound is small and stays");
}

#[test]
fn memory_is_bounded_without_timing_and_without_an_end_of_a_segment() {
    let show = Show::undescribed(Limits { rendition_bytes: 3_000, ..Limits::default() });
    for _ in 0..500 {
        show.writer.part(&show.video, Part { data: Bytes::from(vec![7; 100]), ..part(0, true) });
    }
    show.writer.describe(TIMING, specs());
    let playlist = show.playlist("");
    assert!(tags(&playlist, "#EXTINF").len() <= 2, "{playlist}");
    assert_eq!(show.file("part-0.m4s"), Poll::Ready(Err(Error::NotFound)));
}

#[test]
fn initialization_sections_go_with_the_last_segment_that_needs_them() {
    let show = Show::new();
    show.segments(2);
    show.writer.init(&show.video, Bytes::from_static(b"<second init>"));
    show.segments(10);
    assert!(matches!(show.file("init-0.mp4"), Poll::Ready(Ok(_))));
    show.segments(20);
    assert_eq!(show.file("init-0.mp4"), Poll::Ready(Err(Error::NotFound)));
    assert!(show.playlist("").contains("#EXT-X-MAP:URI=\"init-1.mp4\""));
}

proptest::proptest! {
    #[test]
    fn an_update_only_appends_and_drops_from_the_front(steps in proptest::collection::vec(0_u8..20, 1..300)) {
        let show = Show::new();
        show.parts(1);
        let mut before: Vec<String> = Vec::new();
        let (mut sequence, mut breaks) = (0_u64, 0_u64);
        for step in steps {
            match step {
                0 => show.writer.discontinuity(),
                1..=3 => { show.end_segment(); }
                _ => { show.parts(1); }
            }
            let playlist = show.playlist("");
            let now_sequence: u64 = tags(&playlist, "#EXT-X-MEDIA-SEQUENCE")[0].parse().unwrap();
            let now_breaks: u64 = tags(&playlist, "#EXT-X-DISCONTINUITY-SEQUENCE")[0].parse().unwrap();
            proptest::prop_assert!(now_sequence >= sequence && now_breaks >= breaks);
            let segments: Vec<String> =
                playlist.lines().filter(|line| line.starts_with("seg-")).map(str::to_owned).collect();
            let gone = (now_sequence - sequence) as usize;
            proptest::prop_assert!(segments.starts_with(before.get(gone..).unwrap_or_default()));
            let target: f64 = tags(&playlist, "#EXTINF").iter().map(|tag| tag.trim_end_matches(',').parse::<f64>().unwrap()).sum();
            proptest::prop_assert!(now_sequence == 0 || (segments.len() >= 6 && target >= 6.0));
            (before, sequence, breaks) = (segments, now_sequence, now_breaks);
        }
    }
}

#[test]
fn moments_are_written_in_utc() {
    let show = Show::new();
    let write = |seconds: u64, millis| {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis);
        show.writer.part(&show.video, Part { program_date_time: moment, ..part(0, true) });
        let playlist = show.playlist("");
        show.writer.end_segment(&show.video);
        tags(&playlist, "#EXT-X-PROGRAM-DATE-TIME").last().unwrap().to_string()
    };
    assert_eq!(write(0, 7), "1970-01-01T00:00:00.007Z");
    assert_eq!(write(951_782_399, 999), "2000-02-28T23:59:59.999Z");
    assert_eq!(write(951_782_400, 0), "2000-02-29T00:00:00.000Z");
    assert_eq!(write(1_709_251_199, 0), "2024-02-29T23:59:59.000Z");
    assert_eq!(write(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    assert_eq!(write(1_767_225_599, 0), "2025-12-31T23:59:59.000Z");
}

//! Rows D1 to D6, D8 and D9, as decisions.

use super::*;
use crate::{
    reload::{self, Bad, Reload, advance_part_limit},
    window::Window,
};

/// A window in words: `4: 10 10 3` has segments 4 and 5 of ten parts, and three parts of segment 6. A `|` at the end
/// completes the last one.
fn window(sketch: &str) -> Window {
    let mut window = Window::new(Duration::ZERO, u64::MAX);
    let (first, counts) = sketch.split_once(':').unwrap();
    for _ in 0..first.trim().parse().unwrap() {
        window.push(part(0, true));
        window.end_segment();
    }
    let (counts, complete) = match counts.strip_suffix('|') {
        Some(counts) => (counts, true),
        None => (counts, false),
    };
    let counts: Vec<u32> = counts.split_whitespace().map(|count| count.parse().unwrap()).collect();
    for (index, count) in counts.iter().enumerate() {
        (0..*count).for_each(|number| window.push(part(number, number == 0)));
        if complete || index + 1 < counts.len() {
            window.end_segment();
        }
    }
    window
}

#[track_caller]
fn check(sketch: &str, query: &str, expected: Reload) {
    assert_eq!(reload::decide(&window(sketch), &TIMING, false, &Query::parse(query)), expected, "{sketch} {query}");
}

const FAR: Reload = Reload::Reject(Bad::TooFarAhead);

#[test]
fn d1_a_segment_alone_waits_for_the_whole_of_it() {
    check("4: 10 10 3", "_HLS_msn=5", Reload::Now);
    check("4: 10 10 3", "_HLS_msn=6", Reload::Wait);
    check("4: 10 10 3", "_HLS_msn=7", Reload::Wait);
    check("4: 10 10|", "_HLS_msn=6", Reload::Wait);
}

#[test]
fn d1_with_a_part_it_waits_for_that_part() {
    check("4: 10 10 3", "_HLS_msn=6&_HLS_part=2", Reload::Now);
    check("4: 10 10 3", "_HLS_msn=6&_HLS_part=3", Reload::Wait);
    check("4: 10 10 3", "_HLS_part=3&_HLS_msn=6", Reload::Wait);
    check("4: 10 10|", "_HLS_msn=6&_HLS_part=0", Reload::Wait);
}

#[test]
fn d2_a_part_past_the_last_is_the_first_of_the_next_segment() {
    check("4: 10 10 3", "_HLS_msn=5&_HLS_part=10", Reload::Now);
    check("4: 10 10 3", "_HLS_msn=5&_HLS_part=25", Reload::Now);
    check("4: 10 10|", "_HLS_msn=5&_HLS_part=10", Reload::Wait);
    check("4: 10 10|", "_HLS_msn=5&_HLS_part=9", Reload::Now);
    check("4: 10 10|", "_HLS_msn=4&_HLS_part=10", Reload::Now);
}

#[test]
fn d3_a_part_without_its_segment_is_refused() {
    check("4: 10 3", "_HLS_part=1", Reload::Reject(Bad::PartWithoutSegment));
    for odd in [
        "_HLS_msn=",
        "_HLS_msn",
        "_HLS_msn=x",
        "_HLS_msn=-1",
        "_HLS_msn=5&_HLS_part=1.5",
        "_HLS_msn=+5",
        "_HLS_msn=99999999999999999999",
    ] {
        check("4: 10 3", odd, Reload::Reject(Bad::NotANumber));
    }
}

#[test]
fn d4_what_is_too_far_ahead_is_refused_at_once() {
    check("4: 10 10 3", "_HLS_msn=8", Reload::Wait);
    check("4: 10 10 3", "_HLS_msn=9", FAR);
    check("4: 10 10|", "_HLS_msn=7", Reload::Wait);
    check("4: 10 10|", "_HLS_msn=8", FAR);
    check("4: 10 10|", "_HLS_msn=18446744073709551615", FAR);
    // PART-TARGET 0.22: 14 parts ahead of the newest, which has index 2.
    assert_eq!(advance_part_limit(&TIMING), 14);
    check("4: 10 10 3", "_HLS_msn=6&_HLS_part=16", Reload::Wait);
    check("4: 10 10 3", "_HLS_msn=6&_HLS_part=17", FAR);
    check("4: 10 10|", "_HLS_msn=6&_HLS_part=13", Reload::Wait);
    check("4: 10 10|", "_HLS_msn=6&_HLS_part=14", FAR);
    check("4: 10 10 3", "_HLS_msn=7&_HLS_part=18446744073709551615", FAR);
}

#[test]
fn d4_the_advance_part_limit_follows_part_target() {
    let limit = |millis| advance_part_limit(&Timing { part_target: Duration::from_millis(millis), ..TIMING });
    assert_eq!([limit(500), limit(333), limit(999), limit(1000), limit(2000)], [6, 10, 4, 3, 3]);
}

#[test]
fn d5_what_is_there_or_gone_gets_the_playlist_at_once() {
    check("4: 10 10 3", "_HLS_msn=0", Reload::Now);
    check("4: 10 10 3", "_HLS_msn=4", Reload::Now);
    check("4: 10 10 3", "", Reload::Now);
    let show = Show::new();
    show.segments(40);
    assert_eq!(show.playlist("_HLS_msn=0&_HLS_part=3"), show.playlist(""));
    assert_eq!(show.playlist("_HLS_msn=0&_HLS_skip=YES"), show.playlist(""), "the whole playlist");
}

#[test]
fn d6_an_ended_playlist_ignores_directives() {
    let show = Show::new();
    show.segments(20);
    show.writer.end();
    for query in ["_HLS_msn=99", "_HLS_part=3", "_HLS_msn=x", "_HLS_skip=YES"] {
        assert_eq!(show.playlist(query), show.playlist(""), "{query}");
    }
}

#[test]
fn d8_a_delta_update_skips_what_is_past_the_skip_boundary() {
    let show = Show::new();
    show.segments(10).parts(3);
    let (whole, delta) = (show.playlist(""), show.playlist("_HLS_msn=10&_HLS_part=2&_HLS_skip=YES"));
    let skipped: usize = seconds(tags(&delta, "#EXT-X-SKIP")[0], "SKIPPED-SEGMENTS") as usize;
    assert_eq!(tags(&delta, "#EXT-X-SKIP").len(), 1);
    // 20.6 s are listed; what ends more than 12 s before the end is left out.
    assert_eq!(skipped, 4);
    let strip = |text: &str| -> Vec<String> {
        let from = text.find("#EXTINF").unwrap();
        text[from..].lines().filter(|line| !line.starts_with("#EXT-X-PROGRAM")).map(str::to_owned).collect()
    };
    let (whole_lines, delta_lines) = (strip(&whole), strip(&delta));
    assert_eq!(delta_lines[..], whole_lines[2 * skipped..], "the rest is the same");
    assert_eq!(tags(&delta, "#EXT-X-MEDIA-SEQUENCE"), tags(&whole, "#EXT-X-MEDIA-SEQUENCE"));
    assert!(!delta.contains("#EXT-X-MAP"), "the client has it");
    assert_eq!(show.playlist("_HLS_skip=v2"), delta);
    assert_eq!(show.playlist("_HLS_skip=NO"), whole);
}

#[test]
fn d8_nothing_to_skip_is_the_whole_playlist() {
    let show = Show::new();
    show.segments(5);
    assert_eq!(show.playlist("_HLS_skip=YES"), show.playlist(""));
}

#[test]
fn d9_unknown_directives_are_ignored_and_all_viewers_get_the_same_buffer() {
    check("4: 10 10 3", "_HLS_push=1&utm=x&_HLS_msn=6&&=&_HLS_msn=99", Reload::Wait);
    let show = Show::new();
    show.segments(2);
    let stream = show.stream();
    let fetch = |query| match once(stream.media_playlist("video", Query::parse(query))) {
        Poll::Ready(Ok(reply)) => reply.playlist,
        other => panic!("{other:?}"),
    };
    let (one, other) = (fetch("_HLS_foo=1"), fetch("_HLS_msn=1"));
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(one.gzip().as_ptr(), other.gzip().as_ptr());
}

proptest::proptest! {
    #[test]
    fn no_query_panics(query: Vec<u8>, msn: u64, part: u64) {
        crate::fuzz::playlist_query(&query);
        crate::fuzz::playlist_query(format!("_HLS_msn={msn}&_HLS_part={part}").as_bytes());
        crate::fuzz::playlist_query(format!("_HLS_msn={}&_HLS_part={part}", msn % 16).as_bytes());
    }
}

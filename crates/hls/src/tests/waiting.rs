//! Rows D7, F4 and F5, and the store: who waits, who is woken, what expires.

use super::*;
use tokio::{task::JoinSet, time::Instant};

#[tokio::test(start_paused = true)]
async fn d7_nobody_waits_longer_than_three_target_durations() {
    let show = Show::new();
    show.segments(1);
    let began = Instant::now();
    let held = show.stream();
    assert!(matches!(held.media_playlist("video", Query::parse("_HLS_msn=1")).await, Err(Error::Late)));
    assert_eq!(began.elapsed().as_secs(), 6);
    assert_eq!(held.resource("video", Resource::Part(10)).await.err(), Some(Error::Late));
    assert_eq!(began.elapsed().as_secs(), 12);
    assert_eq!(show.store.held_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn d7_before_the_first_segment_playlists_wait_too() {
    let show = Show::undescribed(Limits::default());
    assert_eq!(show.stream().multivariant().await.err(), Some(Error::Late));
    assert_eq!(show.stream().media_playlist("video", Query::default()).await.err(), Some(Error::Late));
    let stream = show.stream();
    let waits = tokio::spawn(async move { stream.media_playlist("video", Query::default()).await });
    tokio::task::yield_now().await;
    show.writer.describe(TIMING, specs());
    tokio::task::yield_now().await;
    assert!(!waits.is_finished(), "an empty playlist says nothing");
    show.parts(1);
    assert!(waits.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn d1_a_part_wakes_who_waits_for_it_and_nobody_else() {
    let show = Show::new();
    show.segments(1).parts(1);
    let mut waiting = JoinSet::new();
    for (order, query) in ["_HLS_msn=1&_HLS_part=1", "_HLS_msn=1&_HLS_part=2", "_HLS_msn=1"].into_iter().enumerate() {
        let stream = show.stream();
        waiting.spawn(async move {
            stream.media_playlist("video", Query::parse(query)).await.unwrap();
            order
        });
    }
    tokio::task::yield_now().await;
    assert_eq!(show.store.held_requests(), 3);
    for order in 0..3 {
        show.parts(1);
        if order == 2 {
            show.end_segment();
        }
        assert_eq!(waiting.join_next().await.unwrap().unwrap(), order);
        tokio::task::yield_now().await;
        assert_eq!(show.store.held_requests(), 2 - order);
    }
}

#[tokio::test(start_paused = true)]
async fn d2_an_early_end_of_a_segment_answers_with_the_next_segments_first_part() {
    let show = Show::new();
    show.segments(1).parts(3);
    let stream = show.stream();
    let waits =
        tokio::spawn(async move { stream.media_playlist("video", Query::parse("_HLS_msn=1&_HLS_part=3")).await });
    tokio::task::yield_now().await;
    show.end_segment();
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    show.parts(1);
    assert!(waits.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn f4_ten_thousand_held_requests_are_answered_when_the_stream_ends() {
    let show = Show::new();
    show.segments(2);
    let mut waiting = JoinSet::new();
    for viewer in 0..10_000 {
        let stream = show.stream();
        let rendition = if viewer % 2 == 0 { "video" } else { "audio" };
        waiting.spawn(async move { stream.media_playlist(rendition, Query::parse("_HLS_msn=2&_HLS_part=0")).await });
    }
    while show.store.held_requests() < 10_000 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    show.writer.end();
    let mut buffers = std::collections::HashSet::new();
    while let Some(reply) = waiting.join_next().await {
        let playlist = reply.unwrap().unwrap().playlist;
        assert!(playlist.plain().ends_with(b"#EXT-X-ENDLIST\n"));
        buffers.insert(playlist.plain().as_ptr() as usize);
    }
    assert_eq!(buffers.len(), 2, "rendered once a rendition");
    assert_eq!((began.elapsed(), show.store.held_requests()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn f4_an_ended_playlist_stays_for_a_minute() {
    let show = Show::new();
    show.segments(1).parts(2);
    let (store, session) = (show.store.clone(), show.stream().session());
    tokio::spawn(store.clone().sweep());
    assert_eq!(store.live().len(), 1);
    let stream = Arc::downgrade(&show.stream());
    drop(show); // Whoever writes is gone: that ends the stream as well.
    assert!(store.live().is_empty());
    tokio::time::advance(Duration::from_secs(59)).await;
    let ended = store.session("anna", session).unwrap();
    let playlist = ended.media_playlist("video", Query::default()).await.unwrap().playlist.plain();
    let playlist = String::from_utf8(playlist.to_vec()).unwrap();
    assert!(playlist.ends_with("seg-1.m4s\n#EXT-X-ENDLIST\n"), "the last parts are a segment: {playlist}");
    assert!(store.current("anna").is_some());
    drop(ended);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(store.session("anna", session).is_none());
    assert!(store.current("anna").is_none());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(stream.upgrade().is_none(), "and its memory is back");
}

#[test]
fn f5_the_same_playlist_goes_on_after_a_break() {
    let show = Show::new();
    show.segments(2).parts(4);
    show.writer.discontinuity();
    show.segments(1);
    let playlist = show.playlist("");
    assert_eq!(tags(&playlist, "#EXTINF"), ["2.00000,", "2.00000,", "0.80000,", "2.00000,"]);
    assert!(playlist.contains("seg-2.m4s\n#EXT-X-DISCONTINUITY\n"));
    assert!(playlist.contains("URI=\"part-24.m4s\",INDEPENDENT=YES"), "part numbers run on");
}

#[test]
fn a_newer_session_becomes_current_and_the_older_stays_reachable() {
    let show = Show::new();
    show.segments(1);
    let newer = show.store.open(name(), PublishId::random(), false).unwrap();
    assert_eq!(show.store.current(&name()).unwrap().session(), newer.stream().session());
    assert!(show.store.session("anna", show.stream().session()).is_some());
    assert_eq!(show.store.live().len(), 1, "a channel is live once");
    assert!(show.store.session("berta", show.stream().session()).is_none(), "a session is its channel's");
}

#[tokio::test(start_paused = true)]
async fn the_store_is_bounded() {
    let store = Store::new(Limits { streams: 2, ..Limits::default() });
    let one = store.open(name(), PublishId::random(), false).unwrap();
    let _two = store.open(ChannelName::parse("berta").unwrap(), PublishId::random(), false).unwrap();
    assert!(store.open(ChannelName::parse("clara").unwrap(), PublishId::random(), false).is_err());
    one.end();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(store.open(ChannelName::parse("clara").unwrap(), PublishId::random(), false).is_ok());
}

#[test]
fn waiting_is_bounded() {
    let show = Show::undescribed(Limits { held_requests: 1, ..Limits::default() });
    show.writer.describe(TIMING, specs());
    show.parts(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let stream = show.stream();
    let mut first = pin!(stream.resource("video", Resource::Part(1)));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(show.file("part-1.m4s"), Poll::Ready(Err(Error::Crowded)));
    assert_eq!(show.file("part-0.m4s"), Poll::Ready(Ok(b"<part 0>".to_vec())), "what is there needs no place");
}

#[test]
fn viewers_are_counted_by_what_they_ask() {
    let show = Show::new();
    show.segments(2);
    assert_eq!(show.stream().viewers(), 0);
    for _ in 0..40 {
        let (msn, part) = (show.parts.get() / 10, show.parts.get() % 10);
        for _viewer in 0..50 {
            assert!(show.ask("video", &format!("_HLS_msn={msn}&_HLS_part={part}")).is_pending());
            assert!(show.ask("audio", &format!("_HLS_msn={msn}&_HLS_part={part}")).is_pending());
        }
        show.parts(1);
        if part == 9 {
            // Four that know no low latency ask once a segment.
            (0..4).for_each(|_| drop(show.playlist("")));
            show.end_segment();
        }
    }
    assert!((52..=56).contains(&show.stream().viewers()), "{}", show.stream().viewers());
    show.writer.end();
    assert_eq!(show.stream().viewers(), 0);
}

//! Rows C1 to C3.

use super::*;

#[test]
fn c1_the_part_to_come_is_hinted_while_live() {
    let show = Show::new();
    let hint = |playlist: &str| tags(playlist, "#EXT-X-PRELOAD-HINT").join(" ");
    assert_eq!(hint(&show.parts(3).playlist("")), "TYPE=PART,URI=\"part-3.m4s\"");
    assert_eq!(hint(&show.end_segment().playlist("")), "TYPE=PART,URI=\"part-3.m4s\"", "a segment's end gives up none");
    show.writer.end();
    assert_eq!(hint(&show.playlist("")), "");
}

#[test]
fn c2_the_hinted_part_waits_and_what_is_unknown_is_not_there() {
    let show = Show::new();
    show.parts(3);
    assert_eq!(show.file("part-2.m4s"), Poll::Ready(Ok(b"<part 2>".to_vec())));
    assert_eq!(show.file("part-3.m4s"), Poll::Pending);
    for nothing in ["part-4.m4s", "part-999999999999.m4s", "seg-0.m4s", "seg-7.m4s", "init-1.mp4"] {
        assert_eq!(show.file(nothing), Poll::Ready(Err(Error::NotFound)), "{nothing}");
    }
    show.writer.end();
    assert_eq!(show.file("part-3.m4s"), Poll::Ready(Err(Error::NotFound)), "nothing comes after the end");
    assert_eq!(show.file("seg-0.m4s"), Poll::Ready(Ok(b"<part 0><part 1><part 2>".to_vec())));
}

#[tokio::test(start_paused = true)]
async fn c2_the_hinted_part_comes_whole() {
    let show = Show::new();
    show.parts(3);
    let stream = show.stream();
    let waits = tokio::spawn(async move { stream.resource("video", Resource::Part(3)).await });
    tokio::task::yield_now().await;
    show.parts(1);
    let (body, media) = waits.await.unwrap().unwrap();
    assert_eq!((body.chunks().concat(), media), (b"<part 3>".to_vec(), crate::Media::Video));
}

#[test]
fn c3_every_other_rendition_is_reported() {
    let show = Show::new();
    let report = |playlist: String| tags(&playlist, "#EXT-X-RENDITION-REPORT").join(" ");
    let expected = |id: &str, msn, part| format!("URI=\"../{id}/index.m3u8\",LAST-MSN={msn},LAST-PART={part}");
    show.segments(2);
    assert_eq!(report(show.playlist("")), expected("audio", 1, 9));
    show.parts(3);
    assert_eq!(report(show.playlist("")), expected("audio", 2, 2));
    assert_eq!(report(show.playlist_of("audio", "")), expected("video", 2, 2));
}

//! Rows E2, E3 and E6 to E8: what caches and pages on other sites are told.

use super::*;
use std::io::Read;

#[tokio::test]
async fn e2_playlists_are_compressed_when_asked() {
    let origin = Origin::start().await;
    origin.segments(2);
    for path in ["/live/anna/index.m3u8".to_owned(), origin.path("index.m3u8")] {
        let plain = origin.get(&path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "Accept-Encoding"));
        for no in ["br", "gzip;q=0", "identity"] {
            let answer = origin.ask(request_with(&path, header::ACCEPT_ENCODING, no)).await;
            assert_eq!((answer.header("content-encoding"), &answer.body), ("", &plain.body), "{no}");
        }
        let packed = origin.ask(request_with(&path, header::ACCEPT_ENCODING, "gzip, deflate, br")).await;
        assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "Accept-Encoding"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*packed.body).read_to_string(&mut text).unwrap();
        assert_eq!(text, plain.text());
        assert_eq!((packed.header("etag"), plain.header("etag")), ("", ""), "no tag shared between encodings");
    }
}

#[tokio::test]
async fn e6_every_answer_says_how_long_it_is_true() {
    let origin = Origin::start().await;
    origin.segments(2);
    let check = async |path: &str, expected: &str| {
        let answer = origin.get(path).await;
        assert_eq!(answer.header("cache-control"), expected, "{path}");
        assert_ne!(answer.header("date"), "", "E7: {path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "E8: {path}");
        assert_eq!(answer.header("access-control-expose-headers"), EXPOSED, "E7: {path}");
        assert_eq!(answer.header("set-cookie"), "", "E8");
    };
    check("/live/anna/index.m3u8", "public, max-age=1").await;
    check(&origin.path("index.m3u8"), "public, max-age=1").await;
    check(&origin.path("index.m3u8?_HLS_skip=YES"), "public, max-age=1").await;
    check(&origin.path("index.m3u8?_HLS_msn=1"), "public, max-age=12").await;
    check(&origin.path("index.m3u8?_HLS_msn=1&_HLS_part=3&_HLS_skip=YES"), "public, max-age=12").await;
    for file in ["part-3.m4s", "seg-1.m4s", "init-0.mp4"] {
        check(&origin.path(file), "public, max-age=31536000, immutable").await;
    }
    check(&origin.path("part-33.m4s"), "no-store").await;
    check("/live/nobody/index.m3u8", "no-store").await;
    check(&origin.path("index.m3u8?_HLS_msn=55"), "no-store").await;
    let secret = origin.store.open(ChannelName::parse("berta").unwrap(), PublishId::random(), true).unwrap();
    let spec = origin.writer.stream().renditions()[0].clone();
    secret.describe(Timing { part_target: PART, target_duration: Duration::from_secs(2) }, vec![spec]);
    let part = Part {
        data: Bytes::from_static(b"x"),
        duration: PART,
        independent: true,
        gap: false,
        program_date_time: SystemTime::UNIX_EPOCH,
        media_time: Duration::ZERO,
    };
    secret.part(&origin.video, part);
    secret.end_segment(&origin.video);
    for (query, status) in
        [("", 403), ("?token=", 403), ("?token=guess", 403), ("?token=sesame", 200), ("?a&token=sesame&b", 200)]
    {
        let path = format!("/live/berta/index.m3u8{query}");
        assert_eq!(origin.get(&path).await.status, status, "{path}");
        check(&path, "no-store").await;
    }
    let listed = origin.get("/live/berta/index.m3u8?token=sesame").await;
    let listed = listed.text();
    assert!(!listed.contains("sesame"), "what is listed is the same for all viewers: {listed}");
}

#[tokio::test]
async fn e7_what_is_immutable_has_a_tag_and_is_sent_once() {
    let origin = Origin::start().await;
    origin.segments(1);
    for file in ["part-3.m4s", "seg-0.m4s", "init-0.mp4"] {
        let path = origin.path(file);
        let whole = origin.get(&path).await;
        let tag = whole.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        let again = origin.ask(request_with(&path, header::IF_NONE_MATCH, tag)).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        assert_eq!((again.header("etag"), again.header("cache-control")), (tag, whole.header("cache-control")));
        let other = origin.ask(request_with(&path, header::IF_NONE_MATCH, "\"other\"")).await;
        assert_eq!((other.status.as_u16(), &other.body), (200, &whole.body));
    }
}

#[tokio::test]
async fn ranges_of_segments_are_served_across_part_boundaries() {
    let origin = Origin::start().await;
    origin.segments(1);
    let path = origin.path("seg-0.m4s");
    let whole = origin.get(&path).await.body;
    for (range, first, last) in
        [("bytes=0-0", 0, 0), ("bytes=10-40", 10, 40), ("bytes=-5", 165, 169), ("bytes=16-", 16, 169)]
    {
        let answer = origin.ask(request_with(&path, header::RANGE, range)).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/170"), "{range}");
        assert_eq!(answer.body, whole.slice(first..=last), "{range}");
    }
    let past = origin.ask(request_with(&path, header::RANGE, "bytes=170-")).await;
    assert_eq!(past.is_problem(416).header("content-range"), "bytes */170");
    let several = origin.ask(request_with(&path, header::RANGE, "bytes=0-1,3-4")).await;
    assert_eq!((several.status.as_u16(), &several.body), (200, &whole));
    let mut stale = request_with(&path, header::RANGE, "bytes=0-1");
    stale.headers_mut().insert(header::IF_RANGE, "\"other\"".parse().unwrap());
    assert_eq!(origin.ask(stale).await.body, whole, "another version's range is the whole of ours");
}

#[tokio::test]
async fn e8_pages_on_other_sites_may_ask() {
    let origin = Origin::start().await;
    let mut preflight = request_with(&origin.path("index.m3u8"), header::ORIGIN, "https://example.org");
    *preflight.method_mut() = http::Method::OPTIONS;
    let answer = origin.ask(preflight).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    for method in [http::Method::POST, http::Method::DELETE] {
        let mut request = request("/live/anna/index.m3u8");
        *request.method_mut() = method;
        assert_eq!(origin.ask(request).await.is_problem(405).header("allow"), "GET, HEAD, OPTIONS");
    }
}

//! Playlists and files: rows C2, D1 to D8, F2 to F4.

use super::*;

#[tokio::test]
async fn f2_the_way_from_the_channel_to_its_bytes() {
    let origin = Origin::start().await;
    origin.segments(2);
    let mut client = origin.client().await;
    let master = client.ask(request("/live/anna/index.m3u8")).await;
    assert_eq!(master.status, 200);
    let uri = master.text().lines().last().unwrap();
    let playlist = client.ask(request(&format!("/live/anna/{uri}"))).await;
    assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl", "E3");
    let base = uri.trim_end_matches("index.m3u8");
    assert!(playlist.text().contains("\nseg-1.m4s\n"));
    let segment = client.ask(request(&format!("/live/anna/{base}seg-1.m4s"))).await;
    assert_eq!(segment.text(), "<a part of video>".repeat(10), "F3");
    assert_eq!(segment.header("content-type"), "video/mp4", "E3");
    let part = client.ask(request(&format!("/live/anna/{base}part-3.m4s"))).await;
    assert_eq!(part.text(), "<a part of video>");
    let init = client.ask(request(&format!("/live/anna/{base}init-0.mp4"))).await;
    assert_eq!(init.text(), "<init of video>");
    let audio = client.ask(request(&format!("/live/anna/{base}part-3.m4s").replace("/video/", "/audio/"))).await;
    assert_eq!((audio.text(), audio.header("content-type")), ("<a part of audio>", "audio/mp4"));
    // Every answer says how long it is: no chunked coding, and HEAD says the same.
    for answer in [&master, &playlist, &segment, &part, &init, &audio] {
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("transfer-encoding"), "");
    }
}

#[tokio::test]
async fn names_of_channels_are_compared_without_case() {
    let origin = Origin::start().await;
    origin.segments(1);
    assert_eq!(origin.get("/live/Anna/index.m3u8").await.status, 200);
    assert_eq!(origin.get(&origin.path("part-1.m4s").replace("anna", "ANNA")).await.status, 200);
}

#[tokio::test]
async fn head_says_what_get_would_and_sends_nothing() {
    let origin = Origin::start().await;
    origin.segments(1);
    for path in ["/live/anna/index.m3u8".to_owned(), origin.path("index.m3u8"), origin.path("seg-0.m4s")] {
        let mut client = origin.client().await;
        let mut head = request(&path);
        *head.method_mut() = http::Method::HEAD;
        let (get, head) = (client.ask(request(&path)).await, client.ask(head).await);
        assert_eq!(head.body.len(), 0);
        for name in ["content-length", "content-type", "cache-control", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        let mut h2 = origin.client2().await;
        let mut head = Request::head(format!("http://localhost{path}")).body(Empty::new()).unwrap();
        *head.version_mut() = http::Version::HTTP_2;
        let head = Answer::read(h2.send_request(head).await.unwrap()).await;
        assert_eq!((head.body.len(), head.header("content-length")), (0, get.header("content-length")), "{path}");
    }
}

#[tokio::test]
async fn d1_a_request_for_the_next_part_is_answered_when_it_is_there() {
    let origin = Origin::start().await;
    origin.segments(1).parts(2);
    let mut client = origin.client().await;
    let waits = tokio::spawn({
        let path = origin.path("index.m3u8?_HLS_msn=1&_HLS_part=2");
        async move { client.ask(request(&path)).await }
    });
    origin.held(1).await;
    origin.parts(1);
    assert!(waits.await.unwrap().text().contains("part-12.m4s\",INDEPENDENT"));
}

#[tokio::test]
async fn c2_a_hinted_part_is_sent_whole_and_what_is_unknown_is_404() {
    let origin = Origin::start().await;
    origin.segments(1);
    let mut client = origin.client().await;
    let waits = tokio::spawn({
        let path = origin.path("part-10.m4s");
        async move { client.ask(request(&path)).await }
    });
    origin.held(1).await;
    origin.parts(1);
    assert_eq!(waits.await.unwrap().text(), "<a part of video>");
    for nothing in ["part-12.m4s", "seg-1.m4s", "seg-99.m4s", "init-7.mp4", "other.txt", "", "part-10.mp4"] {
        origin.get(&origin.path(nothing)).await.is_problem(404);
    }
    for nowhere in [
        "/live/berta/index.m3u8",
        "/live/anna/",
        "/live/anna/x/video/index.m3u8",
        "/live/anna/00000000000000000000000000000000/video/index.m3u8",
        "/live/%2e%2e/index.m3u8",
        "/elsewhere",
    ] {
        origin.get(nowhere).await.is_problem(404);
    }
    origin.get(&origin.path("index.m3u8").replace("/video/", "/nothing/")).await.is_problem(404);
}

#[tokio::test]
async fn d3_d4_bad_directives_are_400_at_once() {
    let origin = Origin::start().await;
    origin.segments(2).parts(3);
    for query in
        ["_HLS_part=1", "_HLS_msn=5", "_HLS_msn=2&_HLS_part=17", "_HLS_msn=x", "_HLS_msn=99999999999999999999999"]
    {
        origin.get(&origin.path(&format!("index.m3u8?{query}"))).await.is_problem(400);
    }
    let old = origin.get(&origin.path("index.m3u8?_HLS_msn=0&_HLS_part=99&_HLS_whatever=1")).await;
    assert_eq!(old.status, 200, "D5, D9");
}

#[tokio::test(start_paused = true)]
async fn d7_a_request_held_for_too_long_is_503() {
    let origin = Origin::start().await;
    let writer = origin.store.open(ChannelName::parse("berta").unwrap(), PublishId::random(), false).unwrap();
    let spec = origin.writer.stream().renditions()[0].clone();
    writer.describe(Timing { part_target: PART, target_duration: Duration::from_secs(1) }, vec![spec]);
    let path = format!("/live/berta/{}/video/", writer.stream().session());
    let (playlist, part) = (format!("{path}index.m3u8"), format!("{path}part-0.m4s"));
    let (playlist, part) = tokio::join!(origin.get(&playlist), origin.get(&part));
    for late in [playlist, part] {
        assert_eq!(late.is_problem(503).header("retry-after"), "1");
    }
}

#[tokio::test]
async fn d8_delta_updates_come_over_the_wire() {
    let origin = Origin::start().await;
    origin.segments(10);
    let delta = origin.get(&origin.path("index.m3u8?_HLS_skip=YES")).await;
    assert!(delta.text().contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n"), "{}", delta.text());
}

#[tokio::test]
async fn f4_ten_thousand_held_requests_are_answered_when_the_stream_ends() {
    const CONNECTIONS: usize = 50;
    const EACH: usize = 200;
    let origin = Origin::start().await;
    origin.segments(1);
    let mut waiting = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let h2 = origin.client2().await;
        for _ in 0..EACH {
            let mut h2 = h2.clone();
            let rendition = if connection % 2 == 0 { "video" } else { "audio" };
            let path = origin.path("index.m3u8?_HLS_msn=1&_HLS_part=0").replace("/video/", &format!("/{rendition}/"));
            waiting.spawn(async move {
                h2.ready().await.unwrap();
                let request = Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap();
                Answer::read(h2.send_request(request).await.unwrap()).await
            });
        }
    }
    origin.held(CONNECTIONS * EACH).await;
    origin.writer.end();
    while let Some(answer) = waiting.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.status == 200 && answer.text().ends_with("#EXT-X-ENDLIST\n"), "{answer:?}");
    }
    assert_eq!(origin.store.held_requests(), 0);
    origin.get(&origin.path("part-10.m4s")).await.is_problem(404);
}

#[tokio::test]
async fn one_more_held_request_than_allowed_is_503() {
    let origin = Origin::start_with(Config::default(), Limits { held_requests: 1, ..Limits::default() }).await;
    origin.segments(1);
    let mut client = origin.client().await;
    let path = origin.path("part-10.m4s");
    let waits = tokio::spawn(async move { client.ask(request(&path)).await });
    origin.held(1).await;
    assert_eq!(origin.get(&origin.path("part-10.m4s")).await.is_problem(503).header("retry-after"), "1");
    origin.parts(1);
    assert_eq!(waits.await.unwrap().status, 200);
}

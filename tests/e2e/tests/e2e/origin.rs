//! LL-HLS rules on a real stream, over HTTP/1.1 and h2c. The rules themselves are tested as values in `weir-hls`.

use weir_testkit::{
    clock::ClockPublisher,
    hls::{self, Playlist, attribute, resolve},
    http::{get, get_h2c, get_with},
    server::{ADMIN_KEY, Server},
};

/// The parts of a playlist: URI, duration in seconds, whether independent.
fn parts(playlist: &Playlist) -> Vec<(String, f64, bool)> {
    let lines = playlist.tags("EXT-X-PART");
    lines
        .iter()
        .map(|line| {
            let uri = attribute(line, "URI").expect("a URI").to_owned();
            let duration = attribute(line, "DURATION").expect("a duration").parse().expect("a number");
            (uri, duration, attribute(line, "INDEPENDENT") == Some("YES"))
        })
        .collect()
}

#[tokio::test]
async fn a_real_stream_keeps_the_rules() {
    let server = Server::start().await;
    let _publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &["-bf", "2"]);
    let start = hls::open(&server.playlist("admin")).await;
    assert!(start.text.contains("avc1.") && start.text.contains("mp4a.40.2"), "{}", start.text);
    for name in ["BANDWIDTH", "AVERAGE-BANDWIDTH", "RESOLUTION=640x360", "FRAME-RATE", "CODECS"] {
        assert!(start.text.contains(name), "{name} in {}", start.text);
    }
    let mut renditions = vec![start.variant.clone()];
    renditions.extend(start.audio.clone());
    assert_eq!(renditions.len(), 2);
    for url in &renditions {
        let playlist = Playlist::read(url).await.reload_until(|playlist| playlist.tags("EXTINF").len() >= 4).await;
        let control = playlist.value("EXT-X-SERVER-CONTROL").expect("server control");
        let control = format!(":{control}");
        let target: f64 = attribute(playlist.tags("EXT-X-PART-INF")[0], "PART-TARGET").unwrap().parse().unwrap();
        let hold_back: f64 = attribute(&control, "PART-HOLD-BACK").unwrap().parse().unwrap();
        assert!(hold_back >= 3.0 * target, "A2");
        assert_eq!(attribute(&control, "CAN-BLOCK-RELOAD"), Some("YES"), "A5");
        let listed = parts(&playlist);
        assert!(listed.len() > 10, "{}", playlist.text);
        assert!(listed.iter().all(|(_, duration, _)| *duration <= target), "B1: {listed:?} {target}");
        assert!(listed.iter().any(|(_, _, independent)| *independent), "B3");
        assert!(!playlist.tags("EXT-X-PROGRAM-DATE-TIME").is_empty(), "E4");
        assert_eq!(playlist.tags("EXT-X-RENDITION-REPORT").len(), 1, "C3");

        // F3: a segment is its parts, byte for byte. The newest finished segment still has its parts listed.
        let (head, _) = playlist.text.rsplit_once("#EXTINF").expect("a segment");
        let own = head.rsplit_once("#EXTINF").map_or(head, |(_, own)| own);
        let uri = playlist.segments().last().copied().expect("a segment").to_owned();
        let mut joined = Vec::new();
        for line in own.lines().filter(|line| line.starts_with("#EXT-X-PART:")) {
            joined.extend_from_slice(&playlist.fetch(attribute(line, "URI").expect("a URI")).await);
        }
        assert_eq!(playlist.fetch(&uri).await, joined, "F3");

        // C2: the hinted part can be asked for before it exists, and comes whole.
        let hint = attribute(playlist.tags("EXT-X-PRELOAD-HINT")[0], "URI").expect("a URI").to_owned();
        assert!(!playlist.fetch(&hint).await.is_empty(), "C2");
        let unknown = get(&resolve(url, "part-99999999.m4s")).await.expect("an answer");
        assert_eq!(unknown.status, 404, "C2");

        // D3, D4, D8.
        assert_eq!(get(&format!("{url}?_HLS_part=0")).await.expect("an answer").status, 400, "D3");
        assert_eq!(get(&format!("{url}?_HLS_msn=999999")).await.expect("an answer").status, 400, "D4");

        // E1, E2: the same bytes over h2c, gzip when asked.
        let h2 = get_h2c(&resolve(url, &uri)).await.expect("an answer over HTTP/2");
        assert_eq!(h2.body, joined, "E1");
        let packed = get_with(url, &[("accept-encoding", "gzip")]).await.expect("an answer");
        assert_eq!(packed.header("content-encoding"), "gzip", "E2");
        assert_eq!(packed.header("content-type"), "application/vnd.apple.mpegurl", "E3");
        assert_eq!(packed.header("access-control-allow-origin"), "*", "E8");
    }
}

#[tokio::test]
async fn a_channel_that_is_not_live_is_a_problem_document() {
    let server = Server::start().await;
    let answer = get(&server.playlist("admin")).await.expect("an answer");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
}

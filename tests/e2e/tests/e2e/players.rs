//! Other people's players, and a cache in front.

use std::collections::HashMap;

use tokio::task::JoinSet;
use weir_testkit::{
    hls::{self, Playlist, attribute, resolve},
    http,
    nginx::Nginx,
    server::{ADMIN_KEY, Server},
    tools::{self, codecs, ffprobe},
};

#[tokio::test]
async fn ffprobe_reads_the_playlist_without_a_warning() {
    let server = Server::start().await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "2"]);
    hls::open(&server.playlist("admin")).await;
    let (probed, warnings) = ffprobe(&server.playlist("admin")).await;
    assert_eq!(codecs(&probed), ["aac", "h264"]);
    assert_eq!(warnings, "");
}

#[tokio::test]
async fn gstreamer_plays_the_playlist() {
    let server = Server::start().await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &[]);
    hls::open(&server.playlist("admin")).await;
    let seen = tools::gstreamer_plays(&server.playlist("admin"), 60).await;
    assert!(seen.contains("video/x-raw") && seen.contains("audio/x-raw"), "{seen}");
}

/// Viewers behind the cache.
const VIEWERS: usize = 50;
/// Parts that each of them follows.
const PARTS: usize = 20;

#[tokio::test]
async fn a_cache_in_front_serves_fifty_viewers_with_one_request_a_part() {
    let server = Server::start().await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &[]);
    hls::open(&server.playlist("admin")).await;
    let nginx = Nginx::start(server.http, &server.dir.path().join("nginx")).await;
    let entry = format!("http://{}/live/admin/index.m3u8", nginx.listen);
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(follow(entry.clone()));
    }
    while let Some(viewer) = viewers.join_next().await {
        viewer.expect("the viewer got every part");
    }
    let mut asked: HashMap<String, usize> = HashMap::new();
    for line in nginx.asked() {
        let path = line.split(' ').nth(1).unwrap_or_default();
        if path.contains(".m4s") {
            *asked.entry(path.to_owned()).or_default() += 1;
        }
    }
    assert!(asked.len() >= PARTS, "the cache fetched parts: {asked:?}");
    let often: Vec<_> = asked.iter().filter(|(_, count)| **count > 1).collect();
    assert!(often.is_empty(), "asked of the origin more than once: {often:?}");
}

/// Plays the video of `entry` as a low-latency player: waits at the hint, then fetches the part.
async fn follow(entry: String) {
    let start = hls::open(&entry).await;
    let mut playlist = Playlist::read(&start.variant).await;
    for _ in 0..PARTS {
        let hint = playlist.tags("EXT-X-PRELOAD-HINT");
        let uri = attribute(hint.first().expect("a hint"), "URI").expect("its URI").to_owned();
        let part = http::get(&resolve(&playlist.url, &uri)).await.expect("an answer");
        assert_eq!(part.status, 200);
        playlist = playlist.reload().await;
    }
}

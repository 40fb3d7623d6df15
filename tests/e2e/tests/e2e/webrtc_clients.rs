//! Other people's WebRTC: `aiortc` and GStreamer's `whipclientsink` publish, `aiortc` watches.

use std::process::Output;

use serde_json::Value;
use tokio::{process::Child, time::timeout};
use weir_testkit::{
    browser::Browser,
    hls, media,
    realtime::{self, Pictures},
    rtmp::{self, flv::Style},
    server::{ADMIN_KEY, PATIENCE, Server},
    tools,
};

/// Ends a client in good order: its input ends, and it says goodbye.
async fn end(client: Child) -> Output {
    let output = timeout(PATIENCE, client.wait_with_output()).await.expect("it ends").expect("its output is ours");
    assert!(output.status.success(), "{output:?}");
    output
}

/// `aiortc` on the air.
async fn aiortc(server: &Server, codec: &str) -> Child {
    let file = media::h264_opus();
    let file = file.to_str().expect("a path of this repository");
    let client = tools::aiortc("publish.py", &[&server.url("/whip"), ADMIN_KEY, file, codec]);
    server.line_with("track=0 codec").await;
    client
}

/// Watches in Chromium until so many pictures were decoded.
async fn watched(server: &Server) {
    let mut browser = Browser::launch();
    browser.goto(&server.url("/")).await;
    realtime::watch(&mut browser, "admin").await;
    let seen = Pictures::default().more(&mut browser, 60, "true").await;
    browser.wait("window.whep.stats('audio').then((stats) => stats.packetsReceived > 50)").await;
    eprintln!("in Chromium: {seen:?}");
    browser.close().await;
}

/// What ffprobe finds in the channel's LL-HLS.
async fn probed(server: &Server) -> Vec<String> {
    hls::open(&server.playlist("admin")).await;
    let (probed, _) = tools::ffprobe(&server.playlist("admin")).await;
    tools::codecs(&probed)
}

#[tokio::test]
async fn aiortc_publishes_h264_that_is_watched_both_ways() {
    let server = Server::start().await;
    let client = aiortc(&server, "H264").await;
    watched(&server).await;
    let codecs = probed(&server).await;
    assert!(codecs.contains(&"h264".to_owned()), "{codecs:?}");
    eprintln!("LL-HLS of aiortc: {codecs:?}");
    end(client).await;
    server.line_with("publish ended").await;
}

#[tokio::test]
async fn aiortc_publishes_vp8_that_is_watched() {
    let server = Server::start().await;
    let client = aiortc(&server, "VP8").await;
    watched(&server).await;
    end(client).await;
    server.line_with("publish ended").await;
}

#[tokio::test]
async fn aiortc_watches_what_is_pushed_over_rtmp() {
    let server = Server::start().await;
    let _streamer = rtmp::play(&server.rtmp_url(ADMIN_KEY), &media::h264_opus(), Style::default()).await;
    hls::open(&server.playlist("admin")).await;
    let output = end(tools::aiortc("watch.py", &[&server.url("/whep/admin"), "90"])).await;
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    eprintln!("aiortc saw {seen}");
    assert_eq!((&seen["video"]["width"], &seen["video"]["height"]), (&320.into(), &180.into()));
    assert_eq!(seen["audio"]["rate"], 48_000);
}

#[tokio::test]
async fn whipclientsink_publishes_what_is_watched_both_ways() {
    let server = Server::start().await;
    let client = tools::whipclientsink(&server.url("/whip"), ADMIN_KEY, "video/x-h264");
    server.line_with("track=0 codec").await;
    watched(&server).await;
    let codecs = probed(&server).await;
    assert!(codecs.contains(&"h264".to_owned()), "{codecs:?}");
    eprintln!("LL-HLS of whipclientsink: {codecs:?}");
    end(client).await;
    server.line_with("publish ended").await;
}

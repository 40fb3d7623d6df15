//! What RTMP can carry beyond H.264 and AAC: Enhanced RTMP, written by our own muxer where ffmpeg cannot.

use std::path::PathBuf;

use weir_testkit::{
    hls, media,
    rtmp::{self, flv::Style},
    server::{ADMIN_KEY, Server},
    tools::{codecs, ffprobe},
};

/// Publishes a fixture; ffprobe must see these codecs in the playlist, without a warning. Beside Opus there is AAC, for
/// players without Opus, as soon as its first part is made.
async fn check(file: PathBuf, style: Style, seen: &[&str]) {
    let server = Server::start().await;
    let _publisher = rtmp::play(&server.rtmp_url(ADMIN_KEY), &file, style).await.expect("the server takes it");
    hls::open(&server.playlist("admin")).await;
    if seen.contains(&"opus") {
        hls::wait_for_text(&server.playlist("admin"), "audio_aac").await;
    }
    let (probed, warnings) = ffprobe(&server.playlist("admin")).await;
    assert_eq!(codecs(&probed), seen);
    assert_eq!(warnings, "");
}

#[tokio::test]
async fn hevc_with_aac() {
    check(media::hevc_aac(), Style::Enhanced, &["aac", "hevc"]).await;
}

#[tokio::test]
async fn av1_with_opus_and_nanoseconds() {
    check(media::av1_opus(), Style::EnhancedNanos, &["aac", "av1", "opus"]).await;
}

#[tokio::test]
async fn vp9_with_opus() {
    check(media::vp9_opus(), Style::Enhanced, &["aac", "opus", "vp9"]).await;
}

#[tokio::test]
async fn h264_with_aac_in_enhanced_messages() {
    check(media::h264_aac(true), Style::Enhanced, &["aac", "h264"]).await;
}

#[tokio::test]
async fn video_alone() {
    check(media::h264(), Style::Legacy, &["h264"]).await;
}

#[tokio::test]
async fn audio_alone() {
    check(media::aac(), Style::Legacy, &["aac"]).await;
}

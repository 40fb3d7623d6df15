//! What RTMP can carry beyond H.264 and AAC: Enhanced RTMP, written by our own muxer where ffmpeg cannot.

use weir_testkit::{
    hls,
    media::{self, Codec},
    rtmp,
    server::{ADMIN_KEY, Server},
    tools::{codecs, ffprobe},
};

/// Publishes a fixture over Enhanced RTMP; ffprobe must see these codecs in the playlist, without a warning.
async fn check(video: Option<Codec>, audio: Option<Codec>, seen: &[&str]) {
    let server = Server::start().await;
    let fixture = media::fixture(video, audio).await;
    let _publisher = rtmp::play(&server.rtmp_url(ADMIN_KEY), fixture, rtmp::Style::default()).await;
    hls::open(&server.playlist("admin")).await;
    let (probed, warnings) = ffprobe(&server.playlist("admin")).await;
    assert_eq!(codecs(&probed), seen);
    assert_eq!(warnings, "");
}

#[tokio::test]
async fn hevc_with_aac() {
    check(Some(Codec::Hevc), Some(Codec::Aac), &["aac", "hevc"]).await;
}

#[tokio::test]
async fn av1_with_opus() {
    check(Some(Codec::Av1), Some(Codec::Opus), &["av1", "opus"]).await;
}

#[tokio::test]
async fn vp9_with_opus() {
    check(Some(Codec::Vp9), Some(Codec::Opus), &["opus", "vp9"]).await;
}

#[tokio::test]
async fn video_alone() {
    check(Some(Codec::H264), None, &["h264"]).await;
}

#[tokio::test]
async fn audio_alone() {
    check(None, Some(Codec::Aac), &["aac"]).await;
}

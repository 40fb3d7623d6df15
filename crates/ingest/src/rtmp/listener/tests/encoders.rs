//! Real encoders, and every codec in every dress.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;
use weir_media::{Event, TrackParams};
use weir_testkit::{
    media::{self, Movie},
    rtmp,
};

use super::*;

/// ffmpeg publishing two seconds of a test picture with B-frames and a tone, as fast as it can: fewer frames than a
/// subscriber may lag.
fn ffmpeg(address: SocketAddr, key: &str) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-hide_banner", "-loglevel", "info", "-nostdin"])
        .args(["-f", "lavfi", "-i", "testsrc=size=320x240:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac"])
        .args(["-f", "flv", &format!("rtmp://{address}/live/{key}")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    ffmpeg
}

#[tokio::test]
async fn ffmpeg_publishes_h264_and_aac() {
    let mut server = Server::start().await;
    let mut ffmpeg = ffmpeg(server.listeners.address, "key-anna").spawn().expect("ffmpeg is installed");
    let (live, mut subscriber) = server.published().await;
    let (mut pictures, mut keyframes, mut reordered, mut sounds) = (0, 0, 0, 0);
    let mut tracks = Vec::new();
    while let Some(event) = subscriber.recv().await {
        match event {
            Event::Track(track) => tracks.push(track.params.clone()),
            Event::Frame(frame) if frame.track == weir_media::TrackId::AUDIO => sounds += 1,
            Event::Frame(frame) => {
                pictures += 1;
                keyframes += usize::from(frame.keyframe);
                reordered += usize::from(frame.pts != frame.dts);
            }
            Event::Lost => panic!("nothing is lost"),
        }
    }
    assert!(ffmpeg.wait().await.unwrap().success());
    assert_eq!((pictures, keyframes), (60, 2));
    assert!(reordered > 0, "there are B-frames");
    assert!(sounds > 80, "{sounds} frames of sound");
    assert_eq!((live.announced().video, live.announced().audio), (true, true));
    let is_expected = |params: &TrackParams| match params {
        TrackParams::Video(video) => (video.width, video.height) == (320, 240) && video.rfc6381.starts_with("avc1."),
        TrackParams::Audio(audio) => audio.sample_rate == 48_000,
    };
    assert!(tracks.len() == 2 && tracks.iter().all(is_expected), "{tracks:?}");
}

#[tokio::test]
async fn ffmpeg_prints_why_it_was_refused() {
    let server = Server::start().await;
    let output = ffmpeg(server.listeners.address, "unknown-key").output().await.expect("ffmpeg is installed");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(printed.contains("This stream key is not known here."), "{printed}");
}

/// A GStreamer publisher of two seconds. `rtmpsink` is librtmp, as OBS has it inside; `rtmp2sink` is its own.
async fn gstreamer_publishes(sink: &str, location: &str) {
    let mut server = Server::start().await;
    let location = format!("location=rtmp://{}/live/key-anna{location}", server.listeners.address);
    let video = "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=30/1 ! \
                 x264enc tune=zerolatency key-int-max=30 ! h264parse ! flvmux name=mux streamable=true !";
    let audio = "audiotestsrc num-buffers=90 ! audioconvert ! avenc_aac ! aacparse ! mux.";
    let gstreamer = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(video.split_whitespace())
        .args([sink, &location])
        .args(audio.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("GStreamer's tools are installed");
    let (_, mut subscriber) = server.published().await;
    let (mut pictures, mut sounds) = (0, 0);
    while let Some(event) = subscriber.recv().await {
        match event {
            Event::Frame(frame) if frame.track == weir_media::TrackId::AUDIO => sounds += 1,
            Event::Frame(_) => pictures += 1,
            _ => {}
        }
    }
    let output = gstreamer.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(pictures == 60 && sounds > 80, "{pictures} pictures, {sounds} frames of sound");
}

#[tokio::test]
async fn librtmp_publishes() {
    gstreamer_publishes("rtmpsink", " live=1").await;
}

#[tokio::test]
async fn gstreamers_own_client_publishes() {
    gstreamer_publishes("rtmp2sink", "").await;
}

/// Publishes five seconds of a recording from `start` on, and compares every frame that comes out.
async fn travels_unchanged(file: std::path::PathBuf, style: rtmp::flv::Style, start: Duration, expected: &str) {
    let mut server = Server::start().await;
    let url = format!("rtmp://{}/live/key-anna", server.listeners.address);
    let options = rtmp::Options { handshake: rtmp::Handshake::Complex, ..Default::default() };
    let mut client = rtmp::Client::publish(&url, &options).await.unwrap();
    let (_, mut subscriber) = server.published().await;
    let mut playout = rtmp::Playout::new(Arc::new(Movie::open(&file)), style).starting_at(start);
    for message in playout.headers() {
        client.send(&message).await.unwrap();
    }
    let mut tracks = Vec::new();
    let mut origin = None;
    for _ in 0..5 * (30 + 47) {
        let due = playout.advance();
        client.send_due(&due).await.unwrap();
        let frame = loop {
            match subscriber.recv().await.expect("it is live") {
                Event::Track(track) => tracks.push(track.params.rfc6381().to_owned()),
                Event::Frame(frame) => break frame,
                Event::Lost => panic!("nothing is lost"),
            }
        };
        assert!(frame.data == due.data, "the bytes are the encoder's");
        let is_sound = frame.track == weir_media::TrackId::AUDIO;
        assert_eq!(frame.keyframe, due.keyframe || is_sound);
        let sent = due.at.as_nanos() as i64;
        let since = frame.dts.since(*origin.get_or_insert(frame.dts.offset(-sent)));
        let precision = if style == rtmp::flv::Style::EnhancedNanos { 1_000 } else { 1_000_000 };
        assert!((since - sent).abs() <= precision, "{since} ns is not {sent} ns");
    }
    tracks.sort();
    let is_expected = |(track, prefix): (&String, &str)| track.starts_with(prefix);
    assert!(tracks.len() == 2 && tracks.iter().zip(expected.split(' ')).all(is_expected), "{tracks:?}");
}

#[tokio::test]
async fn every_codec_travels_unchanged_in_every_dress() {
    use rtmp::flv::Style::{Enhanced, EnhancedNanos, Legacy};
    let begin = Duration::ZERO;
    travels_unchanged(media::h264_aac(true), Legacy, begin, "avc1. mp4a.40.2").await;
    travels_unchanged(media::h264_aac(true), Enhanced, begin, "avc1. mp4a.40.2").await;
    travels_unchanged(media::h264_opus(), EnhancedNanos, begin, "avc1. opus").await;
    travels_unchanged(media::hevc_aac(), Enhanced, begin, "hvc1. mp4a.40.2").await;
    travels_unchanged(media::av1_opus(), EnhancedNanos, begin, "av01. opus").await;
    travels_unchanged(media::vp9_opus(), Enhanced, begin, "opus vp09.").await;
}

#[tokio::test]
async fn time_goes_on_over_the_extended_timestamp_and_the_wrap() {
    use rtmp::flv::Style::{EnhancedNanos, Legacy};
    let two_seconds = Duration::from_secs(2);
    let extended = Duration::from_millis(0xff_ffff) - two_seconds;
    travels_unchanged(media::h264_aac(true), Legacy, extended, "avc1. mp4a.40.2").await;
    let wrap = Duration::from_millis(1 << 32) - two_seconds;
    travels_unchanged(media::h264_aac(true), EnhancedNanos, wrap, "avc1. mp4a.40.2").await;
}

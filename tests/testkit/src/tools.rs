//! Other people's programs as players and publishers: ffmpeg, ffprobe, GStreamer.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::server::PATIENCE;

/// Runs a program to its end; gives what it printed.
///
/// # Panics
/// When it cannot be started or does not end.
pub async fn run(program: &str, arguments: &[&str]) -> Output {
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    match timeout(PATIENCE, child).await {
        Ok(output) => output.unwrap_or_else(|error| panic!("{program}: {error}")),
        Err(_) => panic!("{program} {arguments:?} does not end"),
    }
}

/// What ffprobe sees in a playlist or file: `streams` and `format`, and whatever it warned of.
///
/// # Panics
/// When ffprobe fails.
pub async fn ffprobe(url: &str) -> (Value, String) {
    let arguments = ["-v", "warning", "-show_streams", "-show_format", "-of", "json", url];
    let output = run("ffprobe", &arguments).await;
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ffprobe {url}: {warnings}");
    (serde_json::from_slice(&output.stdout).expect("ffprobe prints JSON"), warnings)
}

/// The codec names of the streams that [`ffprobe`] saw, sorted.
#[must_use]
pub fn codecs(probed: &Value) -> Vec<String> {
    let streams = probed["streams"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> =
        streams.iter().filter_map(|stream| stream["codec_name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

/// ffmpeg publishing a test picture with x264 and a tone with AAC in real time, until dropped. `extra` are further
/// output options.
///
/// # Panics
/// When ffmpeg cannot be started.
#[must_use]
pub fn publish(url: &str, extra: &[&str]) -> Child {
    Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-re"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"])
        .args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30", "-b:v", "400k"])
        .args(["-c:a", "aac", "-b:a", "64k"])
        .args(extra)
        .args(["-f", "flv", url])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg starts")
}

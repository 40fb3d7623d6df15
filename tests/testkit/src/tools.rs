//! Other people's programs as players, publishers and callers: ffmpeg, ffprobe, GStreamer, aiortc, schemathesis.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::server::PATIENCE;

/// Longest that schemathesis may take: it asks for thousands of things.
const SCHEMATHESIS_PATIENCE: Duration = Duration::from_secs(180);

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

/// Plays a URL with GStreamer's `playbin3` (so with `hlsdemux2`) until each of picture and sound has given so many
/// buffers at the pace of the clock. Gives what it said.
///
/// # Panics
/// When it fails, or never gets there.
pub async fn gstreamer_plays(url: &str, buffers: usize) -> String {
    let mut child = Command::new("gst-launch-1.0")
        .args(["-v", "playbin3", &format!("uri={url}")])
        .args(["video-sink=fakesink name=pictures silent=false sync=true"])
        .args(["audio-sink=fakesink name=sounds silent=false sync=true"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("GStreamer's tools are installed");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut said = String::new();
    let (mut pictures, mut sounds) = (0, 0);
    let played = async {
        while pictures < buffers || sounds < buffers {
            let Ok(Some(line)) = lines.next_line().await else { return false };
            let is_buffer = line.contains("last-message = chain");
            pictures += usize::from(is_buffer && line.contains("pictures"));
            sounds += usize::from(is_buffer && line.contains("sounds"));
            if !is_buffer {
                said.push_str(&line);
                said.push('\n');
            }
        }
        true
    };
    let played = timeout(PATIENCE, played).await.unwrap_or(false);
    assert!(played, "GStreamer showed {pictures} pictures and {sounds} sounds:\n{said}");
    said
}

/// One of our programs around `aiortc`, below `tests/tools/aiortc`. Ends when its standard input does.
///
/// # Panics
/// When it was not prepared, or cannot be started.
#[must_use]
pub fn aiortc(program: &str, arguments: &[&str]) -> Child {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut python = Command::new(prepared("aiortc/bin/python"));
    python.arg("-B").arg(tests.join("tools/aiortc").join(program)).args(arguments);
    talking(python)
}

/// GStreamer's `whipclientsink`, publishing a test picture of a codec, as caps such as `video/x-h264`, with Opus.
///
/// # Panics
/// When it was not prepared, or cannot be started.
#[must_use]
pub fn whipclientsink(endpoint: &str, token: &str, caps: &str) -> Child {
    let mut program = Command::new(prepared("gst/debug/gst-whip"));
    program.args([endpoint, token, caps]);
    talking(program)
}

/// Asks an API for everything that its description allows, as `tests/tools/schemathesis/schemathesis.toml` says, with
/// further arguments of `schemathesis run`. Gives whether all answers were as described, and what it said.
///
/// # Panics
/// When it was not prepared, cannot be started, or does not end.
pub async fn schemathesis(description: &str, arguments: &[&str]) -> (bool, String) {
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/schemathesis/schemathesis.toml");
    let mut program = Command::new(prepared("schemathesis/bin/schemathesis"));
    program.arg("--config-file").arg(settings).args(["run", description, "--no-color"]).args(arguments);
    // Where it keeps what it found; the tests need none of it.
    let folder = tempfile::tempdir().expect("a temporary folder");
    program.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(SCHEMATHESIS_PATIENCE, program.output()).await.expect("schemathesis ends");
    let output = output.expect("schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// What `tests/tools/prepare` made.
fn prepared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools").join(path);
    assert!(path.exists(), "{} is not there: tests/tools/prepare makes it", path.display());
    path
}

/// Started with its input and output here; what it complains of is seen with the test's own.
fn talking(mut program: Command) -> Child {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    program.spawn().expect("it starts")
}

//! Recorded media to publish: files that ffmpeg makes once, and what is in them.

pub mod mp4;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

pub use mp4::{Codec, Movie, Sample, Track};

/// A second of sound and two of pictures meet at 8 s: 240 pictures at 30 fps are as long as 375 AAC frames at 48 kHz, so
/// that a loop has no seam.
const LOOP_SECONDS: &str = "8";

const X264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"];
const AAC: &[&str] = &["-c:a", "aac", "-b:a", "128k"];
const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "96k", "-strict", "-2"];
const SMALL: &str = "testsrc2=size=320x180:rate=30";
/// Noise, so that 2.5 Mbit/s are needed.
const LARGE: &str = "testsrc2=size=1280x720:rate=30,noise=alls=24:allf=t";

/// What streamers send: 720p30 of 2.5 Mbit/s in H.264 with a keyframe each 2 s, and AAC. 8 s long.
#[must_use]
pub fn streamer(b_frames: bool) -> PathBuf {
    let (name, b_frames) = if b_frames { ("720p30-b", "2") } else { ("720p30", "0") };
    let rate = ["-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-bf", b_frames, "-sc_threshold", "0"];
    fixture(name, Some(LARGE), &[X264, &["-g", "60"], &rate, AAC].concat())
}

/// What streamers send with Opus for sound, as WebRTC viewers want it.
#[must_use]
pub fn streamer_opus() -> PathBuf {
    let rate = ["-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-bf", "0", "-sc_threshold", "0"];
    fixture("720p30-opus", Some(LARGE), &[X264, &["-g", "60", "-profile:v", "main"], &rate, OPUS].concat())
}

/// 320x180 in H.264 with a keyframe a second, and AAC. 8 s long, as all that follow.
#[must_use]
pub fn h264_aac(b_frames: bool) -> PathBuf {
    let (name, b_frames) = if b_frames { ("h264-b-aac", "2") } else { ("h264-aac", "0") };
    fixture(name, Some(SMALL), &[X264, &["-g", "30", "-bf", b_frames], AAC].concat())
}

/// 320x180 in H.264, and Opus.
#[must_use]
pub fn h264_opus() -> PathBuf {
    fixture("h264-opus", Some(SMALL), &[X264, &["-g", "30", "-bf", "0"], OPUS].concat())
}

/// 320x180 in HEVC, and AAC.
#[must_use]
pub fn hevc_aac() -> PathBuf {
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1"];
    let keyframes = ["-x265-params", "log-level=error:keyint=30:min-keyint=30:scenecut=0:info=0"];
    fixture("hevc-aac", Some(SMALL), &[&x265, &keyframes[..], AAC].concat())
}

/// 320x180 in AV1, and Opus.
#[must_use]
pub fn av1_opus() -> PathBuf {
    let aom = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v", "300k", "-g", "30"];
    fixture("av1-opus", Some(SMALL), &[&aom, &["-pix_fmt", "yuv420p"][..], OPUS].concat())
}

/// 320x180 in VP9, and Opus.
#[must_use]
pub fn vp9_opus() -> PathBuf {
    let vpx = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k", "-g", "30"];
    fixture("vp9-opus", Some(SMALL), &[&vpx, &["-pix_fmt", "yuv420p"][..], OPUS].concat())
}

/// A tone in AAC, no pictures.
#[must_use]
pub fn aac() -> PathBuf {
    fixture("aac", None, AAC)
}

/// Pictures in H.264, no sound.
#[must_use]
pub fn h264() -> PathBuf {
    fixture("h264", Some(SMALL), &[X264, &["-g", "30", "-bf", "0", "-an"]].concat())
}

/// 640x360 in H.264, and Opus. Each picture shows its number in the file, as [`READ_CLOCK`](crate::clock::READ_CLOCK)
/// reads it.
#[must_use]
pub fn numbered() -> PathBuf {
    // 240 pictures need the last 8 squares of the second row.
    let squares = (0..8).map(|bit| {
        let x = 32 + (23 - bit) * 24;
        format!(",drawbox=x={x}:y=64:w=24:h=24:color=white:t=fill:enable='gte(mod(n,{}),{})'", 2 << bit, 1 << bit)
    });
    let picture = "color=black:size=640x360:rate=30".to_owned() + &squares.collect::<String>();
    fixture("numbered", Some(&picture), &[X264, &["-g", "30", "-bf", "0"], OPUS].concat())
}

/// The file `name` among the fixtures, made by ffmpeg if it is not there yet.
///
/// # Panics
/// When ffmpeg is missing or fails.
fn fixture(name: &str, picture: Option<&str>, encode: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let file = folder.join(format!("{name}.mp4"));
    if file.exists() {
        return file;
    }
    // Several tests may want it at once: each makes its own, the last one stays.
    let thread = std::thread::current().id();
    let unfinished = folder.join(format!("{name}.{}.{thread:?}.mp4", std::process::id()));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    if let Some(picture) = picture {
        ffmpeg.args(["-f", "lavfi", "-i", picture]);
    }
    ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000,aformat=channel_layouts=stereo"]);
    ffmpeg.args(["-t", LOOP_SECONDS]).args(encode).arg(&unfinished);
    let status = ffmpeg.status().expect("ffmpeg is installed");
    assert!(status.success(), "ffmpeg cannot make {name}");
    std::fs::rename(&unfinished, &file).expect("target can be written");
    file
}

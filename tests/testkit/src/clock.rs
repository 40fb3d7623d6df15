//! A publisher whose picture carries the time, readable by a machine.
//!
//! Each frame shows the wall clock, in milliseconds since 1970, as 48 black or white squares in two rows, the highest
//! bit first. A page that plays the stream reads them back from the picture ([`READ_CLOCK`]): now minus what it reads
//! is the delay from the frame's making to the eye, coding included.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::server::PATIENCE;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
/// Bits of the clock: enough until the year 10889.
const BITS: usize = 48;
const COLUMNS: usize = 24;
/// Edge of a square, in pixels.
const SQUARE: usize = 24;
const TOP: usize = 40;
const LEFT: usize = (WIDTH - COLUMNS * SQUARE) / 2;

/// JavaScript expression: the clock in the page's first video, in milliseconds, or 0 where there is none.
pub const READ_CLOCK: &str = r"(() => {
    const find = (root) => {
        const video = root.querySelector('video[slot=media]') ?? root.querySelector('video');
        if (video) return video;
        for (const element of root.querySelectorAll('*')) {
            const inside = element.shadowRoot && find(element.shadowRoot);
            if (inside) return inside;
        }
        return null;
    };
    const video = find(document);
    if (!video || video.readyState < 2) return 0;
    const canvas = (window.__canvas ??= new OffscreenCanvas(640, 360));
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 640, 360);
    const pixels = context.getImageData(0, 0, 640, 360).data;
    let clock = 0;
    for (let bit = 0; bit < 48; bit++) {
        const x = 32 + (bit % 24) * 24 + 12, y = 40 + Math.floor(bit / 24) * 24 + 12;
        clock = clock * 2 + (pixels[(y * 640 + x) * 4] > 127 ? 1 : 0);
    }
    return clock;
})()";

/// A running publisher: ffmpeg, fed with frames at 30 a second. Killed when dropped.
pub struct ClockPublisher {
    ffmpeg: Child,
    feeder: JoinHandle<()>,
}

impl ClockPublisher {
    /// Publishes H.264 (keyframe each second) and AAC to `url`; `extra` are further ffmpeg output options, such as
    /// `["-bf", "2"]`.
    ///
    /// # Panics
    /// When ffmpeg cannot be started.
    #[must_use]
    pub fn start(url: &str, extra: &[&str]) -> Self {
        let size = format!("{WIDTH}x{HEIGHT}");
        let mut ffmpeg = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error"])
            .args(["-f", "rawvideo", "-pixel_format", "gray", "-video_size", &size, "-framerate", "30", "-i", "-"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"])
            .args(["-g", "30", "-b:v", "800k", "-c:a", "aac", "-b:a", "96k", "-shortest"])
            .args(extra)
            .args(["-f", "flv", url])
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg starts");
        let mut pipe = ffmpeg.stdin.take().expect("piped");
        let feeder = tokio::spawn(async move {
            let mut tick = interval(Duration::from_nanos(1_000_000_000 / 30));
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut picture = vec![96; WIDTH * HEIGHT];
            for number in 0_usize.. {
                tick.tick().await;
                draw(&mut picture, number);
                if pipe.write_all(&picture).await.is_err() {
                    return;
                }
            }
        });
        Self { ffmpeg, feeder }
    }

    /// Ends it as a user would: what is encoded is sent, and the server hears goodbye.
    pub async fn stop(mut self) {
        self.feeder.abort();
        let _ = timeout(PATIENCE, self.ffmpeg.wait()).await;
    }

    /// Ends it as a broken network would: nothing more comes.
    pub async fn kill(mut self) {
        self.feeder.abort();
        let _ = self.ffmpeg.kill().await;
    }

    /// Waits until ffmpeg ends by itself, because the server closed the connection.
    ///
    /// # Panics
    /// When it goes on.
    pub async fn cut(mut self) {
        assert!(timeout(PATIENCE, self.ffmpeg.wait()).await.is_ok(), "the publisher was not cut");
        self.feeder.abort();
    }
}

fn draw(picture: &mut [u8], number: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    for bit in 0..BITS {
        let shade = if now >> (BITS - 1 - bit) & 1 == 1 { 255 } else { 0 };
        square(picture, LEFT + bit % COLUMNS * SQUARE, TOP + bit / COLUMNS * SQUARE, shade);
    }
    // Something that moves, for people who look.
    picture[HEIGHT / 2 * WIDTH..].fill(96);
    square(picture, number * 4 % (WIDTH - SQUARE), HEIGHT - 2 * SQUARE, 255);
}

fn square(picture: &mut [u8], left: usize, top: usize, shade: u8) {
    for row in top..top + SQUARE {
        picture[row * WIDTH + left..][..SQUARE].fill(shade);
    }
}

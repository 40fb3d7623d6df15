//! One derived track in the making: the task that feeds a worker, looks at its answers, and starts another when it falls.
//!
//! Owner: whoever holds a [`Making`], and so a `Derived` of it. Restart: the worker as `RESTART` says, each time with the
//! publish as it is then; a worker that says it cannot do it is not started again.
//! The publisher never waits: what a worker does not take in time is lost to it on the publish's own bus.

use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use metrics::counter;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::OwnedWriteHalf,
    process::Child,
    sync::OwnedSemaphorePermit,
    task::AbortHandle,
    time::timeout,
};
use tracing::{info, warn};
use weir_media::{Event, Feed, Live, Notice, Subscriber, Track, TrackId, TrackParams, derive::Want};
use weir_supervise::{Decision, Failures, Restart, decide};

use super::{
    Program,
    check::{Check, Made},
    wire::{Codec, Coded, Coding, Job, MESSAGE_BYTES_MAX, Message, Reader, SOUND_BYTES_MAX},
};

/// A worker that falls is started again, since what felled it may be over; one that keeps falling is not.
const RESTART: Restart = Restart {
    intensity: 3,
    window: Duration::from_secs(60),
    backoff_min: Duration::from_millis(100),
    backoff_max: Duration::from_secs(2),
};
/// How long the rest may take to come out after the publish ended.
const REST_MAX: Duration = Duration::from_secs(2);
/// How long the end of a worker is waited for, to say how it ended.
const STATUS_WAIT: Duration = Duration::from_millis(500);

/// What the streamer hears while pictures are converted.
const CONVERTED: &str = "The pictures are converted for viewers who cannot take them as they are sent, which costs \
    quality and the server's time: send H.264 and switch B-frames off.";

/// A track that is being made. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) feed: Arc<Feed>,
    live: Arc<Live>,
    want: Want,
    task: AbortHandle,
}

impl Making {
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.task.abort();
        self.live.notice_over(subject(self.want));
    }
}

/// What the task needs.
pub(super) struct Order {
    pub(super) live: Arc<Live>,
    pub(super) track: TrackId,
    pub(super) job: Job,
    pub(super) program: Program,
    /// How long a worker may be fed without an answer.
    pub(super) silence_max: Duration,
    /// Its place among those that may be converted at once, until the end.
    pub(super) slot: OwnedSemaphorePermit,
}

/// Starts making. `over` is called when it ends before its time, with a sentence that says why.
pub(super) fn start(order: Order, over: impl FnOnce(String) + Send + 'static) -> Making {
    let feed = Arc::new(Feed::default());
    let (live, want) = (order.live.clone(), order.job.want);
    let events = order.subscribe();
    if want == Want::PlainH264 {
        live.notice(Notice { subject: subject(want), text: CONVERTED.into() });
    }
    let task = tokio::spawn(make(order, feed.clone(), events, over));
    Making { feed, live, want, task: task.abort_handle() }
}

/// How a worker's life ended.
enum End {
    /// With the publish.
    Whole,
    /// It says that it cannot be done.
    Refused(String),
    /// It fell, was stuck, or talked nonsense.
    Fell(String),
}

async fn make(order: Order, feed: Arc<Feed>, events: Subscriber, over: impl FnOnce(String)) {
    let channel = &order.live.publish.channel;
    let want = order.job.want;
    let mut failures = Failures::default();
    let mut events = Some(events);
    let why = loop {
        let events = events.take().unwrap_or_else(|| order.subscribe());
        match order.work(&feed, events).await {
            End::Whole => break None,
            End::Refused(why) => break Some(why),
            End::Fell(why) => {
                counter!("weir_repair_failures_total").increment(1);
                warn!(%channel, ?want, why, "a worker fell");
                match decide(&RESTART, &mut failures, Instant::now()) {
                    Decision::Again { after } => tokio::time::sleep(after).await,
                    Decision::GiveUp => break Some("Converting this stream fails again and again.".to_owned()),
                }
            }
        }
        if order.live.end_reason().is_some() {
            break None;
        }
    };
    if let Some(why) = why {
        info!(%channel, ?want, why, "it is not converted any more");
        let what = if is_sound(want) { "sound" } else { "pictures" };
        let text = format!("The {what} cannot be converted for viewers who need that: {why}");
        order.live.notice(Notice { subject: subject(want), text: text.into() });
        over(why);
    }
    feed.end();
    drop(order.slot);
}

/// What feeding and reading share.
struct Shared {
    check: Check,
    /// Since when the worker has been fed without an answer.
    unanswered: Option<Instant>,
}

impl Order {
    /// The source's events. Pictures from the last keyframe on, so that there is no wait for the next.
    fn subscribe(&self) -> Subscriber {
        if is_sound(self.job.want) { self.live.subscribe() } else { self.live.subscribe_from_keyframe() }
    }

    /// One worker's life.
    async fn work(&self, feed: &Feed, events: Subscriber) -> End {
        let (child, socket) = match self.program.start() {
            Ok(started) => started,
            Err(error) => return End::Fell(format!("it does not start: {error}")),
        };
        let (mut input, output) = socket.into_split();
        let shared = Mutex::new(Shared { check: Check::new(self.job.want, self.track), unanswered: None });
        let mut feeding = pin!(self.feed(events, output, &shared));
        let mut is_fed = None;
        let is_sound = self.track == TrackId::AUDIO;
        let mut reader = Reader::new(if is_sound { SOUND_BYTES_MAX } else { MESSAGE_BYTES_MAX });
        let mut look = tokio::time::interval(self.silence_max / 4);
        loop {
            tokio::select! {
                fed = &mut feeding, if is_fed.is_none() => is_fed = Some((fed.is_ok(), Instant::now())),
                read = input.read_buf(&mut reader.held) => {
                    if !matches!(read, Ok(1..)) {
                        return match is_fed {
                            Some((true, _)) => End::Whole,
                            _ => End::Fell(status(child).await),
                        };
                    }
                    if let Err(end) = pass_on(&mut reader, &shared, feed) {
                        return end;
                    }
                }
                _ = look.tick() => {
                    if is_fed.is_some_and(|(_, at)| at.elapsed() > REST_MAX) {
                        return End::Whole;
                    }
                    let unanswered = shared.lock().unanswered;
                    if unanswered.is_some_and(|since| since.elapsed() > self.silence_max) {
                        return End::Fell("it gives no answer".to_owned());
                    }
                }
            }
        }
    }

    /// Sends the source's track to the worker until the publish ends.
    async fn feed(&self, mut events: Subscriber, mut output: OwnedWriteHalf, shared: &Mutex<Shared>) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        Message::Begin(self.job.clone()).write(&mut bytes);
        output.write_all(&bytes).await?;
        let (mut is_described, mut has_keyframe) = (false, false);
        while let Some(event) = events.recv().await {
            bytes.clear();
            match event {
                Event::Track(track) if track.id == self.track => {
                    is_described = true;
                    has_keyframe = false;
                    shared.lock().check.fed_track();
                    Message::Track(coding(&track)).write(&mut bytes);
                }
                Event::Frame(frame) if frame.track == self.track && is_described => {
                    has_keyframe |= frame.keyframe;
                    if !has_keyframe {
                        continue;
                    }
                    if frame.data.len() + 64 > MESSAGE_BYTES_MAX {
                        // What follows builds on it.
                        has_keyframe = false;
                        continue;
                    }
                    let mut shared = shared.lock();
                    shared.check.fed(frame.pts);
                    shared.unanswered.get_or_insert_with(Instant::now);
                    let (pts, dts) = (frame.pts.nanos(), frame.dts.nanos());
                    Message::Frame(Coded { pts, dts, keyframe: frame.keyframe, data: frame.data }).write(&mut bytes);
                }
                Event::Track(_) | Event::Frame(_) => continue,
                Event::Lost => {
                    has_keyframe = false;
                    continue;
                }
            }
            output.write_all(&bytes).await?;
        }
        output.shutdown().await
    }
}

/// Passes whole messages on.
fn pass_on(reader: &mut Reader, shared: &Mutex<Shared>, feed: &Feed) -> Result<(), End> {
    while let Some(message) = reader.next().map_err(|bad| End::Fell(format!("it sends {bad}")))? {
        let mut shared = shared.lock();
        match shared.check.answer(message) {
            Ok(Made::Track(track)) => {
                feed.set_track(track);
            }
            Ok(Made::Frame(frame)) => {
                shared.unanswered = None;
                feed.send(frame);
            }
            Ok(Made::Failed(why)) => return Err(End::Refused(why)),
            Err(wrong) => return Err(End::Fell(wrong.to_string())),
        }
    }
    Ok(())
}

/// How a worker ended, in words.
async fn status(mut child: Child) -> String {
    match timeout(STATUS_WAIT, child.wait()).await {
        Ok(Ok(status)) => format!("it ended with {status}"),
        Ok(Err(error)) => format!("it ended: {error}"),
        Err(_) => "it closed its socket".to_owned(),
    }
}

fn coding(track: &Track) -> Coding {
    match &track.params {
        TrackParams::Audio(audio) => {
            Coding { codec: Codec::Audio(audio.codec), width: 0, height: 0, config: audio.config.clone() }
        }
        TrackParams::Video(video) => Coding {
            codec: Codec::Video(video.codec),
            width: video.width,
            height: video.height,
            config: video.config.clone(),
        },
    }
}

/// What a [`Notice`] about what is wanted is about.
fn subject(want: Want) -> &'static str {
    match want {
        Want::Opus => "convert-to-opus",
        Want::Aac => "convert-to-aac",
        Want::PlainH264 => "convert-to-h264",
    }
}

/// Whether it is sound that is wanted.
pub(super) fn is_sound(want: Want) -> bool {
    matches!(want, Want::Opus | Want::Aac)
}

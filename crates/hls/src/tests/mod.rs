//! The rules of a Low-Latency HLS origin, row by row (A durations, B parts, C hints, D directives, F hygiene), against
//! the value: no socket. What is said on the wire (row E) is proven in `weir-edge`.

mod directives;
mod durations;
mod hints;
mod hygiene;
mod layers;
mod parts;
mod sinks;
mod variants;
mod waiting;

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use weir_identity::{ChannelName, PublishId};

use crate::{
    Error, Limits, Part, Query, RenditionId, RenditionKind, RenditionSpec, Resource, Store, Stream, StreamWriter,
    Timing,
};

/// 30 fps in parts of six frames, with a little room.
const PART: Duration = Duration::from_millis(200);
const TIMING: Timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
/// Parts in a segment, unless a test says otherwise.
const PARTS: usize = 10;
/// 2026-11-21T07:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_795_244_400);

/// A stream of pictures and sound, written by hand.
struct Show {
    store: Store,
    writer: StreamWriter,
    video: RenditionId,
    audio: RenditionId,
    parts: Cell<u32>,
}

fn name() -> ChannelName {
    ChannelName::parse("anna").unwrap()
}

fn specs() -> Vec<RenditionSpec> {
    vec![
        RenditionSpec {
            id: RenditionId::video(),
            codecs: "avc1.64001f".to_owned(),
            kind: RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 },
        },
        RenditionSpec {
            id: RenditionId::audio(),
            codecs: "mp4a.40.2".to_owned(),
            kind: RenditionKind::Audio { channels: 2, sample_rate: 48_000 },
        },
    ]
}

fn part(number: u32, independent: bool) -> Part {
    Part {
        data: Bytes::from(format!("<part {number}>")),
        duration: PART,
        independent,
        gap: false,
        program_date_time: SystemTime::UNIX_EPOCH + EPOCH + PART * number,
        media_time: PART * number,
    }
}

impl Show {
    /// Described, with initialization sections and nothing more.
    fn new() -> Self {
        let show = Self::undescribed(Limits::default());
        show.writer.describe(TIMING, specs());
        show
    }

    fn undescribed(limits: Limits) -> Self {
        let store = Store::new(limits);
        let writer = store.open(name(), PublishId::random(), false).unwrap();
        let show =
            Self { store, writer, video: RenditionId::video(), audio: RenditionId::audio(), parts: Cell::new(0) };
        show.writer.init(&show.video, Bytes::from_static(b"<video init>"));
        show.writer.init(&show.audio, Bytes::from_static(b"<audio init>"));
        show
    }

    /// Writes parts into both renditions; the first of a segment is independent.
    fn parts(&self, count: usize) -> &Self {
        for _ in 0..count {
            let number = self.parts.replace(self.parts.get() + 1);
            let fresh = |id| self.writer.stream().rendition_or_new(id).state.lock().window.open().is_none();
            let (video, audio) = (part(number, fresh(&self.video)), part(number, true));
            self.writer.part(&self.video, video);
            self.writer.part(&self.audio, audio);
        }
        self
    }

    fn end_segment(&self) -> &Self {
        self.writer.end_segment(&self.video);
        self.writer.end_segment(&self.audio);
        self
    }

    fn segments(&self, count: usize) -> &Self {
        for _ in 0..count {
            self.parts(PARTS).end_segment();
        }
        self
    }

    fn stream(&self) -> Arc<Stream> {
        self.writer.stream().clone()
    }

    /// The playlist of the pictures, which must be there now.
    fn playlist(&self, query: &str) -> String {
        self.playlist_of("video", query)
    }

    fn playlist_of(&self, rendition: &str, query: &str) -> String {
        match self.ask(rendition, query) {
            Poll::Ready(Ok(text)) => text,
            other => panic!("no playlist of {rendition} for {query:?}: {other:?}"),
        }
    }

    /// Asks once: what a request gets at once, or that it waits.
    fn ask(&self, rendition: &str, query: &str) -> Poll<Result<String, Error>> {
        let stream = self.stream();
        once(stream.media_playlist(rendition, Query::parse(query)))
            .map_ok(|reply| String::from_utf8(reply.playlist.plain().to_vec()).unwrap())
    }

    /// A file of the pictures, all of its bytes.
    fn file(&self, file: &str) -> Poll<Result<Vec<u8>, Error>> {
        let resource = Resource::parse(file).unwrap();
        once(self.stream().resource("video", resource)).map_ok(|(body, _)| body.chunks().concat())
    }
}

/// Polls a future once, within a runtime whose clock stands still.
fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The lines that start with this tag, without it.
fn tags<'a>(playlist: &'a str, tag: &str) -> Vec<&'a str> {
    playlist.lines().filter_map(|line| line.strip_prefix(tag)?.strip_prefix(':')).collect()
}

/// A tag's attribute, without quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.strip_prefix(',').unwrap_or(next))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key == name {
            return Some(value);
        }
        rest = next;
    }
}

fn seconds(tag: &str, name: &str) -> f64 {
    attribute(tag, name).unwrap_or_else(|| panic!("{name} in {tag}")).parse().unwrap()
}

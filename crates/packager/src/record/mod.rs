//! Recording: every complete segment of a stream is written to a folder of its own.
//!
//! A [`Recording`] is the [`weir_hls::Sink`] of one stream. It passes the shared buffers of each segment to the one
//! thread that writes ([`disk`]), over a [`queue`] that is bounded in number and bytes: no disk ever delays media. What
//! does not fit into the queue becomes a gap of the recording, and the stream goes on; so it does when the disk fails or
//! fills, which ends the recording with what it has. [`recovery`] makes a recording whole that a crash left behind.
//!
//! The folder's form is [`weir_hls::recorded`]'s: one file a rendition, its initialization section and its segments one
//! after another, and an index that gets a line once a segment is written. A crash of the server loses the segments that
//! waited. What is written reaches the disk itself every [`disk::SYNC_EVERY`]: a power cut may lose as much.
//!
//! The spool keeps its own copy: it is mapped, and must have no name under which anybody could shorten it.

mod config;
mod disk;
mod queue;
pub mod recovery;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::{Unit, counter, describe_counter, describe_gauge};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use weir_hls::{Completed, RenditionId, RenditionSpec, Sink};
use weir_identity::VodId;

pub use self::config::Config;
use self::{
    disk::Disk,
    queue::{Queue, Write},
};

/// Why a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Its stream did.
    StreamEnded,
    /// It was told to.
    Stopped,
    /// It is as long as `recording.duration_max` lets it be.
    Long,
    /// The disk has less room left than `recording.disk_free_min`.
    DiskFull,
    /// The disk did not take it; what it said.
    Disk(String),
}

/// What a recording became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why it ended.
    pub why: Why,
    /// How long it plays; nothing when there is nothing to be played.
    pub duration: Duration,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
    /// Segments that were lost, because the disk was too slow.
    pub gaps: u64,
}

/// Writes recordings. Cheap to clone; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    config: Config,
    queue: Arc<Queue>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Recorder {
    /// Starts the thread that writes below `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made, or there can be no thread.
    pub fn start(directory: &Path, config: Config) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        describe();
        let queue = Arc::new(Queue::default());
        let disk = Disk::new(directory.to_owned(), config.disk_free_min);
        let of_thread = queue.clone();
        std::thread::Builder::new().name("record".into()).spawn(move || disk.run(&of_thread))?;
        Ok(Self(Arc::new(Inner { directory: directory.to_owned(), config, queue })))
    }

    /// Where recordings lie, each in a folder that is named by its id.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Begins a recording: give it to its stream. The receiver is told once how it ended.
    #[must_use]
    pub fn begin(&self, id: VodId) -> (Arc<Recording>, oneshot::Receiver<Ended>) {
        let (tell, told) = oneshot::channel();
        let (over, gaps) = Default::default();
        let shared = Arc::new(Shared { id, tell: Mutex::new(Some(tell)), over, gaps });
        let (queue, duration_max) = (self.0.queue.clone(), self.0.config.duration_max);
        (Arc::new(Recording { shared, queue, duration_max, progress: Mutex::default() }), told)
    }
}

/// One recording: the sink of its stream.
#[derive(Debug)]
pub struct Recording {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    duration_max: Duration,
    progress: Mutex<HashMap<RenditionId, Progress>>,
}

/// What its stream and the disk's thread share.
#[derive(Debug)]
struct Shared {
    id: VodId,
    /// Who waits for its end.
    tell: Mutex<Option<oneshot::Sender<Ended>>>,
    /// Nothing is taken any more.
    over: AtomicBool,
    /// Segments that were lost.
    gaps: AtomicU64,
}

/// How far a rendition is.
#[derive(Debug, Default)]
struct Progress {
    length: Duration,
    /// Segments that found no place in the queue. They are told with the next one that does.
    missed: Vec<Completed>,
}

/// Segments of one rendition that may be lost one after another; then the disk hangs, and the recording ends.
const MISSED_MAX: usize = 300;

impl Recording {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> VodId {
        self.shared.id
    }

    /// Ends it, whatever its stream does.
    pub fn stop(&self) {
        self.end(Why::Stopped);
    }

    /// Takes nothing more; what it has is made whole. The first call counts.
    fn end(&self, why: Why) {
        if !self.shared.over.swap(true, Relaxed) {
            self.queue.end(self.shared.clone(), why);
        }
    }
}

impl Sink for Recording {
    fn segment(&self, rendition: &RenditionSpec, segment: Completed) -> bool {
        if self.shared.over.load(Relaxed) {
            return false;
        }
        let mut renditions = self.progress.lock();
        let progress = renditions.entry(rendition.id.clone()).or_default();
        if progress.length + segment.duration > self.duration_max && !progress.length.is_zero() {
            self.end(Why::Long);
            return false;
        }
        progress.length += segment.duration;
        let (recording, rendition, missed) =
            (self.shared.clone(), rendition.clone(), std::mem::take(&mut progress.missed));
        let Err(refused) = self.queue.offer(Write { recording, rendition, missed, segment }) else { return true };
        counter!("weir_recording_segments_lost_total").increment(1);
        self.shared.gaps.fetch_add(1, Relaxed);
        progress.missed = refused.missed;
        progress.missed.push(without_media(refused.segment));
        if progress.missed.len() > MISSED_MAX {
            self.end(Why::Disk("the disk does not take what is written".into()));
        }
        true
    }

    fn ended(&self) {
        self.end(Why::StreamEnded);
    }
}

/// Names the metrics.
fn describe() {
    describe_gauge!("weir_recordings_running", "Streams that are recorded now.");
    describe_counter!("weir_recordings_ended_total", "Recordings that ended, by why.");
    describe_counter!("weir_recording_segments_lost_total", "Segments that are gaps, because the disk was too slow.");
    describe_counter!("weir_recording_written_bytes_total", Unit::Bytes, "Bytes of media that were recorded.");
}

/// A gap as long as that segment.
fn without_media(segment: Completed) -> Completed {
    let body = weir_hls::Body::One(bytes::Bytes::new());
    Completed { gap: true, init: None, body, ..segment }
}

//! What waits for the disk.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Condvar, Mutex};
use weir_hls::{Completed, RenditionSpec};

use super::{Shared, Why};

/// Segments that wait at most: two tracks of 500 recorded streams end one each within a segment's time.
const SEGMENTS_MAX: usize = 1024;
/// Bytes of them: about 100 s of a disk that stands still while it should take 20 Mbit/s. Segments of the last 20 s or so
/// are kept for viewers anyway and cost nothing here.
const BYTES_MAX: usize = 256 << 20;

/// A segment on its way.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) recording: Arc<Shared>,
    pub(super) rendition: RenditionSpec,
    /// Gaps before it.
    pub(super) missed: Vec<Completed>,
    pub(super) segment: Completed,
}

impl Write {
    fn bytes(&self) -> usize {
        self.segment.body.len()
    }
}

/// What the thread does next.
#[derive(Debug)]
pub(super) enum Job {
    Write(Write),
    /// Nothing follows for that recording.
    End(Arc<Shared>, Why),
}

/// Bounded for segments. Ends always fit: there is one a recording.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    segments: usize,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Puts a segment into the queue, or gives it back.
    #[expect(clippy::result_large_err, reason = "what is refused goes back to whoever gave it")]
    pub(super) fn offer(&self, write: Write) -> Result<(), Write> {
        let mut waiting = self.waiting.lock();
        let bytes = write.bytes();
        // One segment always fits, however large.
        let is_full = waiting.segments >= SEGMENTS_MAX || (waiting.segments > 0 && waiting.bytes + bytes > BYTES_MAX);
        if is_full {
            return Err(write);
        }
        waiting.segments += 1;
        waiting.bytes += bytes;
        waiting.jobs.push_back(Job::Write(write));
        self.filled.notify_one();
        Ok(())
    }

    /// A recording ends after what waits of it.
    pub(super) fn end(&self, recording: Arc<Shared>, why: Why) {
        self.waiting.lock().jobs.push_back(Job::End(recording, why));
        self.filled.notify_one();
    }

    /// The thread ends once nothing waits.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_one();
    }

    /// Waits for something to do; none once the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                if let Job::Write(write) = &job {
                    waiting.segments -= 1;
                    waiting.bytes -= write.bytes();
                }
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            self.filled.wait(&mut waiting);
        }
    }
}

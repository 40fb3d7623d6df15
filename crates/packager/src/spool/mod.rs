//! Finished segments on disk instead of in memory: written to one file that has no name any more, and mapped.
//!
//! A playlist's window holds about twelve segments, and players at the live edge read parts of the one that is not yet
//! finished. One thread writes the finished ones, so that no disk ever delays media; who reads one then has it from the
//! kernel's page cache. What it cannot take (a full disk, a full queue, the limit) stays in memory.
//! The file is as long as it ever had to be; what left the window is written over ([`extents`]).

mod extents;

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use metrics::{counter, gauge};
use parking_lot::Mutex;
use tracing::warn;
use weir_hls::{Body, RenditionId};

use self::extents::{Extent, Extents};
use crate::session::Session;

/// Segments that wait for the disk at most: two tracks of 500 publishers end one each within a segment's time.
const QUEUE: usize = 1024;
/// Segments mapped at once. Each mapping counts towards `vm.max_map_count`, 65 530 by default, which threads and heaps
/// need too: this is half of it, about 700 publishers with sound.
const MAPPINGS_MAX: usize = 32_000;
/// Shorter segments are not worth a file: a page of memory is as much as they take.
const SEGMENT_BYTES_MIN: usize = 4096;

/// Where finished segments go. Cheap to clone; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Spool(SyncSender<Job>);

#[derive(Debug)]
struct Job {
    session: Weak<Session>,
    rendition: RenditionId,
    msn: u64,
}

impl Spool {
    /// Starts the thread that writes to `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn start(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = nameless(dir)?;
        let (sender, jobs) = sync_channel(QUEUE);
        let worker =
            Worker { dir: dir.to_owned(), file, bytes_max, extents: Arc::default(), warned: AtomicBool::new(false) };
        std::thread::Builder::new().name("spool".into()).spawn(move || worker.run(&jobs))?;
        Ok(Self(sender))
    }

    /// A segment of `rendition` ended: it may go to disk.
    pub(crate) fn segment_ended(&self, session: &Arc<Session>, rendition: &RenditionId) {
        let Some(msn) = session.writer.next_msn(rendition).checked_sub(1) else { return };
        let job = Job { session: Arc::downgrade(session), rendition: rendition.clone(), msn };
        if self.0.try_send(job).is_err() {
            counter!("weir_packager_spool_refused_total").increment(1);
        }
    }
}

struct Worker {
    dir: PathBuf,
    file: File,
    bytes_max: u64,
    extents: Arc<Mutex<Extents>>,
    warned: AtomicBool,
}

impl Worker {
    fn run(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            let Some(session) = job.session.upgrade() else { continue };
            let Some(body) = session.writer.segment(&job.rendition, job.msn) else { continue };
            match self.store(&body) {
                Ok(Some(bytes)) => session.writer.replace_segment(&job.rendition, job.msn, bytes),
                Ok(None) => {}
                Err(error) => {
                    counter!("weir_packager_spool_refused_total").increment(1);
                    if !self.warned.swap(true, Relaxed) {
                        warn!(%error, dir = %self.dir.display(), "segments cannot be spooled; they stay in memory");
                    }
                }
            }
        }
    }

    /// The same bytes, mapped from disk; `None` if that is not worth it.
    fn store(&self, body: &Body) -> io::Result<Option<Bytes>> {
        let length = body.len();
        if length < SEGMENT_BYTES_MIN {
            return Ok(None);
        }
        let lease = Lease::take(&self.extents, length as u64, self.bytes_max)?;
        let mut at = lease.at();
        for chunk in body.chunks() {
            self.file.write_all_at(chunk, at)?;
            at += chunk.len() as u64;
        }
        // SAFETY: the file has no name and only this thread writes to it, only to stretches it holds a lease on, which
        // this mapping takes along: nobody changes what is mapped. The file is never made shorter.
        let map = unsafe { MmapOptions::new().offset(lease.at()).len(length).map(&self.file) }?;
        Ok(Some(Bytes::from_owner(Mapped { map, _lease: lease })))
    }
}

/// A new file without a name: it is gone with its last mapping, whatever becomes of this process.
fn nameless(dir: &Path) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(dir)
}

/// A mapped segment.
struct Mapped {
    map: Mmap,
    _lease: Lease,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// A stretch of the file, given back when dropped.
struct Lease {
    extents: Arc<Mutex<Extents>>,
    extent: Option<Extent>,
}

impl Lease {
    fn take(extents: &Arc<Mutex<Extents>>, bytes: u64, most: u64) -> io::Result<Self> {
        let extent = {
            let mut extents = extents.lock();
            if extents.count() >= MAPPINGS_MAX {
                return Err(io::Error::other("as many segments are mapped as may be"));
            }
            let extent = extents.take(bytes, most);
            tell_used(&extents);
            extent
        };
        let extent = extent.ok_or_else(|| io::Error::other("spool_bytes_max is reached"))?;
        Ok(Self { extents: extents.clone(), extent: Some(extent) })
    }

    /// Where it begins, in bytes.
    fn at(&self) -> u64 {
        self.extent.as_ref().map_or(0, |extent| extent.at)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(extent) = self.extent.take() {
            let mut extents = self.extents.lock();
            extents.give(extent);
            tell_used(&extents);
        }
    }
}

fn tell_used(extents: &Extents) {
    gauge!("weir_packager_spool_bytes").set(extents.used() as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(bytes_max: u64) -> (tempfile::TempDir, Worker) {
        let dir = tempfile::tempdir().expect("a folder");
        let worker = Worker {
            dir: dir.path().to_owned(),
            file: nameless(dir.path()).expect("a file"),
            bytes_max,
            extents: Arc::default(),
            warned: AtomicBool::new(false),
        };
        (dir, worker)
    }

    fn body(bytes: usize) -> Body {
        Body::Many([Bytes::from(vec![7; bytes / 2]), Bytes::from(vec![8; bytes - bytes / 2])].into())
    }

    #[test]
    fn a_segment_comes_back_byte_for_byte_and_leaves_no_file() {
        let (dir, worker) = worker(1 << 20);
        let stored = worker.store(&body(10_000)).expect("a disk").expect("worth it");
        assert_eq!(stored, body(10_000).chunks().concat());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
        assert!(worker.extents.lock().used() >= 10_000);
        drop(stored);
        assert_eq!(worker.extents.lock().used(), 0);
    }

    #[test]
    fn what_is_past_the_limit_is_refused() {
        let (_dir, worker) = worker(100_000);
        let first = worker.store(&body(10_000)).expect("there is room");
        assert!(worker.store(&body(10_000)).is_err());
        drop(first);
        assert!(worker.store(&body(10_000)).is_ok());
    }

    #[test]
    fn a_tiny_segment_stays_in_memory() {
        let (_dir, worker) = worker(1 << 20);
        assert!(worker.store(&body(100)).expect("no error").is_none());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_at_the_start() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(Spool::start(&file.path().join("spool"), 1).is_err());
    }
}

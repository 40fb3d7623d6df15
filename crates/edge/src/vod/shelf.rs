//! What was read of recordings last. Files are read by threads that may wait; requests for the same thing share it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use weir_hls::{
    Rendered, RenditionId,
    recorded::{self, Extent, Index},
};
use weir_identity::VodId;

use crate::problem::Problem;

/// Recordings whose indexes are kept: one of an hour takes some 300 KB.
const INDEXES_MAX: usize = 64;
/// How long what was read of an index that still grows is good enough.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// Reads at the same time. A disk does not get faster by more.
const READS_MAX: usize = 64;
/// Longest index, in bytes: a week of a stream of three renditions in segments of a second.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// The shelf. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    indexes: Mutex<HashMap<VodId, Kept>>,
    /// Segments that somebody is being sent now.
    bytes: Mutex<HashMap<(VodId, RenditionId, u64), Weak<Whole>>>,
    reads: Semaphore,
}

/// An index as it was read.
#[derive(Debug)]
struct Kept {
    index: Arc<Index>,
    read_at: Instant,
    used_at: Instant,
    playlists: HashMap<String, Arc<Rendered>>,
}

/// A stretch of a file in memory, while somebody holds it.
#[derive(Debug)]
struct Whole(Vec<u8>);

/// One who holds it.
struct Held(Arc<Whole>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

impl Default for Shelf {
    fn default() -> Self {
        let (indexes, bytes) = Default::default();
        Self(Arc::new(Inner { indexes, bytes, reads: Semaphore::new(READS_MAX) }))
    }
}

impl Shelf {
    /// The index of a recording, as new as [`FRESH_FOR`].
    pub(super) async fn index(&self, id: VodId, directory: &Path) -> Result<Arc<Index>, Problem> {
        let known = {
            let mut indexes = self.0.indexes.lock();
            let kept = indexes.get_mut(&id);
            kept.map(|kept| {
                kept.used_at = Instant::now();
                (kept.index.clone(), kept.index.ended() || kept.read_at.elapsed() < FRESH_FOR)
            })
        };
        let before = match known {
            Some((index, true)) => return Ok(index),
            Some((index, false)) => Some(index),
            None => None,
        };
        let path = directory.join(recorded::INDEX);
        let index = self.off_the_runtime(move || newer(&path, before)).await?;
        self.keep(id, index.clone());
        Ok(index)
    }

    fn keep(&self, id: VodId, index: Arc<Index>) {
        let now = Instant::now();
        let mut indexes = self.0.indexes.lock();
        if let Some(kept) = indexes.get_mut(&id) {
            if !Arc::ptr_eq(&kept.index, &index) {
                kept.playlists.clear();
                kept.index = index;
            }
            kept.read_at = now;
            return;
        }
        if indexes.len() >= INDEXES_MAX
            && let Some(oldest) = indexes.iter().min_by_key(|(_, kept)| kept.used_at).map(|(id, _)| *id)
        {
            indexes.remove(&oldest);
        }
        indexes.insert(id, Kept { index, read_at: now, used_at: now, playlists: HashMap::new() });
    }

    /// A rendition's playlist, rendered once for each state of the index.
    pub(super) fn playlist(&self, id: VodId, index: &Arc<Index>, rendition: &str) -> Option<Arc<Rendered>> {
        let is_current = |kept: &&mut Kept| Arc::ptr_eq(&kept.index, index);
        if let Some(kept) = self.0.indexes.lock().get_mut(&id).filter(is_current)
            && let Some(playlist) = kept.playlists.get(rendition)
        {
            return Some(playlist.clone());
        }
        let playlist = Arc::new(index.playlist(rendition)?);
        if let Some(kept) = self.0.indexes.lock().get_mut(&id).filter(is_current) {
            kept.playlists.insert(rendition.to_owned(), playlist.clone());
        }
        Some(playlist)
    }

    /// A stretch of a rendition's media. Those who ask for the same at the same time share it.
    pub(super) async fn bytes(
        &self,
        id: VodId,
        directory: &Path,
        rendition: &RenditionId,
        extent: Extent,
    ) -> Result<Bytes, Problem> {
        let key = (id, rendition.clone(), extent.at);
        let known = self.0.bytes.lock().get(&key).and_then(Weak::upgrade);
        if let Some(whole) = known.filter(|whole| whole.0.len() as u64 == extent.bytes) {
            return Ok(Bytes::from_owner(Held(whole)));
        }
        let path = directory.join(recorded::media(rendition));
        let read = move || {
            let length = usize::try_from(extent.bytes).map_err(io::Error::other)?;
            let file = File::open(path)?;
            // What an index says may be nonsense; nothing is made room for that is not there.
            if file.metadata()?.len() < extent.end() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, extent.at)?;
            Ok(Arc::new(Whole(bytes)))
        };
        let whole = self.off_the_runtime(read).await?;
        let mut all = self.0.bytes.lock();
        all.retain(|_, held| held.strong_count() > 0);
        all.insert(key, Arc::downgrade(&whole));
        Ok(Bytes::from_owner(Held(whole)))
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.0.reads.acquire().await.map_err(|_| Problem::Unknown)?;
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(Problem::NotFound),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a recording cannot be read");
                Err(Problem::Unknown)
            }
            Err(panic) => {
                tracing::error!(%panic, "reading a recording failed");
                Err(Problem::Unknown)
            }
        }
    }
}

/// What the file says by now: what was read of it before, and what was added since.
fn newer(path: &Path, before: Option<Arc<Index>>) -> io::Result<Arc<Index>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > INDEX_BYTES_MAX {
        return Err(io::Error::other("its index is too long"));
    }
    if let Some(before) = &before
        && before.bytes_read() as u64 == length
    {
        return Ok(before.clone());
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(INDEX_BYTES_MAX).read_to_end(&mut text)?;
    let mut index = before.map_or_else(Index::default, |before| Index::clone(&before));
    index.read(&text);
    Ok(Arc::new(index))
}

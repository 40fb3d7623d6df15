//! The thread that writes recordings, and what it knows of each.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use metrics::{counter, gauge};
use tracing::{info, warn};
use weir_hls::{
    Completed, RenditionId, RenditionSpec,
    recorded::{self, Extent, Segment, line::Line},
};
use weir_identity::VodId;

use super::{
    Ended, Shared, Why,
    queue::{Job, Queue, Write},
};

/// How often what was written is brought to the disk itself. A power cut may lose as much; a crash of the server does not.
pub(super) const SYNC_EVERY: Duration = Duration::from_secs(10);
/// How often the room on the disk is looked at: what all recordings of a node write in that time is far below the room that
/// is to stay free.
const ROOM_EVERY: Duration = Duration::from_secs(1);

/// Owns the files.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    free_min: u64,
    open: HashMap<VodId, Open>,
    /// When there was last found room enough.
    room: Option<Instant>,
}

/// What is known of a recording that is written. Files are opened for each segment, so that none stay open.
#[derive(Debug)]
struct Open {
    directory: PathBuf,
    renditions: HashMap<RenditionId, Rendition>,
    /// Bytes of the index.
    index: u64,
    synced: Instant,
}

#[derive(Debug, Default)]
struct Rendition {
    /// Bytes of its media.
    end: u64,
    init: Option<u32>,
    length: Duration,
    /// Whether there is more than gaps.
    has_media: bool,
}

impl Disk {
    pub(super) fn new(directory: PathBuf, free_min: u64) -> Self {
        Self { directory, free_min, open: HashMap::new(), room: None }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        while let Some(job) = queue.take() {
            match job {
                Job::Write(write) => self.write(write),
                Job::End(recording, why) => self.end(&recording, why),
            }
        }
    }

    fn write(&mut self, write: Write) {
        let recording = write.recording.clone();
        // Of one that failed, more may have waited.
        if recording.tell.lock().is_none() {
            return;
        }
        let written = match self.has_room() {
            Ok(true) => self.append(&recording, write),
            Ok(false) => return self.give_up(&recording, Why::DiskFull),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            let why = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Why::DiskFull,
                _ => Why::Disk(error.to_string()),
            };
            self.give_up(&recording, why);
        }
    }

    fn has_room(&mut self) -> io::Result<bool> {
        if self.room.is_some_and(|at| at.elapsed() < ROOM_EVERY) {
            return Ok(true);
        }
        let has_room = free(&self.directory)? >= self.free_min;
        self.room = has_room.then(Instant::now);
        Ok(has_room)
    }

    fn append(&mut self, recording: &Shared, write: Write) -> io::Result<()> {
        let running = self.open.len();
        let open = match self.open.entry(recording.id) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                gauge!("weir_recordings_running").set((running + 1) as f64);
                place.insert(Open::begin(self.directory.join(recording.id.to_string()), &write.segment)?)
            }
        };
        open.append(&write.rendition, &write.missed, &write.segment)?;
        if open.synced.elapsed() >= SYNC_EVERY {
            open.sync()?;
        }
        Ok(())
    }

    /// Ends a recording by the disk's own decision. Its stream hears of it when it comes with the next segment.
    fn give_up(&mut self, recording: &Shared, why: Why) {
        recording.over.store(true, Relaxed);
        self.end(recording, why);
    }

    fn end(&mut self, recording: &Shared, why: Why) {
        let open = self.open.remove(&recording.id);
        gauge!("weir_recordings_running").set(self.open.len() as f64);
        // It was ended before.
        let Some(tell) = recording.tell.lock().take() else { return };
        let label = match why {
            Why::StreamEnded => "stream_ended",
            Why::Stopped => "stopped",
            Why::Long => "long",
            Why::DiskFull => "disk_full",
            Why::Disk(_) => "disk",
        };
        counter!("weir_recordings_ended_total", "why" => label).increment(1);
        match &why {
            Why::DiskFull => {
                warn!(vod = %recording.id, "a recording ends: there is less room than recording.disk_free_min on the disk");
            }
            Why::Disk(error) => warn!(vod = %recording.id, error, "a recording ends: the disk fails"),
            _ => {}
        }
        let (mut duration, mut bytes) = (Duration::ZERO, 0);
        if let Some(mut open) = open {
            // What was written counts, also when its end cannot be noted: the next start does that.
            if let Err(error) = open.finish() {
                warn!(vod = %recording.id, %error, "the end of a recording could not be written");
            }
            (duration, bytes) = (open.duration(), open.bytes());
        }
        info!(vod = %recording.id, ?why, ?duration, bytes, "a recording ended");
        // Nobody may wait any more.
        let _ = tell.send(Ended { why, duration, bytes, gaps: recording.gaps.load(Relaxed) });
    }
}

impl Open {
    fn begin(directory: PathBuf, first: &Completed) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let mut open = Self { directory, renditions: HashMap::new(), index: 0, synced: Instant::now() };
        let target = first.target.as_secs() + u64::from(first.target.subsec_nanos() > 0);
        open.note(&[Line::Begin { target }])?;
        Ok(open)
    }

    fn append(&mut self, spec: &RenditionSpec, missed: &[Completed], segment: &Completed) -> io::Result<()> {
        let mut lines = Vec::new();
        if !self.renditions.contains_key(&spec.id) {
            lines.push(Line::Rendition(spec.clone()));
        }
        let rendition = self.renditions.entry(spec.id.clone()).or_default();
        let mut file = append_to(&self.directory.join(recorded::media(&spec.id)))?;
        for segment in missed.iter().chain([segment]) {
            if let Some((number, init)) = &segment.init
                && rendition.init != Some(*number)
            {
                file.write_all(init)?;
                let extent = Extent { at: rendition.end, bytes: init.len() as u64 };
                lines.push(Line::Init { rendition: spec.id.clone(), number: *number, extent });
                rendition.end = extent.end();
                rendition.init = Some(*number);
            }
            for chunk in segment.body.chunks() {
                file.write_all(chunk)?;
            }
            let extent = Extent { at: rendition.end, bytes: segment.body.len() as u64 };
            rendition.end = extent.end();
            rendition.length += segment.duration;
            rendition.has_media |= !segment.gap;
            lines.push(Line::Segment { rendition: spec.id.clone(), segment: noted(segment, extent) });
            counter!("weir_recording_written_bytes_total").increment(extent.bytes);
        }
        self.note(&lines)
    }

    fn note(&mut self, lines: &[Line]) -> io::Result<()> {
        let text: String = lines.iter().map(Line::write).collect();
        append_to(&self.directory.join(recorded::INDEX))?.write_all(text.as_bytes())?;
        self.index += text.len() as u64;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.note(&[Line::End])?;
        self.sync()
    }

    /// Brings what was written to the disk itself, the index last.
    fn sync(&mut self) -> io::Result<()> {
        for rendition in self.renditions.keys() {
            append_to(&self.directory.join(recorded::media(rendition)))?.sync_data()?;
        }
        append_to(&self.directory.join(recorded::INDEX))?.sync_data()?;
        File::open(&self.directory)?.sync_all()?;
        self.synced = Instant::now();
        Ok(())
    }

    fn duration(&self) -> Duration {
        let playing = self.renditions.values().filter(|rendition| rendition.has_media);
        playing.map(|rendition| rendition.length).max().unwrap_or_default()
    }

    fn bytes(&self) -> u64 {
        self.index + self.renditions.values().map(|rendition| rendition.end).sum::<u64>()
    }
}

/// A segment as the index notes it.
fn noted(segment: &Completed, extent: Extent) -> Segment {
    Segment {
        msn: segment.msn,
        extent,
        duration: segment.duration,
        program_date_time: segment.program_date_time,
        discontinuity: segment.discontinuity,
        independent: segment.independent,
        gap: segment.gap,
        init: segment.init.as_ref().map(|(number, _)| *number),
    }
}

/// A file to whose end is written; made if it is missing, readable by its owner only.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Bytes that this process may still write to the file system of `path`.
fn free(path: &Path) -> io::Result<u64> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut said = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path is a C string, and there is room for the answer, which is read only if there is one.
    let said = unsafe {
        if libc::statvfs(path.as_ptr(), said.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        said.assume_init()
    };
    Ok(said.f_bavail.saturating_mul(said.f_frsize))
}

//! Recordings that a crash left behind.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use weir_hls::recorded::{self, Index, line::Line};

use super::disk::append_to;

/// What a recording has after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// How long it plays.
    pub duration: Duration,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
}

/// Makes the recording in `directory` whole: what is half written is cut off, and its end is noted. Nothing when there is
/// nothing to be played. May run twice. Blocks.
///
/// # Errors
/// Of the disk.
pub fn make_whole(directory: &Path) -> io::Result<Option<Found>> {
    let path = directory.join(recorded::INDEX);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut index, mut whole) = (Index::default(), 0);
    let mut lengths = Lengths::default();
    while let Some((line, length)) = text.get(whole..).and_then(Line::read) {
        // A line about media that did not reach the disk, and whatever follows it.
        if !lengths.have(directory, &line) || !index.take(line) {
            break;
        }
        whole += length;
    }
    if !index.is_playable() {
        return Ok(None);
    }
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(whole as u64)?;
    if !index.ended() {
        append_to(&path)?.write_all(Line::End.write().as_bytes())?;
    }
    for track in index.tracks() {
        let media = OpenOptions::new().write(true).open(directory.join(recorded::media(&track.spec.id)))?;
        media.set_len(track.bytes())?;
        media.sync_all()?;
    }
    file.sync_all()?;
    let bytes = index.media_bytes() + file.metadata()?.len();
    Ok(Some(Found { duration: index.duration(), bytes }))
}

/// How long the files of renditions are.
#[derive(Default)]
struct Lengths(std::collections::HashMap<weir_hls::RenditionId, u64>);

impl Lengths {
    /// Whether what a line tells of is there.
    fn have(&mut self, directory: &Path, line: &Line) -> bool {
        let (rendition, extent) = match line {
            Line::Init { rendition, extent, .. } => (rendition, *extent),
            Line::Segment { rendition, segment } => (rendition, segment.extent),
            Line::Begin { .. } | Line::Rendition(_) | Line::End => return true,
        };
        let length = self.0.entry(rendition.clone()).or_insert_with(|| {
            let file = std::fs::metadata(directory.join(recorded::media(rendition)));
            file.map_or(0, |file| file.len())
        });
        extent.end() <= *length
    }
}

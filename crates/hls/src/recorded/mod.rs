//! A recording, as its index says it: a file of lines, to which one is added for each segment.
//!
//! [`line`] is the file's text, [`playlist`] what players read. The media lies in one file for each rendition, its
//! segments one after another, so that a line says where in it they are. A line is added after its segment was written:
//! whatever the index says is there, also when the server dies in the middle.

pub mod line;
mod playlist;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    time::{Duration, SystemTime},
};

use weir_identity::WatchId;

use self::line::Line;
use crate::{
    multivariant::{self, Rates},
    name::Resource,
    playlist::Rendered,
    spec::{RenditionId, RenditionKind, RenditionSpec},
    stream::Media,
};

/// The name of the index in a recording's folder.
pub const INDEX: &str = "index";
/// Renditions of one recording at most: more than a stream has.
const RENDITIONS_MAX: usize = 32;

/// The name of a rendition's media in a recording's folder.
#[must_use]
pub fn media(rendition: &RenditionId) -> String {
    format!("{rendition}.mp4")
}

/// A stretch of a rendition's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, in bytes.
    pub at: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl Extent {
    /// Where it ends; the largest number for nonsense.
    #[must_use]
    pub fn end(self) -> u64 {
        self.at.saturating_add(self.bytes)
    }
}

/// A segment of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Media sequence number, the same in all renditions at the same time.
    pub msn: u64,
    /// Where its bytes are; none for a gap.
    pub extent: Extent,
    /// How long it plays; whole microseconds.
    pub duration: Duration,
    /// Of its first frame; whole milliseconds.
    pub program_date_time: SystemTime,
    /// Whether the timeline breaks before it.
    pub discontinuity: bool,
    /// Whether it starts with an independent frame.
    pub independent: bool,
    /// Whether all of it is missing.
    pub gap: bool,
    /// Number of its initialization section.
    pub init: Option<u32>,
}

/// One rendition of a recording.
#[derive(Debug, Clone)]
pub struct Track {
    /// What it is.
    pub spec: RenditionSpec,
    inits: Vec<(u32, Extent)>,
    segments: Vec<Segment>,
    rates: Rates,
}

impl Track {
    /// Its segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How long its media is, in bytes, as far as the index knows.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let inits = self.inits.iter().map(|(_, extent)| extent.end());
        inits.chain(self.segments.last().map(|segment| segment.extent.end())).max().unwrap_or(0)
    }

    fn plays(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    fn has_media(&self) -> bool {
        self.segments.iter().any(|segment| !segment.gap)
    }
}

/// What a recording's index says.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// `EXT-X-TARGETDURATION`, in seconds.
    target: u64,
    tracks: Vec<Track>,
    ended: bool,
    /// Bytes of the file that were understood.
    read: usize,
}

impl Index {
    /// Reads what was added to the file since the last time; `file` is all of it. Stops at a line that was not written
    /// to its end.
    pub fn read(&mut self, file: &[u8]) {
        while let Some((line, length)) = file.get(self.read..).and_then(Line::read) {
            if !self.take(line) {
                return;
            }
            self.read += length;
        }
    }

    /// How many bytes of the file make sense; what follows was not written to its end.
    #[must_use]
    pub fn bytes_read(&self) -> usize {
        self.read
    }

    /// Takes a line. `false` for one that fits nowhere.
    pub fn take(&mut self, line: Line) -> bool {
        match line {
            Line::Begin { target } => {
                if self.target != 0 {
                    return false;
                }
                self.target = target.max(1);
                true
            }
            Line::Rendition(spec) => {
                if self.track(spec.id.as_str()).is_some() || self.tracks.len() >= RENDITIONS_MAX {
                    return false;
                }
                let (inits, segments, rates) = Default::default();
                self.tracks.push(Track { spec, inits, segments, rates });
                true
            }
            Line::Init { rendition, number, extent } => self.track_mut(&rendition).is_some_and(|track| {
                let is_new = track.inits.last().is_none_or(|(last, _)| *last < number);
                if is_new {
                    track.inits.push((number, extent));
                }
                is_new
            }),
            Line::Segment { rendition, segment } => self.track_mut(&rendition).is_some_and(|track| {
                let is_next = track.segments.last().is_none_or(|last| last.msn < segment.msn);
                if is_next {
                    track.segments.push(segment);
                    if !segment.gap && !segment.duration.is_zero() {
                        track.rates.add(segment.extent.bytes, segment.duration);
                    }
                }
                is_next
            }),
            Line::End => {
                self.ended = true;
                true
            }
        }
    }

    fn track_mut(&mut self, id: &RenditionId) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.spec.id == *id)
    }

    fn track(&self, id: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.spec.id.as_str() == id)
    }

    /// Its renditions, in order of preference.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Whether nothing will be added.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether there is anything to be played.
    #[must_use]
    pub fn is_playable(&self) -> bool {
        self.tracks.iter().any(Track::has_media)
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.tracks.iter().filter(|track| track.has_media()).map(Track::plays).max().unwrap_or_default()
    }

    /// How long its media is, in bytes.
    #[must_use]
    pub fn media_bytes(&self) -> u64 {
        self.tracks.iter().map(Track::bytes).sum()
    }

    /// The multivariant playlist; none while there is nothing to be played. URIs are relative to it:
    /// `WATCH/RENDITION/index.m3u8`.
    #[must_use]
    pub fn multivariant(&self, watch: WatchId) -> Option<Rendered> {
        let tracks = self.tracks.iter().filter(|track| track.has_media());
        let mut renditions: Vec<_> = tracks.map(|track| (track.spec.clone(), track.rates)).collect();
        // The first line about a rendition is written with its first segment, and sound may be first.
        renditions.sort_by_key(|(spec, _)| match spec.kind {
            RenditionKind::Video { width, height, .. } => (0, Reverse(u64::from(width) * u64::from(height)), None),
            RenditionKind::Audio { .. } => (1, Reverse(0), Some(spec.id.clone())),
        });
        (!renditions.is_empty()).then(|| Rendered::new(multivariant::render(watch, &renditions)))
    }

    /// A rendition's playlist; none for one that is not there.
    #[must_use]
    pub fn playlist(&self, rendition: &str) -> Option<Rendered> {
        let track = self.track(rendition).filter(|track| track.has_media())?;
        Some(Rendered::new(playlist::render(self, track)))
    }

    /// Where a file that its playlists name lies in a rendition's media.
    #[must_use]
    pub fn resource(&self, rendition: &str, resource: Resource) -> Option<(RenditionId, Extent, Media)> {
        let track = self.track(rendition)?;
        let extent = match resource {
            Resource::Init(number) => track.inits.iter().find(|(known, _)| *known == number)?.1,
            Resource::Segment(msn) => {
                let at = track.segments.binary_search_by_key(&msn, |segment| segment.msn).ok()?;
                track.segments.get(at).filter(|segment| !segment.gap)?.extent
            }
            Resource::Part(_) => return None,
        };
        let media = match track.spec.kind {
            RenditionKind::Video { .. } => Media::Video,
            RenditionKind::Audio { .. } => Media::Audio,
        };
        Some((track.spec.id.clone(), extent, media))
    }

    /// Seconds after which a playlist of a stream that is still recorded is asked for again.
    #[must_use]
    pub fn target(&self) -> u64 {
        self.target
    }
}

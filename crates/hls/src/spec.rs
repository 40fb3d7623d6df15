//! What a stream is made of: its timing, its renditions and their parts.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

/// Most characters of a rendition's id. Ids are ours, such as `video` or `audio`; they are never made from what a
/// publisher sends.
pub const RENDITION_ID_CHARS_MAX: usize = 32;

/// Names a rendition in URLs: `video`, `audio`, `video_720p`. 1 to 32 of `[a-z0-9_]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(Arc<str>);

impl RenditionId {
    /// The id, or `None` for a text of another alphabet or length.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let length = (1..=RENDITION_ID_CHARS_MAX).contains(&text.len());
        let alphabet = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (length && alphabet).then(|| Self(text.into()))
    }

    /// The id of a stream's first pictures, `video`.
    #[must_use]
    pub fn video() -> Self {
        Self("video".into())
    }

    /// The id of a stream's first sound, `audio`.
    #[must_use]
    pub fn audio() -> Self {
        Self("audio".into())
    }

    /// The id as it stands in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Durations that every rendition of a stream shares and that never change once a playlist was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// `PART-TARGET`: the longest a part lasts.
    pub part_target: Duration,
    /// `EXT-X-TARGETDURATION`: the longest a segment lasts, whole seconds, at least one. A fraction is rounded up.
    pub target_duration: Duration,
}

impl Timing {
    /// The target duration in whole seconds.
    #[must_use]
    pub fn target_seconds(&self) -> u64 {
        let whole = self.target_duration.as_secs() + u64::from(self.target_duration.subsec_nanos() > 0);
        whole.max(1)
    }

    /// The target duration, rounded to whole seconds.
    #[must_use]
    pub fn target(&self) -> Duration {
        Duration::from_secs(self.target_seconds())
    }
}

/// What a rendition carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RenditionKind {
    /// Pictures.
    Video {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Frames a second.
        frame_rate: f64,
    },
    /// Sound.
    Audio {
        /// Channels.
        channels: u8,
        /// Samples a second.
        sample_rate: u32,
    },
}

/// One rendition as the multivariant playlist describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RenditionSpec {
    /// Its name in URLs.
    pub id: RenditionId,
    /// Its `CODECS` entry (RFC 6381), such as `avc1.64001f`.
    pub codecs: String,
    /// What it carries.
    pub kind: RenditionKind,
}

/// A partial segment: what the muxer made of a few frames. Its bytes never change.
#[derive(Debug, Clone)]
pub struct Part {
    /// CMAF chunk: `moof` and `mdat`, with `styp` before a segment's first. Empty for a gap.
    pub data: Bytes,
    /// How long it plays.
    pub duration: Duration,
    /// Whether it has an independent frame, from which a decoder can start.
    pub independent: bool,
    /// Whether its media is missing.
    pub gap: bool,
    /// When its first frame was taken, as the publisher's timeline tells.
    pub program_date_time: SystemTime,
    /// Position of its first frame on the stream's timeline (`tfdt`).
    pub media_time: Duration,
}

/// The bytes of a resource, shared by all who fetch it.
#[derive(Debug, Clone)]
pub enum Body {
    /// One buffer.
    One(Bytes),
    /// Several, one after another: a segment is its parts.
    Many(Arc<[Bytes]>),
}

impl Body {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks().iter().map(Bytes::len).sum()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its buffers in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        match self {
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Many(chunks) => chunks,
        }
    }
}

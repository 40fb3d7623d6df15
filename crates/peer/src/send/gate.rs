//! Which video frames a viewer gets: those of one layer, from a keyframe on.

use std::time::{Duration, Instant};

use weir_media::TrackId;

/// Keyframes are asked for at most so often by one viewer.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Keyframes that a viewer may ask for in a row. Each costs every viewer of the layer bits, so no single one may ask for
/// ever.
const WISHES_MAX: u32 = 4;
/// After which time it may ask for one more: a publisher sends a keyframe about as often by itself.
const WISH_EVERY: Duration = Duration::from_secs(2);

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Whatever comes first.
    Any,
    /// This layer.
    Track(TrackId),
    /// No video.
    Nothing,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is sent.
    Sent,
    /// It is sent, and is the first of another layer.
    Switched,
    /// It is of the viewer's layer, but a keyframe must come first.
    Skipped,
    /// It is of another layer.
    Other,
}

/// Decides frame by frame.
#[derive(Debug)]
pub(super) struct Gate {
    target: Target,
    /// The layer that is sent.
    current: Option<TrackId>,
    /// Frames were left out: only a keyframe goes on.
    broken: bool,
    /// The viewer asked for a keyframe.
    asked: bool,
    /// How often it may ask yet, and since when that counts.
    wishes: u32,
    wishes_at: Option<Instant>,
    last_wish: Option<Instant>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            target: Target::Any,
            current: None,
            broken: true,
            asked: false,
            wishes: WISHES_MAX,
            wishes_at: None,
            last_wish: None,
        }
    }

    pub(super) fn current(&self) -> Option<TrackId> {
        self.current
    }

    pub(super) fn aim(&mut self, target: Target) {
        self.target = target;
        if target == Target::Nothing {
            self.current = None;
        }
    }

    /// Whether the frame is sent. Must be called for every frame of every layer.
    pub(super) fn admit(&mut self, track: TrackId, keyframe: bool) -> Admission {
        let wanted = match self.target {
            Target::Nothing => return Admission::Other,
            Target::Any => self.current.is_none_or(|current| current == track),
            Target::Track(target) => target == track,
        };
        if self.current != Some(track) {
            if !wanted {
                return Admission::Other;
            }
            if !keyframe {
                return if self.current.is_none() { Admission::Skipped } else { Admission::Other };
            }
            self.current = Some(track);
            (self.broken, self.asked) = (false, false);
            return Admission::Switched;
        }
        if keyframe {
            (self.broken, self.asked) = (false, false);
        }
        if self.broken { Admission::Skipped } else { Admission::Sent }
    }

    /// Frames of the layer were left out.
    pub(super) fn interrupt(&mut self) {
        self.broken = true;
    }

    /// The viewer asks for a keyframe. One that asked too often is not heard for a while.
    pub(super) fn ask(&mut self, now: Instant) {
        if self.asked {
            return;
        }
        let since = *self.wishes_at.get_or_insert(now);
        let earned = (now.saturating_duration_since(since).as_nanos() / WISH_EVERY.as_nanos()) as u32;
        if earned > 0 {
            self.wishes = self.wishes.saturating_add(earned).min(WISHES_MAX);
            self.wishes_at = Some(now);
        }
        if self.wishes > 0 {
            self.wishes -= 1;
            self.asked = true;
        }
    }

    /// The layer of which a keyframe is needed, if one is, and if the last wish is long enough ago.
    pub(super) fn wish(&mut self, now: Instant) -> Option<TrackId> {
        let track = match (self.target, self.current) {
            (Target::Nothing, _) => return None,
            (Target::Track(target), current) if current != Some(target) => target,
            (_, Some(current)) if self.broken || self.asked => current,
            // Nobody knows yet what there is: the first keyframe of anything does.
            (Target::Any, None) => TrackId::VIDEO,
            _ => return None,
        };
        if self.last_wish.is_some_and(|last| now.saturating_duration_since(last) < ASK_AGAIN) {
            return None;
        }
        self.last_wish = Some(now);
        // Told once; a viewer that still needs it asks again.
        self.asked = false;
        Some(track)
    }
}

//! Delivery directives (draft-pantos-hls-rfc8216bis §6.2.5): what a playlist request waits for.

use crate::{spec::Timing, window::Window};

/// How far past the newest segment a request may reach, in segments (row D4).
const SEGMENTS_AHEAD_MAX: u64 = 2;

/// What a viewer waits for. A part without its segment cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The whole segment of this media sequence number.
    Segment(u64),
    /// The part of this index in the segment of this media sequence number.
    Part(u64, u64),
}

/// The directives of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// What to wait for, if anything.
    pub cursor: Option<Cursor>,
    /// Whether a delta update is welcome.
    pub skip: bool,
    /// Why the directives are no good. Kept instead of refused at once, because an ended playlist ignores them.
    pub bad: Option<Bad>,
}

/// Why directives are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// A directive is no decimal integer.
    #[error("_HLS_msn and _HLS_part are decimal integers")]
    NotANumber,
    /// Row D3.
    #[error("_HLS_part needs _HLS_msn")]
    PartWithoutSegment,
    /// Row D4.
    #[error("the playlist is not that far yet")]
    TooFarAhead,
}

/// What to do with a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Answer with the playlist as it is.
    Now,
    /// Hold it until the next part.
    Wait,
    /// Answer 400.
    Reject(Bad),
}

impl Query {
    /// Reads the query of a playlist's URL. Unknown directives and parameters are ignored (row D9); of one given
    /// twice the first counts.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let (mut msn, mut part, mut skip, mut bad) = (None, None, false, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "_HLS_msn" if msn.is_none() => msn = Some(number(value)),
                "_HLS_part" if part.is_none() => part = Some(number(value)),
                "_HLS_skip" => skip |= matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        let cursor = match (msn, part) {
            (None, None) => None,
            (None, Some(_)) => {
                bad = Some(Bad::PartWithoutSegment);
                None
            }
            (Some(Some(msn)), None) => Some(Cursor::Segment(msn)),
            (Some(Some(msn)), Some(Some(part))) => Some(Cursor::Part(msn, part)),
            _ => {
                bad = Some(Bad::NotANumber);
                None
            }
        };
        Self { cursor, skip, bad }
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// How many parts past the newest a request may ask for (§6.2.5.2, "Advance Part Limit").
#[must_use]
pub fn advance_part_limit(timing: &Timing) -> u64 {
    let target = timing.part_target.as_secs_f64();
    if target > 0.0 && target < 1.0 { (3.0 / target).ceil() as u64 } else { 3 }
}

/// Decides on a request, given the rendition as it is.
#[must_use]
pub fn decide(window: &Window, timing: &Timing, ended: bool, query: &Query) -> Reload {
    if ended {
        return Reload::Now;
    }
    if let Some(bad) = query.bad {
        return Reload::Reject(bad);
    }
    let open = window.open_msn();
    // The newest segment that is listed: the open one once it has a part.
    let newest = if window.open().is_some() { open } else { open.saturating_sub(1) };
    let (msn, part) = match query.cursor {
        None => return Reload::Now,
        Some(Cursor::Segment(msn)) => (msn, None),
        Some(Cursor::Part(msn, part)) => (msn, Some(part)),
    };
    if msn.saturating_sub(newest) > SEGMENTS_AHEAD_MAX {
        return Reload::Reject(Bad::TooFarAhead);
    }
    let Some(part) = part else {
        return if msn < open { Reload::Now } else { Reload::Wait };
    };
    if msn < open {
        // A part past the last of its segment is the first of the next one (row D2).
        let past = window.parts_in(msn).is_some_and(|parts| part >= parts) && msn + 1 == open;
        return if past && window.open().is_none() { Reload::Wait } else { Reload::Now };
    }
    let there = if msn == open { window.parts_in(open).unwrap_or(0) } else { 0 };
    if part < there {
        return Reload::Now;
    }
    // `there` is one past the newest part's index.
    if part - there >= advance_part_limit(timing) {
        return Reload::Reject(Bad::TooFarAhead);
    }
    Reload::Wait
}

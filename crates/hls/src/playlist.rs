//! A media playlist as text: whole, or as a delta update (draft-pantos-hls-rfc8216bis §4.4, §6.2.5.1).

use std::{
    fmt::{self, Write},
    io::Write as _,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::{
    spec::{RenditionId, Timing},
    window::{Position, Segment, Window},
};

/// `EXT-X-VERSION`: delta updates ask for 9 (§8).
pub(crate) const VERSION: u32 = 9;
/// Parts a player stays behind the live edge: at least 2, and 3 after Apple (§4.4.3.8).
const HOLD_BACK_PARTS: u64 = 3;
/// Target durations a player without parts stays behind (§4.4.3.8).
const HOLD_BACK_TARGETS: u64 = 3;
/// Target durations after which segments may be skipped in a delta update (§4.4.3.8).
const SKIP_TARGETS: u64 = 6;
/// A playlist is sent some hundred times a part and compressed once: level 6 costs about 0.1 ms.
const GZIP_LEVEL: u32 = 6;

/// A playlist, rendered once and shared by all who ask; compressed when the first of them can take that.
#[derive(Debug)]
pub struct Rendered {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl Rendered {
    pub(crate) fn new(text: String) -> Self {
        Self { plain: text.into(), gzip: OnceLock::new() }
    }

    /// The text.
    #[must_use]
    pub fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    /// The text, compressed with gzip (RFC 1952).
    #[must_use]
    pub fn gzip(&self) -> Bytes {
        self.gzip.get_or_init(|| compress(&self.plain)).clone()
    }
}

fn compress(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::new(GZIP_LEVEL));
    // Writing into a `Vec` has no error to give.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

/// What a playlist says beside its window.
pub(crate) struct Context<'a> {
    pub(crate) timing: &'a Timing,
    pub(crate) ended: bool,
    /// Every other rendition, with its newest part.
    pub(crate) others: &'a [(RenditionId, Position)],
}

/// How many segments a delta update skips: those that end before the skip boundary.
pub(crate) fn skippable(window: &Window, timing: &Timing) -> usize {
    let boundary = window.end().saturating_sub(timing.target() * SKIP_TARGETS as u32);
    window.listed().take_while(|segment| segment.end() <= boundary).count()
}

/// Renders the playlist, leaving out the first `skipped` listed segments.
pub(crate) fn render(window: &Window, context: &Context<'_>, skipped: usize) -> String {
    let mut text = String::with_capacity(8 * 1024);
    // Formatting into a `String` has no error to give.
    let _ = write_all(&mut text, window, context, skipped);
    text
}

fn write_all(text: &mut String, window: &Window, context: &Context<'_>, skipped: usize) -> fmt::Result {
    let timing = context.timing;
    let target = timing.target_seconds();
    let part_target = ticks_up(timing.part_target);
    write!(text, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n")?;
    writeln!(text, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(part_target))?;
    writeln!(
        text,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},HOLD-BACK={},PART-HOLD-BACK={}",
        Seconds(target * SKIP_TARGETS * TICKS),
        Seconds(target * HOLD_BACK_TARGETS * TICKS),
        Seconds(part_target * HOLD_BACK_PARTS),
    )?;
    if window.listed().chain(window.open()).all(|segment| segment.independent) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", window.media_sequence())?;
    writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", window.discontinuity_sequence())?;

    let mut init = None;
    if skipped > 0 {
        writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        // The client keeps the map it had at the skipped segments.
        init = window.listed().nth(skipped - 1).and_then(|segment| segment.init);
    }
    for segment in window.listed().skip(skipped) {
        write_start(text, segment, &mut init)?;
        if window.lists_parts_of(segment) {
            write_parts(text, window, segment)?;
        }
        if segment.gap {
            text.push_str("#EXT-X-GAP\n");
        }
        writeln!(text, "#EXTINF:{},\nseg-{}.m4s", Seconds(ticks(segment.duration)), segment.msn)?;
    }
    if let Some(segment) = window.open() {
        write_start(text, segment, &mut init)?;
        write_parts(text, window, segment)?;
    }
    if context.ended {
        text.push_str("#EXT-X-ENDLIST\n");
        return Ok(());
    }
    writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-{}.m4s\"", window.next_part())?;
    for (id, last) in context.others {
        writeln!(
            text,
            "#EXT-X-RENDITION-REPORT:URI=\"../{id}/index.m3u8\",LAST-MSN={},LAST-PART={}",
            last.msn, last.part
        )?;
    }
    Ok(())
}

/// What stands before a segment's first part (row B4).
fn write_start(text: &mut String, segment: &Segment, init: &mut Option<u32>) -> fmt::Result {
    if segment.discontinuity {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if segment.init != *init
        && let Some(number) = segment.init
    {
        writeln!(text, "#EXT-X-MAP:URI=\"init-{number}.mp4\"")?;
        *init = segment.init;
    }
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", DateTime(segment.program_date_time))
}

fn write_parts(text: &mut String, window: &Window, segment: &Segment) -> fmt::Result {
    for (number, part) in (segment.first_part..).zip(window.parts_of(segment)) {
        write!(text, "#EXT-X-PART:DURATION={},URI=\"part-{number}.m4s\"", Seconds(ticks(part.duration)))?;
        if part.independent {
            text.push_str(",INDEPENDENT=YES");
        }
        if part.gap {
            text.push_str(",GAP=YES");
        }
        text.push('\n');
    }
    Ok(())
}

/// Playlists count in ticks of 10 us: five decimals.
const TICKS: u64 = 100_000;

pub(crate) fn ticks(duration: Duration) -> u64 {
    ((duration.as_nanos() + 5_000) / 10_000) as u64
}

fn ticks_up(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(10_000) as u64
}

/// A duration in ticks, written in seconds.
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:05}", self.0 / TICKS, self.0 % TICKS)
    }
}

/// A moment in UTC with milliseconds (RFC 3339).
pub(crate) struct DateTime(pub(crate) SystemTime);

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let millis = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years start in March here, so that
/// the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let year = era * 400 + year + u64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day - first + 1)
}

//! A recording's media playlist: all of it, with ENDLIST once it is done (draft-pantos-hls-rfc8216bis §4.4.3.5).

use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime},
};

use super::{Index, Segment, Track};
use crate::playlist::{DateTime, Seconds, ticks};

/// `EXT-X-VERSION`: gaps ask for 8 (§8).
const VERSION: u32 = 8;
/// How far a segment's time may be from where the one before ends, before it is said anew. Long playlists consist of
/// such lines otherwise.
const DRIFT_MAX: Duration = Duration::from_millis(20);

pub(super) fn render(index: &Index, track: &Track) -> String {
    let mut text = String::with_capacity(1024 + track.segments.len() * 48);
    // Formatting into a `String` has no error to give.
    let _ = write_all(&mut text, index, track);
    text
}

fn write_all(text: &mut String, index: &Index, track: &Track) -> fmt::Result {
    let segments = filled(index, track);
    let longest = segments.iter().map(|segment| segment.duration).max().unwrap_or_default();
    let target = index.target.max(longest.as_secs_f64().round() as u64).max(1);
    let kind = if index.ended { "VOD" } else { "EVENT" };
    writeln!(text, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:{kind}")?;
    if segments.iter().all(|segment| segment.independent || segment.gap) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", segments.first().map_or(0, |segment| segment.msn))?;
    let (mut init, mut at) = (None, None);
    for segment in &segments {
        if segment.discontinuity && at.is_some() {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(number) = segment.init
            && init != segment.init
        {
            writeln!(text, "#EXT-X-MAP:URI=\"init-{number}.mp4\"")?;
            init = segment.init;
        }
        if segment.discontinuity || at.is_none_or(|at| is_elsewhere(at, segment.program_date_time)) {
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", DateTime(segment.program_date_time))?;
            at = Some(segment.program_date_time);
        }
        at = at.map(|at| at + segment.duration);
        if segment.gap {
            text.push_str("#EXT-X-GAP\n");
        }
        writeln!(text, "#EXTINF:{},\nseg-{}.m4s", Seconds(ticks(segment.duration)), segment.msn)?;
    }
    if index.ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    Ok(())
}

fn is_elsewhere(expected: SystemTime, at: SystemTime) -> bool {
    let apart = at.duration_since(expected).unwrap_or_else(|error| error.duration());
    apart > DRIFT_MAX
}

/// The rendition's segments, with gaps for those that another rendition has and this one has not: one that came late
/// begins where the others do.
fn filled(index: &Index, track: &Track) -> Vec<Segment> {
    let mut segments = track.segments.clone();
    let last = segments.last().map_or(0, |segment| segment.msn);
    for other in index.tracks.iter().filter(|other| other.spec.id != track.spec.id) {
        let known = segments.len();
        for segment in other.segments.iter().take_while(|segment| segment.msn <= last) {
            let is_missing = segments.get(..known).unwrap_or_default().binary_search_by_key(&segment.msn, |s| s.msn);
            if is_missing.is_err() {
                segments.push(Segment { gap: true, init: None, ..*segment });
            }
        }
        segments.sort_by_key(|segment| segment.msn);
    }
    segments
}

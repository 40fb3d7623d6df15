//! What is there of one rendition: listed, leaving, and still fetchable after it left. A value: it has no clock, it
//! counts media time, so that a stream which stands still loses nothing.
//!
//! - Segments leave the playlist only while 6 segments and 3 x TARGETDURATION remain (row F1 of the rules), and only
//!   once the stream's other renditions let theirs of the same number go; then they stay fetchable for their own and
//!   the playlist's duration (draft-pantos-hls-rfc8216bis §6.2.2).
//! - A segment's parts leave together once the first of them starts more than 3 x TARGETDURATION before the end, and
//!   stay fetchable for as long again (row B5). Together, because a part's index counts within its segment.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::{
    sink::Completed,
    spec::{Body, Part},
};

/// Segments that always remain listed (Apple's authoring specification 9.x asks for six).
pub(crate) const SEGMENTS_LISTED_MIN: usize = 6;
/// Segments kept listed when the memory limit overrides every other rule: the newest two, so that a player goes on.
const SEGMENTS_KEPT_MIN: usize = 2;

/// The newest part: its segment, and its index in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Index of the part in the segment.
    pub part: u64,
}

/// One segment: complete, or the one that is being filled.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Where it starts on the rendition's own timeline of added durations.
    pub start: Duration,
    /// The sum of its parts.
    pub duration: Duration,
    /// Of its first frame.
    pub program_date_time: SystemTime,
    /// Whether the timeline breaks before it.
    pub discontinuity: bool,
    /// Number of its initialization section.
    pub init: Option<u32>,
    /// Running number of its first part.
    pub first_part: u64,
    /// How many parts it has.
    pub parts: u64,
    /// Whether it starts with an independent frame (a gap counts: it breaks no promise).
    pub independent: bool,
    /// Whether all of it is missing.
    pub gap: bool,
    /// Size in bytes.
    pub bytes: u64,
    body: Body,
    /// Bytes that count against the memory limit: none once its body lies elsewhere.
    resident: u64,
    /// When it left the playlist: it is forgotten once the rendition's timeline has come this far.
    forget_at: Option<Duration>,
}

impl Segment {
    fn open(msn: u64, start: Duration, first_part: u64) -> Self {
        Self {
            msn,
            start,
            duration: Duration::ZERO,
            program_date_time: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            init: None,
            first_part,
            parts: 0,
            independent: true,
            gap: true,
            bytes: 0,
            body: Body::One(Bytes::new()),
            resident: 0,
            forget_at: None,
        }
    }

    /// Where it ends on the rendition's own timeline.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.start + self.duration
    }
}

/// A part as the playlist lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// How long it plays.
    pub duration: Duration,
    /// Whether it has an independent frame.
    pub independent: bool,
    /// Whether its media is missing.
    pub gap: bool,
    data: Bytes,
}

/// The window over one rendition.
#[derive(Debug)]
pub struct Window {
    /// Complete segments: those that left the playlist first, then the listed ones.
    segments: VecDeque<Segment>,
    /// How many at the front of `segments` left the playlist.
    unlisted: usize,
    /// The segment that is being filled. It is listed once it has a part.
    open: Segment,
    /// Parts that can be fetched, oldest first; they end with the open segment's.
    parts: VecDeque<Listed>,
    /// Running number of the first of `parts`.
    first_part: u64,
    /// Segments from this number on stay listed; `None`: no other rendition has a say.
    keep_from: Option<u64>,
    /// DISCONTINUITY tags that left the playlist.
    discontinuity_sequence: u64,
    /// Initialization sections by number, oldest first.
    inits: VecDeque<(u32, Bytes)>,
    next_init: u32,
    /// TARGETDURATION. Nothing leaves before it is known.
    target: Option<Duration>,
    span: Duration,
    bytes_max: u64,
}

impl Window {
    /// An empty window that lists at least `span` and holds about `bytes_max` bytes in memory: beyond that the oldest
    /// segments leave, whatever the rules of the playlist say.
    #[must_use]
    pub fn new(span: Duration, bytes_max: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            unlisted: 0,
            open: Segment::open(0, Duration::ZERO, 0),
            parts: VecDeque::new(),
            first_part: 0,
            keep_from: None,
            discontinuity_sequence: 0,
            inits: VecDeque::new(),
            next_init: 0,
            target: None,
            span,
            bytes_max,
        }
    }

    /// Lets an empty window begin with segment `msn`, after so many discontinuities: a rendition that came late counts as
    /// the others do.
    pub fn begin_at(&mut self, msn: u64, discontinuities: u64) {
        if self.last().is_none() && self.segments.is_empty() {
            self.open = Segment::open(msn, Duration::ZERO, 0);
            self.discontinuity_sequence = discontinuities;
        }
    }

    /// Discontinuities up to the open segment.
    #[must_use]
    pub fn discontinuities(&self) -> u64 {
        let listed = self.listed().filter(|segment| segment.discontinuity).count() as u64;
        self.discontinuity_sequence + listed + u64::from(self.open.discontinuity)
    }

    /// Sets TARGETDURATION, from which on segments and parts leave.
    pub fn set_target(&mut self, target: Duration) {
        self.target = Some(target);
    }

    /// The initialization section of what follows. Within a segment that has media it holds from the next one on.
    pub fn init(&mut self, data: Bytes) -> u32 {
        let number = self.next_init;
        self.next_init += 1;
        if self.open.parts > 0 && self.open.gap {
            self.open.init = Some(number);
        }
        self.inits.push_back((number, data));
        number
    }

    /// Appends a part to the open segment. One that outgrows the memory limit ends by itself.
    pub fn push(&mut self, part: Part) {
        let bytes = part.data.len() as u64;
        if self.open.parts == 0 {
            self.open.program_date_time = part.program_date_time;
            self.open.independent = part.independent || part.gap;
            self.open.init = self.next_init.checked_sub(1);
        }
        self.open.parts += 1;
        self.open.duration += part.duration;
        self.open.gap &= part.gap;
        self.open.bytes += bytes;
        self.open.resident += bytes;
        self.parts.push_back(Listed {
            duration: part.duration,
            independent: part.independent,
            gap: part.gap,
            data: part.data,
        });
        if self.open.resident > self.bytes_max {
            self.end_segment();
        }
    }

    /// Completes the open segment and answers its number; without parts there is nothing to complete.
    pub fn end_segment(&mut self) -> Option<u64> {
        if self.open.parts == 0 {
            return None;
        }
        let next = Segment::open(self.open.msn + 1, self.open.end(), self.open.first_part + self.open.parts);
        let mut done = std::mem::replace(&mut self.open, next);
        done.body = Body::Many(self.parts_of(&done).map(|part| part.data.clone()).collect::<Arc<[_]>>());
        let msn = done.msn;
        self.segments.push_back(done);
        self.trim();
        Some(msn)
    }

    /// The timeline breaks before the next segment. Before the very first there is nothing to break from.
    ///
    /// An open segment with parts ends first.
    pub fn discontinuity(&mut self) {
        self.end_segment();
        if self.open.msn > 0 {
            self.open.discontinuity = true;
        }
    }

    /// Appends a segment of which all is missing.
    pub fn gap_segment(&mut self, duration: Duration) {
        let before = self.newest().map(|segment| segment.program_date_time + segment.duration);
        self.push(Part {
            data: Bytes::new(),
            duration,
            independent: false,
            gap: true,
            program_date_time: before.unwrap_or(SystemTime::UNIX_EPOCH),
            media_time: self.open.start,
        });
        self.end_segment();
    }

    /// Puts a finished segment's bytes elsewhere in memory, and those of its parts with them. `false`, and nothing
    /// changes, unless the segment is there and `body` has its length.
    pub fn replace(&mut self, msn: u64, body: Bytes) -> bool {
        let (first_part, parts) = (self.first_part, &mut self.parts);
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.msn == msn) else { return false };
        if body.len() as u64 != segment.bytes {
            return false;
        }
        let mut at = 0;
        let mut chunks = Vec::new();
        if let Body::Many(old) = &segment.body {
            for (index, chunk) in old.iter().enumerate() {
                let slice = body.slice(at..at + chunk.len());
                at += chunk.len();
                let number = segment.first_part + index as u64;
                if let Some(held) = number.checked_sub(first_part).and_then(|at| parts.get_mut(at as usize)) {
                    held.data = slice.clone();
                }
                chunks.push(slice);
            }
        }
        segment.body = Body::One(body);
        segment.resident = 0;
        true
    }

    fn trim(&mut self) {
        if let Some(target) = self.target {
            self.trim_by_age(target);
        }
        let mut resident: u64 = self.segments.iter().map(|segment| segment.resident).sum();
        while resident > self.bytes_max && self.segments.len() > SEGMENTS_KEPT_MIN {
            if self.unlisted == 0 {
                self.unlist(self.open.start);
            }
            resident -= self.forget_segment();
        }
        let used = self.segments.front().map_or(self.open.init, |segment| segment.init);
        while let Some(&(number, _)) = self.inits.front()
            && used.is_some_and(|used| number < used)
        {
            self.inits.pop_front();
        }
    }

    /// How many segments may leave the playlist, after the rules of this rendition alone.
    fn leaving(&self) -> usize {
        let Some(target) = self.target else { return 0 };
        let keep = self.span.max(target * 3);
        let most = (self.segments.len() - self.unlisted).saturating_sub(SEGMENTS_LISTED_MIN);
        let old = |segment: &&Segment| self.open.start.saturating_sub(segment.end()) >= keep;
        self.listed().take(most).take_while(old).count()
    }

    /// The number that the playlist may start with, after the rules of this rendition alone.
    #[must_use]
    pub fn may_start_at(&self) -> u64 {
        self.media_sequence() + self.leaving() as u64
    }

    /// Keeps segments from this number on listed, and lets older ones leave if they may. `true` if any left.
    pub fn keep_from(&mut self, msn: u64) -> bool {
        self.keep_from = self.keep_from.max(Some(msn));
        let before = self.unlisted;
        self.unlist_old();
        self.unlisted > before
    }

    fn unlist_old(&mut self) {
        let end = self.open.start;
        for _ in 0..self.leaving() {
            if self.keep_from.is_some_and(|from| self.media_sequence() >= from) {
                break;
            }
            self.unlist(end);
        }
    }

    fn trim_by_age(&mut self, target: Duration) {
        let end = self.open.start;
        // Out of the playlist.
        self.unlist_old();
        // Out of reach.
        while self.unlisted > 0 && self.segments[0].forget_at.is_some_and(|at| end >= at) {
            self.forget_segment();
        }
        // A part left the playlist at most one part (so at most one target duration) later than 3 x target, and stays
        // for as long again.
        while let Some(oldest) = self.oldest_part_starts()
            && end.saturating_sub(oldest) > target * 7
        {
            self.parts.pop_front();
            self.first_part += 1;
        }
    }

    fn unlist(&mut self, end: Duration) {
        let playlist = end.saturating_sub(self.segments[self.unlisted].start);
        let segment = &mut self.segments[self.unlisted];
        segment.forget_at = Some(end + playlist + segment.duration);
        self.discontinuity_sequence += u64::from(segment.discontinuity);
        self.unlisted += 1;
    }

    fn forget_segment(&mut self) -> u64 {
        let gone = self.segments.pop_front().map_or(0, |segment| {
            let after = segment.first_part + segment.parts;
            while self.first_part < after && self.parts.pop_front().is_some() {
                self.first_part += 1;
            }
            segment.resident
        });
        self.unlisted = self.unlisted.saturating_sub(1);
        gone
    }

    /// When the segment of the oldest fetchable part starts.
    fn oldest_part_starts(&self) -> Option<Duration> {
        let at = self.segments.partition_point(|segment| segment.first_part + segment.parts <= self.first_part);
        self.segments.get(at).map(|segment| segment.start)
    }

    /// The newest part, or `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        if self.open.parts > 0 {
            return Some(Position { msn: self.open.msn, part: self.open.parts - 1 });
        }
        self.segments.back().map(|segment| Position { msn: segment.msn, part: segment.parts.saturating_sub(1) })
    }

    /// `EXT-X-MEDIA-SEQUENCE`: number of the first listed segment.
    #[must_use]
    pub fn media_sequence(&self) -> u64 {
        self.segments.get(self.unlisted).map_or(self.open.msn, |segment| segment.msn)
    }

    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    #[must_use]
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// The complete segments that are listed.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.range(self.unlisted..)
    }

    /// The newest complete segment.
    #[must_use]
    pub fn newest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// The segment that is being filled, if it has a part.
    #[must_use]
    pub fn open(&self) -> Option<&Segment> {
        (self.open.parts > 0).then_some(&self.open)
    }

    /// Complete segments from this number on, as a recording takes them.
    pub(crate) fn completed_from(&self, msn: u64) -> impl Iterator<Item = Completed> {
        let target = self.target.unwrap_or_default();
        let newest = self.segments.iter().skip_while(move |segment| segment.msn < msn);
        newest.map(move |segment| Completed {
            msn: segment.msn,
            duration: segment.duration,
            program_date_time: segment.program_date_time,
            discontinuity: segment.discontinuity,
            independent: segment.independent,
            gap: segment.gap,
            init: segment.init.and_then(|number| Some((number, self.init_section(number)?))),
            target,
            body: segment.body.clone(),
        })
    }

    /// Number of the segment that is being filled, or will be with the next part.
    #[must_use]
    pub fn open_msn(&self) -> u64 {
        self.open.msn
    }

    /// How many parts the segment has: complete or open; `None` for one that is not there.
    #[must_use]
    pub fn parts_in(&self, msn: u64) -> Option<u64> {
        if msn == self.open.msn {
            return Some(self.open.parts);
        }
        self.at(msn).map(|segment| segment.parts)
    }

    /// Where the rendition's timeline ends.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.open.end()
    }

    /// Whether the playlist lists the parts of this segment.
    #[must_use]
    pub fn lists_parts_of(&self, segment: &Segment) -> bool {
        let near = self.target.is_none_or(|target| self.end().saturating_sub(segment.start) <= target * 3);
        near && segment.first_part >= self.first_part
    }

    /// The parts of a segment that are still there.
    pub fn parts_of(&self, segment: &Segment) -> impl Iterator<Item = &Listed> {
        let from = segment.first_part.saturating_sub(self.first_part) as usize;
        let to = (segment.first_part + segment.parts).saturating_sub(self.first_part) as usize;
        self.parts.range(from.min(self.parts.len())..to.min(self.parts.len()))
    }

    /// Running number of the part to come.
    #[must_use]
    pub fn next_part(&self) -> u64 {
        self.open.first_part + self.open.parts
    }

    /// A part's bytes, while it can be fetched. A gap has none.
    #[must_use]
    pub fn part(&self, number: u64) -> Option<Bytes> {
        let at = usize::try_from(number.checked_sub(self.first_part)?).ok()?;
        self.parts.get(at).filter(|part| !part.gap).map(|part| part.data.clone())
    }

    /// A complete segment's bytes, while it can be fetched. A gap has none.
    #[must_use]
    pub fn segment(&self, msn: u64) -> Option<Body> {
        self.at(msn).filter(|segment| !segment.gap).map(|segment| segment.body.clone())
    }

    /// An initialization section.
    #[must_use]
    pub fn init_section(&self, number: u32) -> Option<Bytes> {
        self.inits.iter().find(|(at, _)| *at == number).map(|(_, data)| data.clone())
    }

    fn at(&self, msn: u64) -> Option<&Segment> {
        let first = self.segments.front()?.msn;
        self.segments.get(usize::try_from(msn.checked_sub(first)?).ok()?)
    }
}

//! Where parts and segments end: a value that hears of each frame and says what ends before it.
//!
//! Video leads: its keyframes decide the segments. Sound follows: its segment M ends with the part that is open when
//! video's segment M ends, so that sequence numbers stay in step. Without video, sound leads and every frame is a
//! keyframe. Further layers of the picture follow to the frame: their segment M ends before the first frame that is
//! decoded no earlier than the one that ended the leading M, keyframe or not.
//!
//! Further layers and further sound may come and go ([`Cutter::join`], [`Cutter::leave`]). While one is away it has gaps
//! where the leading lane has parts. When the leading layer goes, the next one leads. A part closes at the first frame boundary at or past 85 % of PART-TARGET, so the last frame's length must
//! be known first: every answer comes with the frame *after* the part.
//!
//! Where frames are irregular, two rules pull apart: a part lasts at most PART-TARGET, and at least 85 % of it. Then
//! the part is announced as PART-TARGET and what is left over counts for the next one, so that sums stay true; only a
//! frame that is itself longer than PART-TARGET leaves a GAP.

use std::{collections::VecDeque, time::Duration};

use crate::spec::Timing;

/// PART-TARGET over the length of the frames it is meant for: room for frames that do not divide it.
const PART_ROOM: f64 = 1.1;
/// Share of PART-TARGET, in percent, from which on a part may close (draft-pantos-hls-rfc8216bis §4.4.4.9).
const PART_FULL_PERCENT: u32 = 85;
/// A segment this much shorter than wished is long enough, and a first segment this much longer than whole seconds
/// does not raise TARGETDURATION: publishers round to milliseconds, and 60 frames at 29.97 fps are 2.002 s.
const SEGMENT_SLACK: Duration = Duration::from_millis(50);
/// How far past TARGETDURATION a segment may get while it waits for a keyframe: lengths are compared with it rounded to
/// the nearest second (draft-pantos-hls-rfc8216bis §4.4.3.1).
const TARGET_ROUNDING: Duration = Duration::from_millis(400);
/// Frames in one part at most, whatever their timestamps say.
pub const PART_FRAMES_MAX: usize = 256;
/// Segments that sound may be behind video at most; the oldest are closed with gaps then.
const FOLLOWER_LAG_MAX: usize = 8;
/// Segments that sound may be behind video before it counts as missing.
const STALL_SEGMENTS: usize = 3;
/// Sound within this of a segment's end has reached it.
const BOUNDARY_SLACK: Duration = Duration::from_millis(1);
/// How far a lane that may come and go is behind others before it counts as gone. Network trouble that is over sooner
/// costs a pause, and no keyframe.
const GONE_AFTER: Duration = Duration::from_secs(1);
/// Keyframe intervals remembered: the longest of them is what is expected next.
const INTERVALS: usize = 8;

/// What the operator wishes; see the settings of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// Length of a part.
    pub part_duration: Duration,
    /// Length of a segment, where keyframes allow.
    pub segment_duration: Duration,
    /// Longest TARGETDURATION.
    pub target_duration_max: Duration,
}

impl Wishes {
    /// The durations to announce for a stream whose leading frames last `frame` and whose first segment lasts
    /// `first_segment`.
    #[must_use]
    pub fn timing(&self, frame: Duration, first_segment: Duration) -> Timing {
        let frame = frame.max(Duration::from_millis(1)).as_secs_f64();
        // A little less than whole is whole: frame lengths are measured.
        let frames = (self.part_duration.as_secs_f64() / frame - 0.05).ceil().max(1.0);
        let part_target = Duration::from_millis((frames * frame * PART_ROOM * 1e3).round() as u64);
        let longest = first_segment.max(self.segment_duration).saturating_sub(SEGMENT_SLACK);
        let whole = longest.as_secs() + u64::from(longest.subsec_nanos() > 0);
        let most = self.target_duration_max.as_secs().max(1);
        Timing { part_target, target_duration: Duration::from_secs(whole.clamp(1, most)) }
    }

    /// Whether a first segment of this length may end at a keyframe.
    #[must_use]
    pub fn fills_segment(&self, length: Duration) -> bool {
        length + SEGMENT_SLACK >= self.segment_duration
    }
}

/// Frame lengths of a stream, as observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The usual length of a frame.
    pub frame: Duration,
    /// Whether many frames are much shorter or longer than that.
    pub variable: bool,
}

impl Pace {
    /// The pace of frames that lasted `lengths`: the mean of those near the median, since single lengths are rounded to
    /// milliseconds. `None` without lengths.
    #[must_use]
    pub fn observe(lengths: &[Duration]) -> Option<Self> {
        let mut sorted: Vec<_> = lengths.iter().copied().filter(|length| !length.is_zero()).collect();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        let near = |length: &&Duration| length.abs_diff(median) <= (median / 4).max(Duration::from_millis(2));
        let usual: Vec<_> = sorted.iter().filter(near).collect();
        let frame = usual.iter().copied().sum::<Duration>() / u32::try_from(usual.len()).unwrap_or(1).max(1);
        Some(Self { frame, variable: usual.len() * 10 < sorted.len() * 9 })
    }
}

/// A rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Pictures: the best layer.
    Video,
    /// Sound.
    Audio,
    /// A further layer of the pictures, by number.
    Layer(u8),
    /// The sound in another codec, by number.
    Sound(u8),
}

impl Lane {
    /// Whether it has pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(self, Self::Video | Self::Layer(_))
    }

    /// Whether it may come and go beside others; the only sound, or pictures that are alone, may not.
    fn may_go(self) -> bool {
        self != Self::Audio
    }
}

/// A frame that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// When it is decoded, on the stream's timeline. Never before an earlier frame of its lane.
    pub at: Duration,
    /// When it is shown or heard.
    pub shown: Duration,
    /// Decodable without any earlier frame.
    pub keyframe: bool,
}

/// What ends before a frame that comes, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The frames since the last cut are a part.
    Part {
        /// Where it starts on the timeline.
        at: Duration,
        /// How long it is announced to play.
        duration: Duration,
        /// Whether it has an independent frame.
        independent: bool,
    },
    /// A part without media.
    Gap {
        /// Where it starts on the timeline.
        at: Duration,
        /// How long.
        duration: Duration,
    },
    /// The parts since the last one are a segment.
    Segment,
}

impl Cut {
    /// The same without media.
    fn missing(self) -> Self {
        match self {
            Self::Part { at, duration, .. } => Self::Gap { at, duration },
            other => other,
        }
    }
}

/// Decides for one stream, over all its publishes.
#[derive(Debug, Clone)]
pub struct Cutter {
    timing: Timing,
    wishes: Wishes,
    lead: Lane,
    members: Vec<Member>,
    keyframe_at: Option<Duration>,
    intervals: VecDeque<Duration>,
}

/// One lane, and what it has yet to follow.
#[derive(Debug, Clone)]
struct Member {
    lane: Lane,
    track: Track,
    /// Where the leading lane's segments ended that this one has yet to end, oldest first.
    ended: VecDeque<Boundary>,
    /// It went: gaps stand for it.
    is_away: bool,
}

/// The end of a segment of the leading lane.
#[derive(Debug, Clone, Copy)]
struct Boundary {
    /// When the frame after it is decoded.
    at: Duration,
    /// When that is shown.
    shown: Duration,
}

impl Member {
    fn new(lane: Lane) -> Self {
        Self { lane, track: Track::default(), ended: VecDeque::new(), is_away: false }
    }

    /// Where its segment should end.
    fn boundary(&self) -> Option<Duration> {
        let first = self.ended.front()?;
        Some(if self.lane.is_video() { first.at } else { first.shown })
    }

    fn has_passed(&self, now: Duration) -> bool {
        self.boundary().is_some_and(|boundary| now + BOUNDARY_SLACK >= boundary)
    }

    fn end_segment(&mut self, cuts: &mut Vec<Cut>) {
        self.track.end_segment(cuts);
        self.ended.pop_front();
    }

    /// Gaps from `from` on for `left`, and the segments that end meanwhile.
    fn fill(&mut self, mut from: Duration, mut left: Duration, part_target: Duration, cuts: &mut Vec<Cut>) {
        while !left.is_zero() {
            if self.has_passed(from) {
                self.end_segment(cuts);
            }
            let until = self.boundary().map_or(left, |boundary| boundary.saturating_sub(from));
            let step = left.min(part_target).min(until.max(BOUNDARY_SLACK));
            self.track.gap(from, step, cuts);
            from += step;
            left -= step;
        }
    }

    /// Takes a frame of a lane that does not lead.
    fn follow(&mut self, frame: &Coming, part_target: Duration, cuts: &mut Vec<Cut>) {
        let Some(at) = self.track.part_at else { return };
        let part = frame.at.saturating_sub(at) + self.track.carry;
        // Pictures end with the leading ones; sound ends where a part of it does.
        let ends = self.lane.is_video() && self.has_passed(frame.at);
        if !ends && !is_full(part, self.track.frames, part_target) {
            return;
        }
        if let Some((from, left)) = self.track.close(frame.at, part_target, cuts) {
            self.fill(from, left, part_target, cuts);
        }
        while self.has_passed(frame.at) || self.ended.len() > FOLLOWER_LAG_MAX {
            if self.track.parts == 0 {
                self.track.gap(frame.at, BOUNDARY_SLACK, cuts);
            }
            self.end_segment(cuts);
            // Sound of one part may reach over two ends; it goes on with the next part.
            if !self.lane.is_video() {
                break;
            }
        }
    }
}

/// One lane's state.
#[derive(Debug, Clone, Default)]
struct Track {
    /// Where the open part starts; `None` before the first frame.
    part_at: Option<Duration>,
    /// When the newest frame is decoded.
    newest: Duration,
    /// Whether any came.
    frames_ever: bool,
    frames: usize,
    independent: bool,
    /// Media that parts did not announce yet.
    carry: Duration,
    /// Parts of the open segment, and their announced length.
    parts: usize,
    length: Duration,
    /// Segments that ended.
    segments: u64,
}

impl Track {
    /// Closes the open part at `end`. Answers what is left to fill with gaps: from where, and how long.
    fn close(&mut self, end: Duration, part_target: Duration, cuts: &mut Vec<Cut>) -> Option<(Duration, Duration)> {
        let at = self.part_at.take()?;
        let last_frame = end.saturating_sub(self.newest);
        let length = end.saturating_sub(at) + self.carry;
        let announced = length.min(part_target);
        self.carry = length - announced;
        cuts.push(Cut::Part { at, duration: announced, independent: self.independent });
        self.parts += 1;
        self.length += announced;
        self.frames = 0;
        self.independent = false;
        (last_frame > part_target).then(|| (at + announced, std::mem::take(&mut self.carry)))
    }

    fn gap(&mut self, at: Duration, duration: Duration, cuts: &mut Vec<Cut>) {
        cuts.push(Cut::Gap { at, duration });
        self.parts += 1;
        self.length += duration;
    }

    fn end_segment(&mut self, cuts: &mut Vec<Cut>) {
        cuts.push(Cut::Segment);
        self.segments += 1;
        self.parts = 0;
        self.length = Duration::ZERO;
    }

    fn open(&mut self, frame: &Coming) {
        self.part_at.get_or_insert(frame.at);
        self.newest = frame.at;
        self.frames_ever = true;
        self.frames += 1;
        self.independent |= frame.keyframe;
    }
}

impl Cutter {
    /// For a stream with these lanes; at least one of them is there.
    #[must_use]
    pub fn new(timing: Timing, wishes: Wishes, video: bool, audio: bool) -> Self {
        let mut lanes = Vec::new();
        lanes.extend(video.then_some(Lane::Video));
        lanes.extend(audio.then_some(Lane::Audio));
        Self::with(timing, wishes, &lanes)
    }

    /// For a stream with these lanes, of which the first leads: the best layer there is, or sound where there are no
    /// pictures.
    #[must_use]
    pub fn with(timing: Timing, wishes: Wishes, lanes: &[Lane]) -> Self {
        Self {
            timing,
            wishes,
            lead: lanes.first().copied().unwrap_or(Lane::Audio),
            members: lanes.iter().copied().map(Member::new).collect(),
            keyframe_at: None,
            intervals: VecDeque::new(),
        }
    }

    /// The durations it keeps to.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// The lane whose frames decide.
    #[must_use]
    pub fn lead(&self) -> Lane {
        self.lead
    }

    /// Segments that the leading lane ended so far.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.member(self.lead).map_or(0, |lead| lead.track.segments)
    }

    /// Tells how far apart keyframes are expected, before two of them came.
    pub fn expect_keyframes(&mut self, interval: Duration) {
        self.intervals.push_back(interval);
        self.intervals.truncate(INTERVALS);
    }

    /// The longest of the last keyframe intervals.
    #[must_use]
    pub fn keyframe_interval(&self) -> Option<Duration> {
        self.intervals.iter().copied().max()
    }

    /// Whether one lane has come to a standstill while the other goes on: sound is behind by several segments, or has
    /// filled one without a picture. Then they can only be brought in step by [`Self::finish`].
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        let audio = self.member(Lane::Audio).filter(|_| self.lead.is_video());
        audio.is_some_and(|audio| audio.ended.len() >= STALL_SEGMENTS || audio.track.length > self.limit())
    }

    /// A lane that is so far behind that it must have gone: [`Self::leave`] it.
    #[must_use]
    pub fn gone(&self) -> Option<Lane> {
        let here = |member: &&Member| !member.is_away && member.track.frames_ever;
        let newest = |lane: &dyn Fn(Lane) -> bool| {
            self.members.iter().filter(here).filter(|member| lane(member.lane)).map(|member| member.track.newest).max()
        };
        // Pictures are measured by pictures: when all are late, none has gone.
        let (pictures, all) = (newest(&Lane::is_video), newest(&|_| true));
        let is_gone = |member: &&Member| {
            let others = if member.lane.is_video() { pictures } else { all };
            member.lane.may_go() && others.is_some_and(|newest| newest > member.track.newest + GONE_AFTER)
        };
        self.members.iter().filter(here).find(is_gone).map(|member| member.lane)
    }

    /// A lane of the stream that is not there yet: gaps stand for it until it joins. It is not for the leading one.
    pub fn expect(&mut self, lane: Lane) {
        if self.member(lane).is_none() {
            self.members.push(Member { is_away: true, ..Member::new(lane) });
        }
    }

    /// A lane comes, or comes back, with a frame at `at`. Answers what fills its open segment up to there; `None` for a
    /// frame that is so far behind the leading lane that gaps stand in its place already. It is not for the leading one.
    pub fn join(&mut self, lane: Lane, at: Duration) -> Option<Vec<Cut>> {
        let part_target = self.timing.part_target;
        let mut cuts = Vec::new();
        let lead = self.member(self.lead)?;
        if lead.track.part_at.is_some_and(|begun| at + BOUNDARY_SLACK < begun) {
            return None;
        }
        let (lead_part, lead_length, segments) =
            (lead.track.part_at.unwrap_or(at), lead.track.length, lead.track.segments);
        let pending = lead.ended.clone();
        let member = match self.members.iter_mut().position(|member| member.lane == lane) {
            Some(known) => &mut self.members[known],
            None => {
                let mut new = Member::new(lane);
                new.track.segments = segments;
                // What the leading lane had of this segment already.
                let from = lead_part.saturating_sub(lead_length);
                new.fill(from, lead_part.saturating_sub(from), part_target, &mut cuts);
                self.members.push(new);
                let last = self.members.len() - 1;
                &mut self.members[last]
            }
        };
        member.is_away = false;
        member.ended = pending;
        member.fill(lead_part, at.saturating_sub(lead_part), part_target, &mut cuts);
        Some(cuts)
    }

    /// A lane went. Its last part ends after `frame`, and gaps stand for it up to where the leading one is; when it leads
    /// itself, the next best leads. The last one stays.
    pub fn leave(&mut self, lane: Lane, frame: Duration) -> Vec<Cut> {
        let part_target = self.timing.part_target;
        let mut cuts = Vec::new();
        if lane == self.lead {
            let next = self.members.iter().filter(|member| !member.is_away && member.lane != lane);
            let next = next.filter(|member| member.lane.is_video()).map(|member| member.lane).next();
            let Some(next) = next else { return cuts };
            self.lead = next;
            self.keyframe_at = None;
        }
        let lead = self.member(self.lead).map(|lead| (lead.track.part_at, lead.track.segments));
        let Some((lead_part, segments)) = lead else { return cuts };
        let Some(member) = self.members.iter_mut().find(|member| member.lane == lane) else { return cuts };
        let end = member.track.newest + frame.min(part_target);
        // The frame is shorter than PART-TARGET, so nothing is left to fill.
        let _ = member.track.close(end, part_target, &mut cuts);
        member.track.carry = Duration::ZERO;
        if let Some(to) = lead_part {
            member.fill(end, to.saturating_sub(end), part_target, &mut cuts);
        }
        member.ended.clear();
        while member.track.segments < segments {
            if member.track.parts == 0 {
                member.track.gap(end, part_target, &mut cuts);
            }
            member.track.end_segment(&mut cuts);
        }
        member.is_away = true;
        cuts
    }

    /// Takes a frame of `lane` and says what ends before it, of that lane and of those that are away. Frames of a lane
    /// that is not there change nothing.
    pub fn frame(&mut self, lane: Lane, frame: Coming) -> Vec<(Lane, Cut)> {
        let part_target = self.timing.part_target;
        let Some(member) = self.members.iter_mut().find(|member| member.lane == lane && !member.is_away) else {
            return Vec::new();
        };
        let mut cuts = Vec::new();
        // A lane that came to lead while it was behind follows until it is where the one before it was.
        let leads = lane == self.lead && member.ended.is_empty();
        if leads {
            self.lead_frame(&frame, &mut cuts);
        } else {
            member.follow(&frame, part_target, &mut cuts);
        }
        if let Some(member) = self.members.iter_mut().find(|member| member.lane == lane) {
            member.track.open(&frame);
        }
        let mut all: Vec<_> = cuts.iter().map(|cut| (lane, *cut)).collect();
        if lane == self.lead {
            self.mirror(&cuts, &mut all);
        }
        all
    }

    /// What the leading lane does, without media, for those that are away.
    fn mirror(&mut self, cuts: &[Cut], all: &mut Vec<(Lane, Cut)>) {
        let ended = cuts.iter().filter(|cut| **cut == Cut::Segment).count() as u64;
        let before = self.segments().saturating_sub(ended);
        for away in self.members.iter_mut().filter(|member| member.is_away) {
            let (mut own, mut segments) = (Vec::new(), before);
            for cut in cuts {
                // One that led before may have ended more segments than the one that leads now.
                let is_in_step = away.track.segments <= segments;
                match cut.missing() {
                    Cut::Segment => {
                        segments += 1;
                        if is_in_step {
                            if away.track.parts == 0 {
                                away.track.gap(away.track.newest, BOUNDARY_SLACK, &mut own);
                            }
                            away.track.end_segment(&mut own);
                        }
                    }
                    Cut::Gap { at, duration } if is_in_step => away.track.gap(at, duration, &mut own),
                    _ => {}
                }
            }
            all.extend(own.into_iter().map(|cut| (away.lane, cut)));
        }
    }

    fn member(&self, lane: Lane) -> Option<&Member> {
        self.members.iter().find(|member| member.lane == lane)
    }

    fn lead_frame(&mut self, frame: &Coming, cuts: &mut Vec<Cut>) {
        let (part_target, limit, wishes) = (self.timing.part_target, self.limit(), self.wishes);
        let interval = self.keyframe_interval();
        let is_video = self.lead.is_video();
        if frame.keyframe && is_video {
            self.note_keyframe(frame.at);
        }
        let lead = self.lead;
        let Some(member) = self.members.iter_mut().find(|member| member.lane == lead) else { return };
        let track = &mut member.track;
        let Some(at) = track.part_at else { return };
        let part = frame.at.saturating_sub(at) + track.carry;
        let full = is_full(part, track.frames, part_target);
        let segment = track.length + part;
        // A keyframe that comes early still ends the segment, if the next one would come too late for it.
        let enough = wishes.fills_segment(segment) || is_video && interval.is_none_or(|next| segment + next > limit);
        let ends = (frame.keyframe && (is_video || full) && enough) || (full && segment + part_target > limit);
        if !ends && !full {
            return;
        }
        let mut ended = Vec::new();
        if let Some((mut from, mut left)) = track.close(frame.at, part_target, cuts) {
            while !left.is_zero() {
                let step = left.min(part_target);
                if track.length + step > limit {
                    track.end_segment(cuts);
                    ended.push(Boundary { at: from, shown: from });
                }
                track.gap(from, step, cuts);
                from += step;
                left -= step;
            }
        }
        if ends {
            track.end_segment(cuts);
            ended.push(Boundary { at: frame.at, shown: frame.shown });
        }
        for follower in self.members.iter_mut().filter(|member| member.lane != lead && !member.is_away) {
            follower.ended.extend(&ended);
        }
    }

    /// The longest that a segment may get.
    fn limit(&self) -> Duration {
        self.timing.target_duration + TARGET_ROUNDING
    }

    fn note_keyframe(&mut self, at: Duration) {
        if let Some(before) = self.keyframe_at.replace(at) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            self.intervals.push_back(at.saturating_sub(before));
        }
    }

    /// Ends whatever is open, in every lane at the same sequence number: the publisher went, or its timeline breaks.
    /// The newest frame of each lane is taken to last as long as said.
    pub fn finish(&mut self, frame: impl Fn(Lane) -> Duration) -> Vec<(Lane, Cut)> {
        let part_target = self.timing.part_target;
        let mut all = Vec::new();
        let mut last = 0;
        for Member { lane, track, .. } in &mut self.members {
            let mut cuts = Vec::new();
            // The frame is shorter than PART-TARGET, so nothing is left to fill.
            let _ = track.close(track.newest + frame(*lane).min(part_target), part_target, &mut cuts);
            track.carry = Duration::ZERO;
            last = last.max(track.segments + u64::from(track.parts > 0));
            all.extend(cuts.into_iter().map(|cut| (*lane, cut)));
        }
        for Member { lane, track, ended, .. } in &mut self.members {
            let mut cuts = Vec::new();
            while track.segments < last {
                if track.parts == 0 {
                    track.gap(track.newest, part_target, &mut cuts);
                }
                track.end_segment(&mut cuts);
            }
            ended.clear();
            all.extend(cuts.into_iter().map(|cut| (*lane, cut)));
        }
        self.keyframe_at = None;
        all
    }
}

fn is_full(part: Duration, frames: usize, part_target: Duration) -> bool {
    part * 100 >= part_target * PART_FULL_PERCENT || frames >= PART_FRAMES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISHES: Wishes = Wishes {
        part_duration: Duration::from_millis(200),
        segment_duration: Duration::from_secs(2),
        target_duration_max: Duration::from_secs(10),
    };

    fn ms(ms: f64) -> Duration {
        Duration::from_secs_f64(ms / 1e3)
    }

    /// Frames of a lane: when each is decoded, in milliseconds, and whether it is a keyframe.
    type Frames = Vec<(f64, bool)>;

    /// `seconds` of video at `fps`, rounded to milliseconds as RTMP does, a keyframe every `gop` frames.
    fn video(fps: f64, gop: usize, seconds: f64) -> Frames {
        (0..(fps * seconds) as usize).map(|n| ((n as f64 * 1e3 / fps).round(), n % gop == 0)).collect()
    }

    fn sound(frame_ms: f64, seconds: f64) -> Frames {
        (0..(seconds * 1e3 / frame_ms) as usize).map(|n| (n as f64 * frame_ms, true)).collect()
    }

    /// One lane's playlist: parts as (announced ms, independent, gap), a segment each.
    type Listed = Vec<Vec<(f64, bool, bool)>>;

    struct Made {
        timing: Timing,
        video: Listed,
        audio: Listed,
    }

    /// Cuts both lanes as a packager does: measures the first segment, then feeds frames in the order of decoding.
    fn cut(wishes: Wishes, video: &Frames, audio: &Frames) -> Made {
        let lead = if video.is_empty() { audio } else { video };
        let lengths: Vec<_> = lead.windows(2).map(|two| ms(two[1].0 - two[0].0)).collect();
        let pace = Pace::observe(&lengths).expect("frames");
        let most = wishes.target_duration_max;
        let first = lead.iter().skip(1).find(|frame| frame.1 && wishes.fills_segment(ms(frame.0)));
        let first = first.map_or(most, |frame| ms(frame.0)).min(most);
        let timing = wishes.timing(pace.frame, first);
        let mut cutter = Cutter::new(timing, wishes, !video.is_empty(), !audio.is_empty());
        let mut made = Made { timing, video: vec![vec![]], audio: vec![vec![]] };
        let mut all: Vec<_> = video.iter().map(|frame| (Lane::Video, *frame)).collect();
        all.extend(audio.iter().map(|frame| (Lane::Audio, *frame)));
        all.sort_by(|a, b| a.1.0.total_cmp(&b.1.0));
        let mut list = |lane, cut| {
            let listed = if lane == Lane::Video { &mut made.video } else { &mut made.audio };
            let open = listed.last_mut().expect("one is open");
            match cut {
                Cut::Part { duration, independent, .. } => {
                    open.push((duration.as_secs_f64() * 1e3, independent, false))
                }
                Cut::Gap { duration, .. } => open.push((duration.as_secs_f64() * 1e3, false, true)),
                Cut::Segment => listed.push(vec![]),
            }
        };
        for (lane, (at, keyframe)) in all {
            let frame = Coming { at: ms(at), shown: ms(at), keyframe };
            cutter.frame(lane, frame).into_iter().for_each(|(lane, cut)| list(lane, cut));
        }
        cutter
            .finish(|lane| if lane.is_video() { pace.frame } else { ms(20.0) })
            .into_iter()
            .for_each(|(lane, cut)| list(lane, cut));
        made
    }

    fn seconds(segment: &[(f64, bool, bool)]) -> f64 {
        segment.iter().map(|part| part.0).sum::<f64>() / 1e3
    }

    /// Rows A, B1, B2, and lengths of segments, for one lane.
    fn keeps_the_rules(timing: Timing, listed: &Listed) {
        let target = timing.part_target.as_secs_f64() * 1e3 + 1e-6;
        assert!(listed.last().expect("one is open").is_empty(), "all is ended");
        for segment in &listed[..listed.len() - 1] {
            assert!(!segment.is_empty());
            assert!(seconds(segment).round() <= timing.target_duration.as_secs_f64(), "{}", seconds(segment));
            for (n, (duration, independent, gap)) in segment.iter().enumerate() {
                assert!(*duration <= target, "a part of {duration} ms, PART-TARGET {target}");
                let next = segment.get(n + 1);
                let may_be_short = *independent || *gap || next.is_none_or(|next| next.2);
                assert!(may_be_short || *duration >= target * 0.85 - 1e-3, "a part of {duration} of {target} ms");
            }
        }
    }

    #[track_caller]
    fn check_rate(fps: f64, frames: u32, part_target_ms: u64) {
        let video = video(fps, (fps * 2.0).round() as usize, 21.0);
        let made = cut(WISHES, &video, &sound(1024.0 / 48.0, 21.0));
        assert_eq!(made.timing.part_target, Duration::from_millis(part_target_ms), "{fps} fps");
        assert_eq!(made.timing.target_duration, Duration::from_secs(2), "{fps} fps");
        keeps_the_rules(made.timing, &made.video);
        keeps_the_rules(made.timing, &made.audio);
        let whole = &made.video[1];
        let expected = 1e3 / fps * f64::from(frames);
        assert!(whole[..whole.len() - 1].iter().all(|part| (part.0 - expected).abs() < 2.0), "{fps} fps: {whole:?}");
        for segment in &made.video[..made.video.len() - 1] {
            assert!(segment[0].1, "each segment starts with a keyframe");
            assert!(segment[1..].iter().all(|part| !part.1), "no other part has one");
        }
        assert_eq!(made.video.len(), made.audio.len(), "sequence numbers are in step");
        let (mut pictures, mut sounds) = (0.0, 0.0);
        for (video, audio) in made.video.iter().zip(&made.audio) {
            (pictures, sounds) = (pictures + seconds(video), sounds + seconds(audio));
            assert!((pictures - sounds).abs() <= made.timing.part_target.as_secs_f64() + 0.034, "{pictures} {sounds}");
        }
    }

    #[test]
    fn usual_frame_rates_fit() {
        check_rate(24.0, 5, 229);
        check_rate(24_000.0 / 1001.0, 5, 229);
        check_rate(25.0, 5, 220);
        check_rate(30_000.0 / 1001.0, 6, 220);
        check_rate(30.0, 6, 220);
        check_rate(50.0, 10, 220);
        check_rate(60_000.0 / 1001.0, 12, 220);
        check_rate(60.0, 12, 220);
    }

    #[test]
    fn sound_of_every_framing_keeps_the_rules_beside_video() {
        for frame_ms in [1024.0 / 48.0, 1024.0 / 44.1, 20.0, 1024.0 / 22.05, 2048.0 / 48.0, 60.0] {
            let made = cut(WISHES, &video(30.0, 60, 12.0), &sound(frame_ms, 12.0));
            keeps_the_rules(made.timing, &made.audio);
            assert_eq!(made.video.len(), made.audio.len());
            assert!(made.audio.iter().flatten().all(|part| part.1), "sound is independent everywhere");
        }
    }

    #[test]
    fn sound_alone_is_cut_by_the_clock() {
        let made = cut(WISHES, &vec![], &sound(1024.0 / 48.0, 12.0));
        keeps_the_rules(made.timing, &made.audio);
        assert_eq!(made.timing.part_target, Duration::from_millis(235));
        assert_eq!(made.timing.target_duration, Duration::from_secs(2));
        assert!(made.audio[..5].iter().all(|segment| (1.95..2.3).contains(&seconds(segment))));
    }

    #[test]
    fn video_alone_is_cut_by_its_keyframes() {
        let made = cut(WISHES, &video(30.0, 60, 12.0), &vec![]);
        keeps_the_rules(made.timing, &made.video);
        assert!(made.video[..5].iter().all(|segment| (seconds(segment) - 2.0).abs() < 1e-6));
    }

    #[test]
    fn frequent_keyframes_share_a_segment() {
        let made = cut(WISHES, &video(30.0, 15, 12.0), &vec![]);
        keeps_the_rules(made.timing, &made.video);
        assert!((seconds(&made.video[2]) - 2.0).abs() < 1e-6);
        let independent = made.video[2].iter().filter(|part| part.1).count();
        assert_eq!(independent, 4, "each part that has a keyframe says so");
    }

    #[test]
    fn a_long_keyframe_interval_makes_a_long_target() {
        let made = cut(WISHES, &video(30.0, 300, 31.0), &sound(20.0, 31.0));
        assert_eq!(made.timing.target_duration, Duration::from_secs(10));
        keeps_the_rules(made.timing, &made.video);
        keeps_the_rules(made.timing, &made.audio);
        assert!((seconds(&made.video[1]) - 10.0).abs() < 1e-6);
    }

    #[test]
    fn a_keyframe_interval_past_the_longest_target_is_cut_without_a_keyframe() {
        let made = cut(WISHES, &video(30.0, 600, 41.0), &sound(20.0, 41.0));
        assert_eq!(made.timing.target_duration, Duration::from_secs(10));
        keeps_the_rules(made.timing, &made.video);
        keeps_the_rules(made.timing, &made.audio);
        assert!(!made.video[1][0].1, "the second segment starts without a keyframe");
        assert_eq!(made.video.len(), made.audio.len());
    }

    #[test]
    fn a_keyframe_interval_that_grows_later_does_not_change_the_target() {
        let mut frames = video(30.0, 60, 8.0);
        frames.extend(video(30.0, 300, 20.0).into_iter().map(|(at, key)| (at + 8000.0, key)));
        let made = cut(WISHES, &frames, &sound(20.0, 28.0));
        assert_eq!(made.timing.target_duration, Duration::from_secs(2));
        keeps_the_rules(made.timing, &made.video);
        keeps_the_rules(made.timing, &made.audio);
    }

    #[test]
    fn a_scene_cut_ends_the_segment_early_rather_than_the_next_one_late() {
        let mut frames = video(30.0, 60, 4.0);
        frames.extend(video(30.0, 60, 8.0).into_iter().map(|(at, key)| (at + 4700.0, key)));
        frames.extend((120..141).map(|n| ((f64::from(n) * 1e3 / 30.0).round(), n == 120)));
        frames.sort_by(|a, b| a.0.total_cmp(&b.0));
        let made = cut(WISHES, &frames, &vec![]);
        keeps_the_rules(made.timing, &made.video);
        let lengths: Vec<_> = made.video.iter().take(5).map(|segment| seconds(segment)).collect();
        assert_eq!(lengths, [2.0, 2.0, 0.7, 2.0, 2.0]);
        assert!(made.video[..5].iter().all(|segment| segment[0].1));
    }

    #[test]
    fn a_frame_longer_than_a_part_leaves_a_gap() {
        let frames: Frames =
            video(30.0, 60, 6.0).into_iter().filter(|(at, _)| !(2500.0..3200.0).contains(at)).collect();
        let made = cut(WISHES, &frames, &sound(20.0, 6.0));
        keeps_the_rules(made.timing, &made.video);
        let gaps: Vec<_> = made.video[1].iter().filter(|part| part.2).collect();
        assert!(!gaps.is_empty());
        assert_eq!((seconds(&made.video[1]) * 1e3).round(), 2000.0, "gaps fill what is missing");
    }

    #[test]
    fn a_hole_in_the_sound_is_filled_segment_by_segment() {
        let audio: Frames = sound(20.0, 14.0).into_iter().filter(|(at, _)| !(2500.0..9000.0).contains(at)).collect();
        let made = cut(WISHES, &video(30.0, 60, 14.0), &audio);
        keeps_the_rules(made.timing, &made.audio);
        assert_eq!(made.video.len(), made.audio.len());
    }

    #[test]
    fn a_lane_that_stands_still_is_noticed() {
        let timing = WISHES.timing(ms(33.3), ms(2000.0));
        let stalled_after = |lane: Lane, frames: Frames| {
            let mut cutter = Cutter::new(timing, WISHES, true, true);
            let at = frames.into_iter().find(|(at, keyframe)| {
                cutter.frame(lane, Coming { at: ms(*at), shown: ms(*at), keyframe: *keyframe });
                cutter.is_stalled()
            });
            at.expect("it is noticed").0
        };
        assert_eq!(stalled_after(Lane::Video, video(30.0, 60, 20.0)), 6000.0);
        assert!((2400.0..3000.0).contains(&stalled_after(Lane::Audio, sound(20.0, 20.0))));
    }

    #[test]
    fn a_variable_frame_rate_keeps_the_rules() {
        let lengths = [33.0, 33.0, 120.0, 33.0, 150.0, 40.0, 33.0, 90.0, 33.0, 33.0, 210.0, 33.0, 180.0];
        let mut at = 0.0;
        let frames: Frames = (0..400)
            .map(|n| {
                let frame = (at, n % 30 == 0);
                at += lengths[n % lengths.len()];
                frame
            })
            .collect();
        let made = cut(WISHES, &frames, &sound(1024.0 / 44.1, at / 1e3));
        keeps_the_rules(made.timing, &made.video);
        keeps_the_rules(made.timing, &made.audio);
        let announced: f64 = made.video.iter().map(|segment| seconds(segment)).sum();
        assert!((announced - at / 1e3).abs() < 0.3, "announced {announced} s of {} s", at / 1e3);
        let lengths: Vec<_> = frames.windows(2).map(|two| ms(two[1].0 - two[0].0)).collect();
        assert!(Pace::observe(&lengths).is_some_and(|pace| pace.variable));
    }

    #[test]
    fn one_frame_a_second_is_one_part_a_second() {
        let made = cut(WISHES, &video(1.0, 2, 20.0), &vec![]);
        keeps_the_rules(made.timing, &made.video);
        assert_eq!(made.timing.part_target, Duration::from_millis(1100));
    }

    #[test]
    fn milliseconds_do_not_hide_the_pace() {
        let lengths: Vec<_> = video(30.0, 60, 2.0).windows(2).map(|two| ms(two[1].0 - two[0].0)).collect();
        let pace = Pace::observe(&lengths).expect("frames");
        assert!(!pace.variable);
        assert!(pace.frame.abs_diff(ms(1000.0 / 30.0)) < ms(0.1));
        assert_eq!(Pace::observe(&[]), None);
        assert_eq!(Pace::observe(&[Duration::ZERO]), None);
    }
}

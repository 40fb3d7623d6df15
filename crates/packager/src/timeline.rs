//! A publisher's timestamps, laid on the stream's timeline. A value: it has no clock.
//!
//! Both tracks share one origin, so that they stay in sync. Pictures keep the publisher's times, to the tick of 90 kHz:
//! rounding to milliseconds does no harm there. Sound is placed by counting samples, since a player hears every hole:
//! its times are followed slowly, and only a real hole is one.
//!
//! | the publisher's time | what becomes of it |
//! |---|---|
//! | jitters | pictures keep it, sound evens it out |
//! | stands still, or goes back a little | frames go on at their usual pace, and catch up where they can |
//! | skips ahead as time went by | a hole, which becomes a GAP if it is longer than a part |
//! | jumps back, or ahead without time going by | [`Place::Jump`]: a new timeline begins, after a DISCONTINUITY |

use std::time::{Duration, Instant};

use weir_media::{Timestamp, TrackId};

/// Going back by more than this is a jump.
const BACK_MAX_NANOS: i64 = 1_000_000_000;
/// Going ahead by so much more than time went by is a jump.
const AHEAD_MAX_NANOS: i64 = 2_000_000_000;
/// A hole longer than this is a jump, even if time went by.
const HOLE_MAX_NANOS: i64 = 10_000_000_000;
/// A frame shown later than this after it is decoded is not believed: 16 reordered frames at 2 fps.
const REORDER_MAX_NANOS: i64 = 8_000_000_000;
/// Sound off by more than this has a hole, or overlaps: RTMP encoders jitter by less.
const SOUND_HOLE_NANOS: i64 = 120_000_000;
/// Sound off by more than this for a while is moved slowly.
const SOUND_DRIFT_NANOS: i64 = 15_000_000;
/// How much a frame of sound may be moved: 1 in 47 at 48 kHz, which no one hears.
const SOUND_NUDGE_NANOS: i64 = 500_000;
/// Weight of what is new in the mean offset of sound: the last 32 frames count.
const SOUND_MEAN: i64 = 32;
/// Ticks a second of video times.
const VIDEO_HZ: u32 = crate::mux::VIDEO_TIMESCALE;

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here.
    At(Placed),
    /// Nowhere: it lies before the origin, or overlaps what was there.
    Nowhere,
    /// On another timeline: this one ends.
    Jump,
}

/// A frame's place on the stream's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// When it is decoded; always later than the frame before. Rounded up from a whole tick of its timescale.
    pub(crate) at: Duration,
    /// From decoding to showing, in ticks of 90 kHz; 0 for sound.
    pub(crate) composition_offset: u32,
}

impl Placed {
    /// When it is shown or heard.
    pub(crate) fn shown(&self) -> Duration {
        self.at + ticks_to_time(u64::from(self.composition_offset), VIDEO_HZ)
    }
}

/// The timeline of one publish, up to its next jump.
#[derive(Debug)]
pub(crate) struct Timeline {
    base: Duration,
    origin: Timestamp,
    /// The newest frame of each layer.
    pictures: Vec<(TrackId, Last)>,
    /// Usual length of a video frame, in ticks.
    video_frame: u64,
    sounds: Vec<(TrackId, Sound)>,
    audio_hz: u32,
}

/// One track of sound.
#[derive(Debug)]
struct Sound {
    last: Option<Last>,
    hz: u32,
    /// Where the next frame goes, in samples.
    next: u64,
    /// Mean of how far the publisher's times are ahead of ours.
    ahead: i64,
}

/// The newest frame of a track.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// In the publisher's time.
    dts: Timestamp,
    arrived: Instant,
    /// Where it was put, in ticks.
    ticks: u64,
}

impl Timeline {
    /// A timeline that begins at `base`, where the publisher says `origin`. `video_frame` is the usual length of a
    /// frame, `audio_hz` the rate of samples.
    pub(crate) fn new(base: Duration, origin: Timestamp, video_frame: Duration, audio_hz: u32) -> Self {
        Self {
            base,
            origin,
            pictures: Vec::new(),
            video_frame: time_to_ticks(video_frame, VIDEO_HZ).max(1),
            sounds: Vec::new(),
            audio_hz: audio_hz.max(1),
        }
    }

    /// Says that the sound of a track has another rate of samples.
    pub(crate) fn sound(&mut self, track: TrackId, hz: u32) {
        self.sounds.retain(|(known, _)| *known != track);
        self.sounds.push((track, Sound { last: None, hz: hz.max(1), next: 0, ahead: 0 }));
    }

    /// Forgets where a track was: it went, and may come back anywhere.
    pub(crate) fn forget(&mut self, track: TrackId) {
        self.pictures.retain(|(known, _)| *known != track);
        for (_, sound) in self.sounds.iter_mut().filter(|(known, _)| *known == track) {
            (sound.last, sound.ahead) = (None, 0);
        }
    }

    /// Places a picture.
    pub(crate) fn video(&mut self, track: TrackId, dts: Timestamp, pts: Timestamp, arrived: Instant) -> Place {
        let last = self.pictures.iter().find(|(known, _)| *known == track).map(|(_, last)| *last);
        let Some(wanted) = self.wanted(dts) else { return self.before(last, dts, arrived) };
        let wanted = time_to_ticks(wanted, VIDEO_HZ);
        let ticks = match last {
            None => wanted,
            Some(last) => {
                if jumps(&last, dts, arrived) {
                    return Place::Jump;
                }
                if wanted > last.ticks {
                    wanted
                } else if dts.since(last.dts) == 0 {
                    last.ticks + self.video_frame
                } else {
                    // It moves again, behind where we are: go on slower than it, so that it catches up.
                    if ticks_to_time(last.ticks - wanted, VIDEO_HZ) > Duration::from_nanos(BACK_MAX_NANOS as u64) {
                        return Place::Jump;
                    }
                    last.ticks + (self.video_frame / 2).max(1)
                }
            }
        };
        self.pictures.retain(|(known, _)| *known != track);
        self.pictures.push((track, Last { dts, arrived, ticks }));
        let ahead = Duration::from_nanos(pts.since(dts).clamp(0, REORDER_MAX_NANOS) as u64);
        let composition_offset = u32::try_from(round_to_ticks(ahead, VIDEO_HZ)).unwrap_or(0);
        Place::At(Placed { at: ticks_to_time(ticks, VIDEO_HZ), composition_offset })
    }

    /// Places a stretch of sound of so many samples.
    pub(crate) fn audio(&mut self, track: TrackId, pts: Timestamp, samples: u32, arrived: Instant) -> Place {
        let wanted = self.wanted(pts);
        let known = self.sounds.iter().position(|(known, _)| *known == track);
        let at = known.unwrap_or_else(|| {
            let hz = self.audio_hz;
            self.sound(track, hz);
            self.sounds.len() - 1
        });
        match wanted {
            Some(wanted) => self.sounds[at].1.place(wanted, pts, samples, arrived),
            None => self.before(self.sounds[at].1.last, pts, arrived),
        }
    }

    /// Where the publisher's time lies on the stream's timeline, or `None` before its beginning.
    fn wanted(&self, time: Timestamp) -> Option<Duration> {
        let after = u64::try_from(time.since(self.origin)).ok()?;
        Some(self.base + Duration::from_nanos(after))
    }

    fn before(&self, last: Option<Last>, time: Timestamp, arrived: Instant) -> Place {
        match last {
            Some(last) if jumps(&last, time, arrived) => Place::Jump,
            _ if self.origin.since(time) > BACK_MAX_NANOS => Place::Jump,
            _ => Place::Nowhere,
        }
    }
}

impl Sound {
    /// Places a stretch that is wanted there.
    fn place(&mut self, wanted: Duration, pts: Timestamp, samples: u32, arrived: Instant) -> Place {
        if let Some(last) = self.last {
            if jumps(&last, pts, arrived) {
                return Place::Jump;
            }
            let ahead = nanos(wanted) - nanos(ticks_to_time(self.next, self.hz));
            if pts.since(last.dts) == 0 {
                // It stands still, and so tells nothing.
            } else if ahead < -BACK_MAX_NANOS {
                return Place::Jump;
            } else if ahead > SOUND_HOLE_NANOS {
                self.next = round_to_ticks(wanted, self.hz);
                self.ahead = 0;
            } else if ahead < -SOUND_HOLE_NANOS {
                self.last = Some(Last { dts: pts, arrived, ..last });
                return Place::Nowhere;
            } else {
                self.ahead += (ahead - self.ahead) / SOUND_MEAN;
                if self.ahead.abs() > SOUND_DRIFT_NANOS {
                    self.nudge(samples);
                }
            }
        } else {
            self.next = round_to_ticks(wanted, self.hz);
        }
        let ticks = self.next;
        self.next += u64::from(samples.max(1));
        self.last = Some(Last { dts: pts, arrived, ticks });
        Place::At(Placed { at: ticks_to_time(ticks, self.hz), composition_offset: 0 })
    }

    /// Moves the sound a little towards the publisher's times.
    fn nudge(&mut self, samples: u32) {
        // Less than the frame before lasts, so that this one stays behind it.
        let room = self.last.map_or(0, |last| self.next.saturating_sub(last.ticks + 1));
        let most = u64::from(samples / 8).min(room);
        let step = time_to_ticks(Duration::from_nanos(SOUND_NUDGE_NANOS as u64), self.hz).min(most);
        let moved = nanos(ticks_to_time(step, self.hz));
        if self.ahead > 0 {
            self.next += step;
            self.ahead -= moved;
        } else {
            self.next -= step;
            self.ahead += moved;
        }
    }
}

fn jumps(last: &Last, dts: Timestamp, arrived: Instant) -> bool {
    is_jump(last.dts, last.arrived, dts, arrived)
}

/// Whether the publisher's clock jumped from one frame of a track to the next.
pub(crate) fn is_jump(before: Timestamp, before_arrived: Instant, dts: Timestamp, arrived: Instant) -> bool {
    let step = dts.since(before);
    let waited = nanos(arrived.saturating_duration_since(before_arrived));
    !(-BACK_MAX_NANOS..=HOLE_MAX_NANOS).contains(&step)
        || step.saturating_sub(waited.min(HOLE_MAX_NANOS)) > AHEAD_MAX_NANOS
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Whole ticks in `time`, rounded down: what the muxer does.
pub(crate) fn time_to_ticks(time: Duration, hz: u32) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(hz) / 1_000_000_000).unwrap_or(u64::MAX)
}

fn round_to_ticks(time: Duration, hz: u32) -> u64 {
    time_to_ticks(time + Duration::from_nanos(500_000_000 / u64::from(hz)), hz)
}

/// The first nanosecond of a tick, so that rounding down gives the tick again.
pub(crate) fn ticks_to_time(ticks: u64, hz: u32) -> Duration {
    let nanos = (u128::from(ticks) * 1_000_000_000).div_ceil(u128::from(hz));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn timeline() -> Timeline {
        Timeline::new(Duration::from_secs(100), Timestamp::from_millis(5_000), FRAME, 48_000)
    }

    fn ms(placed: Duration) -> f64 {
        ((placed.as_secs_f64() - 100.0) * 1e6).round() / 1e3
    }

    /// Feeds pictures at these publisher's times (ms after the origin, each as it arrives in time unless it is marked
    /// as early by `!`), and says where they are put, `-` for nowhere, `jump` for a jump.
    fn check_video(times: &str, placed: &str) {
        let mut timeline = timeline();
        let mut now = Instant::now();
        let mut before = 0;
        let told: Vec<_> = times
            .split_whitespace()
            .map(|word| {
                let at: i64 = word.trim_end_matches('!').parse().expect("a number");
                if !word.ends_with('!') {
                    now += Duration::from_millis(at.abs_diff(before));
                }
                before = at;
                let time = Timestamp::from_millis(5_000 + at);
                match timeline.video(TrackId::VIDEO, time, time, now) {
                    Place::At(placed) => format!("{}", ms(placed.at).round()),
                    Place::Nowhere => "-".into(),
                    Place::Jump => "jump".into(),
                }
            })
            .collect();
        assert_eq!(told.join(" "), placed);
    }

    #[test]
    fn pictures_keep_their_times() {
        check_video("0 33 67 100 133", "0 33 67 100 133");
    }

    #[test]
    fn standing_still_goes_on_at_the_usual_pace() {
        check_video("0 33 33 33 133 167", "0 33 66 99 133 167");
    }

    #[test]
    fn going_back_a_little_catches_up() {
        check_video("0 100 60 93 126 160 193", "0 100 117 133 150 160 193");
    }

    #[test]
    fn a_stall_is_a_hole_and_a_leap_is_a_jump() {
        check_video("0 33 5000", "0 33 5000");
        check_video("0 33 5000!", "0 33 jump");
        check_video("0 33 20000", "0 33 jump");
        check_video("0 33 -2000", "0 33 jump");
        check_video("0 3000 1500", "0 3000 jump");
    }

    #[test]
    fn what_lies_before_the_origin_is_nowhere() {
        check_video("-20 0 33", "- 0 33");
    }

    #[test]
    fn reordered_pictures_keep_both_times() {
        let mut timeline = timeline();
        let now = Instant::now();
        let place = timeline.video(TrackId::VIDEO, Timestamp::from_millis(5_000), Timestamp::from_millis(5_067), now);
        let Place::At(placed) = place else { panic!("{place:?}") };
        assert_eq!((ms(placed.at), placed.composition_offset), (0.0, 6030));
        assert_eq!(ms(placed.shown()).round(), 67.0);
    }

    /// Feeds sound of 1024 samples at 48 kHz at these times (ms); says the holes and nowheres, by frame.
    fn sound(times: impl IntoIterator<Item = i64>) -> (Vec<u64>, usize) {
        let mut timeline = timeline();
        let start = Instant::now();
        let mut ticks = Vec::new();
        let mut nowhere = 0;
        for at in times {
            let now = start + Duration::from_millis(at.max(0) as u64);
            match timeline.audio(TrackId::AUDIO, Timestamp::from_millis(5_000 + at), 1024, now) {
                Place::At(placed) => ticks.push(time_to_ticks(placed.at, 48_000)),
                Place::Nowhere => nowhere += 1,
                Place::Jump => panic!("a jump at {at}"),
            }
        }
        (ticks, nowhere)
    }

    #[test]
    fn sound_is_seamless_however_its_times_are_rounded() {
        let (ticks, nowhere) = sound((0..5_000).map(|n| n * 1024 * 1000 / 48_000 + n * 7 % 5));
        assert_eq!(nowhere, 0);
        assert!(ticks.windows(2).all(|two| two[1] - two[0] == 1024));
    }

    #[test]
    fn a_drifting_clock_is_followed_slowly() {
        // 0.1 % slow: a second in a quarter of an hour.
        let (ticks, _) = sound((0..40_000).map(|n| n * 1024 * 1001 / 48_000));
        assert!(ticks.windows(2).all(|two| (1000..=1048).contains(&(two[1] - two[0]))));
        let end = ticks.last().expect("some") - 100 * 48_000;
        assert!((end as i64 - 39_999 * 1024 * 1001 / 1000).abs() < 48 * 40, "within 40 ms");
    }

    #[test]
    fn a_hole_in_the_sound_stays_a_hole() {
        let (ticks, _) = sound((0..100).map(|n| n * 21 + if n > 50 { 500 } else { 0 }));
        let longest = ticks.windows(2).map(|two| two[1] - two[0]).max();
        assert!(longest.is_some_and(|samples| (24_000..=26_000).contains(&samples)), "{longest:?}");
    }

    #[test]
    fn sound_that_stands_still_goes_on() {
        let (ticks, _) = sound((0..200).map(|_| 7));
        assert!(ticks.windows(2).all(|two| two[1] - two[0] == 1024));
    }

    proptest! {
        #[test]
        fn times_only_grow_whatever_the_publisher_says(
            steps in proptest::collection::vec((-3_000i64..3_000, 0u64..100, -500i64..500), 1..200)
        ) {
            let mut timeline = timeline();
            let (mut now, mut at) = (Instant::now(), 5_000i64);
            let (mut video, mut audio) = (Duration::ZERO, Duration::ZERO);
            for (step, waited, offset) in steps {
                at += step;
                now += Duration::from_millis(waited);
                let dts = Timestamp::from_millis(at);
                if let Place::At(placed) = timeline.video(TrackId::VIDEO, dts, dts.offset(offset * 1_000_000), now) {
                    prop_assert!(placed.at > video);
                    video = placed.at;
                }
                if let Place::At(placed) = timeline.audio(TrackId::AUDIO, dts, 1024, now) {
                    prop_assert!(placed.at > audio);
                    audio = placed.at;
                }
            }
        }

        #[test]
        fn ticks_survive_nanoseconds(ticks in 0u64..1 << 40, hz in prop_oneof![Just(90_000u32), Just(44_100), Just(48_000), Just(22_050)]) {
            prop_assert_eq!(time_to_ticks(ticks_to_time(ticks, hz), hz), ticks);
        }

        #[test]
        fn extreme_times_do_not_overflow(times in proptest::collection::vec(any::<i64>(), 1..20)) {
            let mut timeline = timeline();
            let now = Instant::now();
            for nanos in times {
                let _ = timeline.video(TrackId::VIDEO, Timestamp::from_nanos(nanos), Timestamp::from_nanos(nanos ^ 7), now);
                let _ = timeline.audio(TrackId::AUDIO, Timestamp::from_nanos(nanos), u32::MAX, now);
            }
        }
    }
}

//! What the first frames of a publish tell about all that follow.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use weir_hls::cut::{Pace, Wishes};
use weir_media::{AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams};

use crate::{sound, timeline::is_jump};

/// Length of a video frame where none could be observed.
const FRAME_UNKNOWN: Duration = Duration::from_millis(33);

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// The publisher's time where the stream's timeline goes on.
    pub(crate) origin: Timestamp,
    /// When the frame there came in.
    pub(crate) arrived: Instant,
    /// Of the pictures.
    pub(crate) pace: Pace,
    /// From the first to the last picture of the first segment; the wished length where that is not known.
    pub(crate) first_segment: Duration,
    /// The longest keyframe interval seen.
    pub(crate) keyframe_interval: Option<Duration>,
    /// Samples a second of sound.
    pub(crate) audio_hz: u32,
    /// Samples in a frame of AAC.
    pub(crate) aac_samples: u32,
    /// Length of a frame of sound.
    pub(crate) audio_frame: Duration,
}

impl Measured {
    /// Measures gathered frames, of which the pictures of `lead` decide.
    pub(crate) fn of(frames: &VecDeque<Frame>, lead: TrackId, audio: Option<&Track>, wishes: &Wishes) -> Self {
        let of = |id| frames.iter().filter(move |frame| frame.track == id);
        let first = of(lead).find(|frame| frame.keyframe).or_else(|| frames.front());
        let origin = first.map_or(Timestamp::default(), |frame| frame.dts);
        let arrived = first.map_or_else(Instant::now, |frame| frame.arrived);
        let pace = Pace::observe(&lengths(of(lead)));
        let keyframes = keyframe_intervals(of(lead));
        let mut first_segment = Duration::ZERO;
        for length in &keyframes {
            first_segment += *length;
            if wishes.fills_segment(first_segment) {
                break;
            }
        }
        if !wishes.fills_segment(first_segment) && of(lead).next().is_some() {
            first_segment = lengths(of(lead)).iter().sum();
        }
        let params = audio.and_then(|track| match &track.params {
            TrackParams::Audio(params) => Some(params),
            TrackParams::Video(_) => None,
        });
        let audio_hz = params.map_or(48_000, |params| params.sample_rate.max(1));
        let observed = Pace::observe(&lengths(of(TrackId::AUDIO))).map(|pace| pace.frame);
        let aac_samples = params.map_or(1024, |params| sound::aac_samples(params, observed));
        let samples = match (params.map(|params| params.codec), of(TrackId::AUDIO).next()) {
            (Some(AudioCodec::Opus), Some(packet)) => sound::opus_samples(&packet.data),
            (Some(AudioCodec::Opus), None) => sound::OPUS_SAMPLES,
            _ => aac_samples,
        };
        Self {
            origin,
            arrived,
            pace: pace.unwrap_or(Pace { frame: FRAME_UNKNOWN, variable: false }),
            first_segment: first_segment.min(wishes.target_duration_max),
            keyframe_interval: keyframes.into_iter().max(),
            audio_hz,
            aac_samples,
            audio_frame: Duration::from_secs(1) * samples / audio_hz,
        }
    }
}

/// Lengths of frames that follow each other; what goes back has none. Where the clock jumped, nothing is told.
fn lengths<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<Duration> {
    let frames: Vec<_> = frames.collect();
    let goes_on = |two: &&[&Frame]| !is_jump(two[0].dts, two[0].arrived, two[1].dts, two[1].arrived);
    let length = |two: &[&Frame]| Duration::from_nanos(u64::try_from(two[1].dts.since(two[0].dts)).unwrap_or(0));
    frames.windows(2).filter(goes_on).map(length).collect()
}

/// How far apart keyframes are; not across a jump of the clock.
fn keyframe_intervals<'a>(pictures: impl Iterator<Item = &'a Frame>) -> Vec<Duration> {
    let (mut intervals, mut keyframe, mut before) = (Vec::new(), None, None::<&Frame>);
    for frame in pictures {
        if before.is_some_and(|before| is_jump(before.dts, before.arrived, frame.dts, frame.arrived)) {
            keyframe = None;
        }
        before = Some(frame);
        if frame.keyframe
            && let Some(last) = keyframe.replace(frame.dts)
        {
            intervals.push(Duration::from_nanos(u64::try_from(frame.dts.since(last)).unwrap_or(0)));
        }
    }
    intervals
}

/// How long the first segment of gathered pictures lasts, once it is whole. After a jump of the clock it begins anew.
pub(crate) fn first_segment(frames: &VecDeque<Frame>, lead: TrackId, wishes: &Wishes) -> Option<Duration> {
    let mut video = frames.iter().filter(|frame| frame.track == lead);
    let mut before = video.next()?;
    let mut start = before.dts;
    video.find_map(|frame| {
        let jumped = is_jump(before.dts, before.arrived, frame.dts, frame.arrived);
        before = frame;
        if jumped {
            start = frame.dts;
            return None;
        }
        let length = Duration::from_nanos(u64::try_from(frame.dts.since(start)).ok()?);
        let ends = frame.keyframe && wishes.fills_segment(length) || length >= wishes.target_duration_max;
        ends.then_some(length)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const WISHES: Wishes = Wishes {
        part_duration: Duration::from_millis(200),
        segment_duration: Duration::from_secs(2),
        target_duration_max: Duration::from_secs(10),
    };

    /// Pictures at these publisher's times in milliseconds, each 40 ms after the one before; every 50th is a keyframe.
    fn pictures(times: impl Iterator<Item = i64>) -> VecDeque<Frame> {
        let arrived = Instant::now();
        let frames = (0_u32..).zip(times).map(|(at, time)| Frame {
            track: TrackId::VIDEO,
            pts: Timestamp::from_millis(time),
            dts: Timestamp::from_millis(time),
            keyframe: at % 50 == 0,
            arrived: arrived + Duration::from_millis(40) * at,
            data: Bytes::new(),
        });
        frames.collect()
    }

    #[test]
    fn pictures_that_come_in_a_burst_tell_their_keyframe_interval() {
        let mut frames = pictures((0..151).map(|at| at * 100));
        let arrived = frames[0].arrived;
        frames.iter_mut().for_each(|frame| frame.arrived = arrived);
        let measured = Measured::of(&frames, TrackId::VIDEO, None, &WISHES);
        assert_eq!(measured.keyframe_interval, Some(Duration::from_secs(5)));
        assert_eq!(measured.pace.frame, Duration::from_millis(100));
    }

    #[test]
    fn a_first_time_of_zero_tells_no_frame_rate() {
        for jump in [3_600_000, -3_600_000] {
            let frames = |count| pictures(std::iter::once(0).chain((0..count).map(|at| jump + at * 40)));
            assert_eq!(first_segment(&frames(1), TrackId::VIDEO, &WISHES), None, "a jump ends no segment");
            assert_eq!(Measured::of(&frames(1), TrackId::VIDEO, None, &WISHES).pace.frame, FRAME_UNKNOWN);
            assert_eq!(first_segment(&frames(50), TrackId::VIDEO, &WISHES), Some(Duration::from_millis(1_960)));
            let measured = Measured::of(&frames(50), TrackId::VIDEO, None, &WISHES);
            assert_eq!(measured.pace.frame, Duration::from_millis(40));
            assert!(measured.first_segment <= Duration::from_secs(2));
        }
    }
}

//! What the first frames of a publish tell about all that follow.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use weir_hls::cut::{Pace, Wishes};
use weir_media::{AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams};

use crate::sound;

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
    /// Measures gathered frames.
    pub(crate) fn of(frames: &VecDeque<Frame>, audio: Option<&Track>, wishes: &Wishes) -> Self {
        let of = |id| frames.iter().filter(move |frame| frame.track == id);
        let first = of(TrackId::VIDEO).find(|frame| frame.keyframe).or_else(|| frames.front());
        let origin = first.map_or(Timestamp::default(), |frame| frame.dts);
        let arrived = first.map_or_else(Instant::now, |frame| frame.arrived);
        let pace = Pace::observe(&lengths(of(TrackId::VIDEO)));
        let keyframes = lengths(of(TrackId::VIDEO).filter(|frame| frame.keyframe));
        let mut first_segment = Duration::ZERO;
        for length in &keyframes {
            first_segment += *length;
            if wishes.fills_segment(first_segment) {
                break;
            }
        }
        if !wishes.fills_segment(first_segment) && of(TrackId::VIDEO).next().is_some() {
            first_segment = lengths(of(TrackId::VIDEO)).iter().sum();
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

/// Lengths of frames that follow each other; what goes back has none.
fn lengths<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<Duration> {
    let times: Vec<_> = frames.map(|frame| frame.dts).collect();
    let length = |two: &[Timestamp]| Duration::from_nanos(u64::try_from(two[1].since(two[0])).unwrap_or(0));
    times.windows(2).map(length).collect()
}

//! Frames on their way through timeline, cutter and muxers.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use weir_hls::{
    RenditionId, RenditionKind, RenditionSpec,
    cut::{Coming, Cut, Cutter, Lane as Side},
};
use weir_media::{AudioCodec, Frame, Track, TrackId, TrackParams};

use crate::{
    error::Error,
    lane::{Laid, Lane},
    measure::Measured,
    session::{Session, Station, make},
    sound,
    timeline::{Place, Placed, Timeline},
};

/// How far an observed frame rate may be from the one in the bitstream that is then announced.
const RATE_TOLERANCE: f64 = 0.02;

/// A publish, up to the next jump of its clock or change of its parameters.
pub(crate) struct Running {
    timeline: Timeline,
    cutter: Cutter,
    session: Arc<Session>,
    video: Option<Lane>,
    audio: Option<Lane>,
    audio_codec: Option<AudioCodec>,
    aac_samples: u32,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was taken.
    Yes,
    /// The publisher's clock jumped.
    Jumped,
    /// One track stands still while the other goes on.
    Stalled,
}

impl Running {
    /// Opens or continues the channel's session, and starts the muxers.
    pub(crate) fn start(
        station: &Station,
        video: Option<&Track>,
        audio: Option<&Track>,
        measured: &Measured,
    ) -> Result<Self, Error> {
        let session = station.session(make(video.map(|track| &track.params), audio.map(|track| &track.params)))?;
        let (video_id, audio_id) = (RenditionId::video(), RenditionId::audio());
        let renditions: Vec<_> =
            [video.map(|_| video_id.clone()), audio.map(|_| audio_id.clone())].into_iter().flatten().collect();
        session.discontinue(&renditions);
        let wishes = station.config.wishes();
        let lead_frame = if video.is_some() { measured.pace.frame } else { measured.audio_frame };
        let timing = session.timing().unwrap_or_else(|| wishes.timing(lead_frame, measured.first_segment));
        let specs = [
            video.map(|track| spec(video_id.clone(), &track.params, measured)),
            audio.map(|track| spec(audio_id.clone(), &track.params, measured)),
        ];
        session.describe(timing, specs.into_iter().flatten().collect());
        let mut cutter = Cutter::new(timing, wishes, video.is_some(), audio.is_some());
        if let Some(interval) = measured.keyframe_interval {
            cutter.expect_keyframes(interval);
        }
        let base = session.end();
        let zero = wall_clock(measured.arrived).checked_sub(base).unwrap_or(SystemTime::UNIX_EPOCH);
        let lane = |track: &Track, id: RenditionId, frame: Duration| {
            Lane::new(&track.params, id, session.clone(), station.spool.clone(), zero, frame)
        };
        let audio_codec = audio.and_then(|track| match &track.params {
            TrackParams::Audio(params) => Some(params.codec),
            TrackParams::Video(_) => None,
        });
        let video = video.map(|track| lane(track, video_id, measured.pace.frame)).transpose()?;
        let audio = audio.map(|track| lane(track, audio_id, measured.audio_frame)).transpose()?;
        station.health.note(|report| {
            report.waits_for_keyframe = false;
            if video.is_some() {
                report.frame_rate = Some(1.0 / measured.pace.frame.as_secs_f64());
                report.variable_frame_rate = measured.pace.variable;
            }
        });
        Ok(Self {
            timeline: Timeline::new(base, measured.origin, measured.pace.frame, measured.audio_hz),
            cutter,
            session,
            video,
            audio,
            audio_codec,
            aac_samples: measured.aac_samples,
        })
    }

    /// What was gathered is through: from now on frames come as the publisher sends them.
    pub(crate) fn caught_up(&mut self) {
        self.video.iter_mut().chain(&mut self.audio).for_each(Lane::caught_up);
    }

    /// Whether there is sound only.
    pub(crate) fn has_no_pictures(&self) -> bool {
        self.video.is_none()
    }

    /// Takes a frame, unless this must end: then nothing was taken.
    pub(crate) fn frame(&mut self, frame: &Frame, station: &Station) -> Result<Taken, Error> {
        // With a keyframe, so that no picture is lost.
        if self.cutter.is_stalled() && frame.keyframe {
            return Ok(Taken::Stalled);
        }
        let place = match frame.track {
            TrackId::VIDEO if self.video.is_some() => self.timeline.video(frame.dts, frame.pts, frame.arrived),
            TrackId::AUDIO if self.audio.is_some() => {
                let samples = match self.audio_codec {
                    Some(AudioCodec::Opus) => sound::opus_samples(&frame.data),
                    _ => self.aac_samples,
                };
                self.timeline.audio(frame.pts, samples, frame.arrived)
            }
            _ => return Ok(Taken::Yes),
        };
        match place {
            Place::At(placed) => self.lay(frame, placed, station)?,
            Place::Nowhere => station.health.note(|report| report.dropped_frames += 1),
            Place::Jump => return Ok(Taken::Jumped),
        }
        Ok(Taken::Yes)
    }

    fn lay(&mut self, frame: &Frame, placed: Placed, station: &Station) -> Result<(), Error> {
        let is_video = frame.track == TrackId::VIDEO;
        let side = if is_video { Side::Video } else { Side::Audio };
        let coming = Coming { at: placed.at, shown: placed.shown(), keyframe: frame.keyframe };
        let cuts = self.cutter.frame(side, coming);
        let lane = if is_video { &mut self.video } else { &mut self.audio };
        let Some(lane) = lane else { return Ok(()) };
        lane.cut(&cuts)?;
        lane.frame(Laid {
            at: placed.at,
            composition_offset: placed.composition_offset,
            keyframe: frame.keyframe,
            arrived: frame.arrived,
            data: frame.data.clone(),
        })?;
        if is_video && frame.keyframe {
            self.note_health(station, placed.composition_offset > 0);
        }
        Ok(())
    }

    fn note_health(&self, station: &Station, b_frames: bool) {
        let interval = self.cutter.keyframe_interval();
        let config = &station.config;
        station.health.note(|report| {
            report.keyframe_interval = interval;
            // A frame more is what rounding and 29.97 fps make of it.
            report.keyframes_far = interval.is_some_and(|interval| interval > config.segment_duration.mul_f64(1.1));
            report.keyframes_too_far =
                interval.is_some_and(|interval| interval > config.target_duration_max.mul_f64(1.05));
            report.b_frames |= b_frames;
        });
    }

    /// Ends every lane at the same sequence number; all parts come out.
    pub(crate) async fn finish(mut self) -> Result<(), Error> {
        let frame = |lane: &Option<Lane>| lane.as_ref().map_or(Duration::ZERO, Lane::frame_length);
        let (video_frame, audio_frame) = (frame(&self.video), frame(&self.audio));
        let cuts = self.cutter.finish(video_frame, audio_frame);
        for (side, lane) in [(Side::Video, self.video.take()), (Side::Audio, self.audio.take())] {
            let Some(lane) = lane else { continue };
            if let Some(end) = lane.end() {
                self.session.reached(end);
            }
            let own: Vec<Cut> = cuts.iter().filter(|(of, _)| *of == side).map(|(_, cut)| *cut).collect();
            lane.finish(&own).await?;
        }
        Ok(())
    }
}

fn wall_clock(at: Instant) -> SystemTime {
    SystemTime::now() - at.elapsed()
}

fn spec(id: RenditionId, params: &TrackParams, measured: &Measured) -> RenditionSpec {
    let kind = match params {
        TrackParams::Video(video) => {
            let observed = 1.0 / measured.pace.frame.as_secs_f64();
            let coded =
                video.frame_rate.filter(|(_, per)| *per > 0).map(|(count, per)| f64::from(count) / f64::from(per));
            let agrees = |coded: &f64| (coded - observed).abs() <= observed * RATE_TOLERANCE;
            let frame_rate = coded.filter(agrees).unwrap_or_else(|| (observed * 100.0).round() / 100.0);
            RenditionKind::Video { width: video.width, height: video.height, frame_rate }
        }
        TrackParams::Audio(audio) => RenditionKind::Audio { channels: audio.channels, sample_rate: audio.sample_rate },
    };
    RenditionSpec { id, codecs: params.rfc6381().to_owned(), kind }
}

//! Frames on their way through timeline, cutter and muxers.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use weir_hls::{
    RenditionId, RenditionKind, RenditionSpec,
    cut::{Coming, Cut, Cutter, Lane as Side},
};
use weir_media::{AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams};

use crate::{
    error::Error,
    lane::{Laid, Plan},
    measure::Measured,
    seat::Seat,
    session::{Session, Station, make},
    sound,
    timeline::{Place, Placed, Timeline},
    tracks::{Tracks, rendition, side, track_of},
};

/// How far an observed frame rate may be from the one in the bitstream that is then announced.
const RATE_TOLERANCE: f64 = 0.02;
/// How long a layer's frame waits for the leading layer's of the same picture, which says whether a segment ends there:
/// layers are packets of their own, and come a little apart.
const HOLD_MAX: Duration = Duration::from_millis(150);
/// Frames that wait so at most.
const HELD_MAX: usize = 128;

/// A publish, up to the next jump of its clock or change of its parameters.
pub(crate) struct Running {
    timeline: Timeline,
    cutter: Cutter,
    session: Arc<Session>,
    seats: Vec<Seat>,
    /// Frames of layers that wait for the leading one.
    held: VecDeque<Frame>,
    /// When the newest picture of the leading layer is decoded.
    lead_dts: Option<Timestamp>,
    /// Number of the segment that began with this.
    first_msn: u64,
    /// The wall clock where the stream's timeline is zero.
    zero: SystemTime,
    measured: Measured,
    is_live: bool,
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
    /// Opens or continues the channel's session, and starts the muxers of these tracks. The first of them leads.
    pub(crate) fn start(station: &Station, tracks: &[Arc<Track>], measured: Measured) -> Result<Self, Error> {
        let session = station.session(make(tracks))?;
        let is_continued = session.timing().is_some();
        let known = session.renditions();
        session.discontinue(&known);
        let first_msn = known.iter().map(|rendition| session.writer.next_msn(rendition)).max().unwrap_or(0);
        let wishes = station.config.wishes();
        let lead = tracks.first();
        let lead_frame =
            if lead.is_some_and(|lead| lead.params.is_video()) { measured.pace.frame } else { measured.audio_frame };
        let timing = session.timing().unwrap_or_else(|| wishes.timing(lead_frame, measured.first_segment));
        session.describe(timing, tracks.iter().map(|track| spec(track, &measured)).collect());
        let is_main = |track: &&Arc<Track>| track.id == TrackId::AUDIO || Some(track.id) == lead.map(|lead| lead.id);
        let sides: Vec<_> = tracks.iter().filter(is_main).map(|track| side(track.id)).collect();
        let mut cutter = Cutter::with(timing, wishes, &sides);
        if let Some(interval) = measured.keyframe_interval {
            cutter.expect_keyframes(interval);
        }
        let base = session.end();
        let zero = wall_clock(measured.arrived).checked_sub(base).unwrap_or(SystemTime::UNIX_EPOCH);
        let timeline = Timeline::new(base, measured.origin, measured.pace.frame, measured.audio_hz);
        let mut running = Self {
            timeline,
            cutter,
            session,
            seats: Vec::new(),
            held: VecDeque::new(),
            lead_dts: None,
            first_msn,
            zero,
            measured,
            is_live: false,
        };
        for track in tracks {
            if is_continued && !known.contains(&rendition(track.id)) {
                running.session.add(spec(track, &running.measured), first_msn);
            }
            let at = running.seat(station, track.id);
            if is_main(&track) {
                running.seats[at].sit(track, &running.measured)?;
            }
        }
        // The others come with their first keyframe; so do those that an earlier publish had.
        let away: Vec<_> = tracks.iter().filter(|track| !is_main(track)).map(|track| track.id).collect();
        let earlier = known.iter().filter_map(track_of).filter(|id| !tracks.iter().any(|track| track.id == *id));
        for track in away.into_iter().chain(earlier) {
            running.seat(station, track);
            running.cutter.expect(side(track));
        }
        running.note_start(station);
        Ok(running)
    }

    fn note_start(&self, station: &Station) {
        let has_pictures = !self.has_no_pictures();
        station.health.note(|report| {
            report.waits_for_keyframe = false;
            if has_pictures {
                report.frame_rate = Some(1.0 / self.measured.pace.frame.as_secs_f64());
                report.variable_frame_rate = self.measured.pace.variable;
            }
        });
    }

    /// What was gathered is through: from now on frames come as the publisher sends them.
    pub(crate) fn caught_up(&mut self) {
        self.is_live = true;
        self.seats.iter_mut().for_each(Seat::caught_up);
    }

    /// Whether there is sound only.
    pub(crate) fn has_no_pictures(&self) -> bool {
        !self.cutter.lead().is_video()
    }

    /// A track has other parameters from now on. `false` when this must end for it; else it goes, and comes back with
    /// its next keyframe.
    pub(crate) async fn changed(&mut self, track: &Track) -> bool {
        let side = side(track.id);
        let is_new_kind = side.is_video() && self.has_no_pictures();
        if is_new_kind || side == Side::Audio || side == self.cutter.lead() {
            return false;
        }
        self.leave(side).await;
        true
    }

    /// Takes a frame, unless this must end: then nothing was taken.
    pub(crate) async fn frame(&mut self, frame: &Frame, tracks: &Tracks, station: &Station) -> Result<Taken, Error> {
        // With a keyframe, so that no picture is lost.
        if self.cutter.is_stalled() && frame.keyframe {
            return Ok(Taken::Stalled);
        }
        // Behind those of its track that wait already.
        if self.waits(frame) || self.held.iter().any(|held| held.track == frame.track) {
            self.held.push_back(frame.clone());
        } else {
            let taken = self.take(frame, tracks, station).await?;
            if taken != Taken::Yes {
                return Ok(taken);
            }
        }
        while self.held.len() > HELD_MAX || self.held.front().is_some_and(|held| self.is_due(held, frame.arrived)) {
            let Some(held) = self.held.pop_front() else { break };
            let taken = self.take(&held, tracks, station).await?;
            if taken != Taken::Yes {
                return Ok(taken);
            }
        }
        while let Some(gone) = self.cutter.gone() {
            if !self.leave(gone).await {
                break;
            }
        }
        Ok(Taken::Yes)
    }

    /// Whether a frame must wait for the leading layer's.
    fn waits(&self, frame: &Frame) -> bool {
        let side = side(frame.track);
        side.is_video() && side != self.cutter.lead() && self.lead_dts.is_some_and(|lead| frame.dts > lead)
    }

    fn is_due(&self, held: &Frame, now: Instant) -> bool {
        !self.waits(held) || now.saturating_duration_since(held.arrived) > HOLD_MAX
    }

    async fn take(&mut self, frame: &Frame, tracks: &Tracks, station: &Station) -> Result<Taken, Error> {
        let side = side(frame.track);
        let Some(track) = tracks.get(frame.track) else { return Ok(Taken::Yes) };
        let is_main = side == Side::Audio || side == self.cutter.lead();
        let is_here = self.seats.iter().any(|seat| seat.side == side && seat.is_taken());
        if !is_here && (is_main || !frame.keyframe || !self.may_come(track)) {
            return Ok(Taken::Yes);
        }
        if let (TrackParams::Audio(audio), false) = (&track.params, is_here) {
            self.timeline.sound(track.id, audio.sample_rate);
        }
        let place = match &track.params {
            TrackParams::Video(_) => self.timeline.video(frame.track, frame.dts, frame.pts, frame.arrived),
            TrackParams::Audio(audio) => {
                let samples = match audio.codec {
                    AudioCodec::Opus => sound::opus_samples(&frame.data),
                    AudioCodec::Aac if side == Side::Audio => self.measured.aac_samples,
                    AudioCodec::Aac => sound::aac_samples(audio, None),
                };
                self.timeline.audio(frame.track, frame.pts, samples, frame.arrived)
            }
        };
        match place {
            Place::At(placed) => {
                if !is_here && !self.join(side, track, placed.at, station)? {
                    return Ok(Taken::Yes);
                }
                self.lay(side, frame, placed, station)?;
            }
            Place::Nowhere if !is_main => {}
            Place::Nowhere => station.health.note(|report| report.dropped_frames += 1),
            Place::Jump if is_main => return Ok(Taken::Jumped),
            Place::Jump => {
                self.leave(side).await;
            }
        }
        Ok(Taken::Yes)
    }

    /// Whether a track that is not there may come: its codec is the session's.
    fn may_come(&self, track: &Track) -> bool {
        match (&track.params, side(track.id)) {
            (TrackParams::Video(video), _) => {
                self.session.make().video == Some(video.codec) && video.width > 0 && video.height > 0
            }
            (TrackParams::Audio(_), side) => side != Side::Audio,
        }
    }

    /// Where the track's rendition is, made if it is new.
    fn seat(&mut self, station: &Station, track: TrackId) -> usize {
        let side = side(track);
        self.seats.iter().position(|seat| seat.side == side).unwrap_or_else(|| {
            let plan = Plan::new(rendition(track), self.session.clone(), station.spool.clone(), self.zero);
            self.seats.push(Seat::new(side, plan));
            self.seats.len() - 1
        })
    }

    /// A track comes with a frame there. `false` for one that is too late for its place.
    fn join(&mut self, side: Side, track: &Track, at: Duration, station: &Station) -> Result<bool, Error> {
        let Some(cuts) = self.cutter.join(side, at) else { return Ok(false) };
        let id = rendition(track.id);
        if !self.session.renditions().contains(&id) {
            self.session.add(spec(track, &self.measured), self.first_msn + self.cutter.segments());
        }
        let index = self.seat(station, track.id);
        let seat = &mut self.seats[index];
        seat.cut(&cuts)?;
        seat.sit(track, &self.measured)?;
        if self.is_live {
            seat.caught_up();
        }
        Ok(true)
    }

    /// A track went, as far as can be seen. `false` when it stays: no other can lead; or it was not there.
    async fn leave(&mut self, side: Side) -> bool {
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.side == side && seat.is_taken()) else {
            return false;
        };
        let led = self.cutter.lead() == side;
        let cuts = self.cutter.leave(side, seat.frame_length());
        if self.cutter.lead() == side {
            return false;
        }
        seat.leave(&cuts).await;
        if let Some(track) = seat.track() {
            self.timeline.forget(track);
        }
        if led {
            self.lead_dts = None;
        }
        true
    }

    fn lay(&mut self, side: Side, frame: &Frame, placed: Placed, station: &Station) -> Result<(), Error> {
        let coming = Coming { at: placed.at, shown: placed.shown(), keyframe: frame.keyframe };
        for (of, cut) in self.cutter.frame(side, coming) {
            if let Some(seat) = self.seats.iter_mut().find(|seat| seat.side == of) {
                seat.cut(&[cut])?;
            }
        }
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.side == side) else { return Ok(()) };
        seat.frame(Laid {
            at: placed.at,
            composition_offset: placed.composition_offset,
            keyframe: frame.keyframe,
            arrived: frame.arrived,
            data: frame.data.clone(),
        })?;
        if side.is_video() && side == self.cutter.lead() {
            self.lead_dts = Some(frame.dts);
            if frame.keyframe {
                self.note_health(station, placed.composition_offset > 0);
            }
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
        let seats = &self.seats;
        let frame = |side: Side| seats.iter().find(|seat| seat.side == side).map_or(Duration::ZERO, Seat::frame_length);
        let cuts = self.cutter.finish(frame);
        for seat in self.seats {
            if let Some(end) = seat.end() {
                self.session.reached(end);
            }
            let own: Vec<Cut> = cuts.iter().filter(|(of, _)| *of == seat.side).map(|(_, cut)| *cut).collect();
            seat.finish(own).await?;
        }
        Ok(())
    }
}

fn wall_clock(at: Instant) -> SystemTime {
    SystemTime::now() - at.elapsed()
}

fn spec(track: &Track, measured: &Measured) -> RenditionSpec {
    let kind = match &track.params {
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
    let id: RenditionId = rendition(track.id);
    RenditionSpec { id, codecs: track.params.rfc6381().to_owned(), kind }
}

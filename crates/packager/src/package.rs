//! One publish becomes parts of its channel's playlist.
//!
//! First frames are gathered: until the announced tracks are there, a keyframe came and, for a new playlist, the first
//! segment is whole, so that PART-TARGET and TARGETDURATION can be fixed. Then they run through: laid on the timeline,
//! cut, muxed. A jump of the clock or new parameters end what runs, and gathering begins again.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tracing::{debug, info};
use weir_media::{Event, Frame, Live, Track, TrackId, TrackParams};

use crate::{
    error::Error,
    intake::Intake,
    measure::{Measured, first_segment},
    running::{Running, Taken},
    session::{Station, make},
    tracks::{AAC_SOUND, Tracks},
};

/// How long a track that may come is waited for, after the first frame.
const TRACKS_WAIT: Duration = Duration::from_secs(1);
/// How long the first picture of an announced track is waited for while there is sound.
const PICTURE_WAIT: Duration = Duration::from_secs(3);
/// How much longer than the longest segment the first one is waited for: a clock that stands still never fills it.
const FIRST_SEGMENT_SLACK: Duration = Duration::from_secs(2);
/// How long a publisher may send without anything that can be shown.
const USELESS_MAX: Duration = Duration::from_secs(30);
/// Frames gathered at most: 15 s at 120 fps with sound.
const GATHERED_FRAMES_MAX: usize = 4096;
/// Bytes gathered at most: 10 s at 50 Mbit/s.
const GATHERED_BYTES_MAX: usize = 64 << 20;

/// A frame of these bytes panics, for tests of what else goes on then.
#[cfg(test)]
pub(crate) const POISON: &[u8] = b"a frame that panics";

/// One publish on its way into the playlist.
pub(crate) struct Package {
    station: Arc<Station>,
    live: Arc<Live>,
    tracks: Tracks,
    state: State,
}

enum State {
    Gathering(Gathered),
    Running(Box<Running>),
}

#[derive(Default)]
struct Gathered {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Pictures came, even if nothing can start with them.
    pictures: bool,
    /// When the first frame came, of any kind.
    since: Option<Instant>,
}

impl Package {
    pub(crate) fn new(station: Arc<Station>, live: Arc<Live>) -> Self {
        Self { station, live, tracks: Tracks::default(), state: State::Gathering(Gathered::default()) }
    }

    /// Packages until the publish ends, or it is told to finish.
    ///
    /// # Errors
    /// When GStreamer fails, or what is published cannot be packaged.
    pub(crate) async fn run(mut self, mut events: Intake, finish: Arc<Notify>) -> Result<(), Error> {
        loop {
            let deadline = self.deadline();
            let event = tokio::select! {
                biased;
                () = finish.notified() => return self.finish().await,
                event = events.next() => event,
                () = sleep_until(deadline) => {
                    self.gathered(Instant::now()).await?;
                    continue;
                }
            };
            match event {
                Some(Event::Track(track)) => self.track(track).await?,
                Some(Event::Frame(frame)) => self.frame(frame).await?,
                Some(Event::Lost) => {
                    info!("too slow for the publisher: frames were skipped");
                    self.station.health.note(|report| report.skips += 1);
                }
                None => return self.finish().await,
            }
        }
    }

    /// When gathering must be looked at again without a frame.
    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Gathering(gathered) => gathered.since.map(|since| {
                let now = Instant::now();
                [TRACKS_WAIT, PICTURE_WAIT, USELESS_MAX]
                    .into_iter()
                    .map(|wait| since + wait)
                    .find(|at| *at > now)
                    .unwrap_or(now + TRACKS_WAIT)
            }),
            State::Running(_) => None,
        }
    }

    pub(crate) async fn track(&mut self, track: Arc<Track>) -> Result<(), Error> {
        if !track.params.is_video() && ![TrackId::AUDIO, AAC_SOUND].contains(&track.id) {
            debug!(id = ?track.id, "a track that is not packaged");
            return Ok(());
        }
        if !self.tracks.set(track.clone()) {
            return Ok(());
        }
        info!(id = track.id.0, codecs = track.params.rfc6381(), "track");
        match &mut self.state {
            // What was gathered of this track had other parameters.
            State::Gathering(gathered) => gathered.forget(track.id),
            State::Running(running) => {
                if !running.changed(&track).await {
                    self.interrupt().await?;
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn frame(&mut self, frame: Frame) -> Result<(), Error> {
        #[cfg(test)]
        assert_ne!(&frame.data[..], POISON, "asked to");
        match &mut self.state {
            State::Gathering(gathered) => {
                let arrived = frame.arrived;
                gathered.take(frame, &mut self.tracks);
                self.gathered(arrived).await
            }
            State::Running(running) => {
                if frame.keyframe {
                    self.tracks.size_of_picture(&frame);
                }
                let is_picture = self.tracks.get(frame.track).is_some_and(|track| track.params.is_video());
                if is_picture && frame.keyframe && running.has_no_pictures() {
                    self.interrupt().await?;
                    return Box::pin(self.frame(frame)).await;
                }
                match running.frame(&frame, &self.tracks, &self.station).await? {
                    Taken::Yes => return Ok(()),
                    Taken::Stalled => debug!("a track stands still"),
                    Taken::Jumped => {
                        info!("the publisher's clock jumped");
                        self.station.health.note(|report| report.clock_jumps += 1);
                    }
                }
                self.interrupt().await?;
                if let State::Gathering(gathered) = &mut self.state {
                    gathered.take(frame, &mut self.tracks);
                }
                Ok(())
            }
        }
    }

    /// Ends what runs; gathering begins again.
    async fn interrupt(&mut self) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.state, State::Gathering(Gathered::default()));
        if let State::Running(running) = before { running.finish().await } else { Ok(()) }
    }

    /// Starts, if enough was gathered by `now`.
    async fn gathered(&mut self, now: Instant) -> Result<(), Error> {
        let State::Gathering(gathered) = &mut self.state else { return Ok(()) };
        let Some(since) = gathered.since else { return Ok(()) };
        let waited = now.saturating_duration_since(since);
        let pictures = gathered.pictures_of(&self.tracks);
        let (has_keyframe, has_video) = (!pictures.is_empty(), self.tracks.pictures().next().is_some());
        self.station.health.note(|report| report.waits_for_keyframe = has_video && !has_keyframe);
        let not_yet = || {
            if waited <= USELESS_MAX {
                return Ok(());
            }
            Err(Error::Unsupported("Nothing that can be shown came within 30 seconds. Check the encoder.".into()))
        };
        let announced = self.live.announced();
        let nothing_announced = !announced.video && !announced.audio;
        let wants_video = announced.video || nothing_announced;
        let wants_audio = announced.audio || nothing_announced;
        let has_audio = self.tracks.sound().is_some();
        let is_missing = (wants_video && !has_video) || (wants_audio && !has_audio);
        if is_missing && waited < TRACKS_WAIT {
            return Ok(());
        }
        // Where pictures were announced, but none comes: it goes on with sound alone.
        if has_video && !has_keyframe && (gathered.pictures || waited < PICTURE_WAIT || !has_audio) {
            return not_yet();
        }
        if !has_keyframe && !gathered.frames.iter().any(|frame| frame.track == TrackId::AUDIO) {
            return not_yet();
        }
        let tracks = with_sound(pictures, &self.tracks);
        let is_known = self.station.continued(make(&tracks)).is_some_and(|session| session.timing().is_some());
        let wishes = self.station.config.wishes();
        let is_late = gathered.is_full() || waited > wishes.target_duration_max + FIRST_SEGMENT_SLACK;
        let lead = lead(&tracks);
        if !is_known && has_keyframe && first_segment(&gathered.frames, lead, &wishes).is_none() && !is_late {
            // What will be published is known: whoever asks for the playlist from now on waits for it.
            self.station.session(make(&tracks))?;
            return Ok(());
        }
        self.start(tracks).await
    }

    /// Fixes the timing, makes the lanes, and sends what was gathered through them. The first track leads.
    async fn start(&mut self, tracks: Vec<Arc<Track>>) -> Result<(), Error> {
        let State::Gathering(gathered) = &mut self.state else { return Ok(()) };
        let mut frames = std::mem::take(&mut gathered.frames);
        // A track that was announced but sent nothing yet is there all the same.
        let audio = self.tracks.sound().cloned();
        let measured = Measured::of(&frames, lead(&tracks), audio.as_deref(), &self.station.config.wishes());
        let running = Running::start(&self.station, &tracks, measured)?;
        self.state = State::Running(Box::new(running));
        while let Some(frame) = frames.pop_front() {
            match &mut self.state {
                State::Running(running) => {
                    if running.frame(&frame, &self.tracks, &self.station).await? != Taken::Yes {
                        self.interrupt().await?;
                        frames.push_front(frame);
                    }
                }
                State::Gathering(gathered) => gathered.take(frame, &mut self.tracks),
            }
        }
        if let State::Running(running) = &mut self.state {
            running.caught_up();
        }
        Ok(())
    }

    /// The publish ended. What is there is shown, however short.
    pub(crate) async fn finish(mut self) -> Result<(), Error> {
        if let State::Gathering(gathered) = &self.state {
            let pictures = gathered.pictures_of(&self.tracks);
            if !pictures.is_empty() || gathered.frames.iter().any(|frame| frame.track == TrackId::AUDIO) {
                let tracks = with_sound(pictures, &self.tracks);
                self.start(tracks).await?;
            }
        }
        self.interrupt().await
    }
}

/// The pictures, best first, then the publisher's sound, then what is made of that.
fn with_sound(pictures: Vec<Arc<Track>>, tracks: &Tracks) -> Vec<Arc<Track>> {
    let made = tracks.get(AAC_SOUND).filter(|_| tracks.sound().is_some());
    pictures.into_iter().chain(tracks.sound().cloned()).chain(made.cloned()).collect()
}

/// The track that leads.
fn lead(tracks: &[Arc<Track>]) -> TrackId {
    tracks.first().map_or(TrackId::AUDIO, |track| track.id)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Gathered {
    fn take(&mut self, frame: Frame, tracks: &mut Tracks) {
        self.since.get_or_insert(frame.arrived);
        if tracks.get(frame.track).is_none_or(|track| track.params.is_video()) && frame.track != TrackId::AUDIO {
            self.pictures = true;
            if !frame.keyframe && !self.has_keyframe_of(frame.track) {
                return;
            }
            if frame.keyframe {
                tracks.size_of_picture(&frame);
            }
        }
        while self.is_full()
            && let Some(oldest) = self.frames.pop_front()
        {
            self.bytes -= oldest.data.len();
        }
        self.bytes += frame.data.len();
        self.frames.push_back(frame);
    }

    fn forget(&mut self, track: TrackId) {
        self.frames.retain(|frame| frame.track != track);
        self.bytes = self.frames.iter().map(|frame| frame.data.len()).sum();
    }

    fn has_keyframe_of(&self, track: TrackId) -> bool {
        self.frames.iter().any(|frame| frame.track == track && frame.keyframe)
    }

    /// The layers of which there is a keyframe, best first, and of the best one's codec.
    fn pictures_of(&self, tracks: &Tracks) -> Vec<Arc<Track>> {
        let codec = |track: &Track| match &track.params {
            TrackParams::Video(video) => Some(video.codec),
            TrackParams::Audio(_) => None,
        };
        let mut pictures: Vec<_> = tracks.pictures().filter(|track| self.has_keyframe_of(track.id)).cloned().collect();
        let best = pictures.first().and_then(|track| codec(track));
        pictures.retain(|track| codec(track) == best);
        pictures
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= GATHERED_FRAMES_MAX || self.bytes >= GATHERED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weir_media::Timestamp;

    use super::*;

    #[test]
    fn what_waits_for_a_keyframe_is_bounded_in_bytes() {
        let mut gathered = Gathered::default();
        let data = Bytes::from(vec![0; 8 << 20]);
        for at in 0..100 {
            let time = Timestamp::from_millis(at * 20);
            let (track, arrived) = (TrackId::AUDIO, Instant::now());
            let sound = Frame { track, pts: time, dts: time, keyframe: true, arrived, data: data.clone() };
            gathered.take(sound, &mut Tracks::default());
            assert!(gathered.bytes <= GATHERED_BYTES_MAX + data.len());
        }
        assert_eq!(gathered.bytes, gathered.frames.len() * data.len());
    }
}

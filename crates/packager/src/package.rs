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
use weir_media::{Event, Frame, Live, Subscriber, Track, TrackId, TrackParams, VideoCodec, VideoParams, codec};

use crate::{
    error::Error,
    measure::{Measured, first_segment},
    running::{Running, Taken},
    session::{Station, make},
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
    video: Option<Arc<Track>>,
    audio: Option<Arc<Track>>,
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
        Self { station, live, video: None, audio: None, state: State::Gathering(Gathered::default()) }
    }

    /// Packages until the publish ends, or it is told to finish.
    ///
    /// # Errors
    /// When GStreamer fails, or what is published cannot be packaged.
    pub(crate) async fn run(mut self, mut events: Subscriber, finish: Arc<Notify>) -> Result<(), Error> {
        loop {
            let deadline = self.deadline();
            let event = tokio::select! {
                biased;
                () = finish.notified() => return self.finish().await,
                event = events.recv() => event,
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
        let slot = match track.id {
            TrackId::VIDEO => &mut self.video,
            TrackId::AUDIO => &mut self.audio,
            other => {
                debug!(?other, "a track that is not packaged");
                return Ok(());
            }
        };
        if slot.as_ref().is_some_and(|known| same(known, &track)) {
            return Ok(());
        }
        info!(codecs = track.params.rfc6381(), "track");
        *slot = Some(track.clone());
        match &mut self.state {
            // What was gathered of this track had other parameters.
            State::Gathering(gathered) => gathered.forget(track.id),
            State::Running(_) => self.interrupt().await?,
        }
        Ok(())
    }

    pub(crate) async fn frame(&mut self, frame: Frame) -> Result<(), Error> {
        #[cfg(test)]
        assert_ne!(&frame.data[..], POISON, "asked to");
        match &mut self.state {
            State::Gathering(gathered) => {
                let arrived = frame.arrived;
                gathered.take(frame, &mut self.video);
                self.gathered(arrived).await
            }
            State::Running(running) => {
                let is_new = frame.track == TrackId::VIDEO && frame.keyframe && running.has_no_pictures();
                if is_new && self.video.is_some() {
                    self.interrupt().await?;
                    return Box::pin(self.frame(frame)).await;
                }
                match running.frame(&frame, &self.station)? {
                    Taken::Yes => return Ok(()),
                    Taken::Stalled => debug!("a track stands still"),
                    Taken::Jumped => {
                        info!("the publisher's clock jumped");
                        self.station.health.note(|report| report.clock_jumps += 1);
                    }
                }
                self.interrupt().await?;
                if let State::Gathering(gathered) = &mut self.state {
                    gathered.take(frame, &mut self.video);
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
        let has_keyframe = gathered.has_keyframe();
        self.station.health.note(|report| report.waits_for_keyframe = self.video.is_some() && !has_keyframe);
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
        let is_missing = (wants_video && self.video.is_none()) || (wants_audio && self.audio.is_none());
        if is_missing && waited < TRACKS_WAIT {
            return Ok(());
        }
        let mut video = self.video.clone();
        if video.is_some() && !has_keyframe {
            if gathered.pictures || waited < PICTURE_WAIT || self.audio.is_none() {
                return not_yet();
            }
            // Pictures were announced, but none comes: go on with sound alone.
            video = None;
        }
        if video.is_none() && !gathered.frames.iter().any(|frame| frame.track == TrackId::AUDIO) {
            return not_yet();
        }
        let make = make(video.as_deref().map(|track| &track.params), self.audio.as_deref().map(|track| &track.params));
        let is_known = self.station.continued(make).is_some_and(|session| session.timing().is_some());
        let wishes = self.station.config.wishes();
        let is_late = gathered.is_full() || waited > wishes.target_duration_max + FIRST_SEGMENT_SLACK;
        if !is_known && video.is_some() && first_segment(&gathered.frames, &wishes).is_none() && !is_late {
            // What will be published is known: whoever asks for the playlist from now on waits for it.
            self.station.session(make)?;
            return Ok(());
        }
        self.start(video).await
    }

    /// Fixes the timing, makes the lanes, and sends what was gathered through them.
    async fn start(&mut self, video: Option<Arc<Track>>) -> Result<(), Error> {
        let State::Gathering(gathered) = &mut self.state else { return Ok(()) };
        let mut frames = std::mem::take(&mut gathered.frames);
        // A track that was announced but sent nothing yet is there all the same.
        let audio = self.audio.clone();
        let measured = Measured::of(&frames, self.audio.as_deref(), &self.station.config.wishes());
        let running = Running::start(&self.station, video.as_deref(), audio.as_deref(), &measured)?;
        self.state = State::Running(Box::new(running));
        while let Some(frame) = frames.pop_front() {
            match &mut self.state {
                State::Running(running) => {
                    if running.frame(&frame, &self.station)? != Taken::Yes {
                        self.interrupt().await?;
                        frames.push_front(frame);
                    }
                }
                State::Gathering(gathered) => gathered.take(frame, &mut self.video),
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
            let video = self.video.clone().filter(|_| gathered.has_keyframe());
            if video.is_some() || gathered.frames.iter().any(|frame| frame.track == TrackId::AUDIO) {
                self.start(video).await?;
            }
        }
        self.interrupt().await
    }
}

/// Whether two versions of a track are the same to a muxer. Where the configuration has no size, frames tell it, and
/// the one with a size is kept.
fn same(known: &Track, new: &Track) -> bool {
    match (&known.params, &new.params) {
        (TrackParams::Video(known), TrackParams::Video(new)) if new.width == 0 => {
            known.codec == new.codec && known.config == new.config
        }
        (known, new) => known == new,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Gathered {
    fn take(&mut self, frame: Frame, video: &mut Option<Arc<Track>>) {
        self.since.get_or_insert(frame.arrived);
        if frame.track == TrackId::VIDEO {
            self.pictures = true;
            let has_keyframe = self.has_keyframe();
            if !has_keyframe && !frame.keyframe {
                return;
            }
            if frame.keyframe {
                size_of_picture(video, &frame);
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

    fn has_keyframe(&self) -> bool {
        self.frames.iter().any(|frame| frame.track == TrackId::VIDEO && frame.keyframe)
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= GATHERED_FRAMES_MAX || self.bytes >= GATHERED_BYTES_MAX
    }
}

/// Where the configuration record has no picture size, a keyframe tells it.
fn size_of_picture(video: &mut Option<Arc<Track>>, frame: &Frame) {
    let Some(track) = video else { return };
    let TrackParams::Video(params) = &track.params else { return };
    if params.width != 0 {
        return;
    }
    let size = match params.codec {
        VideoCodec::Vp8 => codec::vp8_dimensions(&frame.data),
        VideoCodec::Vp9 => codec::vp9_dimensions(&frame.data),
        VideoCodec::Av1 => codec::av1_dimensions(&frame.data),
        VideoCodec::H264 | VideoCodec::Hevc => None,
    };
    if let Some((width, height)) = size {
        let params = VideoParams { width, height, ..params.clone() };
        *video = Some(Arc::new(Track { id: track.id, params: TrackParams::Video(params) }));
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
            gathered.take(sound, &mut None);
            assert!(gathered.bytes <= GATHERED_BYTES_MAX + data.len());
        }
        assert_eq!(gathered.bytes, gathered.frames.len() * data.len());
    }
}

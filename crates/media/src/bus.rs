//! Bounded fan-out from one publisher to whoever listens.
//!
//! One ring a publish. A frame leaves the ring when its last subscriber has read it; a subscriber that falls behind by
//! more than [`BUS_LAG_MAX`] events hears [`Event::Lost`], and then nothing before the next keyframe. The publisher
//! never waits. Where it is asked to, a bus keeps what came since the last keyframe for those who come late.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

use crate::{
    frame::{Frame, TrackId},
    gop::{Gop, Unit},
    track::Track,
};

/// Events a subscriber may lag before it skips to the next keyframe: 2 s at 60 fps with 48 kHz AAC beside it.
pub const BUS_LAG_MAX: usize = 256;
/// Tracks a publish may have: what simulcast with three layers and sound needs, twice.
pub const TRACKS_MAX: usize = 8;

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub enum Event {
    /// A track begins, or its parameters change with the frames that follow.
    Track(Arc<Track>),
    /// The next frame, in the order the publisher sent.
    Frame(Frame),
    /// The subscriber was too slow and frames were lost. Every current [`Event::Track`] follows, then frames from the
    /// next keyframe on.
    Lost,
}

/// The publisher's end.
#[derive(Debug)]
pub(crate) struct Bus {
    ring: broadcast::Sender<Event>,
    tracks: Mutex<Vec<Arc<Track>>>,
    /// What came since the last keyframe, where that is kept. Locked after `tracks`, and while the ring is written to:
    /// what it holds at any moment is exactly what the ring had until then.
    gop: Option<Mutex<Gop<Frame>>>,
}

impl Bus {
    /// A bus that keeps what came since the last keyframe, or one that does not.
    pub(crate) fn new(keeps_gop: bool) -> Arc<Self> {
        let gop = keeps_gop.then(Mutex::default);
        Arc::new(Self { ring: broadcast::Sender::new(BUS_LAG_MAX), tracks: Mutex::default(), gop })
    }

    /// Sets a track. Returns false when the publish has too many; nothing changes then.
    pub(crate) fn set_track(&self, track: Track) -> bool {
        let mut tracks = self.tracks.lock();
        let track = Arc::new(track);
        match tracks.iter().position(|known| known.id == track.id) {
            Some(at) if tracks[at] == track => return true,
            Some(at) => {
                tracks[at] = track.clone();
                if let Some(gop) = &self.gop {
                    gop.lock().forget(track.id);
                }
            }
            None if tracks.len() == TRACKS_MAX => return false,
            None => tracks.push(track.clone()),
        }
        // An error means that no one listens, which is no one's loss.
        let _ = self.ring.send(Event::Track(track));
        true
    }

    pub(crate) fn send(&self, frame: Frame) {
        let Some(gop) = &self.gop else {
            let _ = self.ring.send(Event::Frame(frame));
            return;
        };
        let video = self.is_video(frame.track);
        let unit = Unit { track: frame.track, video, keyframe: frame.keyframe, bytes: frame.data.len() };
        let mut gop = gop.lock();
        gop.push(unit, frame.clone());
        let _ = self.ring.send(Event::Frame(frame));
    }

    fn is_video(&self, id: TrackId) -> bool {
        self.tracks.lock().iter().any(|track| track.id == id && track.params.is_video())
    }

    pub(crate) fn tracks(&self) -> Vec<Arc<Track>> {
        self.tracks.lock().clone()
    }

    pub(crate) fn subscribe(self: &Arc<Self>, ended: tokio::sync::watch::Receiver<bool>) -> Subscriber {
        let tracks = self.tracks.lock();
        Subscriber {
            ring: self.ring.subscribe(),
            greeting: tracks.iter().rev().cloned().collect(),
            kept: Vec::new().into_iter(),
            waits_for_keyframe: false,
            ended,
            bus: self.clone(),
        }
    }

    /// Listens from the last keyframe on: nothing is lost or doubled between what was kept and what comes.
    pub(crate) fn subscribe_from_keyframe(self: &Arc<Self>, ended: tokio::sync::watch::Receiver<bool>) -> Subscriber {
        let tracks = self.tracks.lock();
        let gop = self.gop.as_ref().map(|gop| gop.lock());
        let kept: Vec<Frame> = gop.as_ref().map(|gop| gop.iter().cloned().collect()).unwrap_or_default();
        Subscriber {
            ring: self.ring.subscribe(),
            greeting: tracks.iter().rev().cloned().collect(),
            kept: kept.into_iter(),
            waits_for_keyframe: false,
            ended,
            bus: self.clone(),
        }
    }
}

/// A source of events that is no publish of its own: what is made of one. Dropping it ends it.
#[derive(Debug)]
pub struct Feed {
    bus: Arc<Bus>,
    ended: tokio::sync::watch::Sender<bool>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { bus: Bus::new(false), ended: tokio::sync::watch::Sender::new(false) }
    }
}

impl Feed {
    /// Begins a track or changes its parameters; the same parameters again change nothing. False when there are
    /// [`TRACKS_MAX`] others.
    pub fn set_track(&self, track: Track) -> bool {
        self.bus.set_track(track)
    }

    /// Hands a frame to whoever listens. Never waits.
    pub fn send(&self, frame: Frame) {
        self.bus.send(frame);
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscriber {
        self.bus.subscribe(self.ended.subscribe())
    }

    /// Nothing more comes: listeners hear the end once they have read what was sent.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}

/// One listener's end: first every current track, then what the publisher sends.
#[derive(Debug)]
pub struct Subscriber {
    ring: broadcast::Receiver<Event>,
    /// Tracks yet to be told, last first.
    greeting: Vec<Arc<Track>>,
    /// Frames from before it began to listen, told after the tracks.
    kept: std::vec::IntoIter<Frame>,
    waits_for_keyframe: bool,
    ended: tokio::sync::watch::Receiver<bool>,
    bus: Arc<Bus>,
}

impl Subscriber {
    /// The next event, or `None` once the publish has ended and everything before was read. Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            if let Some(track) = self.greeting.pop() {
                return Some(Event::Track(track));
            }
            if let Some(frame) = self.kept.next() {
                return Some(Event::Frame(frame));
            }
            let received = match self.try_ring() {
                Some(received) => received,
                None if *self.ended.borrow() => return None,
                None => tokio::select! {
                    biased;
                    received = self.ring.recv() => received,
                    _ = self.ended.wait_for(|ended| *ended) => continue,
                },
            };
            match received {
                Ok(event) => {
                    if let Some(event) = self.admit(event) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(_)) => return Some(self.lost()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        loop {
            if let Some(track) = self.greeting.pop() {
                return Some(Event::Track(track));
            }
            if let Some(frame) = self.kept.next() {
                return Some(Event::Frame(frame));
            }
            match self.try_ring()? {
                Ok(event) => {
                    if let Some(event) = self.admit(event) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(_)) => return Some(self.lost()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn try_ring(&mut self) -> Option<Result<Event, RecvError>> {
        match self.ring.try_recv() {
            Ok(event) => Some(Ok(event)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
            Err(TryRecvError::Lagged(count)) => Some(Err(RecvError::Lagged(count))),
        }
    }

    /// Passes an event on, unless it is a frame that cannot be decoded after a loss.
    fn admit(&mut self, event: Event) -> Option<Event> {
        if let (true, Event::Frame(frame)) = (self.waits_for_keyframe, &event) {
            if !frame.keyframe || self.is_sound_beside_video(frame.track) {
                return None;
            }
            self.waits_for_keyframe = false;
        }
        Some(event)
    }

    fn is_sound_beside_video(&self, id: TrackId) -> bool {
        let tracks = self.bus.tracks.lock();
        let is_video = |track: &Arc<Track>| track.params.is_video();
        tracks.iter().any(is_video) && !tracks.iter().any(|track| track.id == id && is_video(track))
    }

    fn lost(&mut self) -> Event {
        self.waits_for_keyframe = true;
        self.greeting = self.bus.tracks();
        self.greeting.reverse();
        Event::Lost
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::{
        time::Timestamp,
        track::{AudioCodec, AudioParams, TrackParams, VideoCodec, VideoParams},
    };

    fn video(width: u32) -> Track {
        let params = VideoParams {
            codec: VideoCodec::H264,
            config: Bytes::new(),
            width,
            height: 2,
            frame_rate: None,
            rfc6381: "avc1.42001f".into(),
        };
        Track { id: TrackId::VIDEO, params: TrackParams::Video(params) }
    }

    fn audio() -> Track {
        let params = AudioParams {
            codec: AudioCodec::Aac,
            config: Bytes::new(),
            sample_rate: 48_000,
            channels: 2,
            rfc6381: "mp4a.40.2".into(),
        };
        Track { id: TrackId::AUDIO, params: TrackParams::Audio(params) }
    }

    fn frame(track: TrackId, at: i64, keyframe: bool) -> Frame {
        let time = Timestamp::from_millis(at);
        Frame { track, pts: time, dts: time, keyframe, arrived: Instant::now(), data: Bytes::new() }
    }

    /// Writes what is waiting as words: `v640` a track, `V0` a keyframe, `v33` another frame, `a0` sound, `lost`.
    fn drain(subscriber: &mut Subscriber) -> String {
        let mut words = Vec::new();
        while let Some(event) = subscriber.try_recv() {
            words.push(match event {
                Event::Track(track) => match &track.params {
                    TrackParams::Video(video) => format!("video:{}", video.width),
                    TrackParams::Audio(_) => "audio".into(),
                },
                Event::Frame(frame) => {
                    let letter = if frame.track == TrackId::AUDIO {
                        'a'
                    } else if frame.keyframe {
                        'V'
                    } else {
                        'v'
                    };
                    format!("{letter}{}", frame.pts.nanos() / 1_000_000)
                }
                Event::Lost => "lost".into(),
            });
        }
        words.join(" ")
    }

    fn subscribe(bus: &Arc<Bus>) -> (tokio::sync::watch::Sender<bool>, Subscriber) {
        let (ended, receiver) = tokio::sync::watch::channel(false);
        (ended, bus.subscribe(receiver))
    }

    #[test]
    fn a_late_subscriber_hears_the_tracks_first() {
        let bus = Bus::new(false);
        bus.set_track(video(640));
        bus.set_track(audio());
        bus.send(frame(TrackId::VIDEO, 0, true));
        let (_ended, mut late) = subscribe(&bus);
        bus.send(frame(TrackId::VIDEO, 33, false));
        assert_eq!(drain(&mut late), "video:640 audio v33");
    }

    #[test]
    fn unchanged_parameters_are_not_told_again() {
        let bus = Bus::new(false);
        let (_ended, mut subscriber) = subscribe(&bus);
        bus.set_track(video(640));
        bus.set_track(video(640));
        bus.set_track(video(1280));
        assert_eq!(drain(&mut subscriber), "video:640 video:1280");
    }

    #[test]
    fn a_slow_reader_goes_on_at_the_next_keyframe() {
        let bus = Bus::new(false);
        bus.set_track(video(640));
        bus.set_track(audio());
        let (_ended, mut slow) = subscribe(&bus);
        assert_eq!(drain(&mut slow), "video:640 audio");
        for at in 0..=BUS_LAG_MAX as i64 {
            bus.send(frame(TrackId::VIDEO, at, at == 0));
        }
        let told = drain(&mut slow);
        assert_eq!(told, "lost video:640 audio");
        bus.send(frame(TrackId::AUDIO, 1000, true));
        bus.send(frame(TrackId::VIDEO, 1001, true));
        bus.send(frame(TrackId::AUDIO, 1002, true));
        assert_eq!(drain(&mut slow), "V1001 a1002");
    }

    /// A bus that keeps, and what a listener from the last keyframe hears of it at once.
    fn keeping() -> (Arc<Bus>, impl Fn(&Arc<Bus>) -> Subscriber) {
        let bus = Bus::new(true);
        bus.set_track(video(640));
        bus.set_track(audio());
        let (_, ended) = tokio::sync::watch::channel(false);
        (bus, move |bus: &Arc<Bus>| bus.subscribe_from_keyframe(ended.clone()))
    }

    #[test]
    fn a_late_subscriber_begins_with_the_last_keyframe_if_it_wants() {
        let (bus, from_keyframe) = keeping();
        for at in 0..5 {
            bus.send(frame(TrackId::VIDEO, at, at % 3 == 0));
        }
        bus.send(frame(TrackId::AUDIO, 5, true));
        let mut late = from_keyframe(&bus);
        bus.send(frame(TrackId::VIDEO, 6, false));
        assert_eq!(drain(&mut late), "video:640 audio V3 v4 a5 v6");
        let (_ended, mut plain) = subscribe(&bus);
        assert_eq!(drain(&mut plain), "video:640 audio");
        bus.set_track(video(1280));
        assert_eq!(drain(&mut from_keyframe(&bus)), "video:1280 audio", "old pictures are no use to a new decoder");
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_what_was_kept_and_what_comes() {
        let (bus, from_keyframe) = keeping();
        bus.send(frame(TrackId::VIDEO, 0, true));
        let sending = std::thread::spawn({
            let bus = bus.clone();
            move || (1..200).for_each(|at| bus.send(frame(TrackId::VIDEO, at, false)))
        });
        let mut late: Vec<Subscriber> = (0..50).map(|_| from_keyframe(&bus)).collect();
        sending.join().unwrap();
        let all = (1..200).fold("video:640 audio V0".to_owned(), |all, at| format!("{all} v{at}"));
        for late in &mut late {
            assert_eq!(drain(late), all);
        }
    }

    #[test]
    fn tracks_are_limited() {
        let bus = Bus::new(false);
        for id in 0..TRACKS_MAX as u8 {
            assert!(bus.set_track(Track { id: TrackId(id), ..audio() }));
        }
        assert!(!bus.set_track(Track { id: TrackId(200), ..audio() }));
        assert!(bus.set_track(Track { id: TrackId(0), ..video(640) }), "a known track may change");
    }

    #[tokio::test]
    async fn a_feed_ends_for_its_listeners_when_it_is_dropped() {
        let feed = Feed::default();
        assert!(feed.set_track(audio()));
        let mut subscriber = feed.subscribe();
        feed.send(frame(TrackId::AUDIO, 20, true));
        drop(feed);
        assert_eq!(drain(&mut subscriber), "audio a20");
        assert!(subscriber.recv().await.is_none());
    }

    #[tokio::test]
    async fn the_end_comes_after_what_was_sent() {
        let bus = Bus::new(false);
        let (ended, mut subscriber) = subscribe(&bus);
        bus.send(frame(TrackId::VIDEO, 0, true));
        ended.send_replace(true);
        assert!(matches!(subscriber.recv().await, Some(Event::Frame(_))));
        assert!(subscriber.recv().await.is_none());
    }
}

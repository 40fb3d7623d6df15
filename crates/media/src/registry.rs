//! Who is live. One publisher a channel.
//!
//! A publish begins with [`Registry::publish`] and ends when its [`Publisher`] is dropped or ended. Whoever must know
//! of new publishes (the packager's owner) is the registry's [`Observer`].

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use weir_identity::{ChannelName, KeyId, PublishId};

use crate::{
    bus::{Bus, Subscriber},
    frame::Frame,
    notice::{Notice, Notices},
    track::Track,
};

/// What to do with a second publisher on a live channel: the channel's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// The newer one takes the channel; the older is told so and closed.
    #[default]
    TakeOver,
    /// The newer one is refused.
    Refuse,
}

/// What a publisher was admitted for.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The channel it publishes.
    pub channel: ChannelName,
    /// The key it presented.
    pub key: KeyId,
    /// The channel's policy.
    pub conflict: Conflict,
    /// Whether it is to be watched only by who was given a signed address.
    pub private: bool,
    /// How it came: `rtmp`, `rtmps`, `whip`.
    pub protocol: &'static str,
}

/// Why a publisher is told to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kick {
    /// A newer publisher took the channel.
    TakenOver,
    /// Its key was revoked.
    KeyRevoked,
    /// An operator or the channel's owner ended it.
    Ended,
    /// The server stops.
    Shutdown,
    /// Its media cannot be carried; the text says why.
    Refused(String),
}

impl fmt::Display for Kick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenOver => f.write_str("Another publisher took over this channel."),
            Self::KeyRevoked => f.write_str("This stream key was revoked."),
            Self::Ended => f.write_str("The stream was ended by an operator."),
            Self::Shutdown => f.write_str("The server is shutting down."),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// How a publish ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The publisher said goodbye, or its connection was lost: it may come back within the grace time.
    Left,
    /// It was told to go.
    Kicked(Kick),
}

/// Why a publish cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// Someone publishes there already, and the channel refuses a second.
    #[error("This channel is already live, and it does not let a second publisher take over.")]
    Channel,
    /// The server carries as many publishers as it may.
    #[error("This server has reached its limit of publishers.")]
    Server,
}

/// Hears of every publish that begins, before its first frame. Called from the publisher's task: must not block.
pub trait Observer: Send + Sync + 'static {
    /// `live` begins. Subscribe here to miss nothing.
    fn began(&self, live: &Arc<Live>);
}

/// Counts of one publish, for health and metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Bytes of frames.
    pub bytes: AtomicU64,
    /// Video frames.
    pub video_frames: AtomicU64,
    /// Audio frames.
    pub audio_frames: AtomicU64,
}

/// One publish, as the rest of the server sees it.
#[derive(Debug)]
pub struct Live {
    /// Names this publish in logs.
    pub id: PublishId,
    /// What it was admitted for.
    pub publish: Publish,
    /// When it began.
    pub started: SystemTime,
    /// What came in so far.
    pub counts: Counts,
    bus: Arc<Bus>,
    /// Whether the publisher's metadata promised video and sound.
    announced: Mutex<Announced>,
    notices: Notices,
    /// Holds one request until the publisher takes it.
    keyframe_wanted: Notify,
    kick: watch::Sender<Option<Kick>>,
    ended: watch::Sender<bool>,
    end_reason: OnceLock<EndReason>,
}

/// Which kinds of track a publisher's metadata promised. Nothing promised means: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announced {
    /// A video track will come.
    pub video: bool,
    /// An audio track will come.
    pub audio: bool,
}

impl Live {
    /// Listens to this publish from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscriber {
        self.bus.subscribe(self.ended.subscribe())
    }

    /// Listens from the last keyframe on, if this publish keeps what came since ([`Registry::keep_gops`]); otherwise
    /// from now on. What was kept comes first, and nothing is lost or doubled between it and what comes.
    #[must_use]
    pub fn subscribe_from_keyframe(&self) -> Subscriber {
        self.bus.subscribe_from_keyframe(self.ended.subscribe())
    }

    /// Asks the publisher for a keyframe of every video track. One that cannot be asked (RTMP) does not hear of it;
    /// requests that come before the publisher has looked are one.
    pub fn request_keyframe(&self) {
        self.keyframe_wanted.notify_one();
    }

    /// Notes what the streamer should hear. One of the same subject is replaced; beyond
    /// [`crate::notice::NOTICES_MAX`] subjects nothing is noted. Whether it is news.
    pub fn notice(&self, notice: Notice) -> bool {
        self.notices.set(notice)
    }

    /// What was noted about `subject` is over.
    pub fn notice_over(&self, subject: &str) {
        self.notices.clear(subject);
    }

    /// What the streamer should hear, in the order in which it was noted first.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.all()
    }

    /// The tracks known so far.
    #[must_use]
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.bus.tracks()
    }

    /// What the publisher's metadata promised.
    #[must_use]
    pub fn announced(&self) -> Announced {
        *self.announced.lock()
    }

    /// Tells the publisher to go. The first reason counts.
    pub fn kick(&self, reason: Kick) {
        self.kick.send_if_modified(|kick| {
            let first = kick.is_none();
            if first {
                *kick = Some(reason);
            }
            first
        });
    }

    /// Whether the publisher was told to go.
    #[must_use]
    pub fn is_told_to_go(&self) -> bool {
        self.kick.borrow().is_some()
    }

    /// How it ended, or `None` while it runs.
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.end_reason.get().cloned()
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

struct Inner {
    live: Mutex<HashMap<ChannelName, Arc<Live>>>,
    observer: OnceLock<Box<dyn Observer>>,
    publishers_max: usize,
    keeps_gops: AtomicBool,
}

impl Inner {
    fn room_for(&self, all: &HashMap<ChannelName, Arc<Live>>, publish: &Publish) -> Result<(), Busy> {
        match all.contains_key(&publish.channel) {
            true if publish.conflict == Conflict::Refuse => Err(Busy::Channel),
            false if all.len() >= self.publishers_max => Err(Busy::Server),
            _ => Ok(()),
        }
    }
}

/// All publishes of this node. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

impl Registry {
    /// An empty registry that carries at most `publishers_max` publishes.
    #[must_use]
    pub fn new(publishers_max: usize) -> Self {
        Self(Arc::new(Inner {
            live: Mutex::default(),
            observer: OnceLock::new(),
            publishers_max,
            keeps_gops: AtomicBool::new(false),
        }))
    }

    /// Whether publishes that begin from now on keep what came since their last keyframe, for those who come late. Costs
    /// each of them up to [`crate::gop::GOP_BYTES_MAX`], commonly the bytes of 2 s. Off at first.
    pub fn keep_gops(&self, keep: bool) {
        self.0.keeps_gops.store(keep, Relaxed);
    }

    /// Sets who hears of new publishes. Only the first call counts.
    pub fn observe(&self, observer: impl Observer) {
        let _ = self.0.observer.set(Box::new(observer));
    }

    /// Begins a publish. An older publish of the channel is told to go, if the channel's policy is to take over.
    ///
    /// # Errors
    /// [`Busy`] when the channel or the server takes no more.
    pub fn publish(&self, publish: Publish) -> Result<Publisher, Busy> {
        let live = Arc::new(Live {
            id: PublishId::random(),
            publish,
            started: SystemTime::now(),
            counts: Counts::default(),
            bus: Bus::new(self.0.keeps_gops.load(Relaxed)),
            announced: Mutex::default(),
            notices: Notices::default(),
            keyframe_wanted: Notify::new(),
            kick: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            end_reason: OnceLock::new(),
        });
        {
            let mut all = self.0.live.lock();
            self.0.room_for(&all, &live.publish)?;
            if let Some(older) = all.get(&live.publish.channel) {
                older.kick(Kick::TakenOver);
            }
            all.insert(live.publish.channel.clone(), live.clone());
        }
        if let Some(observer) = self.0.observer.get() {
            observer.began(&live);
        }
        Ok(Publisher { live, registry: self.clone() })
    }

    /// Whether `publish` could begin now.
    ///
    /// # Errors
    /// [`Busy`] when the channel or the server takes no more.
    pub fn has_room_for(&self, publish: &Publish) -> Result<(), Busy> {
        self.0.room_for(&self.0.live.lock(), publish)
    }

    /// The publish of `channel`, if it is live.
    #[must_use]
    pub fn get(&self, channel: &ChannelName) -> Option<Arc<Live>> {
        self.0.live.lock().get(channel).cloned()
    }

    /// Every publish, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.0.live.lock().values().cloned().collect()
    }

    /// Publishes now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.live.lock().len()
    }

    /// Whether nobody publishes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("live", &self.len()).finish_non_exhaustive()
    }
}

/// The right to send frames for one channel. Dropping it ends the publish as [`EndReason::Left`].
#[derive(Debug)]
#[must_use = "dropping it ends the publish"]
pub struct Publisher {
    live: Arc<Live>,
    registry: Registry,
}

impl Publisher {
    /// What the rest of the server sees of it.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Notes which tracks the publisher's metadata promised.
    pub fn announce(&self, announced: Announced) {
        *self.live.announced.lock() = announced;
    }

    /// Begins a track or changes its parameters; the same parameters again change nothing. False when the publish has
    /// too many tracks.
    pub fn set_track(&self, track: Track) -> bool {
        self.live.bus.set_track(track)
    }

    /// Hands a frame to whoever listens. Never waits.
    pub fn send(&self, frame: Frame) {
        let counts = &self.live.counts;
        counts.bytes.fetch_add(frame.data.len() as u64, Relaxed);
        let frames =
            if frame.track == crate::frame::TrackId::AUDIO { &counts.audio_frames } else { &counts.video_frames };
        frames.fetch_add(1, Relaxed);
        self.live.bus.send(frame);
    }

    /// Waits until a keyframe is wanted ([`Live::request_keyframe`]); all requests since the last answer are one. Cancel
    /// safe. For one task of the publisher.
    pub async fn keyframe_wanted(&self) {
        self.live.keyframe_wanted.notified().await;
    }

    /// Waits until the publisher is told to go. Cancel safe.
    pub async fn kicked(&self) -> Kick {
        let mut kick = self.live.kick.subscribe();
        let kick = kick.wait_for(Option::is_some).await.expect("the sender lives as long as self");
        kick.clone().expect("waited for it")
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        {
            let mut all = self.registry.0.live.lock();
            if all.get(&self.live.publish.channel).is_some_and(|current| Arc::ptr_eq(current, &self.live)) {
                all.remove(&self.live.publish.channel);
            }
        }
        let reason = self.live.kick.borrow().clone().map_or(EndReason::Left, EndReason::Kicked);
        let _ = self.live.end_reason.set(reason);
        self.live.ended.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Timestamp, TrackId, TrackParams, VideoCodec, VideoParams};

    fn publish(channel: &str, conflict: Conflict) -> Publish {
        Publish {
            channel: ChannelName::parse(channel).unwrap(),
            key: KeyId::new(),
            conflict,
            private: false,
            protocol: "rtmp",
        }
    }

    #[tokio::test]
    async fn a_second_publisher_takes_over() {
        let registry = Registry::new(9);
        let older = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        let newer = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        assert_eq!(older.kicked().await, Kick::TakenOver);
        let old_live = older.live().clone();
        drop(older);
        assert_eq!(old_live.end_reason(), Some(EndReason::Kicked(Kick::TakenOver)));
        let current = registry.get(&newer.live().publish.channel).expect("the newer one is live");
        assert!(Arc::ptr_eq(&current, newer.live()));
    }

    #[test]
    fn a_second_publisher_is_refused() {
        let registry = Registry::new(9);
        let _first = registry.publish(publish("anna", Conflict::Refuse)).unwrap();
        assert_eq!(registry.publish(publish("anna", Conflict::Refuse)).unwrap_err(), Busy::Channel);
    }

    #[test]
    fn publishers_are_limited_and_leave_room_when_they_go() {
        let registry = Registry::new(1);
        let first = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        assert_eq!(registry.publish(publish("berta", Conflict::TakeOver)).unwrap_err(), Busy::Server);
        drop(first);
        assert!(registry.publish(publish("berta", Conflict::TakeOver)).is_ok());
    }

    #[tokio::test]
    async fn dropping_the_publisher_ends_the_publish() {
        let registry = Registry::new(1);
        let publisher = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        let live = publisher.live().clone();
        let mut subscriber = live.subscribe();
        drop(publisher);
        assert!(subscriber.recv().await.is_none());
        live.ended().await;
        assert_eq!(live.end_reason(), Some(EndReason::Left));
        assert!(registry.is_empty());
    }

    #[tokio::test]
    async fn keyframes_that_are_asked_for_together_are_one() {
        let publisher = Registry::new(1).publish(publish("anna", Conflict::TakeOver)).unwrap();
        publisher.live().request_keyframe();
        publisher.live().request_keyframe();
        publisher.keyframe_wanted().await;
        tokio::select! {
            biased;
            () = publisher.keyframe_wanted() => panic!("nobody asked again"),
            () = std::future::ready(()) => {}
        }
        publisher.live().request_keyframe();
        publisher.keyframe_wanted().await;
    }

    #[test]
    fn only_publishes_that_begin_later_keep_their_last_pictures() {
        let registry = Registry::new(9);
        let keeps = |publisher: &Publisher| {
            let params = VideoParams {
                codec: VideoCodec::Vp9,
                config: Bytes::new(),
                width: 2,
                height: 2,
                frame_rate: None,
                rfc6381: "vp09".into(),
            };
            publisher.set_track(Track { id: TrackId::VIDEO, params: TrackParams::Video(params) });
            let (time, data) = (Timestamp::default(), Bytes::new());
            let arrived = std::time::Instant::now();
            publisher.send(Frame { track: TrackId::VIDEO, pts: time, dts: time, keyframe: true, arrived, data });
            let mut late = publisher.live().subscribe_from_keyframe();
            std::iter::from_fn(|| late.try_recv()).count() == 2
        };
        let plain = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        registry.keep_gops(true);
        let keeping = registry.publish(publish("berta", Conflict::TakeOver)).unwrap();
        assert!(!keeps(&plain) && keeps(&keeping));
    }

    #[tokio::test]
    async fn the_first_kick_counts() {
        let registry = Registry::new(1);
        let publisher = registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
        publisher.live().kick(Kick::KeyRevoked);
        publisher.live().kick(Kick::Shutdown);
        assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
    }
}

//! Recordings: a stream begins, its channel says whether it is recorded, the recorder writes, the store and hooks hear how
//! it ended.
//!
//! One task a stream follows it ([`Recordings::follow`]); nothing of it stands in the way of media. Recordings that a crash
//! left behind are made whole at the start ([`Recordings::recover`]). [`Recordings::tidy`] removes what is too old, and
//! what the store does not know any more. [`home`] is the folder, [`library`] answers viewers.

mod home;
mod library;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{sync::Notify, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use weir_control::{
    Error, Store,
    channels::Channel,
    playback::{LIFETIME, PlaybackTokens},
    vods::{Finish, State, Vod},
    webhooks::{Announcer, Event},
};
use weir_hls::{Openings, Sink, Stream};
use weir_identity::{KeySecret, VodId};
use weir_packager::record::{self, Ended, Recorder, Recording, Why, recovery};

use self::home::Home;
pub(crate) use self::library::Library;
use crate::addresses::Addresses;

/// How long it waits before it asks a store again that was away.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How often it looks for recordings that are to go.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// This node's recordings. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recordings(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    announcer: Announcer,
    playback: PlaybackTokens,
    recorder: Recorder,
    home: Home,
    /// Later in order than every recording of an earlier process.
    born: VodId,
    keep: Duration,
    /// What hooks are told as the address; known once the server listens.
    addresses: OnceLock<Addresses>,
    running: Mutex<HashMap<VodId, Arc<Recording>>>,
    following: TaskTracker,
    stopping: CancellationToken,
    untidy: Notify,
}

impl std::fmt::Debug for Recordings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recordings").field("home", &self.0.home).finish_non_exhaustive()
    }
}

impl Openings for Recordings {
    fn opened(&self, stream: &Arc<Stream>) {
        self.0.following.spawn(self.clone().follow(stream.clone()));
    }
}

impl Recordings {
    /// Recordings below `data_dir`.
    pub(crate) fn open(
        data_dir: &Path,
        config: &record::Config,
        store: Arc<dyn Store>,
        secret: &KeySecret,
        announcer: Announcer,
    ) -> io::Result<Self> {
        let home = Home::open(data_dir, &weir_control::vods::fingerprint(secret))?;
        let recorder = Recorder::start(&home.directory, config.clone())?;
        let (addresses, running, following, stopping, untidy) = Default::default();
        Ok(Self(Arc::new(Inner {
            store,
            announcer,
            playback: PlaybackTokens::new(secret),
            recorder,
            home,
            born: VodId::new(),
            keep: config.keep,
            addresses,
            running,
            following,
            stopping,
            untidy,
        })))
    }

    /// Says where this server is reached.
    pub(crate) fn reached_at(&self, addresses: Addresses) {
        // It is said once.
        let _ = self.0.addresses.set(addresses);
    }

    /// Answers for the viewers of this node.
    pub(crate) fn library(&self) -> Library {
        Library::new(self.0.store.clone(), self.0.home.clone(), self.0.playback.clone())
    }

    /// Waits until the end of every recording is noted. What the store does not take now is found at the next start.
    pub(crate) async fn written(&self) {
        self.0.stopping.cancel();
        self.0.following.close();
        self.0.following.wait().await;
    }

    /// A recording was removed, maybe: then it ends, and its media goes.
    pub(crate) fn look_at(&self, id: VodId) {
        let recordings = self.clone();
        self.0.following.spawn(async move {
            if matches!(recordings.0.store.vod(id).await, Ok(None)) {
                let running = recordings.0.running.lock().get(&id).cloned();
                match running {
                    // Its media goes with its end.
                    Some(recording) => recording.stop(),
                    None => recordings.0.home.remove(id).await,
                }
            }
        });
    }

    /// Channels were removed: their recordings go.
    pub(crate) fn look_at_all(&self) {
        self.0.untidy.notify_one();
    }

    /// Records a stream to its end, if its channel says so.
    async fn follow(self, stream: Arc<Stream>) {
        let is_over = || stream.ended().is_some();
        let mut started_at = Timestamp::try_from(stream.started()).unwrap_or_else(|_| Timestamp::now());
        loop {
            let asked = self.ask(is_over, || self.0.store.channel_named(stream.channel())).await;
            let Some(Some(channel)) = asked.filter(|channel| channel.as_ref().is_some_and(|channel| channel.record))
            else {
                return;
            };
            let vod = Vod { started_at: whole_milliseconds(started_at), ..Vod::begin(&channel, self.0.home.node) };
            if self.ask(is_over, || self.0.store.begin_vod(vod.clone())).await.is_none() {
                return;
            }
            let (recording, ended) = self.0.recorder.begin(vod.id);
            info!(channel = %channel.name, vod = %vod.id, "a recording begins");
            self.0.running.lock().insert(vod.id, recording.clone());
            // It may have been removed in this moment, when nobody could stop it yet.
            self.look_at(vod.id);
            let sink: Arc<dyn Sink> = recording;
            stream.record(&sink);
            let ended = ended.await;
            self.0.running.lock().remove(&vod.id);
            // The recorder's thread is gone only by a panic: what it wrote is found at the next start.
            let Ok(ended) = ended else { return };
            self.finish(&channel, vod.id, &ended).await;
            if ended.why != Why::Long || is_over() {
                return;
            }
            started_at = Timestamp::now();
        }
    }

    /// Notes how a recording ended, and tells.
    async fn finish(&self, channel: &Channel, id: VodId, ended: &Ended) {
        let is_nothing = ended.duration.is_zero();
        let stopping = || self.0.stopping.is_cancelled();
        if is_nothing && matches!(ended.why, Why::StreamEnded | Why::Stopped) {
            self.ask(stopping, || self.0.store.delete_vod(id)).await;
            return self.0.home.remove(id).await;
        }
        let finish = Finish {
            state: if is_nothing { State::Failed } else { State::Ready },
            note: note(ended),
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            bytes: ended.bytes,
        };
        self.note_end(channel, id, finish).await;
    }

    async fn note_end(&self, channel: &Channel, id: VodId, finish: Finish) {
        let is_ready = finish.state == State::Ready;
        let stopping = || self.0.stopping.is_cancelled();
        match self.ask(stopping, || self.0.store.finish_vod(id, finish.clone())).await {
            Some(true) if is_ready => self.announce(channel, id).await,
            // Somebody removed it meanwhile.
            Some(false) if matches!(self.0.store.vod(id).await, Ok(None)) => self.0.home.remove(id).await,
            _ => {}
        }
    }

    /// Tells hooks that a recording can be watched.
    async fn announce(&self, channel: &Channel, id: VodId) {
        let Ok(Some(vod)) = self.0.store.vod(id).await else { return };
        let mut url = self.0.addresses.get().map(|addresses| addresses.vod_url(id)).unwrap_or_default();
        if vod.visibility.is_closed() {
            // Whoever owns the hook may watch.
            url.push_str(&format!("?token={}", self.0.playback.sign_vod(id, Timestamp::now() + LIFETIME)));
        }
        let told = json!({
            "id": id.to_string(),
            "title": vod.title,
            "visibility": vod.visibility.as_str(),
            "started_at": vod.started_at.to_string(),
            "duration_ms": vod.duration_ms,
            "duration": vod.duration_ms as f64 / 1_000.0,
            "bytes": vod.bytes,
            "note": vod.note,
            "url": url,
        });
        self.0.announcer.announce(channel, Event::VodReady, told).await;
    }

    /// Makes recordings whole that this node left behind when it died.
    pub(crate) async fn recover(self) {
        let stopping = || self.0.stopping.is_cancelled();
        let Some(left) = self.ask(stopping, || self.0.store.recording_on(self.0.home.node)).await else { return };
        for vod in left {
            // What this process records is its own business.
            if vod.id > self.0.born {
                continue;
            }
            let directory = self.0.home.of(vod.id);
            let found = tokio::task::spawn_blocking(move || recovery::make_whole(&directory)).await;
            let finish = match found {
                Ok(Ok(Some(found))) => Finish {
                    state: State::Ready,
                    note: "The server stopped in the middle: what came after is missing.".into(),
                    duration_ms: u64::try_from(found.duration.as_millis()).unwrap_or(u64::MAX),
                    bytes: found.bytes,
                },
                Ok(Ok(None)) => failed("The server stopped before anything was recorded."),
                Ok(Err(error)) => {
                    warn!(vod = %vod.id, %error, "a recording that was left behind cannot be read");
                    failed("The server stopped in the middle, and what was recorded cannot be read.")
                }
                Err(panic) => {
                    warn!(vod = %vod.id, %panic, "a recording that was left behind cannot be read");
                    continue;
                }
            };
            info!(vod = %vod.id, state = finish.state.as_str(), "a recording that was left behind is made whole");
            match self.0.store.channel(vod.channel).await {
                Ok(Some(channel)) => self.note_end(&channel, vod.id, finish).await,
                Ok(None) => self.0.home.remove(vod.id).await,
                // The next start tries again.
                Err(error) => warn!(vod = %vod.id, %error, "the end of a recording could not be noted"),
            }
        }
    }

    /// Removes what is to go, for ever.
    pub(crate) async fn tidy(self) {
        loop {
            if let Err(error) = self.tidy_once(Timestamp::now()).await {
                warn!(%error, "recordings could not be looked through");
            }
            tokio::select! {
                () = sleep(TIDY_EVERY) => {}
                () = self.0.untidy.notified() => {}
                () = self.0.stopping.cancelled() => return,
            }
        }
    }

    /// Removes recordings that are older than they may be, and the media of those that the store does not know.
    async fn tidy_once(&self, now: Timestamp) -> Result<(), Failure> {
        let Inner { store, home, running, keep, .. } = &*self.0;
        for id in home.all().await? {
            if running.lock().contains_key(&id) {
                continue;
            }
            match store.vod(id).await? {
                None => {
                    info!(vod = %id, "the media of a recording that was removed goes");
                    home.remove(id).await;
                }
                Some(vod) if vod.node == home.node && is_old(&vod, *keep, now) => {
                    info!(vod = %id, title = vod.title, "a recording is older than recording.keep, and goes");
                    store.delete_vod(id).await?;
                    home.remove(id).await;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Asks the store until it answers, unless that is of no use any more. What it refuses is no answer to wait for.
    async fn ask<'a, T>(
        &self,
        is_over: impl Fn() -> bool,
        call: impl Fn() -> weir_control::store::Answer<'a, T>,
    ) -> Option<T> {
        loop {
            match call().await {
                Ok(answer) => return Some(answer),
                Err(error) if error.is_outage() && !is_over() && !self.0.stopping.is_cancelled() => {
                    warn!(%error, "a recording waits for the store");
                    tokio::select! {
                        () = sleep(AGAIN_AFTER) => {}
                        () = self.0.stopping.cancelled() => {}
                    }
                }
                Err(error) => {
                    warn!(%error, "the store refused what was recorded");
                    return None;
                }
            }
        }
    }
}

/// Why recordings cannot be looked through.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
    #[error("the store: {0}")]
    Store(#[from] Error),
}

/// What whoever streamed should know about a recording.
fn note(ended: &Ended) -> String {
    let mut note = match &ended.why {
        Why::StreamEnded | Why::Stopped => String::new(),
        Why::Long => "The stream goes on in the next recording.".to_owned(),
        Why::DiskFull => "The server's disk is full: what came after is missing.".to_owned(),
        Why::Disk(_) => "The server's disk failed: what came after is missing.".to_owned(),
    };
    if ended.gaps > 0 {
        note.push_str(if note.is_empty() { "" } else { " " });
        note.push_str(&format!("The server's disk was slow: {} pieces are missing in between.", ended.gaps));
    }
    note
}

fn failed(note: &str) -> Finish {
    Finish { state: State::Failed, note: note.to_owned(), duration_ms: 0, bytes: 0 }
}

fn is_old(vod: &Vod, keep: Duration, now: Timestamp) -> bool {
    let Ok(keep) = SignedDuration::try_from(keep) else { return false };
    let ended_at = vod.started_at + SignedDuration::from_millis(i64::try_from(vod.duration_ms).unwrap_or(0));
    !keep.is_zero() && vod.state != State::Recording && now.duration_since(ended_at) > keep
}

/// As stores keep it.
fn whole_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

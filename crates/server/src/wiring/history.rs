//! Writes down every publish: when it began, how it ended; and tells hooks of the streams that these make.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;
use weir_control::{
    Store,
    sessions::{End, Session},
    webhooks::{Announcer, Event},
};
use weir_identity::ChannelName;
use weir_media::{Kick, Live, registry::EndReason};

/// Writes notes, one task a publish.
#[derive(Clone)]
pub(crate) struct History {
    store: Arc<dyn Store>,
    announcer: Announcer,
    streams: Arc<Mutex<HashMap<ChannelName, Stream>>>,
    /// Publishes so far.
    publishes: Arc<AtomicU64>,
    /// How long a stream waits for a publisher that left.
    grace_time: Duration,
    following: TaskTracker,
    stopping: CancellationToken,
}

/// What hooks know as one stream: publishes of a channel that follow each other within the grace time. There is one for
/// each task that follows a publish at most.
#[derive(Debug)]
struct Stream {
    /// What was told when it began.
    begun: Value,
    /// Publishes that run now: two while one takes over.
    running: usize,
    /// Its newest publish: no other of this server has that number.
    newest: u64,
}

/// What becomes of a stream when a publish of it ends.
enum Left {
    /// It ended; this was told when it began.
    Over(Value),
    /// It waits for a publish after this one.
    Waiting(u64),
    /// Somebody else publishes it.
    GoesOn,
}

impl History {
    pub(crate) fn new(store: Arc<dyn Store>, announcer: Announcer, grace_time: Duration) -> Self {
        let (streams, publishes, following, stopping) = Default::default();
        Self { store, announcer, streams, publishes, grace_time, following, stopping }
    }

    /// Follows `live` to its end. Notes are lost while the store is away; the stream is not.
    pub(crate) fn follow(&self, live: Arc<Live>) {
        self.following.spawn(self.clone().note(live));
    }

    /// Waits until the end of every publish is written down. Nobody comes back any more.
    pub(crate) async fn written(&self) {
        self.stopping.cancel();
        self.following.close();
        self.following.wait().await;
    }

    async fn note(self, live: Arc<Live>) {
        let (id, channel) = (live.id.to_string(), &live.publish.channel);
        let started_at = Timestamp::try_from(live.started).unwrap_or_else(|_| Timestamp::now());
        let begun = json!({"publish": id, "protocol": live.publish.protocol, "started_at": started_at.to_string()});
        let is_new = self.begin(channel, &begun);
        let session = Session {
            id: id.clone(),
            channel: channel.clone(),
            key: live.publish.key,
            protocol: live.publish.protocol.to_owned(),
            started_at,
            end: None,
        };
        if let Err(error) = self.store.session_began(session).await {
            warn!(%error, publish = id, "could not note that a publish began");
        }
        if is_new {
            self.announcer.announce_in(channel, Event::StreamStarted, begun).await;
        }
        live.ended().await;
        let (reason, may_come_back) = match live.end_reason() {
            Some(EndReason::Kicked(kick)) => (kick.to_string(), kick == Kick::TakenOver),
            Some(EndReason::Left) | None => ("The publisher left.".to_owned(), true),
        };
        let left = self.end(channel, may_come_back);
        let end = End { at: Timestamp::now(), reason: reason.clone(), bytes: live.counts.bytes.load(Relaxed) };
        if let Err(error) = self.store.session_ended(id.clone(), end).await {
            warn!(%error, publish = id, "could not note that a publish ended");
        }
        let over = match left {
            Left::Over(begun) => Some(begun),
            Left::Waiting(newest) => self.grace(channel, newest).await,
            Left::GoesOn => None,
        };
        if let Some(mut stream) = over {
            stream["reason"] = reason.into();
            self.announcer.announce_in(channel, Event::StreamEnded, stream).await;
        }
    }

    /// A publish begins. Whether a stream begins with it.
    fn begin(&self, channel: &ChannelName, begun: &Value) -> bool {
        let newest = self.publishes.fetch_add(1, Relaxed);
        let mut streams = self.streams.lock();
        let is_new = !streams.contains_key(channel);
        let new = || Stream { begun: begun.clone(), running: 0, newest };
        let stream = streams.entry(channel.clone()).or_insert_with(new);
        stream.running += 1;
        stream.newest = newest;
        is_new
    }

    /// A publish ended: what becomes of its stream.
    fn end(&self, channel: &ChannelName, may_come_back: bool) -> Left {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.get_mut(channel) else { return Left::GoesOn };
        stream.running = stream.running.saturating_sub(1);
        if stream.running > 0 {
            return Left::GoesOn;
        }
        if may_come_back {
            return Left::Waiting(stream.newest);
        }
        streams.remove(channel).map_or(Left::GoesOn, |stream| Left::Over(stream.begun))
    }

    /// Waits for a publish after `newest`. What was told when the stream began, if none came.
    async fn grace(&self, channel: &ChannelName, newest: u64) -> Option<Value> {
        tokio::select! {
            () = tokio::time::sleep(self.grace_time) => {}
            () = self.stopping.cancelled() => {}
        }
        let mut streams = self.streams.lock();
        let is_over = streams.get(channel).is_some_and(|stream| stream.running == 0 && stream.newest == newest);
        if is_over { streams.remove(channel).map(|stream| stream.begun) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use weir_control::{
        channels::Channel,
        keys::Key,
        webhooks::{Hook, Whose},
    };
    use weir_identity::{AccountId, HookId, KeyId, StreamKey};
    use weir_media::{Publish, Publisher, Registry, registry::Conflict};

    use super::*;

    /// Longer than a test may take in real time, and nothing in paused time.
    const GRACE_TIME: Duration = Duration::from_secs(60);

    /// A history, what it follows, and a channel with a hook that wants to hear of streams.
    struct Kept {
        store: Arc<dyn Store>,
        history: History,
        registry: Registry,
        channel: ChannelName,
        directory: PathBuf,
    }

    impl Kept {
        async fn start() -> Self {
            let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
            std::fs::create_dir(&directory).unwrap();
            let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
            let secret = store.key_secret().await.unwrap();
            let channel = Channel::new("anna".parse().unwrap(), None);
            let (name, whose) = (channel.name.clone(), Whose::Channel(channel.id));
            let key = Key::new(channel.id, "obs", secret.hash(&StreamKey::random()));
            store.open_channel(channel, key).await.unwrap();
            let hook = Hook {
                id: HookId::new(),
                whose,
                url: "https://example.org/".into(),
                events: vec![Event::StreamStarted, Event::StreamEnded],
                // Nobody signs here.
                secret: Vec::new(),
                by: AccountId::new(),
                created_at: Timestamp::now(),
            };
            store.add_hook(hook).await.unwrap();
            let history = History::new(store.clone(), Announcer::new(store.clone()), GRACE_TIME);
            Self { store, history, registry: Registry::new(1), channel: name, directory }
        }

        fn publish(&self) -> Publisher {
            let publish = Publish {
                channel: self.channel.clone(),
                key: KeyId::new(),
                conflict: Conflict::TakeOver,
                private: false,
                protocol: "rtmp",
            };
            let publisher = self.registry.publish(publish).unwrap();
            self.history.follow(publisher.live().clone());
            publisher
        }

        /// Waits until so many publishes have been written down, the last with or without its end.
        async fn sessions(&self, count: usize, ended: bool) {
            loop {
                let sessions = self.store.sessions_of(&self.channel, 9).await.unwrap();
                let newest = sessions.first().is_some_and(|newest| newest.end.is_some() == ended);
                if sessions.len() == count && newest {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }

        /// What hooks were told, in order.
        async fn told(&self) -> Vec<(String, String)> {
            let now = Timestamp::now();
            let mut due = self.store.claim_deliveries(now, now, 9).await.unwrap();
            due.sort_by_key(|delivery| delivery.id);
            let read = |body: &str| {
                let body: Value = serde_json::from_str(body).unwrap();
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (text(&body["type"]), text(&body["data"]["publish"]))
            };
            due.iter().map(|delivery| read(&delivery.body)).collect()
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[tokio::test]
    async fn how_a_publish_ended_is_written_before_the_server_goes() {
        let kept = Kept::start().await;
        let publisher = kept.publish();
        publisher.live().kick(Kick::Shutdown);
        drop(publisher);
        kept.history.written().await;
        let sessions = kept.store.sessions_of(&kept.channel, 9).await.unwrap();
        let end = sessions[0].end.as_ref().expect("its end is written");
        assert_eq!((sessions.len(), end.reason.as_str()), (1, "The server is shutting down."));
    }

    #[tokio::test]
    async fn publishes_that_come_back_in_time_are_one_stream_to_hooks() {
        let kept = Kept::start().await;
        let first = kept.publish();
        let stream = first.live().id.to_string();
        kept.sessions(1, false).await;
        drop(first);
        kept.sessions(1, true).await;
        let second = kept.publish();
        kept.sessions(2, false).await;
        // One takes over from the other: both run for a moment.
        let third = kept.publish();
        drop(second);
        kept.sessions(3, false).await;
        drop(third);
        kept.sessions(3, true).await;
        let event = |event: Event| (event.as_str().to_owned(), stream.clone());
        assert_eq!(kept.told().await, [event(Event::StreamStarted)], "it waits");
        kept.history.written().await;
        assert_eq!(kept.told().await, [event(Event::StreamStarted), event(Event::StreamEnded)]);
    }

    #[tokio::test]
    async fn who_is_told_to_go_ends_the_stream_and_the_next_begins_another() {
        let kept = Kept::start().await;
        for streams in 1..=2 {
            let publisher = kept.publish();
            publisher.live().kick(Kick::Ended);
            drop(publisher);
            while kept.told().await.len() < 2 * streams {
                tokio::task::yield_now().await;
            }
        }
        kept.history.written().await;
        let events: Vec<_> = kept.told().await.into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, ["stream.started", "stream.ended", "stream.started", "stream.ended"]);
    }
}

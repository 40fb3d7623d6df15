//! Writes down every publish: when it began, how it ended; and tells hooks.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use jiff::Timestamp;
use serde_json::json;
use tokio_util::task::TaskTracker;
use tracing::warn;
use weir_control::{
    Store,
    sessions::{End, Session},
    webhooks::{Announcer, Event},
};
use weir_media::{Live, registry::EndReason};

/// Writes notes, one task a publish.
#[derive(Clone)]
pub(crate) struct History {
    store: Arc<dyn Store>,
    announcer: Announcer,
    following: TaskTracker,
}

impl History {
    pub(crate) fn new(store: Arc<dyn Store>, announcer: Announcer) -> Self {
        Self { store, announcer, following: TaskTracker::new() }
    }

    /// Follows `live` to its end. Notes are lost while the store is away; the stream is not.
    pub(crate) fn follow(&self, live: Arc<Live>) {
        self.following.spawn(note(self.store.clone(), self.announcer.clone(), live));
    }

    /// Waits until the end of every publish is written down.
    pub(crate) async fn written(&self) {
        self.following.close();
        self.following.wait().await;
    }
}

async fn note(store: Arc<dyn Store>, announcer: Announcer, live: Arc<Live>) {
    let id = live.id.to_string();
    let started_at = Timestamp::try_from(live.started).unwrap_or_else(|_| Timestamp::now());
    let session = Session {
        id: id.clone(),
        channel: live.publish.channel.clone(),
        key: live.publish.key,
        protocol: live.publish.protocol.to_owned(),
        started_at,
        end: None,
    };
    if let Err(error) = store.session_began(session).await {
        warn!(%error, publish = id, "could not note that a publish began");
    }
    let begun = json!({"publish": id, "protocol": live.publish.protocol, "started_at": started_at.to_string()});
    announcer.announce_in(&live.publish.channel, Event::StreamStarted, begun.clone()).await;
    live.ended().await;
    let reason = match live.end_reason() {
        Some(EndReason::Kicked(kick)) => kick.to_string(),
        Some(EndReason::Left) | None => "The publisher left.".to_owned(),
    };
    let mut ended = begun;
    ended["reason"] = reason.as_str().into();
    let end = End { at: Timestamp::now(), reason, bytes: live.counts.bytes.load(Relaxed) };
    if let Err(error) = store.session_ended(id.clone(), end).await {
        warn!(%error, publish = id, "could not note that a publish ended");
    }
    announcer.announce_in(&live.publish.channel, Event::StreamEnded, ended).await;
}

#[cfg(test)]
mod tests {
    use weir_identity::{ChannelName, KeyId};
    use weir_media::{Publish, Registry, registry::Conflict, registry::Kick};

    use super::*;

    #[tokio::test]
    async fn how_a_publish_ended_is_written_before_the_server_goes() {
        let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        std::fs::create_dir(&directory).unwrap();
        let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
        let (history, registry) = (History::new(store.clone(), Announcer::new(store.clone())), Registry::new(1));
        let channel = ChannelName::parse("anna").unwrap();
        let publish = Publish {
            channel: channel.clone(),
            key: KeyId::new(),
            conflict: Conflict::TakeOver,
            private: false,
            protocol: "rtmp",
        };
        let publisher = registry.publish(publish).unwrap();
        history.follow(publisher.live().clone());
        publisher.live().kick(Kick::Shutdown);
        drop(publisher);
        history.written().await;
        let kept = store.sessions_of(&channel, 9).await.unwrap();
        let end = kept[0].end.as_ref().expect("its end is written");
        assert_eq!((kept.len(), end.reason.as_str()), (1, "The server is shutting down."));
        std::fs::remove_dir_all(directory).unwrap();
    }
}

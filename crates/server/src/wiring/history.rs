//! Writes down every publish: when it began, how it ended.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use jiff::Timestamp;
use tracing::warn;
use weir_control::{
    Store,
    sessions::{End, Session},
};
use weir_media::{Live, registry::EndReason};

/// Follows `live` to its end in a task of its own. Notes are lost while the store is away; the stream is not.
pub(crate) fn follow(store: Arc<dyn Store>, live: Arc<Live>) {
    tokio::spawn(async move {
        let id = live.id.to_string();
        let session = Session {
            id: id.clone(),
            channel: live.publish.channel.clone(),
            key: live.publish.key,
            protocol: live.publish.protocol.to_owned(),
            started_at: Timestamp::try_from(live.started).unwrap_or_else(|_| Timestamp::now()),
            end: None,
        };
        if let Err(error) = store.session_began(session).await {
            warn!(%error, publish = id, "could not note that a publish began");
        }
        live.ended().await;
        let reason = match live.end_reason() {
            Some(EndReason::Kicked(kick)) => kick.to_string(),
            Some(EndReason::Left) | None => "The publisher left.".to_owned(),
        };
        let end = End { at: Timestamp::now(), reason, bytes: live.counts.bytes.load(Relaxed) };
        if let Err(error) = store.session_ended(id.clone(), end).await {
            warn!(%error, publish = id, "could not note that a publish ended");
        }
    });
}

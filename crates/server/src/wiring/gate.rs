//! May this key publish? Ingest asks, the store knows.

use std::{net::SocketAddr, sync::Arc};

use jiff::Timestamp;
use tracing::{info, warn};
use weir_control::{Store, admission, channels};
use weir_identity::{KeySecret, StreamKey};
use weir_ingest::Denied;
use weir_media::{Publish, registry::Conflict};

/// Answers ingest from the store. Streams that run do not ask again: they go on while the store is away.
pub(crate) struct Gate {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secret: KeySecret,
}

impl weir_ingest::Gate for Gate {
    async fn admit(&self, key: StreamKey, from: SocketAddr) -> Result<Publish, Denied> {
        let now = Timestamp::now();
        let grant = match admission::admit(&*self.store, &self.secret, &key, now).await {
            Ok(grant) => grant,
            Err(admission::Refusal::Unavailable(error)) => {
                warn!(%error, "the store does not answer: a publisher is turned away");
                return Err(Denied::Unavailable);
            }
            Err(refusal) => {
                info!(%from, %refusal, "a publisher is turned away");
                return Err(match refusal {
                    admission::Refusal::Revoked => Denied::Revoked,
                    admission::Refusal::Expired => Denied::Expired,
                    _ => Denied::UnknownKey,
                });
            }
        };
        let (store, id) = (self.store.clone(), grant.key.id);
        // The publisher does not wait for a note about it.
        tokio::spawn(async move {
            if let Err(error) = store.key_used(id, now).await {
                warn!(%error, key = %id, "could not note that a key was used");
            }
        });
        let conflict = match grant.conflict {
            channels::Conflict::TakeOver => Conflict::TakeOver,
            channels::Conflict::Refuse => Conflict::Refuse,
        };
        Ok(Publish { channel: grant.channel, key: id, conflict, protocol: "rtmp" })
    }
}

//! Putting what happens into the queue.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use weir_identity::{ChannelName, DeliveryId};

use super::{Delivery, Event, Whose};
use crate::{channels::Channel, error::Error, store::Store};

/// Tells hooks. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    store: Arc<dyn Store>,
    /// Rings when something was put into the queue.
    waiting: Arc<Notify>,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcer")
    }
}

impl Announcer {
    /// Announces into the queue of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, waiting: Arc::default() }
    }

    pub(super) fn waiting(&self) -> Arc<Notify> {
        self.waiting.clone()
    }

    /// What happened in the channel of that name. See [`Self::announce`].
    pub async fn announce_in(&self, name: &ChannelName, event: Event, data: Value) {
        match self.store.channel_named(name).await {
            Ok(Some(channel)) => self.announce(&channel, event, data).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, event = event.as_str(), "hooks were not told: the store is away"),
        }
    }

    /// Puts what happened into the queue, for every hook that wants it. `data` is an object; the channel's name is
    /// added to it. A store that is away is told to the operator: what happened has happened.
    pub async fn announce(&self, channel: &Channel, event: Event, data: Value) {
        if let Err(error) = self.put(channel, event, data).await {
            tracing::warn!(%error, event = event.as_str(), "hooks were not told: the store is away");
        }
    }

    async fn put(&self, channel: &Channel, event: Event, mut data: Value) -> Result<(), Error> {
        let at = crate::store_time(Timestamp::now());
        data["channel"] = channel.name.as_str().into();
        let body = json!({"type": event.as_str(), "timestamp": at.to_string(), "data": data}).to_string();
        let mut deliveries = Vec::new();
        for whose in [Whose::Channel(channel.id), Whose::Installation] {
            let hooks = self.store.hooks_of(whose).await?;
            let wanting = hooks.into_iter().map(|(hook, _)| hook).filter(|hook| hook.events.contains(&event));
            deliveries.extend(wanting.map(|hook| Delivery {
                id: DeliveryId::new(),
                hook: hook.id,
                whose,
                body: body.clone(),
                created_at: at,
                tries: 0,
                due_at: at,
            }));
        }
        if !deliveries.is_empty() {
            self.store.enqueue(deliveries).await?;
            self.waiting.notify_one();
        }
        Ok(())
    }
}

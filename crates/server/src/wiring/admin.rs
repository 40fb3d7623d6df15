//! What the operator does to channels and keys, with its effect on who publishes now.

use std::sync::Arc;

use jiff::Timestamp;
use weir_control::{
    Error, Store,
    channels::{self, Channel},
    keys::Key,
    problem::Problem,
};
use weir_identity::{ChannelName, KeySecret, StreamKey};
use weir_media::Registry;

use super::revoked::Revoked;
use crate::addresses::Addresses;

/// The channel that `weir demo` publishes.
const DEMO: &str = "demo";
/// What keys made on the command line are called.
const KEY_NAME: &str = "command line";
/// Channels read from the store at once.
const PAGE: usize = 200;

/// Shared by the internal listener's calls.
#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    secret: KeySecret,
    registry: Registry,
    revoked: Revoked,
    addresses: Addresses,
}

/// A channel with a key that was just made.
pub(crate) struct Opened {
    pub(crate) channel: ChannelName,
    pub(crate) key: StreamKey,
    /// Publishers that were cut, because theirs was revoked.
    pub(crate) cut: usize,
}

impl Admin {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        secret: KeySecret,
        registry: Registry,
        revoked: Revoked,
        addresses: Addresses,
    ) -> Self {
        Self(Arc::new(Inner { store, secret, registry, revoked, addresses }))
    }

    /// Where the public listeners are.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    /// Every channel, by name, with how many usable keys it has.
    pub(crate) async fn channels(&self) -> Result<Vec<(Channel, usize)>, Problem> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.store.channels(after.take(), PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().map(|channel| channel.name.clone());
            for channel in page {
                let keys = self.0.store.keys_of(channel.id).await?;
                all.push((channel, keys.iter().filter(|key| key.revoked_at.is_none()).count()));
            }
            if last {
                return Ok(all);
            }
        }
    }

    /// Makes a channel with this key.
    pub(crate) async fn create(&self, name: ChannelName, key: StreamKey) -> Result<Opened, Problem> {
        let channel = Channel::new(name.clone(), None);
        let kept = Key::new(channel.id, KEY_NAME, self.0.secret.hash(&key));
        self.0.store.open_channel(channel, kept).await.map_err(|error| match error {
            Error::Exists => conflict(format!("The channel {name}, or this key, exists already.")),
            other => other.into(),
        })?;
        Ok(Opened { channel: name, key, cut: 0 })
    }

    /// Says what a second publisher gets, from the next one on.
    pub(crate) async fn set_conflict(&self, name: &ChannelName, gets: channels::Conflict) -> Result<(), Problem> {
        let channel = self.0.store.channel_named(name).await?;
        let channel = channel.ok_or_else(|| Problem::channel_not_found(name.as_str()))?;
        Ok(self.0.store.set_conflict(channel.id, gets).await?)
    }

    /// Revokes every key of the channel, cuts who uses one, and sets this one.
    pub(crate) async fn rotate(&self, name: &ChannelName, key: StreamKey) -> Result<Opened, Problem> {
        let channel = self.0.store.channel_named(name).await?;
        let channel = channel.ok_or_else(|| Problem::channel_not_found(name.as_str()))?;
        self.renew(channel, key, KEY_NAME, None).await
    }

    /// A key for the demo's channel, which is made if it is missing. Keys of earlier demos are revoked; the operator's
    /// own of that channel stay.
    pub(crate) async fn demo(&self) -> Result<Opened, Problem> {
        let name = ChannelName::parse(DEMO).expect("`demo` is a valid name");
        let channel = match self.0.store.channel_named(&name).await? {
            Some(channel) => channel,
            None => {
                let channel = Channel::new(name, None);
                match self.0.store.add_channel(channel.clone()).await {
                    Ok(()) => channel,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        self.renew(channel, StreamKey::random(), DEMO, Some(DEMO.to_owned())).await
    }

    async fn renew(
        &self,
        channel: Channel,
        key: StreamKey,
        called: &str,
        only: Option<String>,
    ) -> Result<Opened, Problem> {
        let kept = Key::new(channel.id, called, self.0.secret.hash(&key));
        let revoked = self.0.store.rotate_keys(kept, only, Timestamp::now()).await.map_err(|error| match error {
            Error::Exists => conflict("This key was used before; choose another.".to_owned()),
            other => other.into(),
        })?;
        let cut = self.0.revoked.cut(&revoked, &self.0.registry);
        Ok(Opened { channel: channel.name, key, cut })
    }
}

fn conflict(detail: String) -> Problem {
    Problem::new(axum::http::StatusCode::CONFLICT, "exists", "It exists already", detail)
}

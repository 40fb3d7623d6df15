//! What the operator does to channels and keys, with its effect on who publishes now.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use weir_control::{
    Error, Store,
    channels::{self, Channel},
    keys::{self, Key},
    problem::Problem,
};
use weir_identity::{ChannelName, KeyId, KeySecret, StreamKey};
use weir_media::Registry;

use super::nodes::{News, Nodes};
use crate::addresses::Addresses;

/// The channel that `weir demo` publishes.
const DEMO: &str = "demo";
/// What keys made on the command line are called.
const KEY_NAME: &str = "command line";
/// Channels read from the store at once.
const PAGE: usize = 200;
/// Edits of others that may come in between.
const EDITS_MAX: u32 = 5;
/// Longest life of a key that expires: what lives longer need not expire.
const EXPIRY_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Shared by the internal listener's calls.
#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    secret: KeySecret,
    registry: Registry,
    nodes: Nodes,
    addresses: Addresses,
}

/// A channel with a key that was just made.
pub(crate) struct Opened {
    pub(crate) channel: ChannelName,
    pub(crate) id: KeyId,
    pub(crate) key: StreamKey,
    /// From when on the key is refused, if ever.
    pub(crate) expires_at: Option<Timestamp>,
    /// Publishers that were cut, because theirs was revoked.
    pub(crate) cut: usize,
}

/// A stream key as it is shown: never the key itself.
pub(crate) struct Shown {
    pub(crate) key: Key,
    /// Somebody publishes with it now.
    pub(crate) is_live: bool,
}

impl Admin {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        secret: KeySecret,
        registry: Registry,
        nodes: Nodes,
        addresses: Addresses,
    ) -> Self {
        Self(Arc::new(Inner { store, secret, registry, nodes, addresses }))
    }

    /// Where the public listeners are.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    /// Every channel, by name, with how many usable keys it has.
    pub(crate) async fn channels(&self) -> Result<Vec<(Channel, usize)>, Problem> {
        let (mut all, mut after, now) = (Vec::new(), None, Timestamp::now());
        loop {
            let page = self.0.store.channels(after.take(), PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().map(|channel| channel.name.clone());
            for channel in page {
                let keys = self.0.store.keys_of(channel.id).await?;
                all.push((channel, keys.iter().filter(|key| key.is_usable(now)).count()));
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
        let id = kept.id;
        self.0.store.open_channel(channel, kept).await.map_err(|error| match error {
            Error::Exists => conflict(format!("The channel {name}, or this key, exists already.")),
            other => other.into(),
        })?;
        Ok(Opened { channel: name, id, key, expires_at: None, cut: 0 })
    }

    /// A channel's keys, oldest first, with who publishes now; the revoked ones that are remembered included.
    pub(crate) async fn keys(&self, name: &ChannelName) -> Result<Vec<Shown>, Problem> {
        let channel = self.channel(name).await?;
        let publishing = self.0.registry.get(name).map(|live| live.publish.key);
        let shown = |key: Key| Shown { is_live: publishing == Some(key.id), key };
        Ok(self.0.store.keys_of(channel.id).await?.into_iter().map(shown).collect())
    }

    /// Adds a key to those that the channel has.
    pub(crate) async fn add_key(
        &self,
        name: &ChannelName,
        key: StreamKey,
        called: Option<String>,
        lives: Option<Duration>,
    ) -> Result<Opened, Problem> {
        let called = called.as_deref().unwrap_or(KEY_NAME);
        keys::check_name(called).map_err(|error| Problem::bad_request(format!("Not usable: {error}.")))?;
        let expires_at = lives.map(expiry).transpose()?;
        let channel = self.channel(name).await?;
        let kept = Key { expires_at, ..Key::new(channel.id, called, self.0.secret.hash(&key)) };
        let id = kept.id;
        self.0.store.add_key(kept).await.map_err(|error| match error {
            Error::Exists => used_before(),
            Error::TooMany => conflict(format!("{name} has {} keys; revoke one first.", keys::KEYS_PER_CHANNEL_MAX)),
            other => other.into(),
        })?;
        Ok(Opened { channel: channel.name, id, key, expires_at, cut: 0 })
    }

    /// Revokes one key of the channel and cuts who publishes with it; once more changes nothing. Gives how many were
    /// cut.
    pub(crate) async fn revoke_key(&self, name: &ChannelName, id: KeyId) -> Result<usize, Problem> {
        let channel = self.channel(name).await?;
        // An id of another channel's key is a mistake of whoever typed it.
        if !self.0.store.keys_of(channel.id).await?.iter().any(|key| key.id == id) {
            return Err(Problem::new(
                axum::http::StatusCode::NOT_FOUND,
                "key-not-found",
                "No such key",
                format!("{name} has no key {id}."),
            ));
        }
        self.0.store.revoke_key(channel.id, id, Timestamp::now()).await?;
        Ok(self.0.nodes.tell(News::Revoked(vec![id])))
    }

    async fn channel(&self, name: &ChannelName) -> Result<Channel, Problem> {
        let channel = self.0.store.channel_named(name).await?;
        channel.ok_or_else(|| Problem::channel_not_found(name.as_str()))
    }

    /// Says what a second publisher gets, from the next one on.
    pub(crate) async fn set_conflict(&self, name: &ChannelName, gets: channels::Conflict) -> Result<(), Problem> {
        // Once more for each edit that came in between; a channel is not edited all the time.
        for _ in 0..EDITS_MAX {
            let channel = Channel { conflict: gets, ..self.channel(name).await? };
            if self.0.store.update_channel(channel).await? {
                return Ok(());
            }
        }
        Err(conflict(format!("{name} is being edited; try again.")))
    }

    /// Revokes every key of the channel, cuts who uses one, and sets this one.
    pub(crate) async fn rotate(&self, name: &ChannelName, key: StreamKey) -> Result<Opened, Problem> {
        let channel = self.channel(name).await?;
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
        let id = kept.id;
        let revoked = self.0.store.rotate_keys(kept, only, Timestamp::now()).await.map_err(|error| match error {
            Error::Exists => used_before(),
            other => other.into(),
        })?;
        let cut = self.0.nodes.tell(News::Revoked(revoked));
        Ok(Opened { channel: channel.name, id, key, expires_at: None, cut })
    }
}

/// When a key that lives so long from now on is over.
fn expiry(lives: Duration) -> Result<Timestamp, Problem> {
    if lives.is_zero() || lives > EXPIRY_MAX {
        return Err(Problem::bad_request("Not usable: a key expires after more than 0 s and at most 10 years."));
    }
    let end = Timestamp::now().checked_add(lives);
    // Kept in milliseconds, and said as it is kept.
    let end = end.and_then(|end| Timestamp::from_millisecond(end.as_millisecond()));
    end.map_err(|error| Problem::bad_request(format!("Not usable: {error}.")))
}

fn used_before() -> Problem {
    conflict("This key was used before; choose another.".to_owned())
}

fn conflict(detail: String) -> Problem {
    Problem::new(axum::http::StatusCode::CONFLICT, "exists", "It exists already", detail)
}

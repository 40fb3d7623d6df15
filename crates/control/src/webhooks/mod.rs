//! Telling other programs what happened: hooks, and the queue of what is still to be delivered.
//!
//! A [`Hook`] belongs to a channel or to the installation. What happens is put into the store's queue as a
//! [`Delivery`] for each hook that wants it, and taken from there by any node, one after the other until it was
//! delivered or its time is over. Deliveries come at least once, and not in order: they carry an id and a time.
//!
//! The [`Announcer`] puts them there; the [`Courier`] takes and posts them by the [`Client`], which reaches nothing that
//! is ours (`address`); `signature` says how a receiver knows us, `backoff` when a failed one is tried again.

mod address;
mod announcer;
mod backoff;
mod client;
mod config;
mod courier;
pub(crate) mod cql;
pub(crate) mod routes;
mod signature;
mod sqlite;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelId, DeliveryId, HookId, KeySecret};

pub(crate) use self::client::trusted_authorities;
pub use self::{
    announcer::Announcer,
    client::{Answered, Client, Failed},
    config::Config,
    courier::Courier,
    signature::Secret,
};
use crate::{seal::Seal, store::Answer};

/// Most hooks of one channel, or of the installation.
pub const HOOKS_MAX: usize = 10;
/// Longest address of a hook.
pub const URL_BYTES_MAX: usize = 1_024;
/// Deliveries of one hook that wait; the oldest is dropped for a further one. A store that forgets them by
/// [`GIVEN_UP_AFTER`] alone may hold more.
pub const WAITING_MAX: u32 = 1_000;
/// What was not delivered within this long is dropped.
pub const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(as = WebhookEvent)]
pub enum Event {
    /// A stream began.
    #[schema(rename = "stream.started")]
    StreamStarted,
    /// A stream ended: its publisher left, and did not come back within the grace time.
    #[schema(rename = "stream.ended")]
    StreamEnded,
    /// A recorded or uploaded video can be watched.
    #[schema(rename = "vod.ready")]
    VodReady,
    /// Somebody was banned from a channel.
    #[schema(rename = "ban")]
    Ban,
}

impl Event {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::StreamStarted, Self::StreamEnded, Self::VodReady, Self::Ban];

    /// Its name in deliveries, in the store and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreamStarted => "stream.started",
            Self::StreamEnded => "stream.ended",
            Self::VodReady => "vod.ready",
            Self::Ban => "ban",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }

    /// Several, as a store keeps them. Names that a newer Weir wrote are left out.
    pub(crate) fn list(text: &str) -> Vec<Self> {
        text.split(',').filter_map(Self::parse).collect()
    }

    /// What [`Self::list`] reads.
    pub(crate) fn join(events: &[Self]) -> String {
        events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// Whose hook it is: what happens where is it told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Everything, everywhere.
    Installation,
    /// What happens in one channel.
    Channel(ChannelId),
}

impl Whose {
    /// How a store names it.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Installation => "installation".into(),
            Self::Channel(id) => id.to_string(),
        }
    }

    /// Reads what [`Self::to_text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "installation" => Some(Self::Installation),
            id => id.parse().ok().map(Self::Channel),
        }
    }
}

/// Somebody who wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// Whose it is.
    pub whose: Whose,
    /// Where it is told. At most [`URL_BYTES_MAX`] bytes.
    pub url: String,
    /// What it is told.
    pub events: Vec<Event>,
    /// What deliveries are signed with, sealed under the installation's secret.
    pub secret: Vec<u8>,
    /// Who made it.
    pub by: AccountId,
    /// When.
    pub created_at: Timestamp,
}

/// How the last delivery of a hook went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When.
    pub at: Timestamp,
    /// Whether it was taken.
    pub ok: bool,
    /// What was answered, or what went wrong, in words.
    pub note: String,
}

/// One message for one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id; the receiver sees it, and sees it again when it comes twice. Sorts by time.
    pub id: DeliveryId,
    /// For which hook.
    pub hook: HookId,
    /// Whose hook that is.
    pub whose: Whose,
    /// The message, JSON.
    pub body: String,
    /// When it was put into the queue.
    pub created_at: Timestamp,
    /// How often it was taken from the queue.
    pub tries: u32,
    /// From when on it may be taken.
    pub due_at: Timestamp,
}

/// Hooks and their queue, kept.
pub trait Webhooks: Send + Sync + 'static {
    /// Adds a hook. [`Error::Missing`](crate::Error::Missing) without the channel,
    /// [`Error::TooMany`](crate::Error::TooMany) past [`HOOKS_MAX`].
    fn add_hook(&self, hook: Hook) -> Answer<'_, ()>;

    /// Hooks in the order in which they were made, each with how its last delivery went.
    fn hooks_of(&self, whose: Whose) -> Answer<'_, Vec<(Hook, Option<Outcome>)>>;

    /// Removes a hook. False when there is none. What waits for it is dropped when its turn comes.
    fn remove_hook(&self, whose: Whose, id: HookId) -> Answer<'_, bool>;

    /// Notes how a delivery went.
    fn note_outcome(&self, whose: Whose, id: HookId, outcome: Outcome) -> Answer<'_, ()>;

    /// Puts deliveries into the queue: once this returns they are kept.
    fn enqueue(&self, deliveries: Vec<Delivery>) -> Answer<'_, ()>;

    /// Takes at most `limit` deliveries that are due at `now`: they count as tried once more, and are due again at
    /// `until` unless [`Self::dequeue`] comes before. Of several nodes that ask at once each gets others.
    fn claim_deliveries(&self, now: Timestamp, until: Timestamp, limit: usize) -> Answer<'_, Vec<Delivery>>;

    /// Says when a claimed delivery is due again. Nothing happens when somebody else has claimed it since.
    fn postpone(&self, claimed: Delivery, due_at: Timestamp) -> Answer<'_, ()>;

    /// Takes a delivery out of the queue.
    fn dequeue(&self, id: DeliveryId) -> Answer<'_, ()>;
}

/// A hook's secret as it is kept.
fn seal_secret(installation: &KeySecret, hook: HookId, secret: &Secret) -> Vec<u8> {
    Seal::new(installation, "webhook").seal(secret.as_bytes(), hook.as_bytes())
}

/// What [`seal_secret`] sealed; nothing when it was changed.
fn open_secret(installation: &KeySecret, hook: &Hook) -> Option<Secret> {
    Seal::new(installation, "webhook").open(&hook.secret, hook.id.as_bytes()).map(Secret::from_bytes)
}

//! Messages that wait until a moderator has read them: allowed, they are said in their author's name; refused, nobody
//! ever hears of them.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use weir_identity::{AccountId, ChannelId, ChannelName, HeldId, MessageId};

use crate::store::Answer;

/// Most messages that wait in one channel: more than moderators read in one go.
pub const HELD_PER_CHANNEL_MAX: usize = 1_000;
/// Most messages of one author that wait in one channel, so that nobody fills the queue alone.
pub const HELD_PER_AUTHOR_MAX: usize = 5;
/// How long a message waits: who comes back after a week does not want to hear what was said then.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long somebody may take to say what they allowed. A node that dies meanwhile leaves the message to others, and
/// the room still knows it from then, so that it is said once.
pub const DECIDED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id, as long as it waits.
    pub id: HeldId,
    /// Who wants to say it.
    pub author: AccountId,
    /// Their name, then.
    pub author_name: ChannelName,
    /// What is to be said.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<Answered>,
    /// When, in whole milliseconds.
    pub at: Timestamp,
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Which message.
    pub id: MessageId,
    /// Who said it.
    pub name: ChannelName,
}

/// Messages that wait, kept. What waited for longer than [`KEPT_FOR`] is not there.
pub trait HeldMessages: Send + Sync + 'static {
    /// Adds a message. [`Error::Missing`](crate::Error::Missing) without the channel,
    /// [`Error::TooMany`](crate::Error::TooMany) past [`HELD_PER_CHANNEL_MAX`] or [`HELD_PER_AUTHOR_MAX`].
    fn hold(&self, channel: ChannelId, held: Held) -> Answer<'_, ()>;

    /// A channel's messages in the order in which they came, after `after`, at most `limit`. One that somebody decides
    /// about is among them.
    fn held_in(&self, channel: ChannelId, after: Option<HeldId>, limit: usize) -> Answer<'_, Vec<Held>>;

    /// How many wait in a channel.
    fn held_count(&self, channel: ChannelId) -> Answer<'_, u64>;

    /// Takes a message to say it: of several who ask at once, one gets it. It must be let go of by [`Self::drop_held`]
    /// or [`Self::return_held`]; after [`DECIDED_WITHIN`] others may take it.
    fn take_held(&self, channel: ChannelId, id: HeldId, now: Timestamp) -> Answer<'_, Option<Held>>;

    /// A message that was taken could not be said: it waits again.
    fn return_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, ()>;

    /// Removes a message. False when it is gone already.
    fn drop_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, bool>;
}

//! Channels: what is published to and watched.

mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId, ChannelName};

use crate::{keys::Key, store::Answer};
pub(crate) use sqlite::insert;

/// Most characters of a channel's title.
pub const TITLE_CHARS_MAX: usize = 140;

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its name, which is its address.
    pub name: ChannelName,
    /// Who owns it; nobody owns one that was made on the command line.
    pub owner: Option<AccountId>,
    /// What people read above the player. At most [`TITLE_CHARS_MAX`] characters.
    pub title: String,
    /// What a second publisher gets while one is live.
    pub conflict: Conflict,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Channel {
    /// A channel of that name, titled by it, made now.
    #[must_use]
    pub fn new(name: ChannelName, owner: Option<AccountId>) -> Self {
        Self {
            id: ChannelId::new(),
            title: name.to_string(),
            name,
            owner,
            conflict: Conflict::TakeOver,
            created_at: crate::store_time(Timestamp::now()),
        }
    }
}

/// What a second publisher gets while one is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// The channel; the older one is told so and closed.
    #[default]
    TakeOver,
    /// A refusal.
    Refuse,
}

impl Conflict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TakeOver => "take_over",
            Self::Refuse => "refuse",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "take_over" => Some(Self::TakeOver),
            "refuse" => Some(Self::Refuse),
            _ => None,
        }
    }
}

/// Channels, kept.
pub trait Channels: Send + Sync + 'static {
    /// Adds a channel. [`Error::Exists`](crate::Error::Exists) when the name is taken.
    fn add_channel(&self, channel: Channel) -> Answer<'_, ()>;

    /// Adds a channel with its first key, both or none. [`Error::Exists`](crate::Error::Exists) when the name is taken
    /// or the key known.
    fn open_channel(&self, channel: Channel, key: Key) -> Answer<'_, ()>;

    /// The channel of that name.
    fn channel_named(&self, name: &ChannelName) -> Answer<'_, Option<Channel>>;

    /// Channels in order of their names, after `after`, at most `limit` of them.
    fn channels(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Channel>>;

    /// Those of `names` that exist, in no order.
    fn channels_named(&self, names: Vec<ChannelName>) -> Answer<'_, Vec<Channel>>;

    /// Sets what a second publisher gets. [`Error::Missing`](crate::Error::Missing) without such a channel.
    fn set_conflict(&self, channel: ChannelId, conflict: Conflict) -> Answer<'_, ()>;
}

//! Channels: what is published to and watched.

pub(crate) mod cql;
pub(crate) mod health;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;
mod view;

use jiff::Timestamp;
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelId, ChannelName};

use crate::{keys::Key, store::Answer};
pub(crate) use sqlite::insert;
pub(crate) use view::Watching;
pub use view::{ChannelView, Playback};

/// Most characters of a channel's title.
pub const TITLE_CHARS_MAX: usize = 140;
/// Most characters of its description.
pub const DESCRIPTION_CHARS_MAX: usize = 5_000;
/// Most tags.
pub const TAGS_MAX: usize = 10;
/// Most characters of a tag.
pub const TAG_CHARS_MAX: usize = 32;
/// Most characters of its category.
pub const CATEGORY_CHARS_MAX: usize = 64;
/// Most characters of a language (RFC 5646 §4.4.1).
pub const LANGUAGE_CHARS_MAX: usize = 35;
/// Most channels of one account.
pub const CHANNELS_PER_ACCOUNT_MAX: usize = 10;

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
    /// What people read below the player. At most [`DESCRIPTION_CHARS_MAX`] characters.
    pub description: String,
    /// What it is about, in the owner's words. At most [`TAGS_MAX`] of [`TAG_CHARS_MAX`] characters.
    pub tags: Vec<String>,
    /// What kind of thing it shows, such as a game's name. At most [`CATEGORY_CHARS_MAX`] characters.
    pub category: String,
    /// The language spoken, as BCP 47 writes it; empty when it is not said.
    pub language: String,
    /// Who may watch, and who is told that it exists.
    pub visibility: Visibility,
    /// How much safety is given away for speed.
    pub latency: Latency,
    /// What a second publisher gets while one is live.
    pub conflict: Conflict,
    /// Whether its streams are recorded.
    pub record: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows with each change; [`Channels::update_channel`] compares it.
    pub version: u32,
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
            description: String::new(),
            tags: Vec::new(),
            category: String::new(),
            language: String::new(),
            visibility: Visibility::Public,
            latency: Latency::Low,
            conflict: Conflict::TakeOver,
            record: false,
            created_at: crate::store_time(Timestamp::now()),
            version: 1,
        }
    }
}

macro_rules! named {
    ($name:ident { $($variant:ident = $text:literal),+ }) => {
        impl $name {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the store and in the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads what [`Self::as_str`] wrote.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// Who may watch, and who is told that it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Visibility {
    /// Everyone, and it stands in lists.
    #[default]
    Public,
    /// Everyone who knows its name; it stands in no list.
    Unlisted,
    /// Who has a signed address, its owner and its moderators.
    Private,
    /// Who is logged in and has a role in it, besides its owner.
    Members,
}
named!(Visibility { Public = "public", Unlisted = "unlisted", Private = "private", Members = "members" });

impl Visibility {
    /// Whether watching needs a signed address.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Private | Self::Members)
    }
}

/// How much safety is given away for speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Latency {
    /// WebRTC where the viewer can: well under a second.
    Realtime,
    /// The page chooses: WebRTC, else Low-Latency HLS.
    #[default]
    Low,
    /// HLS with more in the buffer, for viewers on bad networks.
    Normal,
}
named!(Latency { Realtime = "realtime", Low = "low", Normal = "normal" });

/// What a second publisher gets while one is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Conflict {
    /// The channel; the older one is told so and closed.
    #[default]
    TakeOver,
    /// A refusal.
    Refuse,
}

named!(Conflict { TakeOver = "take_over", Refuse = "refuse" });

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

    /// The channel with that id.
    fn channel(&self, id: ChannelId) -> Answer<'_, Option<Channel>>;

    /// An account's channels, by name.
    fn channels_of(&self, owner: AccountId) -> Answer<'_, Vec<Channel>>;

    /// Replaces the channel by `channel` and counts its version up, if the kept one still has `channel.version`; id,
    /// name, owner and time of making stay. False when somebody else changed it, or it is gone.
    fn update_channel(&self, channel: Channel) -> Answer<'_, bool>;
}

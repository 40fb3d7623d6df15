//! What was said in the rooms of channels, for good; and how rooms are, so that they are so again after a restart.
//!
//! Messages stand in the order of their ids, which is that of the clocks of the nodes they were said on. Whatever is
//! kept may be kept again, in any order: a message stands once, and one that was taken back stays taken back.

pub(crate) mod cql;
pub(crate) mod routes;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;
pub mod words;

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId, ChannelName, MessageId};

use crate::store::Answer;
pub use words::Words;

/// Most messages of one page.
pub const PAGE_MAX: usize = 500;
/// Most bytes of a room's settings.
pub const SETTINGS_BYTES_MAX: usize = 4_096;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: a UUID of version 7, whose time is when it was said.
    pub id: MessageId,
    /// Who said it.
    pub account: AccountId,
    /// Their name.
    pub name: ChannelName,
    /// What others read; empty where that is the name.
    pub display_name: String,
    /// What they were in the room.
    pub role: Role,
    /// What is said. Empty once it was taken back.
    pub text: String,
    /// When, in whole milliseconds.
    pub at: Timestamp,
    /// Which message it answers, and who said that.
    pub reply_to: Option<(MessageId, ChannelName)>,
    /// What the client called it, so that it is said once however often it is sent. For chat only.
    pub called: Option<String>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// How it flew over the picture, of a comment that was said nowhere else.
    pub flight: Option<Flight>,
}

impl Message {
    /// What is left of it once it was taken back.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self { text: String::new(), reply_to: None, deleted: true, ..self }
    }
}

/// How a comment flew over the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// Where.
    pub way: Way,
    /// `#rrggbb`.
    pub color: Option<String>,
}

/// Where a comment flew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From one side to the other.
    Scroll,
    /// It stood at the top.
    Top,
    /// It stood at the bottom.
    Bottom,
}

impl Way {
    /// How the store and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scroll => "scroll",
            Self::Top => "top",
            Self::Bottom => "bottom",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Scroll, Self::Top, Self::Bottom].into_iter().find(|way| way.as_str() == text)
    }
}

/// What somebody was in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Has an account.
    Viewer,
    /// A VIP.
    Vip,
    /// Keeps order.
    Moderator,
    /// Owns the channel, or runs the server.
    Owner,
}

impl Role {
    /// How the store and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Vip => "vip",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Vip, Self::Moderator, Self::Owner].into_iter().find(|role| role.as_str() == text)
    }
}

/// Something that happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Somebody said something. One that is deleted keeps its place without its words.
    Said(Message),
    /// A message was taken back.
    TakenBack(MessageId),
    /// What was said up to a time was taken back.
    Cleared {
        /// Whose; everybody's without it.
        account: Option<AccountId>,
        /// Up to when, to the millisecond.
        until: Timestamp,
    },
    /// Moderators set how the room is: JSON that chat understands, of at most [`SETTINGS_BYTES_MAX`] bytes.
    Set(String),
    /// A message was pinned, or none.
    Pinned(Option<MessageId>),
}

/// Which messages are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Older than this one. It need not be there.
    pub before: Option<MessageId>,
    /// At most so many, up to [`PAGE_MAX`].
    pub limit: usize,
    /// Only those that stand and have these words.
    pub words: Option<Words>,
    /// Only those that stand and this account said.
    pub account: Option<AccountId>,
    /// Also comments that only flew over the picture. A search finds none of them.
    pub comments: bool,
}

impl Wanted {
    /// Whether only some of the messages are wanted, and none that was taken back.
    #[must_use]
    pub fn is_search(&self) -> bool {
        self.words.is_some() || self.account.is_some()
    }
}

/// Messages, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that were found. A search may find none and not be at its end.
    pub messages: Vec<Message>,
    /// What to ask for before next; nothing at the end.
    pub next: Option<MessageId>,
}

/// How a room is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomKept {
    /// What moderators set, as chat wrote it.
    pub settings: Option<String>,
    /// What is pinned, if it still stands.
    pub pinned: Option<Message>,
}

/// Messages, kept.
pub trait Messages: Send + Sync + 'static {
    /// Keeps what happened in rooms. After an error any of it may be kept; all of it may be asked for again. What
    /// belongs to a channel or an account that is gone is left out.
    fn keep_messages(&self, notes: Vec<(ChannelId, Note)>) -> Answer<'_, ()>;

    /// Messages of a channel. Those that were taken back are there without words, unless it is a search.
    fn messages(&self, channel: ChannelId, wanted: Wanted) -> Answer<'_, Found>;

    /// One message.
    fn message(&self, channel: ChannelId, id: MessageId) -> Answer<'_, Option<Message>>;

    /// How a room is.
    fn room(&self, channel: ChannelId) -> Answer<'_, RoomKept>;
}

/// The time of a message's id, in milliseconds since the Unix epoch (RFC 9562 §5.7).
pub(crate) fn ms(id: MessageId) -> i64 {
    let id = u128::from_be_bytes(*id.as_bytes());
    i64::try_from(id >> 80).unwrap_or(i64::MAX)
}

/// Sorts before every message of that millisecond, and after all earlier ones.
pub(crate) fn first_of(ms: i64) -> MessageId {
    // Version and variant as in every id: a store may compare them first.
    let time = u128::from(ms.clamp(0, (1 << 48) - 1).cast_unsigned()) << 80;
    MessageId::from_bytes((time | 7 << 76 | 2 << 62).to_be_bytes())
}

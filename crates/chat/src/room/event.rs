//! What happens in a room, and who does it.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use weir_identity::{AccountId, ChannelName};

use super::rules::Sentence;
pub use weir_identity::MessageId;

/// Longest id that a client gives a message, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 64;

/// What a client calls a message that it sends, so that it is said once however often it is sent: 1 to
/// [`CLIENT_ID_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Reads an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (1..=CLIENT_ID_BYTES_MAX).contains(&text.len()).then(|| Self(text.into()))
    }

    /// As the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an id has 1 to 64 bytes")
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// What somebody is in a room, from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has an account.
    #[default]
    Viewer,
    /// Marked, and free of slow mode and the like.
    Vip,
    /// Keeps order.
    Moderator,
    /// Owns the channel, or runs the server.
    Owner,
}

/// Who said something, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: ChannelName,
    /// What others read, where that is not the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is in this room.
    pub role: Role,
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Which message.
    pub id: MessageId,
    /// Who said it.
    pub name: ChannelName,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who says it.
    pub user: Person,
    /// What is said. Empty once it was deleted.
    pub text: String,
    /// When, in whole milliseconds.
    pub at: Timestamp,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Reply>,
    /// Whether it was taken back. Only in history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Something that changes what stands in a room, and so takes an offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Somebody says something.
    Message(Message),
    /// A message is taken back.
    Deleted {
        /// Which.
        id: MessageId,
        /// Who did it.
        by: AccountId,
    },
    /// Everything is taken back that was said, or everything that one account said.
    Cleared {
        /// Whose messages; all without it.
        user: Option<AccountId>,
        /// Who did it.
        by: AccountId,
        /// That account is banned from here on. It stands here, so that no node hears of the one without the other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sentence: Option<Sentence>,
    },
    /// A message is pinned above the others, or none.
    Pinned {
        /// Which; none is pinned without it.
        message: Option<Box<Message>>,
        /// Who did it.
        by: AccountId,
    },
}

impl Event {
    /// What is pinned once this has happened, if `pinned` was before.
    pub(crate) fn pins(&self, pinned: &mut Option<Message>) {
        let gone = |is: &dyn Fn(&Message) -> bool| pinned.as_ref().is_some_and(is);
        match self {
            Self::Pinned { message, .. } => *pinned = message.as_deref().cloned(),
            Self::Deleted { id, .. } if gone(&|message| message.id == *id) => *pinned = None,
            Self::Cleared { user, .. } if gone(&|message| user.is_none_or(|user| user == message.user.id)) => {
                *pinned = None
            }
            _ => {}
        }
    }
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place: one more than that of the entry before.
    pub offset: u64,
    /// What happens.
    pub event: Event,
    /// As clients read it: a JSON object. Shared by everybody whom it is sent to.
    pub json: Bytes,
    /// What the client called a message that it said once, for nodes only.
    pub once: Option<ClientId>,
}

#[derive(Serialize)]
struct Numbered<'a> {
    offset: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Entry {
    /// Puts an event in its place, and writes it.
    #[must_use]
    pub fn new(offset: u64, event: Event) -> Self {
        let json = write(offset, &event);
        Self { offset, event, json, once: None }
    }

    /// The same, called so by the client.
    #[must_use]
    pub fn called(self, once: Option<ClientId>) -> Self {
        Self { once, ..self }
    }

    /// What stays in its place of a message that was taken back.
    #[must_use]
    pub fn tombstone(&self) -> Option<Self> {
        match &self.event {
            Event::Message(message) if !message.deleted => {
                let gone = Message { text: String::new(), deleted: true, reply_to: None, ..message.clone() };
                Some(Self::new(self.offset, Event::Message(gone)))
            }
            _ => None,
        }
    }
}

fn write(offset: u64, event: &Event) -> Bytes {
    serde_json::to_vec(&Numbered { offset, event }).expect("an event has no map with keys other than texts").into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of `name`, at second `at` of 2026.
    pub(crate) fn said(name: &str, text: &str) -> Event {
        Event::Message(Message {
            id: MessageId::new(),
            user: Person {
                id: AccountId::from_bytes([name.len() as u8; 16]),
                name: name.parse().unwrap(),
                display_name: String::new(),
                role: Role::Viewer,
            },
            text: text.into(),
            at: Timestamp::from_second(1_790_000_000).unwrap(),
            reply_to: None,
            deleted: false,
        })
    }

    #[test]
    fn an_entry_reads_as_the_protocol_says() {
        let entry = Entry::new(7, said("anna", "hello \"you\""));
        let read: serde_json::Value = serde_json::from_slice(&entry.json).unwrap();
        assert_eq!(read["type"], "message");
        assert_eq!(read["offset"], 7);
        assert_eq!(read["user"]["name"], "anna");
        assert_eq!(read["user"]["role"], "viewer");
        assert_eq!(read["text"], "hello \"you\"");
        assert_eq!(read["at"], "2026-09-21T14:13:20Z");
        assert!(read.get("deleted").is_none());
        let event: Event = serde_json::from_slice(&entry.json).unwrap();
        assert_eq!(event, entry.event, "offset is left out");
    }

    #[test]
    fn what_was_taken_back_keeps_its_place_without_its_words() {
        let entry = Entry::new(7, said("anna", "something bad"));
        let gone = entry.tombstone().unwrap();
        assert_eq!(gone.offset, 7);
        assert!(!String::from_utf8_lossy(&gone.json).contains("bad"));
        assert_eq!(gone.tombstone(), None, "once");
    }
}

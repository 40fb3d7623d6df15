//! Emotes: pictures that stand for words of chat, in one channel or in all of them.

mod cache;
pub mod config;
pub(crate) mod cql;
pub mod images;
pub mod maker;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use bytes::Bytes;
use jiff::Timestamp;
use weir_identity::{AccountId, EmoteId};

use crate::store::Answer;
/// Whose an emote is: it may be written in one channel, or in all.
pub use crate::webhooks::Whose;
pub use config::Config;
pub use images::Images;
pub use maker::{Maker, NotMade, Picture};

/// Fewest characters of a code.
pub const CODE_CHARS_MIN: usize = 2;
/// Most characters of a code.
pub const CODE_CHARS_MAX: usize = 32;

/// What is written between two colons for an emote: 2 to 32 of `[A-Za-z0-9_]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Box<str>);

/// It is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has 2 to 32 of a-z, A-Z, 0-9 and _")]
pub struct InvalidCode;

impl Code {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let well = (CODE_CHARS_MIN..=CODE_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if well { Ok(Self(text.into())) } else { Err(InvalidCode) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One emote. Its picture is kept beside it, as PNG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emote {
    /// Its id, by which its picture is found.
    pub id: EmoteId,
    /// Whose it is.
    pub whose: Whose,
    /// What is written for it. Unique among those of one channel, and among those of all.
    pub code: Code,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
    /// Who added it.
    pub by: AccountId,
    /// When.
    pub at: Timestamp,
}

/// Emotes, kept.
pub trait Emotes: Send + Sync + 'static {
    /// Adds an emote with its picture, if there are fewer than `most`. [`Error::Exists`](crate::Error::Exists) when the
    /// code is taken, [`Error::TooMany`](crate::Error::TooMany) when there are as many,
    /// [`Error::Missing`](crate::Error::Missing) without the channel.
    fn add_emote(&self, emote: Emote, image: Bytes, most: usize) -> Answer<'_, ()>;

    /// Removes an emote with its picture, and gives what it was.
    fn remove_emote(&self, whose: Whose, code: Code) -> Answer<'_, Option<Emote>>;

    /// Emotes of one channel or of the installation, by code.
    fn emotes_of(&self, whose: Whose) -> Answer<'_, Vec<Emote>>;

    /// The picture of an emote.
    fn emote_image(&self, id: EmoteId) -> Answer<'_, Option<Bytes>>;
}

//! Words that are not said in a channel, beside those that nobody says on this server. What is found of them, and how
//! else they may be spelled, is chat's matter.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_identity::ChannelId;

use crate::store::Answer;

/// Most words of one channel.
pub const WORDS_MAX: usize = 10_000;
/// Longest word, in characters, its stars included.
pub const WORD_CHARS_MAX: usize = 64;

/// What happens to a message with such a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WordAction)]
pub enum Action {
    /// The word is replaced by stars.
    Mask,
    /// The message waits until a moderator has read it.
    Hold,
    /// The message is refused.
    Block,
}

/// A word that is not said, however it is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Word {
    /// 1 to 64 characters. A star before or behind it lets it be a part of a longer word on that side.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+( [^\s\x00-\x1f\x7f-\x9f]+)*$",
        example = "*spam*"
    )]
    pub word: String,
    /// What happens.
    pub action: Action,
}

/// A channel's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordList {
    /// Grows with each change; 0 before the first.
    pub version: u32,
    /// The words. At most [`WORDS_MAX`].
    pub words: Vec<Word>,
}

/// Words of channels, kept.
pub trait WordLists: Send + Sync + 'static {
    /// A channel's words.
    fn words_of(&self, channel: ChannelId) -> Answer<'_, WordList>;

    /// The version of a channel's words. Costs little, however many there are.
    fn words_version(&self, channel: ChannelId) -> Answer<'_, u32>;

    /// Replaces a channel's words and counts their version up, if it still is `list.version`. False when somebody else
    /// changed them. [`Error::Missing`](crate::Error::Missing) without the channel.
    fn set_words(&self, channel: ChannelId, list: WordList) -> Answer<'_, bool>;
}

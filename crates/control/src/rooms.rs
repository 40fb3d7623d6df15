//! The rooms of channels, asked and told of by the API.

use std::{future::Future, pin::Pin};

use weir_identity::{AccountId, ChannelId, MessageId};

use crate::{bans::Ban, held::Held, reports::Message, words::Word};

/// What a call gives, later.
pub type Said<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whose rights have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Who may watch a channel: whoever is in its room and may no longer is put out.
    Channel(ChannelId),
    /// An account's role in a channel.
    Role(ChannelId, AccountId),
    /// Which addresses are banned from a channel.
    Addresses(ChannelId),
    /// An account, wherever it is: it was suspended, or is gone.
    Account(AccountId),
}

/// How many wait for the moderators of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Messages that are held.
    Held(u64),
    /// Messages that were reported.
    Reported(u64),
}

/// Why a message that was allowed is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSaid {
    /// Its author is banned, suspended or gone.
    Author,
    /// The room or the store does not answer.
    Unavailable,
}

/// The rooms. The API asks; it does not know connections. All nodes hear of what is told here. Where there is no chat,
/// nothing happens.
pub trait Rooms: Send + Sync + 'static {
    /// An account was banned from a channel, or is so no longer. Must not block.
    fn banned(&self, channel: ChannelId, account: AccountId, ban: Option<&Ban>) {
        let _ = (channel, account, ban);
    }

    /// Somebody may do less than before, or more. Must not block.
    fn rights_changed(&self, changed: Changed) {
        let _ = changed;
    }

    /// A queue of a channel's moderators has changed. Must not block.
    fn waiting(&self, channel: ChannelId, waiting: Waiting) {
        let _ = (channel, waiting);
    }

    /// A channel has other words, of this version. Must not block.
    fn words_changed(&self, channel: ChannelId, version: u32) {
        let _ = (channel, version);
    }

    /// Whether words can be looked for; if not, why, in words.
    fn check_words(&self, words: Vec<Word>) -> Said<'_, Result<(), String>> {
        drop(words);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Says a message that a moderator allowed, in its author's name: once, however often it is asked for.
    fn say(&self, channel: ChannelId, held: Held) -> Said<'_, Result<(), NotSaid>> {
        let _ = (channel, held);
        Box::pin(std::future::ready(Err(NotSaid::Unavailable)))
    }

    /// A message that stands in a channel's room, if it was said lately.
    fn message(&self, channel: ChannelId, id: MessageId) -> Said<'_, Option<Message>> {
        let _ = (channel, id);
        Box::pin(std::future::ready(None))
    }
}

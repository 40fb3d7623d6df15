//! What chat asks of the rest of the server: who somebody is, what they may do in a channel, and whom it has banned.

use std::{collections::HashSet, future::Future, net::IpAddr, pin::Pin, time::Duration};

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId, ChannelName};

use crate::{
    filter::Word,
    room::{
        event::{Person, Reply, Role},
        rules::{Sentence, Speaker},
    },
};

/// What a call gives, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who was let into a room.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The channel.
    pub channel: ChannelId,
    /// Who it is. Nobody only reads.
    pub speaker: Option<Speaker>,
}

/// Why a call is not answered as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no such channel.
    #[error("There is no such channel.")]
    NoChannel,
    /// The token does not count.
    #[error("This access token does not count here, or has expired.")]
    BadToken,
    /// The room is not for everybody.
    #[error("This room is not open to you.")]
    Forbidden,
    /// Whom it is about is not known.
    #[error("There is no such account.")]
    NoAccount,
    /// The store does not answer.
    #[error("This cannot be looked up right now. Try again soon.")]
    Unavailable,
}

impl Denied {
    /// For programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoChannel | Self::NoAccount => "not_found",
            Self::BadToken => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Somebody is banned.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// In which channel.
    pub channel: ChannelId,
    /// Who.
    pub account: AccountId,
    /// Who decided.
    pub by: AccountId,
    /// For how long; for good without it.
    pub lasts: Option<Duration>,
    /// Why, for other moderators.
    pub reason: String,
    /// Whether whoever writes from the address they last wrote from is held back as well.
    pub address: bool,
}

/// A message that waits until a moderator has read it.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// In which channel.
    pub channel: ChannelId,
    /// Who wants to say it.
    pub author: Person,
    /// What is to be said.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<Reply>,
}

/// What became of a message that is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It waits, and so many with it.
    Waits(u64),
    /// Too many wait already, of all or of this author.
    Full,
}

/// How many wait for moderators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queues {
    /// Messages that are held.
    pub held: u64,
    /// Messages that were reported.
    pub reported: u64,
}

/// A channel's own words.
#[derive(Debug, Clone, Default)]
pub struct OwnWords {
    /// Another one for each list; 0 for none.
    pub version: u32,
    /// The words.
    pub words: Vec<Word>,
}

/// Something that moderators did, for the audit log.
#[derive(Debug, Clone)]
pub struct Deed {
    /// In which channel.
    pub channel: ChannelId,
    /// Who did it.
    pub by: AccountId,
    /// What: `chat.delete`, `chat.clear`, `chat.pin`, `chat.settings`.
    pub action: &'static str,
    /// To what.
    pub subject: String,
}

/// The rest of the server.
pub trait Gate: Send + Sync + 'static {
    /// Lets somebody into a channel's room who presents `token` from `address`.
    fn admit<'a>(
        &'a self,
        channel: &'a ChannelName,
        token: Option<&'a str>,
        address: IpAddr,
    ) -> Answer<'a, Result<Admission, Denied>>;

    /// What is known now of somebody who was let in, and is at `address`. [`Denied::Forbidden`] when they are no longer.
    fn speaker(&self, channel: ChannelId, person: Person, address: IpAddr) -> Answer<'_, Result<Speaker, Denied>>;

    /// Whether everybody may still read. [`Denied::Forbidden`] when only some may.
    fn reader(&self, channel: ChannelId) -> Answer<'_, Result<(), Denied>> {
        let _ = channel;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Somebody speaks from `address`, over this connection for the first time. Must not block.
    fn spoke(&self, channel: ChannelId, account: AccountId, address: IpAddr) {
        let _ = (channel, account, address);
    }

    /// Keeps a message until a moderator has read it.
    fn hold(&self, waiting: Waiting) -> Answer<'_, Result<Held, Denied>> {
        drop(waiting);
        Box::pin(std::future::ready(Err(Denied::Unavailable)))
    }

    /// How many wait for a channel's moderators; nothing where they are told nothing.
    fn queues(&self, channel: ChannelId) -> Answer<'_, Result<Option<Queues>, Denied>> {
        let _ = channel;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// A channel's own words; nothing when they still are of version `known`.
    fn words(&self, channel: ChannelId, known: u32) -> Answer<'_, Result<Option<OwnWords>, Denied>> {
        let _ = (channel, known);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The codes of the emotes that may be written in a channel.
    fn emotes(&self, channel: ChannelId) -> Answer<'_, Result<HashSet<Box<str>>, Denied>> {
        let _ = channel;
        Box::pin(std::future::ready(Err(Denied::Unavailable)))
    }

    /// What somebody is in a channel.
    fn role(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Result<Role, Denied>>;

    /// Keeps a ban, or a timeout.
    fn ban(&self, verdict: Verdict) -> Answer<'_, Result<Sentence, Denied>>;

    /// Lifts a ban.
    fn unban(&self, channel: ChannelId, account: AccountId, by: AccountId) -> Answer<'_, Result<(), Denied>>;

    /// Notes what moderators did. Must not block.
    fn note(&self, deed: Deed);
}

/// The end of a sentence that begins now.
#[must_use]
pub fn until(lasts: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
    lasts.map(|lasts| now.checked_add(lasts).unwrap_or(Timestamp::MAX))
}

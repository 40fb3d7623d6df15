//! What keeps the rooms of several nodes one: an order, what was said, and a way to everybody.
//!
//! A room appends to the fabric and hears from it; what it hears, itself included, is what it tells. [`local`] is the
//! fabric of one node, [`redis`] that of several. Whatever a fabric does, [`crate::room::log`] says how it comes out.

pub mod archived;
mod lineage;
pub mod local;
pub mod redis;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use weir_identity::{AccountId, ChannelId};

pub use crate::gate::Answer;
use crate::{
    archive::Beginning,
    room::{
        Entry, Event, Person, Settings,
        event::Message,
        log::{Taken, Terms},
        rules::Sentence,
    },
    wire::outbound::Danmaku,
};
#[cfg(test)]
mod tests;

pub use self::{archived::Archived, lineage::Lineage, local::Local, redis::Redis};

/// The fabric does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other nodes cannot be reached")]
pub struct Down;

/// How a room is when a node begins to hear of it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What its offsets count in.
    pub epoch: Arc<str>,
    /// What they counted in before.
    pub before: Lineage,
    /// The last offset.
    pub head: u64,
    /// The last entries, up to the head, without holes.
    pub recent: Vec<Arc<Entry>>,
    /// What moderators set.
    pub settings: Settings,
    /// What is pinned.
    pub pinned: Option<Message>,
    /// Whether this node talks to itself, because the others cannot be reached.
    pub alone: bool,
}

/// How a room goes on in another epoch.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What offsets count in from now on.
    pub epoch: Arc<str>,
    /// What they counted in before.
    pub before: Lineage,
    /// Up to here nothing changes. `None`: nothing of what was is known to be the same.
    pub since: Option<u64>,
    /// What comes after that, up to the head: some of it may have come already, at other offsets. Without `since`, the last
    /// entries.
    pub entries: Vec<Arc<Entry>>,
    /// The last offset.
    pub head: u64,
    /// What moderators set.
    pub settings: Settings,
    /// What is pinned.
    pub pinned: Option<Message>,
    /// Whether this node talks to itself from now on.
    pub alone: bool,
}

/// What rooms tell each other that takes no offset: who was not there does not miss it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Signal {
    /// A comment over the picture.
    Danmaku(Danmaku),
    /// Moderators set something. The fabric keeps it.
    Settings(Settings),
    /// Somebody is banned, or not any more.
    Sentence {
        /// Who.
        account: AccountId,
        /// How.
        sentence: Option<Sentence>,
    },
    /// Queues of moderators have changed: only they are told.
    Queues {
        /// So many messages are held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<u64>,
        /// So many were reported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reported: Option<u64>,
    },
    /// The channel has other words of its own, of this version.
    Words {
        /// Which.
        version: u32,
    },
    /// What is known of who is here must be asked anew.
    Anew {
        /// Of whom; of everybody without it.
        account: Option<AccountId>,
        /// At once, or before they do something.
        at_once: bool,
    },
    /// The channel has other emotes.
    Emotes,
    /// A node asks the others who is there.
    WhoIsThere {
        /// Which node.
        node: u64,
    },
    /// Who is there on a node.
    People {
        /// Which node.
        node: u64,
        /// Everybody with an account; nobody is named where they are too many.
        people: Option<Vec<Person>>,
    },
    /// So many are there on a node.
    Presence {
        /// Which node.
        node: u64,
        /// So many.
        count: u64,
    },
}

/// What a room hears.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Something happened. Entries may come twice, in any order, or not at all.
    Entry(Arc<Entry>),
    /// Something that takes no offset.
    Signal(Signal),
    /// The last offset there is, and what it counts in: what lies before it and did not come was lost on its way.
    Head(Arc<str>, u64),
    /// The room goes on in another epoch.
    Moved(Box<Moved>),
}

/// Where a room hears. Called from any task; must not block.
pub type Sink = Arc<dyn Fn(Delivery) + Send + Sync>;
/// Where a room hears what became of an event. Called from any task; must not block.
pub type Done = Box<dyn FnOnce(Result<Taken, Down>) + Send>;

/// A fabric.
pub trait Fabric: fmt::Debug + Send + Sync + 'static {
    /// Has `sink` hear of a room from the head on that is returned.
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>>;

    /// `sink` hears no more.
    fn close(&self, room: ChannelId, sink: &Sink);

    /// Appends an event on terms: one offset, kept and told to all, or nothing at all.
    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done);

    /// Tells all.
    fn signal(&self, room: ChannelId, signal: Signal);

    /// Begins a room that nothing was ever said in, as it was once: its messages take the first offsets, and everybody who
    /// is there already hears of them. One step; in a room that has begun nothing changes, and settings that it has stay.
    /// Gives the room as it is then.
    fn seed(&self, room: ChannelId, beginning: Beginning) -> Answer<'_, Result<Opened, Down>>;

    /// Every entry of a room that is still there, oldest first.
    fn kept(&self, room: ChannelId) -> Answer<'_, Result<Vec<Arc<Entry>>, Down>>;

    /// What came after `offset`, at most `limit` entries; `None` when some of it is gone, or the epoch is another.
    fn since<'a>(
        &'a self,
        room: ChannelId,
        epoch: &'a str,
        offset: u64,
        limit: usize,
    ) -> Answer<'a, Result<Option<Vec<Arc<Entry>>>, Down>>;
}

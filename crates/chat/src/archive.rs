//! What chat asks of whoever keeps what was said for good.
//!
//! Chat never waits for it: what happens in a room is handed over once it has its place, and whatever did not get there
//! is handed over again while the fabric still has it. Only a room that begins with nothing asks, before anybody is in.

use std::fmt;

use weir_identity::ChannelId;

use crate::{
    fabric::{Down, Opened},
    gate::Answer,
    room::{ClientId, Event, Settings, event::Message},
    wire::outbound::Danmaku,
};

/// Something that happened in a room.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// It took a place in the room's log; with what the client called it.
    Event(Event, Option<ClientId>),
    /// A comment flew over the picture.
    Comment(Danmaku),
    /// Moderators set something.
    Set(Settings),
}

/// What a room begins with of which a fabric knows nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beginning {
    /// The last messages, oldest first, with what clients called those of the last minutes.
    pub messages: Vec<(Message, Option<ClientId>)>,
    /// What moderators set, if ever they did.
    pub settings: Option<Settings>,
    /// What is pinned.
    pub pinned: Option<Message>,
}

impl Beginning {
    /// Whether there is nothing to begin with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Keeps what was said.
pub trait Archive: fmt::Debug + Send + Sync + 'static {
    /// Keeps something that happened in a room. Called by the node that did it, right after it was acknowledged, from any
    /// task. Must not block: what finds no room is left out, and later taken from the fabric, as far as that still has it.
    fn note(&self, room: ChannelId, happened: Happened);

    /// A room was opened, and this is what the fabric has of it: what is not kept yet is to be kept. Must not block.
    fn compare(&self, room: ChannelId, opened: &Opened);

    /// What a room begins with: at most so many messages. [`Down`] when it cannot be looked up now.
    fn beginning(&self, room: ChannelId, messages: usize) -> Answer<'_, Result<Beginning, Down>>;
}

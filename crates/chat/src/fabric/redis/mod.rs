//! The fabric of several nodes: Redis keeps each room's log, and tells every node what is appended.
//!
//! A room is a hash (epoch, head, settings, what is pinned, and which Redis that was) and a stream whose ids are the
//! offsets, in one slot of a cluster. `append.lua` gives the offset, appends and publishes in one step, and decides what
//! [`crate::room::log::Log`] decides on one node. Publishing is sharded (`SPUBLISH`), because what is published to all
//! servers of a cluster slows it down as it grows. `append` sends, `calls` asks, `hear` listens, `memory` is what a node
//! remembers, `tend` looks after what got lost, `reunite` brings together what went apart.
//!
//! What is published may get lost; so every node looks at the heads of its rooms, and asks for what it misses. When Redis
//! is away, a node's rooms go on on this node, in another epoch and after the offsets there are. When Redis is back, what it
//! lacks is put back: what was said meanwhile, and everything a node remembers if Redis lost it. Offsets of an epoch never
//! stand for something else: a Redis that may have lost some (it began again, or a replica took over) counts in another.

mod append;
mod calls;
mod hear;
mod keys;
mod memory;
mod reunite;
mod tend;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};
use tracing::warn;
use weir_identity::ChannelId;
use weir_redis::{Link, Listener, Target};

use self::{
    append::{Append, append_all},
    keys::Keys,
    memory::Memory,
    tend::tend,
};
use super::{Answer, Delivery, Done, Down, Fabric, Opened, Signal, Sink};
use crate::{
    archive::Beginning,
    room::{Entry, Event, log::Terms},
};

/// Longest that Redis may take for an answer.
const CALL_MAX: Duration = Duration::from_secs(1);
/// Longest that it may take until a room is heard.
const HEAR_MAX: Duration = Duration::from_secs(2);
/// Appends on their way at once; more are refused, and clients try again.
const APPENDS_MAX: usize = 4_096;
/// Entries that a room takes by itself while Redis is away. With more, the oldest are not brought to Redis.
const JOURNAL_MAX: usize = 10_000;
/// Rooms that nobody is in any more and that Redis lacks something of. More are forgotten.
const OWING_MAX: usize = 1_000;
/// Entries that are heard of a room before it is known how it is.
const EARLY_MAX: usize = 1_000;

/// The fabric.
pub struct Redis {
    shared: Arc<Shared>,
    appends: mpsc::Sender<Append>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    link: Link,
    listener: Listener,
    entries_max: usize,
    rooms: Mutex<HashMap<ChannelId, Heard>>,
    /// A room counts otherwise than Redis.
    wake: Notify,
}

/// A room that somebody on this node hears.
struct Heard {
    sinks: Vec<Sink>,
    /// Nothing until it is known how the room is.
    memory: Option<Memory>,
    /// What was heard before that, and in which epoch.
    early: Vec<(String, Arc<Entry>)>,
    /// When something last happened, and when it was last looked at.
    happened: Instant,
    looked: Instant,
    /// The head that was known then.
    seen: u64,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("rooms", &self.shared.rooms.lock().len()).finish_non_exhaustive()
    }
}

impl Redis {
    /// Connects in the background. `entries_max` entries of a room are remembered, and given to whoever opens it. Must be
    /// called within a runtime of Tokio.
    #[must_use]
    pub fn new(target: Target, entries_max: usize) -> Self {
        let shared = Arc::new_cyclic(|shared: &std::sync::Weak<Shared>| {
            let link = Link::open(target.clone(), "chat");
            let heard = shared.clone();
            let listener = Listener::open(target, move |channel, words| {
                if let Some(shared) = heard.upgrade() {
                    shared.published(channel, words);
                }
            });
            Shared { link, listener, entries_max, rooms: Mutex::default(), wake: Notify::new() }
        });
        let (appends, jobs) = mpsc::channel(APPENDS_MAX);
        let tasks = vec![
            tokio::spawn(append_all(shared.clone(), jobs)).abort_handle(),
            tokio::spawn(tend(shared.clone())).abort_handle(),
        ];
        Self { shared, appends, tasks }
    }
}

impl Fabric for Redis {
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>> {
        let shared = &self.shared;
        Box::pin(async move {
            if let Some(opened) = shared.begin(room, sink) {
                return Ok(opened);
            }
            // First heard, then read: nothing is missed in between.
            let mut read = None;
            if shared.listener.hear(&Keys::of(room).room(), HEAR_MAX).await {
                read = shared.read(room, shared.entries_max, true).await.ok().flatten().map(|(opened, _)| opened);
            }
            let mut rooms = shared.rooms.lock();
            Ok(rooms.get_mut(&room).ok_or(Down)?.open(read, shared))
        })
    }

    fn close(&self, room: ChannelId, sink: &Sink) {
        let mut rooms = self.shared.rooms.lock();
        let owes = |heard: &Heard| heard.sinks.is_empty() && heard.memory.as_ref().is_some_and(Memory::owes);
        let Some(heard) = rooms.get_mut(&room) else { return };
        heard.sinks.retain(|other| !Arc::ptr_eq(other, sink));
        if !heard.sinks.is_empty() {
            return;
        }
        if owes(heard) {
            if rooms.values().filter(|heard| owes(heard)).count() <= OWING_MAX {
                // What was said stays here until Redis is back.
                return;
            }
            warn!(%room, "what was said in a room while Redis was away is lost: too many rooms wait for it");
        }
        rooms.remove(&room);
        self.shared.listener.unhear(&Keys::of(room).room());
    }

    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done) {
        let append = Append { room, event, terms, done };
        let Some(append) = self.shared.append_alone(append) else { return };
        if let Err(refused) = self.appends.try_send(append) {
            (refused.into_inner().done)(Err(Down));
        }
    }

    fn signal(&self, room: ChannelId, signal: Signal) {
        if self.shared.signal_alone(room, &signal) {
            return;
        }
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.tell(room, &signal).await });
    }

    fn seed(&self, room: ChannelId, beginning: Beginning) -> Answer<'_, Result<Opened, Down>> {
        Box::pin(async move { self.shared.begin_with(room, &beginning).await })
    }

    fn kept(&self, room: ChannelId) -> Answer<'_, Result<Vec<Arc<Entry>>, Down>> {
        let alone = self.shared.alone(room);
        Box::pin(async move {
            match alone {
                Some(opened) => Ok(opened.recent),
                None => self.shared.after(room, 0, 2 * calls::ENTRIES_KEPT).await.map(|(_, entries)| entries),
            }
        })
    }

    fn since<'a>(
        &'a self,
        room: ChannelId,
        epoch: &'a str,
        offset: u64,
        limit: usize,
    ) -> Answer<'a, Result<Option<Vec<Arc<Entry>>>, Down>> {
        Box::pin(self.shared.since(room, epoch, offset, limit))
    }
}

impl Shared {
    /// `sink` hears of a room. How that is, if it goes on by itself.
    fn begin(&self, room: ChannelId, sink: Sink) -> Option<Opened> {
        let mut rooms = self.rooms.lock();
        let heard = rooms.entry(room).or_insert_with(Heard::new);
        heard.sinks.push(sink);
        heard.memory.as_ref()?.opened_alone()
    }

    /// How a room is that goes on by itself.
    fn alone(&self, room: ChannelId) -> Option<Opened> {
        self.rooms.lock().get(&room)?.memory.as_ref()?.opened_alone()
    }

    /// Begins a room, if nothing was said in it; how it is then.
    async fn begin_with(&self, room: ChannelId, beginning: &Beginning) -> Result<Opened, Down> {
        let epoch = {
            let rooms = self.rooms.lock();
            let memory = rooms.get(&room).and_then(|heard| heard.memory.as_ref()).ok_or(Down)?;
            if let Some(alone) = memory.opened_alone() {
                return Ok(alone);
            }
            memory.epoch().clone()
        };
        Self::seed(self, room, &epoch, beginning).await?;
        let read = self.read(room, self.entries_max, true).await?.map(|(opened, _)| opened);
        let mut rooms = self.rooms.lock();
        let heard = rooms.get_mut(&room).ok_or(Down)?;
        let opened = heard.open(read, self);
        if let Some(memory) = heard.memory.as_mut().filter(|memory| !memory.is_alone()) {
            memory.begun(&opened);
        }
        Ok(opened)
    }

    /// Tells those here, where a room goes on by itself.
    fn signal_alone(&self, room: ChannelId, signal: &Signal) -> bool {
        let mut rooms = self.rooms.lock();
        let heard = rooms.get_mut(&room).filter(|heard| heard.memory.as_ref().is_some_and(Memory::is_alone));
        let Some((sinks, memory)) = heard.and_then(Heard::split) else { return false };
        if let Signal::Settings(settings) = signal {
            memory.set(settings.clone());
        }
        tell(sinks, &Delivery::Signal(signal.clone()));
        true
    }

    async fn since(
        &self,
        room: ChannelId,
        epoch: &str,
        offset: u64,
        limit: usize,
    ) -> Result<Option<Vec<Arc<Entry>>>, Down> {
        let known = {
            let rooms = self.rooms.lock();
            let memory = rooms.get(&room).and_then(|heard| heard.memory.as_ref());
            if let Some(alone) = memory.and_then(|memory| memory.since_alone(epoch, offset, limit)) {
                return Ok(alone);
            }
            memory.is_some_and(|memory| **memory.epoch() == *epoch)
        };
        let (now, entries) = self.after(room, offset, limit).await?;
        if now.as_deref() != Some(epoch) {
            if known {
                // Who asks is told how the room goes on.
                self.stray(room);
                return Err(Down);
            }
            return Ok(None);
        }
        let whole = entries.iter().zip(offset + 1..).all(|(entry, at)| entry.offset == at);
        if let Some(memory) = self.rooms.lock().get_mut(&room).and_then(|heard| heard.memory.as_mut())
            && !memory.is_alone()
            && **memory.epoch() == *epoch
        {
            entries.iter().for_each(|entry| memory.hear(entry.clone()));
        }
        Ok(whole.then_some(entries))
    }
}

impl Heard {
    fn new() -> Self {
        let now = Instant::now();
        Self { sinks: Vec::new(), memory: None, early: Vec::new(), happened: now, looked: now, seen: 0 }
    }

    fn tell(&self, delivery: &Delivery) {
        tell(&self.sinks, delivery);
    }

    fn split(&mut self) -> Option<(&[Sink], &mut Memory)> {
        Some((&self.sinks, self.memory.as_mut()?))
    }

    /// Keeps an entry until it is known how the room is.
    fn wait(&mut self, epoch: &str, entry: Arc<Entry>) {
        if self.early.len() < EARLY_MAX {
            self.early.push((epoch.to_owned(), entry));
        }
    }

    /// The room as Redis has it, or as this node has it when it cannot be read.
    fn open(&mut self, read: Option<Opened>, shared: &Shared) -> Opened {
        match (&mut self.memory, read) {
            (Some(memory), Some(read)) if !memory.is_alone() && *memory.epoch() == read.epoch => {
                read.recent.iter().for_each(|entry| memory.hear(entry.clone()));
                return read;
            }
            (None, Some(read)) => {
                let mut memory = Memory::of(&read, shared.entries_max);
                let early = std::mem::take(&mut self.early).into_iter();
                for (_, entry) in early.filter(|(epoch, _)| **epoch == *read.epoch) {
                    memory.hear(entry.clone());
                    tell(&self.sinks, &Delivery::Entry(entry));
                }
                self.memory = Some(memory);
                return read;
            }
            (Some(memory), _) if memory.is_alone() => {}
            _ => self.part(shared.entries_max),
        }
        shared.wake.notify_one();
        let opened = self.memory.as_ref().and_then(Memory::opened_alone);
        opened.expect("the room goes on by itself: it did, or it has just begun to")
    }
}

fn tell(sinks: &[Sink], delivery: &Delivery) {
    for sink in sinks {
        sink(delivery.clone());
    }
}

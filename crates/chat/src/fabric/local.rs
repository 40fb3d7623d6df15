//! The fabric of one node: its rooms' logs in memory.
//!
//! A room that nobody is in keeps its log for a while, so that whoever comes back misses nothing and says nothing twice.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use uuid::Uuid;
use weir_identity::ChannelId;

use super::{Answer, Delivery, Done, Down, Fabric, Lineage, Opened, Signal, Sink};
use crate::{
    archive::Beginning,
    room::{
        Entry, Event, Settings,
        event::Message,
        log::{Log, SAID_ONCE_FOR, Taken, Terms},
    },
};

/// How long an empty room is kept.
const KEPT_FOR: Duration = SAID_ONCE_FOR;
/// How often empty rooms are looked for.
const SWEPT_EVERY: Duration = Duration::from_secs(30);
/// Most rooms that are kept while nobody is in them; the longest empty go first.
const EMPTY_ROOMS_MAX: usize = 10_000;

/// The fabric.
pub struct Local {
    rooms: Mutex<HashMap<ChannelId, Arc<Mutex<Room>>>>,
    swept: Mutex<Instant>,
    entries_max: usize,
}

struct Room {
    log: Log,
    /// What moderators set, if they did.
    settings: Option<Settings>,
    pinned: Option<Message>,
    sinks: Vec<Sink>,
    /// Since when nobody hears of it.
    left: Instant,
}

impl Local {
    /// A fabric that keeps the last `entries_max` entries of each room.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { rooms: Mutex::default(), swept: Mutex::new(Instant::now()), entries_max }
    }

    fn room(&self, room: ChannelId) -> Arc<Mutex<Room>> {
        let begin = || {
            let epoch = Uuid::now_v7().simple().to_string();
            Arc::new(Mutex::new(Room {
                log: Log::new(&epoch, self.entries_max),
                settings: None,
                pinned: None,
                sinks: Vec::new(),
                left: Instant::now(),
            }))
        };
        self.rooms.lock().entry(room).or_insert_with(begin).clone()
    }

    /// Lets go of rooms that have been empty for long.
    fn sweep(&self) {
        {
            let mut swept = self.swept.lock();
            if swept.elapsed() < SWEPT_EVERY {
                return;
            }
            *swept = Instant::now();
        }
        let mut rooms = self.rooms.lock();
        let empty_since = |room: &Mutex<Room>| {
            let room = room.lock();
            room.sinks.is_empty().then_some(room.left)
        };
        rooms.retain(|_, room| empty_since(room).is_none_or(|left| left.elapsed() < KEPT_FOR));
        let mut empty: Vec<_> =
            rooms.iter().filter_map(|(id, room)| empty_since(room).map(|left| (left, *id))).collect();
        if empty.len() > EMPTY_ROOMS_MAX {
            empty.sort_unstable();
            let many = empty.len() - EMPTY_ROOMS_MAX;
            for (_, id) in empty.drain(..many) {
                rooms.remove(&id);
            }
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("rooms", &self.rooms.lock().len()).finish_non_exhaustive()
    }
}

impl Room {
    fn opened(&self) -> Opened {
        Opened {
            epoch: self.log.epoch().clone(),
            before: Lineage::default(),
            head: self.log.head(),
            recent: self.log.last(usize::MAX),
            settings: self.settings.clone().unwrap_or_default(),
            pinned: self.pinned.clone(),
            alone: false,
        }
    }

    /// Takes an event. What is pinned follows from what happens.
    fn append(&mut self, event: Event, terms: &Terms) -> Taken {
        let (taken, entry) = self.log.append(event, terms, Timestamp::now());
        if let Some(entry) = entry {
            entry.event.pins(&mut self.pinned);
            self.tell(&Delivery::Entry(entry));
        }
        taken
    }

    fn tell(&self, delivery: &Delivery) {
        for sink in &self.sinks {
            sink(delivery.clone());
        }
    }
}

impl Fabric for Local {
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>> {
        self.sweep();
        let room = self.room(room);
        let mut room = room.lock();
        room.sinks.push(sink);
        let opened = room.opened();
        Box::pin(std::future::ready(Ok(opened)))
    }

    fn close(&self, room: ChannelId, sink: &Sink) {
        {
            let room = self.room(room);
            let mut room = room.lock();
            room.sinks.retain(|other| !Arc::ptr_eq(other, sink));
            room.left = Instant::now();
        }
        self.sweep();
    }

    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done) {
        let room = self.room(room);
        // Under the lock, so that everybody hears in order.
        let taken = room.lock().append(event, &terms);
        done(Ok(taken));
    }

    fn signal(&self, room: ChannelId, signal: Signal) {
        let room = self.room(room);
        let mut room = room.lock();
        if let Signal::Settings(settings) = &signal {
            room.settings = Some(settings.clone());
        }
        room.tell(&Delivery::Signal(signal));
    }

    fn seed(&self, room: ChannelId, beginning: Beginning) -> Answer<'_, Result<Opened, Down>> {
        let room = self.room(room);
        let mut room = room.lock();
        if room.log.head() == 0 {
            for (message, once) in beginning.messages {
                let terms = Terms { by: Some(message.user.id), once, ..Terms::default() };
                room.append(Event::Message(message), &terms);
            }
            room.pinned = beginning.pinned;
            if room.settings.is_none() {
                room.settings = beginning.settings;
            }
        }
        let opened = room.opened();
        Box::pin(std::future::ready(Ok(opened)))
    }

    fn kept(&self, room: ChannelId) -> Answer<'_, Result<Vec<Arc<Entry>>, Down>> {
        let room = self.rooms.lock().get(&room).cloned();
        let kept = room.map_or_else(Vec::new, |room| room.lock().log.last(usize::MAX));
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn since<'a>(
        &'a self,
        room: ChannelId,
        epoch: &'a str,
        offset: u64,
        limit: usize,
    ) -> Answer<'a, Result<Option<Vec<Arc<Entry>>>, Down>> {
        let room = self.room(room);
        let room = room.lock();
        let same = &**room.log.epoch() == epoch;
        let entries = if same { room.log.since(offset, limit) } else { None };
        Box::pin(std::future::ready(Ok(entries)))
    }
}

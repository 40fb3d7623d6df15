//! Events on their way to Redis.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;
use weir_identity::ChannelId;

use super::{APPENDS_MAX, Heard, Shared, calls::Appended, memory::Memory, tell};
use crate::{
    fabric::{Delivery, Done, Down},
    room::{
        Entry, Event,
        log::{Taken, Terms},
    },
};

/// An event, on terms, and who hears what became of it.
pub(super) struct Append {
    pub(super) room: ChannelId,
    pub(super) event: Event,
    pub(super) terms: Terms,
    pub(super) done: Done,
}

/// Sends appends in the order in which they came, without waiting for the answer to one before the next.
pub(super) async fn append_all(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Append>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = running.next() => {}
            job = jobs.recv(), if running.len() < APPENDS_MAX => {
                let Some(append) = job else { return };
                running.push(shared.append_there(append));
            }
        }
    }
}

impl Shared {
    /// Appends in a room that goes on by itself; gives it back where that does not.
    pub(super) fn append_alone(&self, append: Append) -> Option<Append> {
        let mut rooms = self.rooms.lock();
        let heard = rooms.get_mut(&append.room).filter(|heard| heard.memory.as_ref().is_some_and(Memory::is_alone));
        let Some((sinks, memory)) = heard.and_then(Heard::split) else { return Some(append) };
        let taken = memory.append(append.event, &append.terms, Timestamp::now()).map(|(taken, entry)| {
            // Under the lock, so that everybody hears in order.
            entry.into_iter().for_each(|entry| tell(sinks, &Delivery::Entry(entry)));
            taken
        });
        drop(rooms);
        (append.done)(taken.ok_or(Down));
        None
    }

    /// Appends in Redis, or here if the room goes on by itself meanwhile.
    async fn append_there(&self, append: Append) {
        let Append { room, event, terms, .. } = &append;
        let epoch = {
            let rooms = self.rooms.lock();
            let memory = rooms.get(room).and_then(|heard| heard.memory.as_ref());
            memory.map(|memory| memory.epoch().clone()).unwrap_or_default()
        };
        let mut appended = self.append(*room, &epoch, event, terms).await;
        if epoch.is_empty() && matches!(appended, Ok(Appended::Moved)) {
            // Another Redis has taken over, and nobody here has opened the room since.
            let _ = self.read(*room, 0, true).await;
            appended = self.append(*room, &epoch, event, terms).await;
        }
        match appended {
            Ok(Appended::Taken(taken, at)) => {
                if let (Taken::New(offset), Some(epoch)) = (taken, at) {
                    // Known here before anybody hears that it was taken.
                    self.appended(*room, &epoch, offset, event, terms);
                }
                return (append.done)(Ok(taken));
            }
            Ok(Appended::Moved) => self.stray(*room),
            Err(Down) => {}
        }
        if let Some(append) = self.append_alone(append) {
            (append.done)(Err(Down));
        }
    }

    /// Redis has taken this from here.
    fn appended(&self, room: ChannelId, epoch: &str, offset: u64, event: &Event, terms: &Terms) {
        let mut rooms = self.rooms.lock();
        let heard = rooms.get_mut(&room);
        let Some((sinks, memory)) = heard.and_then(Heard::split) else { return };
        if !memory.is_alone() && **memory.epoch() == *epoch && !memory.knows(offset) {
            let entry = Arc::new(Entry::new(offset, event.clone()).called(terms.once.clone()));
            memory.hear(entry.clone());
            tell(sinks, &Delivery::Entry(entry));
        }
    }
}

//! The fabric of several nodes: Redis keeps each room's log, and tells every node what is appended.
//!
//! A room is a hash (epoch, head, settings, what is pinned) and a stream whose ids are the offsets, in one slot of a
//! cluster. `append.lua` gives the offset, appends and publishes in one step, and decides what [`crate::room::log::Log`]
//! decides on one node. Publishing is sharded (`SPUBLISH`), because what is published to all servers of a cluster slows
//! it down as it grows. `calls` asks, `hear` listens, `tend` looks after what got lost and brings Redis back.
//!
//! What is published may get lost; so every node looks at the heads of its rooms, and asks for what it misses. When Redis
//! is away, a node's rooms begin anew on a log of their own, and say it by another epoch. When it is back, what was
//! said meanwhile is appended to what Redis has, and rooms begin anew once more.

mod calls;
mod hear;
mod keys;
mod tend;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::timeout,
};
use weir_identity::ChannelId;
use weir_redis::{Link, Target};

use self::{hear::hear_all, tend::tend};
use super::{Answer, Done, Down, Fabric, Local, Opened, Signal, Sink};
use crate::room::{
    Entry, Event, Settings,
    log::{Taken, Terms},
};

/// Longest that Redis may take for an answer.
const CALL_MAX: Duration = Duration::from_secs(1);
/// Longest that it may take until a room is heard.
const HEAR_MAX: Duration = Duration::from_secs(2);
/// Appends on their way at once; more are refused, and clients try again.
const APPENDS_MAX: usize = 4_096;
/// Events that a room keeps for Redis while it is away; what is said beyond that stays on this node.
const JOURNAL_MAX: usize = 10_000;

/// The fabric.
pub struct Redis {
    shared: Arc<Shared>,
    appends: mpsc::Sender<Append>,
    asks: mpsc::UnboundedSender<Ask>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    link: Link,
    local: Local,
    entries_max: usize,
    rooms: Mutex<HashMap<ChannelId, Heard>>,
    apart: Mutex<HashMap<ChannelId, Apart>>,
}

/// A room that is heard from Redis.
struct Heard {
    /// Who hears it, and whether they know how it was when they began.
    sinks: Vec<(Sink, bool)>,
    epoch: Option<Arc<str>>,
    settings: Settings,
    /// When something last happened, and when it was last looked at.
    happened: Instant,
    looked: Instant,
}

/// A room on a log of this node, while Redis is away.
#[derive(Default)]
struct Apart {
    sinks: Vec<Sink>,
    journal: Vec<(Event, Terms)>,
}

struct Append {
    room: ChannelId,
    event: Event,
    terms: Terms,
    done: Done,
}

enum Ask {
    Hear(ChannelId, oneshot::Sender<()>),
    Unhear(ChannelId),
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
    /// Connects in the background. `entries_max` entries are given to a node that opens a room. Must be called within a
    /// runtime of Tokio.
    #[must_use]
    pub fn new(target: Target, entries_max: usize) -> Self {
        let (rooms, apart) = Default::default();
        let (link, local) = (Link::open(target.clone(), "chat"), Local::new(entries_max));
        let shared = Arc::new(Shared { link, local, entries_max, rooms, apart });
        let (appends, jobs) = mpsc::channel(APPENDS_MAX);
        let (asks, asked) = mpsc::unbounded_channel();
        let tasks = vec![
            tokio::spawn(append_all(shared.clone(), jobs)).abort_handle(),
            tokio::spawn(hear_all(shared.clone(), target, asked)).abort_handle(),
            tokio::spawn(tend(shared.clone())).abort_handle(),
        ];
        Self { shared, appends, asks, tasks }
    }

    /// Opens a room on Redis.
    async fn open_there(&self, room: ChannelId, sink: Sink) -> Option<Opened> {
        let (reply, heard) = oneshot::channel();
        {
            let mut rooms = self.shared.rooms.lock();
            let now = Instant::now();
            let begin =
                || Heard { sinks: Vec::new(), epoch: None, settings: Settings::default(), happened: now, looked: now };
            rooms.entry(room).or_insert_with(begin).sinks.push((sink.clone(), false));
        }
        // First heard, then read: nothing is missed in between.
        self.asks.send(Ask::Hear(room, reply)).ok()?;
        timeout(HEAR_MAX, heard).await.ok()?.ok()?;
        let opened = self.shared.read(room).await?;
        if let Some(heard) = self.shared.rooms.lock().get_mut(&room) {
            heard.epoch = Some(opened.epoch.clone());
            heard.settings = opened.settings.clone();
            for (other, knows) in &mut heard.sinks {
                *knows |= Arc::ptr_eq(other, &sink);
            }
        }
        Some(opened)
    }
}

impl Fabric for Redis {
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>> {
        Box::pin(async move {
            // What is said apart is brought to Redis before anybody hears from there again.
            let apart = self.shared.apart.lock().contains_key(&room);
            if !apart && let Some(opened) = self.open_there(room, sink.clone()).await {
                return Ok(opened);
            }
            // Settings outlive Redis: a room for members stays one.
            let settings = self.shared.rooms.lock().get(&room).map(|heard| heard.settings.clone());
            self.shared.forget(room, &sink);
            self.shared.apart.lock().entry(room).or_default().sinks.push(sink.clone());
            if let Some(settings) = settings.filter(|settings| *settings != Settings::default()) {
                self.shared.local.signal(room, Signal::Settings(settings));
            }
            let opened = self.shared.local.open(room, sink).await?;
            Ok(Opened { alone: true, ..opened })
        })
    }

    fn close(&self, room: ChannelId, sink: &Sink) {
        self.shared.local.close(room, sink);
        if let Some(apart) = self.shared.apart.lock().get_mut(&room) {
            // What it said stays in the journal until Redis is back.
            apart.sinks.retain(|other| !Arc::ptr_eq(other, sink));
        }
        if self.shared.forget(room, sink) {
            let _ = self.asks.send(Ask::Unhear(room));
        }
    }

    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done) {
        if let Some(apart) = self.shared.apart.lock().get_mut(&room) {
            return apart.append(&self.shared.local, room, event, terms, done);
        }
        if let Err(refused) = self.appends.try_send(Append { room, event, terms, done }) {
            (refused.into_inner().done)(Err(Down));
        }
    }

    fn signal(&self, room: ChannelId, signal: Signal) {
        if self.shared.apart.lock().contains_key(&room) {
            return self.shared.local.signal(room, signal);
        }
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.tell(room, &signal).await });
    }

    fn since<'a>(
        &'a self,
        room: ChannelId,
        epoch: &'a str,
        offset: u64,
        limit: usize,
    ) -> Answer<'a, Result<Option<Vec<Arc<Entry>>>, Down>> {
        if self.shared.apart.lock().contains_key(&room) {
            return self.shared.local.since(room, epoch, offset, limit);
        }
        Box::pin(async move { self.shared.since(room, epoch, offset, limit).await })
    }
}

impl Apart {
    fn append(&mut self, local: &Local, room: ChannelId, event: Event, terms: Terms, done: Done) {
        let is_new = Arc::new(AtomicBool::new(false));
        let (noted, kept) = (is_new.clone(), (event.clone(), terms.clone()));
        let done: Done = Box::new(move |taken| {
            noted.store(matches!(taken, Ok(Taken::New(_))), Relaxed);
            done(taken);
        });
        local.append(room, event, terms, done);
        if is_new.load(Relaxed) && self.journal.len() < JOURNAL_MAX {
            self.journal.push(kept);
        }
    }
}

/// Sends appends in the order in which they came, without waiting for the answer to one before the next.
async fn append_all(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Append>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = running.next() => {}
            job = jobs.recv(), if running.len() < APPENDS_MAX => {
                let Some(Append { room, event, terms, done }) = job else { return };
                let shared = &shared;
                running.push(async move { done(shared.append(room, &event, &terms).await) });
            }
        }
    }
}

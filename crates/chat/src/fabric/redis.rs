//! The fabric of several nodes: Redis keeps each room's log, and tells every node what is appended.
//!
//! A room is a hash (epoch, head, settings, what is pinned) and a stream whose ids are the offsets, in one slot of a
//! cluster. [`append.lua`](https://redis.io/docs/latest/develop/interact/programmability/eval-intro/) gives the offset,
//! appends and publishes in one step, and decides what [`crate::room::log::Log`] decides on one node. Publishing is sharded
//! (`SPUBLISH`), because what is published to all servers of a cluster slows it down as it grows.
//!
//! What is published may get lost; so every node looks at the heads of its rooms, and asks for what it misses. When Redis
//! is away, a node's rooms begin anew on a log of their own, and say it by another epoch. When it is back, what was
//! said meanwhile is appended to what Redis has, and rooms begin anew once more.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Script, Value};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::{info, warn};
use weir_identity::ChannelId;
use weir_redis::{Connection, Link, Target};

use super::{Answer, Delivery, Done, Down, Fabric, Local, Opened, Signal, Sink};
use crate::room::{
    Entry, Event, MessageId, Settings,
    log::{SAID_ONCE_FOR, Taken, Terms, UNIQUE_FOR},
};

/// Longest that Redis may take for an answer.
const CALL_MAX: Duration = Duration::from_secs(1);
/// Longest that it may take until a room is heard.
const HEAR_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether Redis is there, and at the heads of rooms where something happens.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// A room in which nothing happened for so long is looked at less often.
const QUIET_AFTER: Duration = Duration::from_secs(60);
/// So often.
const QUIET_EVERY: Duration = Duration::from_secs(20);
/// How long the log of a room that nobody writes in is kept.
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Entries of a room that Redis keeps, about.
const ENTRIES_KEPT: usize = 10_000;
/// Appends on their way at once; more are refused, and clients try again.
const APPENDS_MAX: usize = 4_096;
/// Rooms looked at at once.
const LOOKS_MAX: usize = 64;
/// Events that a room keeps for Redis while it is away; what is said beyond that stays on this node.
const JOURNAL_MAX: usize = 10_000;
/// How long until a connection that hears is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));
static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));
static SIGNAL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("signal.lua")));

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
        let (link, local) = (Link::open(target.clone()), Local::new(entries_max));
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
            self.shared.local.open(room, sink).await
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

impl Shared {
    /// `sink` hears no more. True when nobody hears of the room any more.
    fn forget(&self, room: ChannelId, sink: &Sink) -> bool {
        let mut rooms = self.rooms.lock();
        let Some(heard) = rooms.get_mut(&room) else { return false };
        heard.sinks.retain(|(other, _)| !Arc::ptr_eq(other, sink));
        let empty = heard.sinks.is_empty();
        if empty {
            rooms.remove(&room);
        }
        empty
    }

    /// Reads a room as it is.
    async fn read(&self, room: ChannelId) -> Option<Opened> {
        let keys = Keys::of(room);
        let mut script = OPEN.prepare_invoke();
        script.key(keys.room()).key(keys.log());
        script.arg(new_epoch()).arg(self.entries_max).arg(millis(KEPT_FOR));
        type Read = (String, u64, String, String, Vec<(String, String)>);
        let read = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<Read>(&mut redis).await });
        let (epoch, head, settings, pinned, entries) = read.await.ok()?;
        let mut recent: Vec<_> = entries.iter().filter_map(|(id, json)| entry(offset_of(id)?, json)).collect();
        recent.reverse();
        // Those that lead up to the head without a hole.
        let whole = recent.iter().rev().zip((0..=head).rev()).take_while(|(entry, at)| entry.offset == *at).count();
        recent.drain(..recent.len() - whole);
        Some(Opened {
            epoch: epoch.into(),
            head,
            recent,
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            pinned: serde_json::from_str(&pinned).unwrap_or_default(),
        })
    }

    async fn append(&self, room: ChannelId, event: &Event, terms: &Terms) -> Result<Taken, Down> {
        let keys = Keys::of(room);
        let by = terms.by.map(|by| by.to_string()).unwrap_or_default();
        let once = terms.once.as_ref().map(|id| format!("{by}:{}", id.as_str()));
        let id = match event {
            Event::Message(message) => message.id.to_string(),
            _ => String::new(),
        };
        let pinned = match event {
            Event::Pinned { message, .. } => json(message),
            _ => String::new(),
        };
        let (count, within) = terms.limit.map_or((0, 0), |limit| (limit.count, millis(limit.within)));
        let mut script = APPEND.prepare_invoke();
        script
            .key(keys.room())
            .key(keys.log())
            .key(keys.of_speaker("once", once.as_deref().unwrap_or_default()))
            .key(keys.of_speaker("pace", &by))
            .key(keys.of_speaker("text", &terms.unique.unwrap_or_default().to_string()));
        script.arg(json(event)).arg(id).arg(new_epoch()).arg(keys.room()).arg(ENTRIES_KEPT).arg(millis(KEPT_FOR));
        script.arg(once.map_or(0, |_| millis(SAID_ONCE_FOR))).arg(count).arg(within);
        script.arg(terms.slow.map_or(0, millis)).arg(terms.unique.map_or(0, |_| millis(UNIQUE_FOR))).arg(pinned);
        let appended = self
            .link
            .call(CALL_MAX, |mut redis| async move { script.invoke_async::<(String, String)>(&mut redis).await });
        let (what, value) = appended.await.map_err(|_| Down)?;
        taken(&what, &value).ok_or(Down)
    }

    async fn tell(&self, room: ChannelId, signal: &Signal) {
        let keys = Keys::of(room);
        let settings = match signal {
            Signal::Settings(settings) => json(settings),
            _ => String::new(),
        };
        let mut script = SIGNAL.prepare_invoke();
        script.key(keys.room()).arg(keys.room()).arg(json(signal)).arg(settings);
        // Who was not there does not miss it; Redis being away is told elsewhere.
        let _ = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<u8>(&mut redis).await }).await;
    }

    async fn since(
        &self,
        room: ChannelId,
        epoch: &str,
        offset: u64,
        limit: usize,
    ) -> Result<Option<Vec<Arc<Entry>>>, Down> {
        let keys = Keys::of(room);
        let (room, log) = (keys.room(), keys.log());
        let read = self.link.call(CALL_MAX, |mut redis| async move {
            let epoch: Option<String> = redis::cmd("HGET").arg(room).arg("epoch").query_async(&mut redis).await?;
            let first = format!("{}-0", offset + 1);
            let range = redis::cmd("XRANGE").arg(log).arg(first).arg("+").arg("COUNT").arg(limit).take();
            let entries: Vec<(String, Vec<String>)> = range.query_async(&mut redis).await?;
            Ok((epoch, entries))
        });
        let (now, entries) = read.await.map_err(|_| Down)?;
        if now.as_deref() != Some(epoch) {
            return Ok(None);
        }
        let entries = entries.iter().filter_map(|(id, fields)| entry(offset_of(id)?, fields.get(1)?));
        let entries: Vec<_> = entries.collect();
        let whole = entries.iter().zip(offset + 1..).all(|(entry, at)| entry.offset == at);
        Ok(whole.then_some(entries))
    }

    /// What was published.
    fn published(&self, push: &PushInfo) {
        let [Value::BulkString(channel), Value::BulkString(said)] = &push.data[..] else { return };
        let text = |bytes: &'_ [u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let (Some(channel), Some(said)) = (text(channel), text(said)) else { return };
        let Some(room) = Keys::read(&channel) else { return };
        let mut rooms = self.rooms.lock();
        let Some(heard) = rooms.get_mut(&room) else { return };
        let delivery = match said.split_once(' ') {
            Some(("s", signal)) => {
                let Ok(signal) = serde_json::from_str(signal) else { return };
                if let Signal::Settings(settings) = &signal {
                    heard.settings = settings.clone();
                }
                Delivery::Signal(signal)
            }
            Some(("e", event)) => {
                let mut parts = event.splitn(3, ' ');
                let (Some(epoch), Some(offset), Some(event)) = (parts.next(), parts.next(), parts.next()) else {
                    return;
                };
                heard.happened = Instant::now();
                match (heard.epoch.as_deref(), offset.parse().ok().and_then(|offset| entry(offset, event))) {
                    (Some(known), _) if known != epoch => Delivery::Restarted,
                    (_, Some(entry)) => Delivery::Entry(entry),
                    _ => return,
                }
            }
            _ => return,
        };
        for (sink, _) in &heard.sinks {
            sink(delivery.clone());
        }
    }

    /// Looks at a room's head.
    async fn look(&self, room: ChannelId) {
        let key = Keys::of(room).room();
        let read = self.link.call(CALL_MAX, |mut redis| async move {
            redis::cmd("HMGET")
                .arg(key)
                .arg("epoch")
                .arg("head")
                .query_async::<(Option<String>, Option<u64>)>(&mut redis)
                .await
        });
        let Ok((epoch, head)) = read.await else { return };
        let rooms = self.rooms.lock();
        let Some(heard) = rooms.get(&room) else { return };
        let Some(known) = &heard.epoch else { return };
        // A Redis that came back empty has no epoch.
        let same = epoch.as_deref() == Some(&**known);
        let delivery = if same { Delivery::Head(known.clone(), head.unwrap_or(0)) } else { Delivery::Restarted };
        for (sink, _) in &heard.sinks {
            sink(delivery.clone());
        }
    }

    /// Redis is away: rooms that hear from it begin anew on this node.
    fn part(&self) {
        let rooms = self.rooms.lock();
        if !rooms.is_empty() {
            warn!(rooms = rooms.len(), "Redis is away: rooms go on, each node by itself");
        }
        // One that is just being opened finds out by itself.
        for (sink, _) in rooms.values().flat_map(|heard| &heard.sinks).filter(|(_, knows)| *knows) {
            sink(Delivery::Restarted);
        }
    }

    /// Redis is back: what was said meanwhile is appended, and rooms begin anew there.
    async fn rejoin(&self) {
        let apart: Vec<ChannelId> = self.apart.lock().keys().copied().collect();
        if !apart.is_empty() {
            info!(rooms = apart.len(), "Redis is back: rooms of all nodes are one again");
        }
        for room in apart {
            loop {
                let next = self.apart.lock().get(&room).and_then(|apart| apart.journal.first().cloned());
                let Some((event, terms)) = next else { break };
                // It was taken already: only the id counts, so that it is not said twice.
                let terms = Terms { by: terms.by, once: terms.once, ..Terms::default() };
                if self.append(room, &event, &terms).await.is_err() {
                    return;
                }
                if let Some(apart) = self.apart.lock().get_mut(&room) {
                    apart.journal.remove(0);
                }
            }
            let mut apart = self.apart.lock();
            // Something was said in this moment: the next round takes it along.
            if apart.get(&room).is_some_and(|apart| apart.journal.is_empty())
                && let Some(gone) = apart.remove(&room)
            {
                self.local.remove(room);
                for sink in &gone.sinks {
                    sink(Delivery::Restarted);
                }
            }
        }
    }

    /// Rooms whose heads are to be looked at now.
    fn due(&self) -> Vec<ChannelId> {
        let now = Instant::now();
        let mut rooms = self.rooms.lock();
        let due = rooms
            .iter_mut()
            .filter(|(_, heard)| now - heard.happened < QUIET_AFTER || now - heard.looked >= QUIET_EVERY);
        due.map(|(room, heard)| {
            heard.looked = now;
            *room
        })
        .collect()
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

/// Hears what is published in the rooms of this node, over one connection after the other.
async fn hear_all(shared: Arc<Shared>, target: Target, mut asks: mpsc::UnboundedReceiver<Ask>) {
    loop {
        let (sender, mut pushes) = mpsc::unbounded_channel();
        let connected = timeout(HEAR_MAX * 2, target.listen(sender)).await;
        let Ok(Ok(mut connection)) = connected else {
            // Who asked meanwhile hears that nothing is heard.
            while asks.try_recv().is_ok() {}
            sleep(AGAIN_AFTER).await;
            continue;
        };
        let rooms: Vec<ChannelId> = shared.rooms.lock().keys().copied().collect();
        let mut well = true;
        for room in rooms {
            well &= hear(&mut connection, room).await;
        }
        while well {
            tokio::select! {
                ask = asks.recv() => match ask {
                    None => return,
                    Some(Ask::Hear(room, reply)) => {
                        well = hear(&mut connection, room).await;
                        if well {
                            let _ = reply.send(());
                        }
                    }
                    Some(Ask::Unhear(room)) => {
                        if !shared.rooms.lock().contains_key(&room) {
                            let _ = timeout(HEAR_MAX, connection.unhear(&Keys::of(room).room())).await;
                        }
                    }
                },
                push = pushes.recv() => match push {
                    None => well = false,
                    // A cluster's connection comes back by itself.
                    Some(push) if push.kind == PushKind::Disconnection => {
                        well = matches!(connection, Connection::Cluster(_));
                    }
                    Some(push) if push.kind == PushKind::SMessage => shared.published(&push),
                    Some(_) => {}
                },
                () = sleep(HEAR_MAX) => well = is_there(&mut connection).await,
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn hear(connection: &mut Connection, room: ChannelId) -> bool {
    matches!(timeout(HEAR_MAX, connection.hear(&Keys::of(room).room())).await, Ok(Ok(())))
}

async fn is_there(connection: &mut Connection) -> bool {
    let asked = redis::cmd("EXISTS").arg("weir:chat").take();
    matches!(timeout(HEAR_MAX, asked.query_async::<u8>(connection)).await, Ok(Ok(_)))
}

/// Looks after rooms, for ever.
async fn tend(shared: Arc<Shared>) {
    loop {
        sleep(TEND_EVERY).await;
        let asked = shared.link.call(CALL_MAX, |mut redis| async move {
            redis::cmd("EXISTS").arg("weir:chat").query_async::<u8>(&mut redis).await
        });
        if asked.await.is_err() {
            shared.part();
            continue;
        }
        shared.rejoin().await;
        let due = futures::stream::iter(shared.due());
        due.for_each_concurrent(LOOKS_MAX, |room| shared.look(room)).await;
    }
}

/// Names in Redis. The braces keep all of a room's in one slot.
struct Keys(String);

impl Keys {
    const BEFORE: &str = "weir:chat:{";

    fn of(room: ChannelId) -> Self {
        Self(format!("{}{room}}}", Self::BEFORE))
    }

    /// Also the channel that it is told in.
    fn room(&self) -> String {
        self.0.clone()
    }

    fn log(&self) -> String {
        format!("{}:log", self.0)
    }

    fn of_speaker(&self, what: &str, whose: &str) -> String {
        format!("{}:{what}:{whose}", self.0)
    }

    fn read(channel: &str) -> Option<ChannelId> {
        channel.strip_prefix(Self::BEFORE)?.strip_suffix('}')?.parse().ok()
    }
}

fn taken(what: &str, value: &str) -> Option<Taken> {
    let wait = || value.parse::<f64>().ok().map(|ms| Duration::from_millis(ms.max(1.0) as u64));
    Some(match what {
        "new" => Taken::New(value.parse().ok()?),
        "again" => {
            let (offset, id) = value.split_once(' ')?;
            Taken::Again(offset.parse().ok()?, MessageId::parse(id)?)
        }
        "much" => Taken::TooMuch(wait()?),
        "soon" => Taken::TooSoon(wait()?),
        "same" => Taken::NotUnique,
        _ => return None,
    })
}

fn entry(offset: u64, json: &str) -> Option<Arc<Entry>> {
    Some(Arc::new(Entry::new(offset, serde_json::from_str(json).ok()?)))
}

fn offset_of(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}

fn new_epoch() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("these have no map with keys other than texts")
}

//! What is asked of Redis about a room.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::{Script, ScriptInvocation};
use weir_identity::ChannelId;

use super::{CALL_MAX, Shared, keys::Keys, memory::Snapshot};
use crate::{
    archive::Beginning,
    fabric::{Down, Lineage, Opened, Signal},
    room::{
        ClientId, Entry, Event,
        log::{SAID_ONCE_FOR, Taken, Terms, UNIQUE_FOR},
    },
};

/// How long the log of a room that nobody writes in is kept.
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Entries of a room that Redis keeps, about.
pub(super) const ENTRIES_KEPT: usize = 10_000;

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));
static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));
static SIGNAL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("signal.lua")));
static REFILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("refill.lua")));
static SEED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("seed.lua")));
static PUT_BACK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put_back.lua")));

/// What became of an event that was sent to Redis.
pub(super) enum Appended {
    /// It was judged there; a new one stands in this epoch.
    Taken(Taken, Option<Arc<str>>),
    /// Redis does not count in the epoch that this node knows.
    Moved,
}

impl Shared {
    /// Reads a room as it is, with its last `wanted` entries. `None`: there is none, and `begin` does not say to begin it.
    /// With it comes how often something was put back there.
    pub(super) async fn read(
        &self,
        room: ChannelId,
        wanted: usize,
        begin: bool,
    ) -> Result<Option<(Opened, u64)>, Down> {
        let keys = Keys::of(room);
        let mut script = OPEN.prepare_invoke();
        script.key(keys.room()).key(keys.log());
        script.arg(new_epoch()).arg(wanted).arg(millis(KEPT_FOR)).arg(u8::from(begin));
        type Read = (String, u64, String, u64, String, String, Vec<(String, String, String)>);
        let read = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<Read>(&mut redis).await });
        let (epoch, head, before, puts, settings, pinned, entries) = read.await.map_err(|_| Down)?;
        if epoch.is_empty() {
            return Ok(None);
        }
        let mut recent: Vec<_> =
            entries.iter().filter_map(|(id, json, once)| entry(offset_of(id)?, json, once)).collect();
        recent.reverse();
        // Those that lead up to the head without a hole.
        let whole = recent.iter().rev().zip((0..=head).rev()).take_while(|(entry, at)| entry.offset == *at).count();
        recent.drain(..recent.len() - whole);
        let opened = Opened {
            epoch: epoch.into(),
            before: Lineage::parse(&before),
            head,
            recent,
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            pinned: serde_json::from_str(&pinned).unwrap_or_default(),
            alone: false,
        };
        Ok(Some((opened, puts)))
    }

    /// Appends an event, if Redis counts in `epoch`; empty: in any.
    pub(super) async fn append(
        &self,
        room: ChannelId,
        epoch: &str,
        event: &Event,
        terms: &Terms,
    ) -> Result<Appended, Down> {
        let keys = Keys::of(room);
        let by = terms.by.map(|by| by.to_string()).unwrap_or_default();
        let called = terms.once.as_ref().map_or("", ClientId::as_str);
        let (count, within) = terms.limit.map_or((0, 0), |limit| (limit.count, millis(limit.within)));
        let mut script = APPEND.prepare_invoke();
        script
            .key(keys.room())
            .key(keys.log())
            .key(keys.once(&by, called))
            .key(keys.of_speaker("pace", &by))
            .key(keys.of_speaker("text", &terms.unique.unwrap_or_default().to_string()));
        script.arg(json(event)).arg(message_id(event)).arg(new_epoch()).arg(keys.room());
        script.arg(ENTRIES_KEPT).arg(millis(KEPT_FOR));
        script.arg(if called.is_empty() { 0 } else { millis(SAID_ONCE_FOR) }).arg(count).arg(within);
        script.arg(terms.slow.map_or(0, millis)).arg(terms.unique.map_or(0, |_| millis(UNIQUE_FOR)));
        script.arg(pinned(event)).arg(epoch).arg(called);
        let appended = self
            .link
            .call(CALL_MAX, |mut redis| async move { script.invoke_async::<(String, String)>(&mut redis).await });
        let (what, value) = appended.await.map_err(|_| Down)?;
        read_appended(&what, &value).ok_or(Down)
    }

    pub(super) async fn tell(&self, room: ChannelId, signal: &Signal) {
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

    /// The epoch that Redis counts in, and what came after `offset`, at most `limit` entries.
    pub(super) async fn after(
        &self,
        room: ChannelId,
        offset: u64,
        limit: usize,
    ) -> Result<(Option<String>, Vec<Arc<Entry>>), Down> {
        let keys = Keys::of(room);
        let (room, log) = (keys.room(), keys.log());
        let read = self.link.call(CALL_MAX, |mut redis| async move {
            let epoch: Option<String> = redis::cmd("HGET").arg(room).arg("epoch").query_async(&mut redis).await?;
            let first = format!("{}-0", offset + 1);
            let range = redis::cmd("XRANGE").arg(log).arg(first).arg("+").arg("COUNT").arg(limit).take();
            let entries: Vec<(String, Vec<String>)> = range.query_async(&mut redis).await?;
            Ok((epoch, entries))
        });
        let (epoch, entries) = read.await.map_err(|_| Down)?;
        let entries = entries
            .iter()
            .filter_map(|(id, fields)| entry(offset_of(id)?, fields.get(1)?, fields.get(3).map_or("", String::as_str)));
        Ok((epoch, entries.collect()))
    }

    /// Gives Redis all that this node has of a room, if it has nothing. False when it has something.
    pub(super) async fn refill(&self, room: ChannelId, ours: &Snapshot, before: &Lineage) -> Result<bool, Down> {
        let keys = Keys::of(room);
        let first = ours.entries.first().map_or(ours.head, |entry| entry.offset - 1);
        let mut script = REFILL.prepare_invoke();
        script.key(keys.room()).key(keys.log());
        script.arg(&*ours.own).arg(before.to_string()).arg(first).arg(json(&ours.settings)).arg(json(&ours.pinned));
        script.arg(keys.room()).arg(millis(KEPT_FOR)).arg(millis(SAID_ONCE_FOR));
        for entry in &ours.entries {
            give(&mut script, &keys, entry);
        }
        let call = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<bool>(&mut redis).await });
        call.await.map_err(|_| Down)
    }

    /// Begins a room in `epoch`, if nothing was said in it yet.
    pub(super) async fn seed(&self, room: ChannelId, epoch: &str, beginning: &Beginning) -> Result<(), Down> {
        let keys = Keys::of(room);
        let settings = beginning.settings.as_ref().map(json).unwrap_or_default();
        let mut script = SEED.prepare_invoke();
        script.key(keys.room()).key(keys.log());
        script.arg(epoch).arg(settings).arg(json(&beginning.pinned)).arg(keys.room());
        script.arg(millis(KEPT_FOR)).arg(millis(SAID_ONCE_FOR));
        for (at, (message, once)) in (1..).zip(&beginning.messages) {
            give(&mut script, &keys, &Entry::new(at, Event::Message(message.clone())).called(once.clone()));
        }
        let call = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<u8>(&mut redis).await });
        call.await.map(drop).map_err(|_| Down)
    }

    /// Appends entries that this node took by itself, if something was put back `puts` times before. False when not.
    pub(super) async fn put_back(
        &self,
        room: ChannelId,
        epoch: &str,
        puts: u64,
        entries: &[Arc<Entry>],
    ) -> Result<bool, Down> {
        let keys = Keys::of(room);
        let mut script = PUT_BACK.prepare_invoke();
        script.key(keys.room()).key(keys.log());
        script.arg(epoch).arg(puts).arg(keys.room()).arg(ENTRIES_KEPT);
        script.arg(millis(KEPT_FOR)).arg(millis(SAID_ONCE_FOR));
        for entry in entries {
            give(&mut script, &keys, entry);
            script.arg(pinned(&entry.event));
        }
        let call = self.link.call(CALL_MAX, |mut redis| async move { script.invoke_async::<bool>(&mut redis).await });
        call.await.map_err(|_| Down)
    }
}

/// An entry, as scripts read several.
fn give(script: &mut ScriptInvocation<'_>, keys: &Keys, entry: &Entry) {
    let by = match &entry.event {
        Event::Message(message) => message.user.id.to_string(),
        _ => String::new(),
    };
    let called = entry.once.as_ref().map_or("", ClientId::as_str);
    script.key(keys.once(&by, called)).arg(json(&entry.event)).arg(message_id(&entry.event)).arg(called);
}

fn message_id(event: &Event) -> String {
    match event {
        Event::Message(message) => message.id.to_string(),
        _ => String::new(),
    }
}

/// What an event pins, for Redis to keep; empty when it pins nothing anew.
fn pinned(event: &Event) -> String {
    match event {
        Event::Pinned { message, .. } => json(message),
        _ => String::new(),
    }
}

fn read_appended(what: &str, value: &str) -> Option<Appended> {
    let wait = || value.parse::<f64>().ok().map(|ms| Duration::from_millis(ms.max(1.0) as u64));
    let taken = match what {
        "new" => {
            let (epoch, offset) = value.split_once(' ')?;
            return Some(Appended::Taken(Taken::New(offset.parse().ok()?), Some(epoch.into())));
        }
        "moved" => return Some(Appended::Moved),
        "again" => {
            let (offset, id) = value.split_once(' ')?;
            Taken::Again(offset.parse().ok()?, id.parse().ok()?)
        }
        "much" => Taken::TooMuch(wait()?),
        "soon" => Taken::TooSoon(wait()?),
        "same" => Taken::NotUnique,
        _ => return None,
    };
    Some(Appended::Taken(taken, None))
}

pub(super) fn entry(offset: u64, json: &str, once: &str) -> Option<Arc<Entry>> {
    Some(Arc::new(Entry::new(offset, serde_json::from_str(json).ok()?).called(ClientId::parse(once))))
}

fn offset_of(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}

pub(super) fn new_epoch() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("these have no map with keys other than texts")
}

//! What is asked of Redis about a room.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::Script;
use weir_identity::ChannelId;

use super::{CALL_MAX, Shared, keys::Keys};
use crate::{
    fabric::{Down, Opened, Signal, Sink},
    room::{
        Entry, Event,
        log::{SAID_ONCE_FOR, Taken, Terms, UNIQUE_FOR},
    },
};

/// How long the log of a room that nobody writes in is kept.
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Entries of a room that Redis keeps, about.
const ENTRIES_KEPT: usize = 10_000;

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));
static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));
static SIGNAL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("signal.lua")));

impl Shared {
    /// `sink` hears no more. True when nobody hears of the room any more.
    pub(super) fn forget(&self, room: ChannelId, sink: &Sink) -> bool {
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
    pub(super) async fn read(&self, room: ChannelId) -> Option<Opened> {
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
            alone: false,
        })
    }

    pub(super) async fn append(&self, room: ChannelId, event: &Event, terms: &Terms) -> Result<Taken, Down> {
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

    pub(super) async fn since(
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
}

fn taken(what: &str, value: &str) -> Option<Taken> {
    let wait = || value.parse::<f64>().ok().map(|ms| Duration::from_millis(ms.max(1.0) as u64));
    Some(match what {
        "new" => Taken::New(value.parse().ok()?),
        "again" => {
            let (offset, id) = value.split_once(' ')?;
            Taken::Again(offset.parse().ok()?, id.parse().ok()?)
        }
        "much" => Taken::TooMuch(wait()?),
        "soon" => Taken::TooSoon(wait()?),
        "same" => Taken::NotUnique,
        _ => return None,
    })
}

pub(super) fn entry(offset: u64, json: &str) -> Option<Arc<Entry>> {
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

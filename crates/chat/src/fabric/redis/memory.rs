//! What a node remembers of a room, and how it goes on by itself. A value.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;

use super::JOURNAL_MAX;
use crate::{
    fabric::{Lineage, Moved, Opened},
    room::{
        Entry, Event, Settings,
        event::Message,
        log::{Log, Taken, Terms},
        order::Order,
    },
};

/// A room as this node knows it.
#[derive(Debug)]
pub(super) struct Memory {
    /// What Redis counts in; empty when this node never knew.
    epoch: Arc<str>,
    before: Lineage,
    order: Order,
    /// The last entries up to the head, without holes.
    entries: VecDeque<Arc<Entry>>,
    entries_max: usize,
    pub(super) settings: Settings,
    pinned: Option<Message>,
    alone: Option<Alone>,
}

/// How a room goes on without Redis.
#[derive(Debug)]
struct Alone {
    /// Goes on after the memory's entries, in an epoch of its own.
    log: Log,
    /// Nothing more is taken for a moment: what is here is being brought to Redis.
    settling: bool,
    /// Moderators set something meanwhile.
    set: bool,
}

/// All that is remembered, at one moment.
pub(super) struct Snapshot {
    /// What offsets up to `parted` count in, and what was before that.
    pub(super) epoch: Arc<str>,
    pub(super) before: Lineage,
    pub(super) parted: u64,
    /// What this node counts in now.
    pub(super) own: Arc<str>,
    pub(super) head: u64,
    /// Up to the head, without holes.
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) settings: Settings,
    /// Whether moderators set them here.
    pub(super) set: bool,
    pub(super) pinned: Option<Message>,
}

impl Memory {
    /// A room that Redis has.
    pub(super) fn of(opened: &Opened, entries_max: usize) -> Self {
        Self {
            epoch: opened.epoch.clone(),
            before: opened.before.clone(),
            order: Order::after(opened.head),
            entries: opened.recent.iter().cloned().collect(),
            entries_max,
            settings: opened.settings.clone(),
            pinned: opened.pinned.clone(),
            alone: None,
        }
    }

    /// A room of which nothing is known.
    pub(super) fn blank(entries_max: usize) -> Self {
        let blank = Opened {
            epoch: "".into(),
            before: Lineage::default(),
            head: 0,
            recent: Vec::new(),
            settings: Settings::default(),
            pinned: None,
            alone: false,
        };
        Self::of(&blank, entries_max)
    }

    /// The room has begun, as it was once.
    pub(super) fn begun(&mut self, opened: &Opened) {
        (self.settings, self.pinned) = (opened.settings.clone(), opened.pinned.clone());
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// Whether something was said here that Redis may not have.
    pub(super) fn owes(&self) -> bool {
        self.alone.as_ref().is_some_and(|alone| alone.log.head() > self.order.head() || alone.set)
    }

    /// What Redis counts in, as far as is known.
    pub(super) fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The last offset in Redis up to which all is known.
    pub(super) fn head(&self) -> u64 {
        self.order.head()
    }

    /// Whether the entry at an offset came already.
    pub(super) fn knows(&self, offset: u64) -> bool {
        self.order.has(offset)
    }

    /// Redis has this entry.
    pub(super) fn hear(&mut self, entry: Arc<Entry>) {
        self.order.feed(entry);
        while let Some(entry) = self.order.take() {
            self.note(&entry);
            self.entries.push_back(entry);
            if self.entries.len() > self.entries_max {
                self.entries.pop_front();
            }
        }
    }

    /// The room, while it goes on by itself.
    pub(super) fn opened_alone(&self) -> Option<Opened> {
        let alone = self.alone.as_ref()?;
        Some(Opened {
            epoch: alone.log.epoch().clone(),
            before: self.before_own(),
            head: alone.log.head(),
            recent: alone.log.last(usize::MAX),
            settings: self.settings.clone(),
            pinned: self.pinned.clone(),
            alone: true,
        })
    }

    /// Goes on without Redis, in the epoch `own`, after all that is known. What came behind a hole stands there anew. A
    /// room that goes on by itself already takes another epoch for what comes next.
    pub(super) fn part(&mut self, own: &str, now: Timestamp) -> Moved {
        let set = match self.alone.take() {
            Some(alone) => {
                self.before = self.before_own();
                self.epoch = alone.log.epoch().clone();
                self.order = Order::after(alone.log.head());
                self.entries = alone.log.last(usize::MAX).into();
                alone.set
            }
            None => false,
        };
        let since = self.order.head();
        let entries = self.entries.iter().cloned().collect();
        let mut log = Log::resume(own, since, entries, self.entries_max + JOURNAL_MAX, now);
        let late: Vec<_> = self.order.waiting().cloned().collect();
        let terms = |entry: &Entry| match &entry.event {
            Event::Message(message) => {
                Terms { by: Some(message.user.id), once: entry.once.clone(), ..Terms::default() }
            }
            _ => Terms::default(),
        };
        let again = late.iter().filter_map(|entry| log.append(entry.event.clone(), &terms(entry), now).1).collect();
        late.iter().for_each(|entry| self.note(entry));
        self.alone = Some(Alone { log, settling: false, set });
        self.moved(Some(since), again, own, true)
    }

    /// Takes an event without Redis. `None` when it cannot be taken at this moment.
    pub(super) fn append(
        &mut self,
        event: Event,
        terms: &Terms,
        now: Timestamp,
    ) -> Option<(Taken, Option<Arc<Entry>>)> {
        let alone = self.alone.as_mut().filter(|alone| !alone.settling)?;
        let (taken, entry) = alone.log.append(event, terms, now);
        if let Some(entry) = &entry {
            self.note(entry);
        }
        Some((taken, entry))
    }

    /// Moderators set something without Redis.
    pub(super) fn set(&mut self, settings: Settings) {
        self.settings = settings;
        if let Some(alone) = &mut self.alone {
            alone.set = true;
        }
    }

    /// What came after an offset, without Redis.
    pub(super) fn since_alone(&self, epoch: &str, offset: u64, limit: usize) -> Option<Option<Vec<Arc<Entry>>>> {
        let log = &self.alone.as_ref()?.log;
        Some(if **log.epoch() == *epoch { log.since(offset, limit) } else { None })
    }

    /// All that is to be brought to Redis. While it is `settling`, nothing is added.
    pub(super) fn snapshot(&mut self, settling: bool) -> Option<Snapshot> {
        let before = self.before.clone();
        let alone = self.alone.as_mut()?;
        alone.settling = settling;
        Some(Snapshot {
            epoch: self.epoch.clone(),
            before,
            parted: self.order.head(),
            own: alone.log.epoch().clone(),
            head: alone.log.head(),
            entries: alone.log.last(usize::MAX),
            settings: self.settings.clone(),
            set: alone.set,
            pinned: self.pinned.clone(),
        })
    }

    /// Redis could not be reached after all.
    pub(super) fn unsettle(&mut self) {
        if let Some(alone) = &mut self.alone {
            alone.settling = false;
        }
    }

    /// Redis has all that this node had at `head` of its own log, and `there` is how it has it: the same up to `since`,
    /// and its recent entries after that. `None` when something was said meanwhile.
    pub(super) fn rejoin(&mut self, head: u64, there: &Opened, since: Option<u64>) -> Option<Moved> {
        if self.alone.as_ref().is_none_or(|alone| alone.log.head() != head) {
            return None;
        }
        let own = self.alone.take()?.log;
        let shared = since.unwrap_or(0);
        let kept = own.last(usize::MAX).into_iter().filter(|entry| since.is_some() && entry.offset <= shared);
        let news: Vec<_> = there.recent.iter().filter(|entry| entry.offset > shared).cloned().collect();
        let mut memory = Self::of(there, self.entries_max);
        memory.entries = kept.chain(news.iter().cloned()).collect();
        memory.entries.drain(..memory.entries.len().saturating_sub(memory.entries_max));
        *self = memory;
        let epoch = self.epoch.clone();
        Some(self.moved(since, news, &epoch, false))
    }

    fn moved(&self, since: Option<u64>, entries: Vec<Arc<Entry>>, epoch: &str, alone: bool) -> Moved {
        let before = if alone { self.before_own() } else { self.before.clone() };
        let head = self.alone.as_ref().map_or(self.order.head(), |alone| alone.log.head());
        let (settings, pinned) = (self.settings.clone(), self.pinned.clone());
        Moved { epoch: epoch.into(), before, since, entries, head, settings, pinned, alone }
    }

    /// What was before the epoch that this node counts in by itself.
    fn before_own(&self) -> Lineage {
        if self.epoch.is_empty() { Lineage::default() } else { self.before.then(&self.epoch, self.order.head()) }
    }

    /// What a room has pinned follows from what happens in it.
    fn note(&mut self, entry: &Entry) {
        let pinned = self.pinned.as_ref();
        match &entry.event {
            Event::Pinned { message, .. } => self.pinned = message.as_deref().cloned(),
            Event::Deleted { id, .. } if pinned.is_some_and(|message| message.id == *id) => self.pinned = None,
            Event::Cleared { user, .. }
                if pinned.is_some_and(|message| user.is_none_or(|user| user == message.user.id)) =>
            {
                self.pinned = None;
            }
            _ => {}
        }
    }
}

//! What a room hears from the fabric: put in order, kept, and told to everybody here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ractor::ActorRef;
use tracing::{debug, info, warn};

use super::{Msg, State, now};
use crate::{
    fabric::{Delivery, Down, Moved, Signal},
    room::{
        event::{Entry, Event},
        order::Order,
        outlet::BEHIND_BYTES_MAX,
        presence::is_worth_telling,
    },
    wire::outbound::Said,
};

/// How often everybody is told how many are there, if it changed, and what nobody reads any more is let go of.
const TICK: Duration = Duration::from_secs(5);
/// How long another node's count is believed.
const COUNT_BELIEVED: Duration = Duration::from_secs(60);
/// How often this node's count is told others though it did not change.
const COUNT_TOLD_EVERY: Duration = Duration::from_secs(20);
/// Most nodes whose counts are added up.
const NODES_MAX: usize = 1_000;
/// How long a node waits for an entry that others came after, before it asks for it.
const HOLE_WAIT: Duration = Duration::from_millis(100);
/// Most entries that are asked for at once.
const FILL_MAX: usize = 10_000;
/// Most bytes of entries that everybody here is told again when a room goes on in another epoch; instead of more, they get
/// a fresh page. Half of what a connection may be behind.
const TOLD_AGAIN_BYTES_MAX: usize = BEHIND_BYTES_MAX / 2;
/// Room for what is gathered that a quiet room keeps.
const GATHERED_KEPT: usize = 16;

impl State {
    pub(super) fn delivered(&mut self, me: &ActorRef<Msg>, delivery: Delivery) {
        match delivery {
            Delivery::Entry(entry) => {
                self.order.feed(entry);
                self.take(me);
                self.fill_soon(me);
            }
            Delivery::Head(epoch, head) if epoch == self.epoch => {
                self.order.expect(head);
                self.fill_soon(me);
            }
            // The room moves, or has moved: that is told apart.
            Delivery::Head(..) => {}
            Delivery::Signal(signal) => self.heard(me, signal),
            Delivery::Moved(moved) => self.go_on(me, *moved),
        }
    }

    /// Goes on in another epoch. Everybody here stays, and is told what stands where now.
    fn go_on(&mut self, me: &ActorRef<Msg>, moved: Moved) {
        // What was gathered is of the epoch before.
        self.flush();
        info!(room = %self.arguments.id, epoch = %moved.epoch, alone = moved.alone, "a room goes on in another epoch");
        self.order = Order::after(moved.head);
        self.history.forget_after(moved.since.unwrap_or(0));
        let bytes: usize = moved.entries.iter().map(|entry| entry.json.len()).sum();
        for entry in moved.entries {
            self.judge(&entry.event);
            self.history.push(entry);
        }
        (self.epoch, self.before) = (moved.epoch, moved.before);
        (self.pinned, self.alone) = (moved.pinned, moved.alone);
        if self.alone {
            self.counts.clear();
        }
        let since = moved.since.filter(|_| bytes <= TOLD_AGAIN_BYTES_MAX);
        let json = |entry: &Arc<Entry>| entry.json.clone();
        let missed: Option<Vec<_>> =
            since.and_then(|since| Some(self.history.since(since, moved.head)?.map(json).collect()));
        let since = since.filter(|_| missed.is_some());
        let last = || self.history.last(self.arguments.config.history_shown, moved.head).map(json).collect();
        let told = missed.unwrap_or_else(last);
        let said = Said::Epoch { epoch: &self.epoch, since, offset: moved.head, alone: self.alone };
        self.gather(me, said.json());
        told.into_iter().for_each(|json| self.gather(me, json));
        if *self.rules.settings() != moved.settings {
            self.heard(me, Signal::Settings(moved.settings));
        }
        self.flush();
    }

    /// Somebody is banned by what stands in the room.
    fn judge(&mut self, event: &Event) {
        if let Event::Cleared { user: Some(user), sentence: Some(sentence), .. } = event {
            self.rules.sentence(*user, Some(*sentence), now());
        }
    }

    /// Everybody comes back, and begins anew with what there is.
    fn end(&self, me: &ActorRef<Msg>, why: &str) {
        warn!(room = %self.arguments.id, why, "everybody in a room is told to come back");
        self.arguments.outlet.close();
        me.stop(Some(why.into()));
    }

    /// Takes entries in order.
    pub(super) fn take(&mut self, me: &ActorRef<Msg>) {
        while let Some(entry) = self.order.take() {
            self.messages.increment(1);
            let json = entry.json.clone();
            if let Event::Pinned { message, .. } = &entry.event {
                self.pinned = message.as_deref().cloned();
            } else if let Some(pinned) = &self.pinned {
                let gone = match &entry.event {
                    Event::Deleted { id, .. } => *id == pinned.id,
                    Event::Cleared { user, .. } => user.is_none_or(|user| user == pinned.user.id),
                    _ => false,
                };
                if gone {
                    self.pinned = None;
                }
            }
            self.judge(&entry.event);
            self.history.push(entry);
            self.gather(me, json);
        }
    }

    pub(super) fn heard(&mut self, me: &ActorRef<Msg>, signal: Signal) {
        match signal {
            Signal::Danmaku(comment) => self.gather(me, Said::Danmaku(&comment).json()),
            Signal::Settings(settings) => {
                let json = Said::Settings { settings: &settings }.json();
                self.rules.set(settings);
                self.look_at_emotes(me);
                self.gather(me, json);
            }
            Signal::Queues { held, reported } => {
                let frames = [held.map(|count| Said::Held { count }), reported.map(|count| Said::Reported { count })];
                let frames: Vec<Bytes> = frames.into_iter().flatten().map(|said| said.json()).collect();
                self.arguments.outlet.each_desk(|desk| {
                    if desk.moderates() {
                        frames.iter().for_each(|frame| desk.send(frame));
                    }
                });
            }
            Signal::Words { version } => self.arguments.own_words.changed(version),
            Signal::Anew { account, at_once } => {
                self.rights_changed = Some((Instant::now(), at_once));
                self.arguments.outlet.each_desk(|desk| {
                    if account.is_none_or(|account| desk.whose() == Some(account)) {
                        desk.ask_anew(at_once);
                    }
                });
            }
            Signal::Sentence { account, sentence } => self.rules.sentence(account, sentence, now()),
            Signal::Emotes => {
                self.emotes_changed(me);
                self.gather(me, Said::Emotes.json());
            }
            Signal::WhoIsThere { node } => self.name_people(node),
            Signal::People { node, people } => self.others_named(node, people),
            Signal::Presence { node, count } if node != self.arguments.node => {
                if self.counts.len() < NODES_MAX || self.counts.contains_key(&node) {
                    if self.counts.insert(node, (count, Instant::now())).is_none() {
                        // It does not know this one either.
                        self.tell_others(self.arguments.outlet.count() as u64);
                    }
                    self.tick_soon(me);
                }
            }
            Signal::Presence { .. } => {}
        }
    }

    /// Has everybody here told, soon.
    fn gather(&mut self, me: &ActorRef<Msg>, json: Bytes) {
        let now = Instant::now();
        self.gathered.push(json);
        if self.flush_is_due {
            return;
        }
        let opens = self.window.opens(self.arguments.outlet.took(), now);
        self.flush_is_due = true;
        if opens <= now {
            // Behind what waits in the mailbox already: it leaves together.
            let _ = me.cast(Msg::Flush);
        } else {
            me.send_after(opens - now, || Msg::Flush);
        }
    }

    pub(super) fn flush(&mut self) {
        self.written = self.order.head();
        if self.gathered.is_empty() {
            return;
        }
        let now = Instant::now();
        let people = self.arguments.outlet.count();
        self.deliveries.increment((self.gathered.len() * people) as u64);
        if people > 0 {
            self.arguments.outlet.write(&self.gathered, now);
        }
        self.window.wrote(self.gathered.len(), now);
        self.gathered.clear();
        self.gathered.shrink_to(GATHERED_KEPT);
    }

    /// Asks for what is missed, if it does not come by itself.
    fn fill_soon(&mut self, me: &ActorRef<Msg>) {
        if self.order.has_hole() && !self.fill_is_due {
            self.fill_is_due = true;
            me.send_after(HOLE_WAIT, || Msg::Fill);
        }
    }

    pub(super) fn fill(&mut self, me: &ActorRef<Msg>) {
        if !self.order.has_hole() {
            self.fill_is_due = false;
            return;
        }
        let (fabric, id, epoch) = (self.arguments.fabric.clone(), self.arguments.id, self.epoch.clone());
        let (me, head) = (me.clone(), self.order.head());
        debug!(room = %id, head, "an entry was lost on its way: asking for it");
        tokio::spawn(async move {
            let entries = fabric.since(id, &epoch, head, FILL_MAX).await;
            let _ = me.cast(Msg::Filled(epoch, entries));
        });
    }

    pub(super) fn filled(&mut self, me: &ActorRef<Msg>, epoch: &str, entries: Result<Option<Vec<Arc<Entry>>>, Down>) {
        self.fill_is_due = false;
        if *epoch != *self.epoch {
            return;
        }
        match entries {
            Ok(Some(entries)) => {
                for entry in entries {
                    self.order.feed(entry);
                }
                self.take(me);
            }
            Ok(None) => {
                self.end(me, "entries of it are lost");
                return;
            }
            Err(Down) => {}
        }
        self.fill_soon(me);
    }

    /// Everybody on all nodes.
    pub(super) fn present(&self) -> u64 {
        self.arguments.outlet.count() as u64 + self.counts.values().map(|(count, _)| *count).sum::<u64>()
    }

    pub(super) fn tick_soon(&mut self, me: &ActorRef<Msg>) {
        if !self.tick_is_due {
            self.tick_is_due = true;
            me.send_after(TICK, || Msg::Tick);
        }
    }

    /// Tells the other nodes how many are here.
    pub(super) fn tell_others(&mut self, here: u64) {
        self.told = Some((here, Instant::now()));
        self.signal(Signal::Presence { node: self.arguments.node, count: here });
    }

    pub(super) fn tick(&mut self, me: &ActorRef<Msg>) {
        let now = Instant::now();
        let here = self.arguments.outlet.count() as u64;
        let is_new = self.told.is_none_or(|(count, at)| count != here || now - at >= COUNT_TOLD_EVERY);
        if is_new {
            self.tell_others(here);
        }
        self.counts.retain(|_, (_, at)| now.saturating_duration_since(*at) < COUNT_BELIEVED);
        let present = self.present();
        if is_worth_telling(self.shown, present, now - self.shown_at) {
            (self.shown, self.shown_at) = (present, now);
            self.gather(me, Said::Presence { count: present }.json());
        }
        let unread = self.arguments.outlet.trim(now);
        // A large room hears of a small change in the end.
        if unread || !self.counts.is_empty() || present != self.shown {
            self.tick_soon(me);
        }
    }
}

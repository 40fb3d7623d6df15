//! Rooms of several nodes become one again.
//!
//! A node that went on by itself brings what it has to Redis. An empty Redis is given all of it, by the one node that comes
//! first, in that node's own epoch. Otherwise what Redis lacks is appended, each entry once: it is only taken while nobody
//! else has put something back since the room was read, so that of two nodes that have the same entry one finds that the
//! other was first.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use tracing::{info, warn};
use weir_identity::ChannelId;

use super::{
    HEAR_MAX, Heard, Shared,
    calls::{ENTRIES_KEPT, new_epoch},
    keys::Keys,
    memory::{Memory, Snapshot},
};
use crate::{
    fabric::{Delivery, Down, Opened, Signal},
    room::{Entry, Event, MessageId},
};

/// Most entries that are appended in one step: Redis does nothing else meanwhile.
const STEP_MAX: usize = 256;
/// How often a room is read anew, because it changed meanwhile. Then it waits for the next time.
const ROUNDS_MAX: usize = 64;
/// Most entries that are read of a room: all that Redis keeps, which is about [`ENTRIES_KEPT`].
const READ_MAX: usize = 2 * ENTRIES_KEPT;

impl Shared {
    /// Makes a room one with what Redis has, if it can be reached.
    pub(super) async fn reunite(&self, room: ChannelId) {
        // First heard, then read: nothing is missed in between.
        if !self.listener.hear(&Keys::of(room).room(), HEAR_MAX).await {
            return;
        }
        let mut put_back = HashSet::new();
        for round in 0..ROUNDS_MAX {
            match self.try_reunite(room, round > 0, &mut put_back).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(Down) => break,
            }
        }
        if let Some(memory) = self.rooms.lock().get_mut(&room).and_then(|heard| heard.memory.as_mut()) {
            memory.unsettle();
        }
    }

    /// One step towards it; true when there is nothing left to do.
    async fn try_reunite(&self, room: ChannelId, settling: bool, put_back: &mut HashSet<u64>) -> Result<bool, Down> {
        let Some(ours) = self.snapshot(room, settling) else { return Ok(true) };
        let there = self.read(room, 0, ours.head == 0).await?;
        let Some((mut there, puts)) = there.filter(|(there, _)| there.head > 0 || ours.head == 0) else {
            return if settling { self.give_all(room, &ours).await } else { Ok(false) };
        };
        let since = shared(&ours, &there);
        let (epoch, entries) = self.after(room, since.unwrap_or(0), READ_MAX).await?;
        if epoch.as_deref() != Some(&*there.epoch) {
            return Ok(false);
        }
        let missing = missing(&ours, since, &entries, put_back);
        if !missing.is_empty() {
            for (step, puts) in missing.chunks(STEP_MAX).zip(puts..) {
                if !self.put_back(room, &there.epoch, puts, step).await? {
                    break;
                }
                put_back.extend(step.iter().map(|entry| entry.offset));
            }
            return Ok(false);
        }
        there.head = entries.last().map_or(there.head, |entry| entry.offset);
        let (since, recent) = whole(since, entries, there.head);
        there.recent = recent;
        let set = ours.set && ours.settings != there.settings;
        if set {
            there.settings = ours.settings.clone();
        }
        let is_one = self.rejoin(room, &ours, &there, since);
        if is_one && set {
            self.tell(room, &Signal::Settings(ours.settings)).await;
        }
        Ok(is_one)
    }

    fn snapshot(&self, room: ChannelId, settling: bool) -> Option<Snapshot> {
        self.rooms.lock().get_mut(&room)?.memory.as_mut()?.snapshot(settling)
    }

    /// Redis has nothing of a room, and is given what this node has.
    async fn give_all(&self, room: ChannelId, ours: &Snapshot) -> Result<bool, Down> {
        let before =
            if ours.epoch.is_empty() { ours.before.clone() } else { ours.before.then(&ours.epoch, ours.parted) };
        match self.refill(room, ours, &before).await {
            Ok(true) => {
                info!(%room, entries = ours.entries.len(), "Redis had lost a room, and was given it");
                Ok(false)
            }
            Ok(false) => Ok(false),
            Err(Down) => {
                // It may be done all the same, and others go on from there: what is said here now counts in another epoch.
                if let Some(heard) = self.rooms.lock().get_mut(&room) {
                    heard.part(self.entries_max);
                }
                Err(Down)
            }
        }
    }

    /// Switches over. False when something was said meanwhile.
    fn rejoin(&self, room: ChannelId, ours: &Snapshot, there: &Opened, since: Option<u64>) -> bool {
        let mut rooms = self.rooms.lock();
        let Some(heard) = rooms.get_mut(&room) else { return true };
        let Some(moved) = heard.memory.as_mut().and_then(|memory| memory.rejoin(ours.head, there, since)) else {
            return false;
        };
        heard.tell(&Delivery::Moved(Box::new(moved)));
        if heard.sinks.is_empty() {
            rooms.remove(&room);
            self.listener.unhear(&Keys::of(room).room());
        }
        true
    }
}

impl Heard {
    /// Goes on by itself, or in another epoch if it does already.
    pub(super) fn part(&mut self, entries_max: usize) {
        let memory = self.memory.get_or_insert_with(|| Memory::blank(entries_max));
        let moved = memory.part(&new_epoch(), Timestamp::now());
        self.tell(&Delivery::Moved(Box::new(moved)));
    }
}

/// Up to which offset this node and Redis have the same. `None`: nothing is known of that.
fn shared(ours: &Snapshot, there: &Opened) -> Option<u64> {
    if there.epoch == ours.own {
        return Some(ours.head.min(there.head));
    }
    if let Some(until) = there.before.shares(&ours.own) {
        return Some(until.min(ours.head));
    }
    if there.epoch == ours.epoch {
        return Some(ours.parted.min(there.head));
    }
    let until = there.before.shares(&ours.epoch).or_else(|| ours.before.shares(&there.epoch));
    until.map(|until| until.min(ours.parted).min(there.head))
}

/// What marks an entry wherever it stands.
#[derive(PartialEq, Eq, Hash)]
enum Mark {
    Message(MessageId),
    /// By whom, and what the client called it.
    Said(weir_identity::AccountId, String),
    /// What has no id says the same wherever it is said.
    Other(String),
}

fn marks(entry: &Entry) -> impl Iterator<Item = Mark> {
    let (one, other) = match &entry.event {
        Event::Message(message) => {
            let called = entry.once.as_ref().map(|once| Mark::Said(message.user.id, once.as_str().to_owned()));
            (Mark::Message(message.id), called)
        }
        event => (Mark::Other(format!("{event:?}")), None),
    };
    std::iter::once(one).chain(other)
}

/// What this node has, and Redis has not.
fn missing(ours: &Snapshot, since: Option<u64>, there: &[Arc<Entry>], put_back: &HashSet<u64>) -> Vec<Arc<Entry>> {
    let known: HashSet<Mark> = there.iter().flat_map(|entry| marks(entry)).collect();
    let after = ours.entries.iter().filter(|entry| since.is_none_or(|since| entry.offset > since));
    let lacks =
        |entry: &&Arc<Entry>| !put_back.contains(&entry.offset) && !marks(entry).any(|mark| known.contains(&mark));
    after.filter(lacks).cloned().collect()
}

/// Everything after `since`, if it is there without a hole; else the last entries that are, and nothing before them.
fn whole(since: Option<u64>, entries: Vec<Arc<Entry>>, head: u64) -> (Option<u64>, Vec<Arc<Entry>>) {
    let whole = entries.iter().rev().zip((0..=head).rev()).take_while(|(entry, at)| entry.offset == *at).count();
    let since = since.filter(|since| head.saturating_sub(*since) == whole as u64);
    if since.is_none() && whole < entries.len() {
        warn!(head, whole, "a room has a hole in Redis");
    }
    let mut entries = entries;
    entries.drain(..entries.len() - whole);
    (since, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{
        ClientId,
        event::tests::said,
        log::{Taken, Terms},
    };

    fn entry(offset: u64, text: &str) -> Arc<Entry> {
        Arc::new(Entry::new(offset, said("anna", text)).called(ClientId::parse(text)))
    }

    fn opened(epoch: &str, before: &str, entries: &[Arc<Entry>]) -> Opened {
        Opened {
            epoch: epoch.into(),
            before: crate::fabric::Lineage::parse(before),
            head: entries.last().map_or(0, |entry| entry.offset),
            recent: entries.to_vec(),
            settings: crate::room::Settings::default(),
            pinned: None,
            alone: false,
        }
    }

    /// A node that knew one and two, heard four but not three, and went on by itself in the epoch `own`.
    fn parted() -> (Memory, Vec<Arc<Entry>>) {
        let entries = vec![entry(1, "one"), entry(2, "two"), entry(3, "three"), entry(4, "four")];
        let mut memory = Memory::of(&opened("e", "d:1", &entries[..2]), 10);
        memory.hear(entries[3].clone());
        let moved = memory.part("own", Timestamp::UNIX_EPOCH);
        assert_eq!((moved.since, moved.head, &*moved.epoch, moved.alone), (Some(2), 3, "own", true));
        assert_eq!(moved.before.to_string(), "e:2 d:1");
        assert_eq!(moved.entries.len(), 1, "what came behind a hole stands there anew");
        (memory, entries)
    }

    fn say(memory: &mut Memory, text: &str) -> Taken {
        let crate::room::Event::Message(message) = said("anna", text) else { unreachable!() };
        let terms = Terms { by: Some(message.user.id), once: ClientId::parse(text), ..Terms::default() };
        memory.append(Event::Message(message), &terms, Timestamp::UNIX_EPOCH).unwrap().0
    }

    #[track_caller]
    fn check_shared(there: &Opened, expected: Option<u64>) {
        let (mut memory, _) = parted();
        assert_eq!(shared(&memory.snapshot(false).unwrap(), there), expected);
    }

    #[test]
    fn what_two_have_alike_ends_where_either_went_its_own_way() {
        let all: Vec<_> = (1..=9).map(|offset| entry(offset, "x")).collect();
        check_shared(&opened("e", "", &all), Some(2));
        check_shared(&opened("e", "", &all[..1]), Some(1));
        check_shared(&opened("f", "e:5", &all), Some(2));
        check_shared(&opened("f", "e:1", &all), Some(1));
        check_shared(&opened("own", "e:2", &all), Some(3));
        check_shared(&opened("f", "own:2 e:2", &all), Some(2));
        check_shared(&opened("d", "", &all), Some(1));
        check_shared(&opened("f", "", &all), None);
    }

    #[test]
    fn what_is_put_back_is_what_redis_lacks() {
        let (mut memory, entries) = parted();
        let Event::Message(crate::room::event::Message { id, .. }) = entries[1].event else { unreachable!() };
        assert_eq!(say(&mut memory, "two"), Taken::Again(2, id));
        assert_eq!(say(&mut memory, "five"), Taken::New(4));
        assert_eq!(say(&mut memory, "six"), Taken::New(5));
        let ours = memory.snapshot(true).unwrap();
        assert!(memory.append(said("anna", "x"), &Terms::default(), Timestamp::UNIX_EPOCH).is_none(), "for a moment");
        let lacks = |there: &[Arc<Entry>], since, put_back: &[u64]| {
            let missing = missing(&ours, since, there, &put_back.iter().copied().collect());
            missing.iter().map(|entry| entry.offset).collect::<Vec<_>>()
        };
        assert_eq!(lacks(&entries[2..], Some(2), &[]), [4, 5], "four is there");
        assert_eq!(lacks(&entries[2..], Some(2), &[4]), [5]);
        assert_eq!(lacks(&[entry(3, "six")], Some(2), &[]), [3, 4], "said under that id already");
        assert_eq!(lacks(&[], None, &[]), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_room_is_told_what_follows_or_a_page_of_it() {
        let entries: Vec<_> = (3..=5).map(|offset| entry(offset, "x")).collect();
        let told = |since, entries: &[Arc<Entry>]| {
            let (since, entries) = whole(since, entries.to_vec(), 5);
            (since, entries.iter().map(|entry| entry.offset).collect::<Vec<_>>())
        };
        assert_eq!(told(Some(2), &entries), (Some(2), vec![3, 4, 5]));
        assert_eq!(told(Some(5), &[]), (Some(5), vec![]));
        assert_eq!(told(Some(1), &entries), (None, vec![3, 4, 5]));
        assert_eq!(told(None, &entries), (None, vec![3, 4, 5]));
        assert_eq!(told(Some(2), &[entries[0].clone(), entries[2].clone()]), (None, vec![5]));
    }

    #[test]
    fn a_node_is_one_with_the_others_only_if_nothing_was_said_meanwhile() {
        let (mut memory, entries) = parted();
        let ours = memory.snapshot(false).unwrap();
        let there = opened("e", "d:1", &entries[2..]);
        assert_eq!(say(&mut memory, "five"), Taken::New(4));
        assert!(memory.rejoin(ours.head, &there, Some(2)).is_none() && memory.is_alone() && memory.owes());
        let ours = memory.snapshot(true).unwrap();
        let moved = memory.rejoin(ours.head, &there, Some(2)).unwrap();
        assert_eq!((&*moved.epoch, moved.since, moved.head, moved.alone), ("e", Some(2), 4, false));
        assert_eq!(moved.entries.len(), 2);
        assert!(!memory.is_alone() && !memory.owes() && memory.knows(4) && !memory.knows(5));
    }
}

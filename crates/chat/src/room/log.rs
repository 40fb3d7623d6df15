//! What was said in a room, in order: offsets that grow by one, each message once, and no faster than the terms allow.
//!
//! This is what a fabric keeps for a room, whole nodes apart: whatever must hold across nodes is decided here, in one
//! step. Time comes in.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use weir_identity::AccountId;

use super::event::{ClientId, Entry, Event, MessageId};

/// How long a client's id is remembered.
pub const SAID_ONCE_FOR: Duration = Duration::from_secs(600);
/// How long a text is remembered where each must be another.
pub const UNIQUE_FOR: Duration = Duration::from_secs(600);
/// Most client ids that a room remembers: 430 messages a second for ten minutes.
pub const REMEMBERED_MAX: usize = 1 << 18;
/// Most speakers whose pace a room remembers.
const SPEAKERS_MAX: usize = 1 << 16;
/// Longest pace that is remembered: the longest slow mode.
const PACE_FOR: Duration = Duration::from_secs(3_600);

/// How many messages in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub count: usize,
    /// In this time.
    pub within: Duration,
}

/// On which terms an event is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Who asks. Without it nothing else counts.
    pub by: Option<AccountId>,
    /// What the client called it: said once.
    pub once: Option<ClientId>,
    /// How much one account may say.
    pub limit: Option<Limit>,
    /// The time between two messages of one account.
    pub slow: Option<Duration>,
    /// What must not have been said lately: a hash of the text.
    pub unique: Option<u64>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It stands at this offset.
    New(u64),
    /// It stood there already, as the message of that id.
    Again(u64, MessageId),
    /// Too much was said; the next one may come after this long.
    TooMuch(Duration),
    /// Slow mode; the next one may come after this long.
    TooSoon(Duration),
    /// The text was said lately.
    NotUnique,
}

/// A room's log.
#[derive(Debug)]
pub struct Log {
    epoch: Arc<str>,
    head: u64,
    entries: VecDeque<Arc<Entry>>,
    entries_max: usize,
    said: HashMap<(AccountId, ClientId), (u64, MessageId)>,
    said_at: VecDeque<(Timestamp, (AccountId, ClientId))>,
    texts: HashMap<u64, Timestamp>,
    texts_at: VecDeque<(Timestamp, u64)>,
    paces: HashMap<AccountId, VecDeque<Timestamp>>,
}

impl Log {
    /// A log that begins, and keeps the last `entries_max` entries.
    #[must_use]
    pub fn new(epoch: &str, entries_max: usize) -> Self {
        let (entries, said, said_at, texts, texts_at, paces) = Default::default();
        Self { epoch: epoch.into(), head: 0, entries, entries_max, said, said_at, texts, texts_at, paces }
    }

    /// A log that goes on after `entries`, which end at `head` and have no hole. What they were called is remembered as if
    /// they were said at `now`.
    #[must_use]
    pub fn resume(epoch: &str, head: u64, entries: Vec<Arc<Entry>>, entries_max: usize, now: Timestamp) -> Self {
        let mut log = Self { head, ..Self::new(epoch, entries_max) };
        for entry in entries {
            if let (Some(once), Event::Message(message)) = (&entry.once, &entry.event) {
                log.remember(message.user.id, once, entry.offset, message.id, now);
            }
            log.keep(entry);
        }
        log
    }

    /// A name of these offsets: others begin with another name.
    #[must_use]
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The last offset; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Takes an event at `now`, on `terms`. A new one is returned as it stands.
    pub fn append(&mut self, event: Event, terms: &Terms, now: Timestamp) -> (Taken, Option<Arc<Entry>>) {
        self.forget(now);
        if let Some(refused) = self.refuses(terms, now) {
            return (refused, None);
        }
        if let Some(by) = terms.by {
            self.note(by, &event, terms, now);
        }
        self.head += 1;
        let entry = Arc::new(Entry::new(self.head, event).called(terms.once.clone()));
        self.keep(entry.clone());
        (Taken::New(self.head), Some(entry))
    }

    fn keep(&mut self, entry: Arc<Entry>) {
        self.entries.push_back(entry);
        if self.entries.len() > self.entries_max {
            self.entries.pop_front();
        }
    }

    fn remember(&mut self, by: AccountId, once: &ClientId, offset: u64, message: MessageId, now: Timestamp) {
        let key = (by, once.clone());
        self.said.insert(key.clone(), (offset, message));
        self.said_at.push_back((now, key));
    }

    /// Entries after `offset`, at most `limit`; `None` when some of them are no longer there, or never were.
    #[must_use]
    pub fn since(&self, offset: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let missed = usize::try_from(self.head.checked_sub(offset)?).ok()?;
        let skipped = self.entries.len().checked_sub(missed)?;
        Some(self.entries.iter().skip(skipped).take(limit).cloned().collect())
    }

    /// The last entries, at most `limit`.
    #[must_use]
    pub fn last(&self, limit: usize) -> Vec<Arc<Entry>> {
        self.entries.iter().skip(self.entries.len().saturating_sub(limit)).cloned().collect()
    }

    fn refuses(&self, terms: &Terms, now: Timestamp) -> Option<Taken> {
        let by = terms.by?;
        if let Some(once) = &terms.once
            && let Some((offset, id)) = self.said.get(&(by, once.clone()))
        {
            return Some(Taken::Again(*offset, *id));
        }
        let pace = self.paces.get(&by);
        if let (Some(limit), Some(pace)) = (terms.limit, pace) {
            // The one that must be old enough: so many before the next.
            let oldest = pace.len().checked_sub(limit.count).and_then(|at| pace.get(at));
            if let Some(wait) = oldest.and_then(|oldest| left(*oldest, limit.within, now)) {
                return Some(Taken::TooMuch(wait));
            }
        }
        if let (Some(slow), Some(last)) = (terms.slow, pace.and_then(VecDeque::back))
            && let Some(wait) = left(*last, slow, now)
        {
            return Some(Taken::TooSoon(wait));
        }
        let unique = terms.unique.is_none_or(|hash| !self.texts.contains_key(&hash));
        (!unique).then_some(Taken::NotUnique)
    }

    fn note(&mut self, by: AccountId, event: &Event, terms: &Terms, now: Timestamp) {
        if let (Some(once), Event::Message(message)) = (&terms.once, event) {
            self.remember(by, once, self.head + 1, message.id, now);
        }
        if let Some(hash) = terms.unique {
            self.texts.insert(hash, now);
            self.texts_at.push_back((now, hash));
        }
        if terms.limit.is_some() || terms.slow.is_some() {
            if self.paces.len() >= SPEAKERS_MAX {
                self.paces.retain(|_, pace| pace.back().is_some_and(|last| left(*last, PACE_FOR, now).is_some()));
            }
            let pace = self.paces.entry(by).or_default();
            pace.push_back(now);
            let kept = terms.limit.map_or(1, |limit| limit.count.max(1));
            while pace.len() > kept {
                pace.pop_front();
            }
        }
    }

    /// Lets go of what is over.
    fn forget(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.said_at.front()
            && (left(*at, SAID_ONCE_FOR, now).is_none() || self.said_at.len() >= REMEMBERED_MAX)
        {
            if let Some((_, key)) = self.said_at.pop_front() {
                self.said.remove(&key);
            }
        }
        while let Some((at, _)) = self.texts_at.front()
            && (left(*at, UNIQUE_FOR, now).is_none() || self.texts_at.len() >= REMEMBERED_MAX)
        {
            if let Some((_, hash)) = self.texts_at.pop_front() {
                self.texts.remove(&hash);
            }
        }
    }
}

/// What is left at `now` of a time that began at `since`.
fn left(since: Timestamp, span: Duration, now: Timestamp) -> Option<Duration> {
    let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    span.checked_sub(passed).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::room::event::tests::said;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + milliseconds).unwrap()
    }

    fn by(name: u8, once: &str) -> Terms {
        Terms { by: Some(AccountId::from_bytes([name; 16])), once: ClientId::parse(once), ..Terms::default() }
    }

    #[test]
    fn an_id_is_said_once_in_ten_minutes() {
        let mut log = Log::new("e", 10);
        let first = log.append(said("anna", "one"), &by(1, "a"), at(0)).0;
        assert_eq!(first, Taken::New(1));
        assert!(matches!(log.append(said("anna", "one"), &by(1, "a"), at(599_999)).0, Taken::Again(1, _)));
        assert_eq!(log.append(said("berta", "one"), &by(2, "a"), at(599_999)).0, Taken::New(2), "somebody else's");
        assert_eq!(log.append(said("anna", "one"), &by(1, "a"), at(600_000)).0, Taken::New(3));
    }

    #[test]
    fn so_many_are_said_in_so_much_time() {
        let mut log = Log::new("e", 10);
        let limit = Some(Limit { count: 3, within: Duration::from_secs(30) });
        let mut say = |ms, id: &str| log.append(said("anna", "x"), &Terms { limit, ..by(1, id) }, at(ms)).0;
        assert_eq!([say(0, "a"), say(1_000, "b"), say(2_000, "c")], [Taken::New(1), Taken::New(2), Taken::New(3)]);
        assert_eq!(say(3_000, "d"), Taken::TooMuch(Duration::from_secs(27)));
        assert!(matches!(say(3_000, "a"), Taken::Again(1, _)), "what was said is acked all the same");
        assert_eq!(say(30_000, "d"), Taken::New(4));
        assert_eq!(say(30_000, "e"), Taken::TooMuch(Duration::from_secs(1)));
    }

    #[test]
    fn slow_mode_keeps_messages_apart() {
        let mut log = Log::new("e", 10);
        let slow = Some(Duration::from_secs(10));
        let mut say =
            |who, ms: i64| log.append(said("anna", "x"), &Terms { slow, ..by(who, &ms.to_string()) }, at(ms)).0;
        assert_eq!(say(1, 0), Taken::New(1));
        assert_eq!(say(1, 4_000), Taken::TooSoon(Duration::from_secs(6)));
        assert_eq!(say(2, 4_000), Taken::New(2));
        assert_eq!(say(1, 10_000), Taken::New(3));
    }

    #[test]
    fn a_text_is_said_once_where_each_is_another() {
        let mut log = Log::new("e", 10);
        let mut say = |who, id: &str, ms, hash| {
            log.append(said("anna", "x"), &Terms { unique: Some(hash), ..by(who, id) }, at(ms)).0
        };
        assert_eq!(say(1, "a", 0, 5), Taken::New(1));
        assert_eq!(say(2, "b", 1, 5), Taken::NotUnique);
        assert_eq!(say(2, "c", 2, 6), Taken::New(2));
        assert_eq!(say(2, "d", 600_000, 5), Taken::New(3));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut log = Log::new("e", 1);
        for number in 0..REMEMBERED_MAX + 10 {
            log.append(said("anna", "x"), &by(1, &number.to_string()), at(0));
        }
        assert!(log.said.len() <= REMEMBERED_MAX);
        assert_eq!(log.said.len(), log.said_at.len());
    }

    proptest! {
        #[test]
        fn offsets_have_no_holes_and_since_gives_what_was_missed(
            events in prop::collection::vec((0_u8..3, 0_u8..6, 0_i64..400), 0..80), kept in 1_usize..20, asked in 0_u64..90,
        ) {
            let mut log = Log::new("e", kept);
            let (mut now, mut all) = (0, Vec::new());
            for (who, id, pause) in events {
                now += pause * 1_000;
                let (taken, entry) = log.append(said("anna", "x"), &by(who, &id.to_string()), at(now));
                match (taken, entry) {
                    (Taken::New(offset), Some(entry)) => {
                        prop_assert_eq!(offset, all.len() as u64 + 1);
                        prop_assert_eq!(entry.offset, offset);
                        all.push(entry);
                    }
                    (Taken::Again(offset, id), None) => {
                        let Event::Message(message) = &all[offset as usize - 1].event else { unreachable!() };
                        prop_assert_eq!(message.id, id);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            match log.since(asked, 100) {
                Some(missed) => prop_assert_eq!(&missed[..], &all[asked as usize..]),
                None => prop_assert!(asked > all.len() as u64 || all.len() - asked as usize > kept),
            }
            prop_assert!(log.last(5).len() <= 5);
        }
    }
}

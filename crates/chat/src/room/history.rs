//! The last of what was said, as whoever comes now may read it: what was taken back stands there no more.

use std::{collections::VecDeque, sync::Arc};

use super::event::{Entry, Event, Message, MessageId};

/// The last entries of a room, without holes.
#[derive(Debug)]
pub(crate) struct History {
    entries: VecDeque<Arc<Entry>>,
    entries_max: usize,
}

impl History {
    /// Keeps the last `entries_max`.
    #[must_use]
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: VecDeque::new(), entries_max }
    }

    /// The next entry. What it takes back, it takes back here.
    pub(crate) fn push(&mut self, entry: Arc<Entry>) {
        match &entry.event {
            Event::Message(_) | Event::Pinned { .. } => {}
            Event::Deleted { id, .. } => self.take_back(|message| message.id == *id),
            Event::Cleared { user, .. } => self.take_back(|message| user.is_none_or(|user| message.user.id == user)),
        }
        self.entries.push_back(entry);
        if self.entries.len() > self.entries_max {
            self.entries.pop_front();
        }
    }

    /// Lets go of everything after `offset`.
    pub(crate) fn forget_after(&mut self, offset: u64) {
        self.entries.truncate(self.entries.partition_point(|entry| entry.offset <= offset));
    }

    /// Entries after `offset` and up to `until`; `None` when some of them are no longer here.
    pub(crate) fn since(&self, offset: u64, until: u64) -> Option<impl Iterator<Item = &Arc<Entry>>> {
        let first = self.entries.front().map_or(until + 1, |entry| entry.offset);
        let there = offset <= until && (offset == until || first <= offset + 1);
        there.then(|| self.entries.iter().filter(move |entry| entry.offset > offset && entry.offset <= until))
    }

    /// The last entries up to `until`, at most `limit`.
    pub(crate) fn last(&self, limit: usize, until: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let count = self.entries.iter().rev().skip_while(|entry| entry.offset > until).count();
        self.entries.iter().take(count).skip(count.saturating_sub(limit))
    }

    /// A message that stands here.
    #[must_use]
    pub(crate) fn message(&self, id: MessageId) -> Option<&Message> {
        self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Message(message) if message.id == id && !message.deleted => Some(message),
            _ => None,
        })
    }

    fn take_back(&mut self, is: impl Fn(&Message) -> bool) {
        for entry in &mut self.entries {
            let gone = match &entry.event {
                Event::Message(message) if is(message) => entry.tombstone(),
                // Who pinned it stays; the words go.
                Event::Pinned { message: Some(message), by } if is(message) => {
                    Some(Entry::new(entry.offset, Event::Pinned { message: None, by: *by }))
                }
                _ => None,
            };
            if let Some(gone) = gone {
                *entry = Arc::new(gone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_identity::AccountId;

    use super::*;
    use crate::room::event::tests::said;

    fn push(history: &mut History, events: &[Event]) {
        for event in events {
            let offset = history.entries.back().map_or(1, |entry| entry.offset + 1);
            history.push(Arc::new(Entry::new(offset, event.clone())));
        }
    }

    fn texts(history: &History) -> String {
        let texts = history.last(99, u64::MAX).map(|entry| match &entry.event {
            Event::Message(message) if message.deleted => "x".to_owned(),
            Event::Message(message) => message.text.clone(),
            Event::Deleted { .. } => "deleted".into(),
            Event::Cleared { .. } => "cleared".into(),
            Event::Pinned { message, .. } => format!("pinned {}", message.is_some()),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    fn message(event: &Event) -> &Message {
        let Event::Message(message) = event else { unreachable!() };
        message
    }

    #[test]
    fn what_was_deleted_or_cleared_is_not_told_to_who_comes_later() {
        let by = AccountId::from_bytes([9; 16]);
        let (one, two, three) = (said("anna", "one"), said("berta", "two"), said("anna", "three"));
        let mut history = History::new(9);
        push(&mut history, &[one.clone(), two.clone(), three]);
        push(&mut history, &[Event::Deleted { id: message(&two).id, by }]);
        assert_eq!(texts(&history), "one x three deleted");
        assert!(history.message(message(&two).id).is_none());
        assert!(history.message(message(&one).id).is_some());
        push(
            &mut history,
            &[Event::Cleared { user: Some(message(&one).user.id), by, sentence: None }, said("berta", "four")],
        );
        assert_eq!(texts(&history), "x x x deleted cleared four");
        push(&mut history, &[Event::Cleared { user: None, by, sentence: None }]);
        assert_eq!(texts(&history), "x x x deleted cleared x cleared");
    }

    #[test]
    fn what_is_pinned_goes_with_its_message() {
        let by = AccountId::from_bytes([9; 16]);
        let one = said("anna", "one");
        let mut history = History::new(9);
        push(&mut history, &[one.clone(), Event::Pinned { message: Some(Box::new(message(&one).clone())), by }]);
        assert_eq!(texts(&history), "one pinned true");
        push(&mut history, &[Event::Deleted { id: message(&one).id, by }]);
        assert_eq!(texts(&history), "x pinned false deleted");
    }

    #[test]
    fn what_was_missed_is_given_whole_or_not_at_all() {
        let mut history = History::new(3);
        let missed = |history: &History, offset, until| {
            history.since(offset, until).map(|entries| entries.map(|entry| entry.offset).collect::<Vec<_>>())
        };
        assert_eq!(missed(&history, 0, 0), Some(vec![]));
        for _ in 0..5 {
            push(&mut history, &[said("anna", "x")]);
        }
        assert_eq!(missed(&history, 1, 5), None);
        assert_eq!(missed(&history, 2, 5), Some(vec![3, 4, 5]));
        assert_eq!(missed(&history, 2, 4), Some(vec![3, 4]));
        assert_eq!(missed(&history, 5, 5), Some(vec![]));
        assert_eq!(missed(&history, 6, 5), None);
        assert_eq!(history.last(2, 4).map(|entry| entry.offset).collect::<Vec<_>>(), [3, 4]);
    }
}

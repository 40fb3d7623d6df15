//! What a room's log has and the store may lack. A value, and the questions to the store that it needs.

use std::{collections::HashMap, sync::Arc};

use jiff::{Timestamp, ToSpan};
use weir_chat::{
    fabric::Opened,
    room::{Entry, Event, Settings},
};
use weir_control::{
    Error,
    messages::{Message, Messages, Note, Wanted},
};
use weir_identity::{ChannelId, MessageId};

use super::convert;

/// Messages that the store is asked for at once.
const PAGE: usize = 500;
/// Most pages that the store is asked for: more than any log holds.
const PAGES_MAX: usize = 64;

/// A room as a fabric has it.
#[derive(Debug)]
pub(super) struct Compare {
    pub(super) room: ChannelId,
    /// Oldest first.
    pub(super) entries: Vec<Arc<Entry>>,
    /// What moderators set, where it is known.
    pub(super) settings: Option<Settings>,
    /// What is pinned, where it is known.
    pub(super) pinned: Option<Option<MessageId>>,
}

/// What the store must have in the end.
#[derive(Debug, Default, PartialEq)]
struct Owed {
    /// Messages, as they stand now.
    messages: Vec<Message>,
    /// Older messages that were taken back.
    taken_back: Vec<MessageId>,
    clears: Vec<Note>,
}

impl Compare {
    pub(super) fn of(room: ChannelId, opened: &Opened) -> Self {
        Self {
            room,
            entries: opened.recent.clone(),
            settings: Some(opened.settings.clone()),
            pinned: Some(opened.pinned.as_ref().map(|message| message.id)),
        }
    }

    /// What the store lacks.
    pub(super) async fn lacks(self, store: &dyn Messages) -> Result<Vec<(ChannelId, Note)>, Error> {
        let room = self.room;
        let owed = owed(&self.entries);
        let known = match owed.messages.iter().map(|message| message.id).min() {
            Some(oldest) => known(store, room, oldest).await?,
            None => HashMap::new(),
        };
        let lacks = |message: &Message| match known.get(&message.id) {
            None => true,
            Some(deleted) => message.deleted && !deleted,
        };
        let mut notes: Vec<Note> = owed.messages.into_iter().filter(lacks).map(Note::Said).collect();
        for id in owed.taken_back {
            if store.message(room, id).await?.is_some_and(|message| !message.deleted) {
                notes.push(Note::TakenBack(id));
            }
        }
        notes.extend(owed.clears);
        if self.settings.is_some() || self.pinned.is_some() {
            let kept = store.room(room).await?;
            let settings = kept.settings.as_deref().and_then(|kept| serde_json::from_str::<Settings>(kept).ok());
            if let Some(set) = self.settings.filter(|set| *set != settings.unwrap_or_default()) {
                notes.push(convert::note(weir_chat::archive::Happened::Set(set)));
            }
            let pinned = kept.pinned.map(|message| message.id);
            if let Some(id) = self.pinned.filter(|id| *id != pinned) {
                notes.push(Note::Pinned(id));
            }
        }
        Ok(notes.into_iter().map(|note| (room, note)).collect())
    }
}

/// Messages of the store from `oldest` on, and whether they were taken back.
async fn known(store: &dyn Messages, room: ChannelId, oldest: MessageId) -> Result<HashMap<MessageId, bool>, Error> {
    let (mut known, mut before) = (HashMap::new(), None);
    for _ in 0..PAGES_MAX {
        let found = store.messages(room, Wanted { before, limit: PAGE, ..Wanted::default() }).await?;
        known.extend(found.messages.iter().map(|message| (message.id, message.deleted)));
        before = found.next;
        if before.is_none_or(|before| before < oldest) {
            break;
        }
    }
    Ok(known)
}

fn owed(entries: &[Arc<Entry>]) -> Owed {
    let mut owed = Owed::default();
    for entry in entries {
        match &entry.event {
            Event::Message(message) => owed.messages.push(convert::to_store(message.clone(), entry.once.as_ref())),
            Event::Deleted { id, .. } => match owed.messages.iter_mut().find(|message| message.id == *id) {
                Some(message) => *message = message.clone().taken_back(),
                None => owed.taken_back.push(*id),
            },
            Event::Cleared { user, .. } => {
                let cleared = |message: &&mut Message| user.is_none_or(|user| user == message.account);
                owed.messages.iter_mut().filter(cleared).for_each(|message| *message = message.clone().taken_back());
                // An event has no time of its own: it stands right before what was said next.
                owed.clears.push(Note::Cleared { account: *user, until: Timestamp::MAX });
            }
            Event::Pinned { .. } => {}
        }
        if let Event::Message(message) = &entry.event {
            end_clears(&mut owed.clears, message.at - 1.millisecond());
        }
    }
    end_clears(&mut owed.clears, Timestamp::now());
    owed
}

/// Gives clears the time they stand at, where they have none yet.
fn end_clears(clears: &mut [Note], at: Timestamp) {
    for clear in clears.iter_mut().rev() {
        match clear {
            Note::Cleared { until, .. } if *until == Timestamp::MAX => *until = at,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_chat::room::{Person, Role, event::Message as Said};
    use weir_identity::AccountId;

    use super::*;

    fn said(by: u8, at: i64, text: &str) -> Said {
        Said {
            id: MessageId::new(),
            user: Person {
                id: AccountId::from_bytes([by; 16]),
                name: "anna".parse().expect("a name"),
                display_name: String::new(),
                role: Role::Viewer,
            },
            text: text.into(),
            at: Timestamp::from_millisecond(at).expect("a time"),
            reply_to: None,
            deleted: false,
        }
    }

    fn log(events: Vec<Event>) -> Vec<Arc<Entry>> {
        (1..).zip(events).map(|(offset, event)| Arc::new(Entry::new(offset, event))).collect()
    }

    #[test]
    fn what_was_taken_back_in_a_log_is_owed_without_its_words() {
        let by = AccountId::from_bytes([9; 16]);
        let (one, two, three) = (said(1, 1_000, "one"), said(2, 2_000, "two"), said(1, 3_000, "three"));
        let older = MessageId::new();
        let owed = owed(&log(vec![
            Event::Message(one.clone()),
            Event::Message(two.clone()),
            Event::Deleted { id: older, by },
            Event::Cleared { user: Some(one.user.id), by, sentence: None },
            Event::Message(three.clone()),
            Event::Deleted { id: two.id, by },
        ]));
        let texts: Vec<_> = owed.messages.iter().map(|message| (message.text.as_str(), message.deleted)).collect();
        assert_eq!(texts, [("", true), ("", true), ("three", false)]);
        assert_eq!(owed.taken_back, [older]);
        let until = Timestamp::from_millisecond(2_999).expect("a time");
        assert_eq!(owed.clears, [Note::Cleared { account: Some(one.user.id), until }]);
    }

    #[test]
    fn a_clear_that_nothing_follows_stands_now() {
        let by = AccountId::from_bytes([9; 16]);
        let before = Timestamp::now();
        let owed = owed(&log(vec![Event::Cleared { user: None, by, sentence: None }]));
        let [Note::Cleared { account: None, until }] = owed.clears[..] else { panic!("{owed:?}") };
        assert!(until >= before && until <= Timestamp::now());
    }
}

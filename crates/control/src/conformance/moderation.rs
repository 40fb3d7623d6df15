//! What moderators have to read, a channel's words, and from where somebody spoke.

use std::slice::from_ref;

use jiff::ToSpan;
use weir_identity::{AccountId, ChannelId, HeldId, MessageId};

use super::{channel, name, now};
use crate::{
    error::Error,
    held::{self, Answered, HELD_PER_AUTHOR_MAX, Held},
    reports::{Message, REPORTS_PER_MESSAGE_MAX, Report},
    store::Store,
    words::{Action, Word, WordList},
};

pub(super) async fn all(store: &dyn Store) {
    held_messages_wait_in_order_and_are_decided_about_once(store).await;
    nobody_fills_a_queue_alone(store).await;
    a_message_is_reported_once_by_each(store).await;
    words_are_replaced_by_who_saw_the_newest(store).await;
    it_is_known_from_where_somebody_last_spoke(store).await;
}

fn held(author: AccountId, text: &str) -> Held {
    let author_name = name("trudy");
    Held { id: HeldId::new(), author, author_name, text: text.into(), reply_to: None, at: now() }
}

async fn held_messages_wait_in_order_and_are_decided_about_once(store: &dyn Store) {
    let (here, there) = (channel(store, "held_here").await.id, channel(store, "held_there").await.id);
    let author = AccountId::new();
    let answers = Some(Answered { id: MessageId::new(), name: name("anna") });
    let (one, two) = (held(author, "하나"), Held { reply_to: answers, ..held(author, "two") });
    for held in [&one, &two] {
        store.hold(here, held.clone()).await.unwrap();
    }
    let missing = store.hold(ChannelId::new(), held(author, "nowhere")).await;
    assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
    assert_eq!(store.held_in(here, None, 9).await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(store.held_in(here, None, 1).await.unwrap(), *from_ref(&one));
    assert_eq!(store.held_in(here, Some(one.id), 9).await.unwrap(), *from_ref(&two));
    assert_eq!((store.held_count(here).await.unwrap(), store.held_count(there).await.unwrap()), (2, 0));

    let at = now();
    assert_eq!(store.take_held(there, one.id, at).await.unwrap(), None, "it waits in another channel");
    let (first, second) = tokio::join!(store.take_held(here, one.id, at), store.take_held(here, one.id, at));
    let taken: Vec<Held> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, *from_ref(&one), "of two moderators one gets it");
    store.return_held(here, one.id).await.unwrap();
    assert_eq!(store.take_held(here, one.id, at).await.unwrap(), Some(one.clone()), "it waits again");
    let later = at + held::DECIDED_WITHIN;
    assert_eq!(store.take_held(here, one.id, later).await.unwrap(), Some(one.clone()), "who took it has died");
    assert!(store.drop_held(here, one.id).await.unwrap());
    assert!(!store.drop_held(here, one.id).await.unwrap());
    assert_eq!(store.take_held(here, one.id, later + 1.hour()).await.unwrap(), None);
    store.return_held(here, one.id).await.unwrap();
    assert!(!store.drop_held(there, two.id).await.unwrap(), "it is another channel's");
    assert_eq!(store.held_in(here, None, 9).await.unwrap(), [two]);
    assert_eq!(store.held_count(here).await.unwrap(), 1);
}

async fn nobody_fills_a_queue_alone(store: &dyn Store) {
    let channel = channel(store, "held_much").await.id;
    let (one, other) = (AccountId::new(), AccountId::new());
    for _ in 0..HELD_PER_AUTHOR_MAX {
        store.hold(channel, held(one, "again")).await.unwrap();
    }
    assert!(matches!(store.hold(channel, held(one, "again")).await, Err(Error::TooMany)));
    store.hold(channel, held(other, "somebody else's")).await.unwrap();
    let old = Held { at: now() - held::KEPT_FOR + 1.second(), ..held(AccountId::new(), "soon gone") };
    store.hold(channel, old).await.unwrap();
    assert_eq!(store.held_count(channel).await.unwrap(), HELD_PER_AUTHOR_MAX as u64 + 2);
}

async fn a_message_is_reported_once_by_each(store: &dyn Store) {
    let channel = channel(store, "reported").await.id;
    let message = |text: &str| Message {
        id: MessageId::new(),
        author: AccountId::new(),
        author_name: name("trudy"),
        text: text.into(),
        at: now(),
    };
    let by = |account, reason: &str| Report { by: account, reason: reason.into(), at: now() };
    let (one, two) = (message("하나"), message("two"));
    let mut accounts = [AccountId::new(), AccountId::new()];
    accounts.sort_unstable();
    let reports = accounts.map(|account| by(account, "spam"));
    let missing = store.report(ChannelId::new(), one.clone(), reports[0].clone()).await;
    assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
    assert!(store.report(channel, one.clone(), reports[0].clone()).await.unwrap());
    assert!(!store.report(channel, one.clone(), by(accounts[0], "once more")).await.unwrap());
    let changed = Message { text: String::new(), ..one.clone() };
    assert!(store.report(channel, changed, reports[1].clone()).await.unwrap());
    assert!(store.report(channel, two.clone(), reports[0].clone()).await.unwrap());
    assert_eq!(store.reported_count(channel).await.unwrap(), 2);
    let all = store.reported_in(channel, None, 9).await.unwrap();
    assert_eq!(all.iter().map(|reported| &reported.message).collect::<Vec<_>>(), [&one, &two], "as it was first");
    assert_eq!(all[0].reports, reports);
    assert_eq!(store.reported_in(channel, Some(one.id), 9).await.unwrap(), all[1..]);
    assert_eq!(store.reported_in(channel, None, 1).await.unwrap(), all[..1]);

    let (first, second) = tokio::join!(store.settle(channel, one.id), store.settle(channel, one.id));
    assert!(first.unwrap() | second.unwrap());
    assert!(!store.settle(channel, one.id).await.unwrap());
    assert!(!store.settle(channel, MessageId::new()).await.unwrap());
    assert!(!store.report(channel, one.clone(), by(AccountId::new(), "late")).await.unwrap(), "it stays settled");
    assert_eq!(store.reported_in(channel, None, 9).await.unwrap(), all[1..]);
    assert_eq!(store.reported_count(channel).await.unwrap(), 1);

    for _ in 1..REPORTS_PER_MESSAGE_MAX {
        assert!(store.report(channel, two.clone(), by(AccountId::new(), "")).await.unwrap());
    }
    assert!(!store.report(channel, two.clone(), by(AccountId::new(), "")).await.unwrap(), "it has enough");
}

async fn words_are_replaced_by_who_saw_the_newest(store: &dyn Store) {
    let (channel, other) = (channel(store, "wordy").await.id, channel(store, "wordless").await.id);
    let list = |version, words: &[&str]| WordList {
        version,
        words: words.iter().map(|word| Word { word: (*word).into(), action: Action::Hold }).collect(),
    };
    assert_eq!(store.words_of(channel).await.unwrap(), WordList::default());
    assert_eq!(store.words_version(channel).await.unwrap(), 0);
    let (one, two) = tokio::join!(
        store.set_words(channel, list(0, &["나쁜", "*bad*"])),
        store.set_words(channel, list(0, &["나쁜", "*bad*"]))
    );
    // Where the answer is lost, equal lists are one.
    assert!(one.unwrap() | two.unwrap());
    assert_eq!(store.words_of(channel).await.unwrap(), list(1, &["나쁜", "*bad*"]));
    assert!(!store.set_words(channel, list(0, &["worse"])).await.unwrap());
    assert!(store.set_words(channel, list(1, &["worse"])).await.unwrap());
    assert!(!store.set_words(channel, list(1, &["late"])).await.unwrap());
    assert_eq!(store.words_of(channel).await.unwrap(), list(2, &["worse"]));
    assert_eq!(store.words_version(channel).await.unwrap(), 2);
    assert_eq!(store.words_of(other).await.unwrap(), WordList::default());
    let missing = store.set_words(ChannelId::new(), list(0, &["x"])).await;
    assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
}

async fn it_is_known_from_where_somebody_last_spoke(store: &dyn Store) {
    let (here, there) = (channel(store, "spoken_here").await.id, channel(store, "spoken_there").await.id);
    let account = AccountId::new();
    assert_eq!(store.spoke_from(here, account).await.unwrap(), None);
    store.spoke(here, account, [1; 32], now()).await.unwrap();
    store.spoke(here, account, [2; 32], now() + 1.millisecond()).await.unwrap();
    assert_eq!(store.spoke_from(here, account).await.unwrap(), Some([2; 32]));
    assert_eq!(store.spoke_from(there, account).await.unwrap(), None);
    store.spoke(ChannelId::new(), account, [3; 32], now()).await.unwrap();
}

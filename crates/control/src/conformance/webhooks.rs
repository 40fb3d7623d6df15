//! Hooks and their queue.

use jiff::{Timestamp, ToSpan};
use weir_identity::{AccountId, ChannelId, DeliveryId, HookId};

use super::{channel, now};
use crate::{
    error::Error,
    store::Store,
    webhooks::{Delivery, Event, HOOKS_MAX, Hook, Outcome, Whose},
};

pub(super) async fn all(store: &dyn Store) {
    hooks_belong_to_a_channel_or_to_all(store).await;
    deliveries_are_taken_once_until_they_are_due_again(store).await;
}

fn hook(whose: Whose) -> Hook {
    Hook {
        id: HookId::new(),
        whose,
        url: "https://example.org/hook".into(),
        events: vec![Event::StreamStarted, Event::Ban],
        secret: vec![1, 2, 3],
        by: AccountId::new(),
        created_at: now(),
    }
}

async fn hooks_belong_to_a_channel_or_to_all(store: &dyn Store) {
    let whose = Whose::Channel(channel(store, "hooked").await.id);
    let missing = store.add_hook(hook(Whose::Channel(ChannelId::new()))).await;
    assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
    let mut made = Vec::new();
    for _ in 0..HOOKS_MAX {
        let hook = hook(whose);
        store.add_hook(hook.clone()).await.unwrap();
        made.push((hook, None));
    }
    assert_eq!(store.hooks_of(whose).await.unwrap(), made);
    assert!(matches!(store.add_hook(hook(whose)).await, Err(Error::TooMany)));
    let everywhere = hook(Whose::Installation);
    store.add_hook(everywhere.clone()).await.unwrap();
    assert_eq!(store.hooks_of(Whose::Installation).await.unwrap(), [(everywhere.clone(), None)]);

    let outcome = Outcome { at: now(), ok: false, note: "answered 500".into() };
    store.note_outcome(whose, made[0].0.id, outcome.clone()).await.unwrap();
    assert_eq!(store.hooks_of(whose).await.unwrap()[0].1, Some(outcome));
    assert!(!store.remove_hook(Whose::Installation, made[0].0.id).await.unwrap(), "it is the channel's");
    assert!(store.remove_hook(whose, made[0].0.id).await.unwrap());
    assert!(!store.remove_hook(whose, made[0].0.id).await.unwrap());
    assert_eq!(store.hooks_of(whose).await.unwrap().len(), HOOKS_MAX - 1);
    store.remove_hook(Whose::Installation, everywhere.id).await.unwrap();
}

async fn deliveries_are_taken_once_until_they_are_due_again(store: &dyn Store) {
    let at = now();
    let waiting = |number: u8, due_at: Timestamp| Delivery {
        id: DeliveryId::new(),
        hook: HookId::new(),
        whose: Whose::Installation,
        body: format!("{{\"number\":{number}}}"),
        created_at: at,
        tries: 0,
        due_at,
    };
    let (first, second, later) = (waiting(1, at), waiting(2, at), waiting(3, at + 1.minute()));
    store.enqueue(vec![first.clone(), second.clone(), later.clone()]).await.unwrap();
    let until = at + 30.seconds();
    let (one, two) = tokio::join!(store.claim_deliveries(at, until, 9), store.claim_deliveries(at, until, 9));
    let mut claimed = [one.unwrap(), two.unwrap()].concat();
    claimed.sort_by_key(|delivery| delivery.id);
    let tried = |delivery: &Delivery| Delivery { tries: 1, due_at: until, ..delivery.clone() };
    assert_eq!(claimed, [tried(&first), tried(&second)], "each is taken by one");

    store.dequeue(first.id).await.unwrap();
    store.postpone(claimed[1].clone(), at + 2.seconds()).await.unwrap();
    assert_eq!(store.claim_deliveries(at + 1.second(), until, 9).await.unwrap(), []);
    let again = store.claim_deliveries(at + 2.seconds(), until, 9).await.unwrap();
    assert_eq!((again.len(), again[0].id, again[0].tries), (1, second.id, 2));
    // Its node has died: another one takes it.
    let later_still = store.claim_deliveries(until, until + 1.minute(), 9).await.unwrap();
    assert_eq!((later_still.len(), later_still[0].tries), (1, 3));
    store.postpone(again[0].clone(), at).await.unwrap();
    assert_eq!(store.claim_deliveries(until, until + 1.minute(), 9).await.unwrap(), [], "it was claimed by another");
    store.dequeue(second.id).await.unwrap();
    store.dequeue(later.id).await.unwrap();
    assert_eq!(store.claim_deliveries(at + 1.hour(), at + 2.hours(), 9).await.unwrap(), []);
}

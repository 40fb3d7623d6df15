//! Requests that come twice.

use jiff::ToSpan;

use super::now;
use crate::{
    idempotency::{Begun, REMEMBERED_FOR, RUNS_FOR},
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    let at = now();
    let (one, two) = tokio::join!(store.begin_once([1; 32], at), store.begin_once([1; 32], at));
    let begun = [one.unwrap(), two.unwrap()];
    assert!(begun.contains(&Begun::First) && begun.contains(&Begun::Running), "{begun:?}");
    store.answered([1; 32], 201, b"{}".to_vec()).await.unwrap();
    let answered = Begun::Answered { status: 201, body: b"{}".to_vec() };
    assert_eq!(store.begin_once([1; 32], at).await.unwrap(), answered);
    store.give_up([1; 32]).await.unwrap();
    assert_eq!(store.begin_once([1; 32], at).await.unwrap(), answered, "an answer is not taken back");

    assert_eq!(store.begin_once([2; 32], at).await.unwrap(), Begun::First);
    store.give_up([2; 32]).await.unwrap();
    assert_eq!(store.begin_once([2; 32], at).await.unwrap(), Begun::First, "it was given up");

    assert_eq!(store.begin_once([3; 32], at - RUNS_FOR - 1.second()).await.unwrap(), Begun::First);
    assert_eq!(store.begin_once([3; 32], at).await.unwrap(), Begun::First, "its server has died");

    assert_eq!(store.begin_once([4; 32], at - REMEMBERED_FOR - 1.second()).await.unwrap(), Begun::First);
    store.answered([4; 32], 200, vec![]).await.unwrap();
    assert_eq!(store.begin_once([4; 32], at).await.unwrap(), Begun::First, "a day has gone");
}

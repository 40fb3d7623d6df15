//! Who follows whom.

use futures::future;
use jiff::ToSpan;
use weir_identity::{AccountId, ChannelId};

use super::{accounts::account, name, now};
use crate::{error::Error, store::Store};

pub(super) async fn all(store: &dyn Store) {
    who_follows_twice_counts_once(store).await;
    many_follow_at_once_and_each_counts(store).await;
    followers_go_with_their_account_and_with_the_channel(store).await;
}

async fn channel_of(store: &dyn Store, text: &str) -> ChannelId {
    store.channel_named(&name(text)).await.unwrap().unwrap().id
}

async fn who_follows_twice_counts_once(store: &dyn Store) {
    let (anna, berta) = (account(store, "follower_a").await.id, account(store, "follower_b").await.id);
    let (one, two) = (channel_of(store, "follower_a").await, channel_of(store, "follower_b").await);
    let (first, later) = (now() - 1.hour(), now());
    assert_eq!(store.followers(two).await.unwrap(), 0);
    assert_eq!(store.follow(two, anna, first).await.unwrap(), first);
    assert_eq!(store.follow(two, anna, later).await.unwrap(), first, "since the first time");
    assert_eq!(store.follows_since(two, anna).await.unwrap(), Some(first));
    assert_eq!(store.follows_since(two, berta).await.unwrap(), None);
    assert_eq!((store.followers(one).await.unwrap(), store.followers(two).await.unwrap()), (0, 1));
    store.follow(one, anna, later).await.unwrap();
    let mut both = [(one, later), (two, first)];
    both.sort_unstable();
    assert_eq!(store.follows_of(anna, None, 9).await.unwrap(), both);
    assert_eq!(store.follows_of(anna, None, 1).await.unwrap(), both[..1]);
    assert_eq!(store.follows_of(anna, Some(both[0].0), 9).await.unwrap(), both[1..]);
    assert!(store.unfollow(two, anna).await.unwrap());
    assert!(!store.unfollow(two, anna).await.unwrap());
    assert_eq!(store.followers(two).await.unwrap(), 0);
    assert_eq!(store.follows_of(anna, None, 9).await.unwrap(), [(one, later)]);
    assert_eq!(store.follow(two, anna, later).await.unwrap(), later, "it begins anew");
    for missing in [store.follow(ChannelId::new(), anna, later).await, store.follow(two, AccountId::new(), later).await]
    {
        assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
    }
}

async fn many_follow_at_once_and_each_counts(store: &dyn Store) {
    account(store, "followed").await;
    let channel = channel_of(store, "followed").await;
    let mut accounts = Vec::new();
    for number in 0..12 {
        accounts.push(account(store, &format!("crowd_{number}")).await.id);
    }
    // Each asks twice at once, as somebody who clicks twice does.
    let all = accounts.iter().chain(&accounts).map(|account| store.follow(channel, *account, now()));
    future::try_join_all(all).await.unwrap();
    assert_eq!(store.followers(channel).await.unwrap(), 12);
    let both = accounts[..6].iter().map(|account| store.unfollow(channel, *account));
    let again = accounts[6..].iter().map(|account| store.follow(channel, *account, now()));
    let (gone, stay) = future::join(future::try_join_all(both), future::try_join_all(again)).await;
    assert!(gone.unwrap().iter().all(|gone| *gone));
    stay.unwrap();
    assert_eq!(store.followers(channel).await.unwrap(), 6);
}

async fn followers_go_with_their_account_and_with_the_channel(store: &dyn Store) {
    let (fan, star) = (account(store, "fan_only").await.id, account(store, "star").await.id);
    let (channel, kept) = (channel_of(store, "star").await, channel_of(store, "followed").await);
    store.follow(channel, fan, now()).await.unwrap();
    store.follow(kept, fan, now()).await.unwrap();
    store.follow(kept, star, now()).await.unwrap();
    let before = store.followers(kept).await.unwrap();
    assert!(store.delete_account(star).await.unwrap());
    assert_eq!(store.followers(kept).await.unwrap(), before - 1, "its own follow went with it");
    assert_eq!(store.follows_since(kept, star).await.unwrap(), None);
    assert_eq!(store.followers(channel).await.unwrap(), 0, "and its channel's followers with the channel");
    assert_eq!(store.follows_since(channel, fan).await.unwrap(), None);
    let left: Vec<_> = store.follows_of(fan, None, 9).await.unwrap().into_iter().map(|(channel, _)| channel).collect();
    assert_eq!(left, [kept]);
    assert!(matches!(store.follow(channel, fan, now()).await, Err(Error::Missing)));
}

//! Devices that are logged in.

use jiff::{Timestamp, ToSpan};
use weir_identity::{AccountId, FamilyId};

use super::{accounts::account, now};
use crate::{
    families::{Exchange, FAMILIES_PER_ACCOUNT_MAX, Family, Rotation},
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    a_refresh_token_counts_once(store).await;
    of_two_exchanges_at_once_one_wins(store).await;
    an_expired_device_is_unknown(store).await;
    devices_are_listed_and_ended(store).await;
    the_device_unused_for_longest_makes_room(store).await;
}

fn family(account: AccountId, hash: u8, used_at: Timestamp) -> Family {
    Family {
        id: FamilyId::new(),
        account,
        hash: [hash; 32],
        device: "Firefox".into(),
        address: "192.0.2.1".into(),
        created_at: used_at,
        used_at,
        expires_at: used_at + 1.hour(),
    }
}

fn exchange(family: &Family, presented: u8, next: u8) -> Exchange {
    Exchange {
        family: family.id,
        presented: [presented; 32],
        next: [next; 32],
        at: now(),
        expires_at: now() + 2.hours(),
        address: "192.0.2.2".into(),
    }
}

async fn a_refresh_token_counts_once(store: &dyn Store) {
    let account = account(store, "sarah").await.id;
    let device = family(account, 1, now());
    store.open_family(device.clone()).await.unwrap();
    assert_eq!(store.family(device.id).await.unwrap().as_ref(), Some(&device));
    assert_eq!(store.rotate_family(exchange(&device, 1, 2)).await.unwrap(), Rotation::Done(account));
    let kept = store.family(device.id).await.unwrap().unwrap();
    assert_eq!((kept.hash, kept.address.as_str()), ([2; 32], "192.0.2.2"));
    assert_eq!(store.rotate_family(exchange(&device, 2, 3)).await.unwrap(), Rotation::Done(account));
    assert_eq!(store.rotate_family(exchange(&device, 2, 4)).await.unwrap(), Rotation::Reused(account));
    assert_eq!(store.rotate_family(exchange(&device, 3, 4)).await.unwrap(), Rotation::Unknown, "the family has ended");
}

async fn of_two_exchanges_at_once_one_wins(store: &dyn Store) {
    let account = account(store, "tanja").await.id;
    let device = family(account, 1, now());
    store.open_family(device.clone()).await.unwrap();
    let exchanges = (exchange(&device, 1, 2), exchange(&device, 1, 3));
    let (one, two) = tokio::join!(store.rotate_family(exchanges.0), store.rotate_family(exchanges.1));
    let done = [one.unwrap(), two.unwrap()].into_iter().filter(|rotation| matches!(rotation, Rotation::Done(_)));
    assert_eq!(done.count(), 1);
    assert_eq!(store.family(device.id).await.unwrap(), None);
}

async fn an_expired_device_is_unknown(store: &dyn Store) {
    let account = account(store, "ulla").await.id;
    let device = Family { expires_at: now() - 1.second(), ..family(account, 1, now()) };
    store.open_family(device.clone()).await.unwrap();
    assert_eq!(store.rotate_family(exchange(&device, 1, 2)).await.unwrap(), Rotation::Unknown);
}

async fn devices_are_listed_and_ended(store: &dyn Store) {
    let (mine, other) = (account(store, "vera").await.id, account(store, "wanda").await.id);
    let devices: Vec<_> = (0..3_u8).map(|n| family(mine, n, now() - i64::from(n).minutes())).collect();
    for device in &devices {
        store.open_family(device.clone()).await.unwrap();
    }
    let theirs = family(other, 9, now());
    store.open_family(theirs.clone()).await.unwrap();
    assert_eq!(store.families_of(mine).await.unwrap(), devices, "the last used first");
    assert!(!store.end_family(other, devices[0].id).await.unwrap(), "it is somebody else's");
    assert!(store.end_family(mine, devices[0].id).await.unwrap());
    assert!(!store.end_family(mine, devices[0].id).await.unwrap());
    assert_eq!(store.end_families(mine, Some(devices[1].id)).await.unwrap(), [devices[2].id]);
    assert_eq!(store.families_of(mine).await.unwrap(), [devices[1].clone()]);
    assert_eq!(store.end_families(mine, None).await.unwrap(), [devices[1].id]);
    assert_eq!(store.families_of(other).await.unwrap(), [theirs]);
}

async fn the_device_unused_for_longest_makes_room(store: &dyn Store) {
    let account = account(store, "xenia").await.id;
    let begin = now();
    let oldest = family(account, 0, begin - 1.hour());
    store.open_family(oldest.clone()).await.unwrap();
    for _ in 0..FAMILIES_PER_ACCOUNT_MAX {
        store.open_family(family(account, 1, begin)).await.unwrap();
    }
    let kept = store.families_of(account).await.unwrap();
    assert_eq!(kept.len(), FAMILIES_PER_ACCOUNT_MAX);
    assert!(kept.iter().all(|family| family.id != oldest.id));
}

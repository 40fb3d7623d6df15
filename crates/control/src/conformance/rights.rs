//! Roles, bans and the audit log.

use jiff::ToSpan;
use weir_identity::{AccountId, AuditId, ChannelId};

use super::{accounts::account, name, now};
use crate::{
    audit::{Actor, Entry, Scope},
    bans::Ban,
    error::Error,
    roles::{ChannelRole, Given},
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    roles_are_given_and_taken(store).await;
    bans_hold_until_they_end(store).await;
    the_audit_log_only_grows(store).await;
}

async fn roles_are_given_and_taken(store: &dyn Store) {
    let channel = store.channel_named(&name("vera")).await.unwrap().unwrap().id;
    let (one, two) = (account(store, "yara").await.id, account(store, "zoe").await.id);
    let given = |account, role| Given { account, role, at: now() };
    store.give_role(channel, given(one, ChannelRole::Vip)).await.unwrap();
    store.give_role(channel, given(one, ChannelRole::Moderator)).await.unwrap();
    store.give_role(channel, given(two, ChannelRole::Vip)).await.unwrap();
    assert_eq!(store.role_of(channel, one).await.unwrap(), Some(ChannelRole::Moderator));
    assert_eq!(store.role_of(channel, AccountId::new()).await.unwrap(), None);
    let listed = store.roles_in(channel).await.unwrap();
    assert_eq!(listed.iter().map(|given| given.account).collect::<Vec<_>>(), [one, two]);
    assert_eq!(store.roles_elsewhere(two).await.unwrap(), [(channel, ChannelRole::Vip)]);
    assert!(store.take_role(channel, one).await.unwrap());
    assert!(!store.take_role(channel, one).await.unwrap());
    assert_eq!(store.role_of(channel, one).await.unwrap(), None);
    for missing in [
        store.give_role(ChannelId::new(), given(two, ChannelRole::Vip)).await,
        store.give_role(channel, given(AccountId::new(), ChannelRole::Vip)).await,
    ] {
        assert!(matches!(missing, Err(Error::Missing)), "{missing:?}");
    }
    assert!(store.delete_account(two).await.unwrap());
    assert_eq!(store.roles_in(channel).await.unwrap(), [], "roles go with their account");
}

async fn bans_hold_until_they_end(store: &dyn Store) {
    let channel = store.channel_named(&name("vera")).await.unwrap().unwrap().id;
    let mut accounts: Vec<_> = (0..3).map(|_| AccountId::new()).collect();
    accounts.sort_unstable();
    let by = AccountId::new();
    let ban = |account, until, address| Ban { account, address, by, reason: "spam".into(), at: now(), until };
    let for_good = ban(accounts[0], None, Some([5; 32]));
    let short = ban(accounts[1], Some(now() + 1.minute()), Some([5; 32]));
    let other = ban(accounts[2], Some(now() + 1.minute()), None);
    for ban in [&short, &for_good, &other] {
        store.ban(channel, ban.clone()).await.unwrap();
    }
    assert_eq!(store.ban_of(channel, accounts[1]).await.unwrap(), Some(short.clone()));
    assert_eq!(store.ban_of_address(channel, [5; 32]).await.unwrap(), Some(for_good.clone()), "it lasts longest");
    assert_eq!(store.ban_of_address(channel, [6; 32]).await.unwrap(), None);
    assert_eq!(store.bans_in(channel, None, 2).await.unwrap(), [for_good.clone(), short.clone()]);
    assert_eq!(store.bans_in(channel, Some(accounts[1]), 2).await.unwrap(), [other]);
    let longer = Ban { until: Some(now() + 1.hour()), address: None, ..short };
    store.ban(channel, longer.clone()).await.unwrap();
    assert_eq!(store.ban_of(channel, accounts[1]).await.unwrap(), Some(longer), "a new ban replaces the old");
    assert!(store.unban(channel, accounts[0]).await.unwrap());
    assert!(!store.unban(channel, accounts[0]).await.unwrap());
    assert_eq!(store.ban_of_address(channel, [5; 32]).await.unwrap(), None);
    let nowhere = store.ban(ChannelId::new(), for_good).await;
    assert!(matches!(nowhere, Err(Error::Missing)), "{nowhere:?}");
}

async fn the_audit_log_only_grows(store: &dyn Store) {
    let (channel, who) = (ChannelId::new(), AccountId::new());
    let entry = |actor, action: &str| Entry {
        id: AuditId::new(),
        at: now(),
        actor,
        address: "192.0.2.9".into(),
        action: action.into(),
        target: "vera".into(),
        detail: "{}".into(),
    };
    let entries = [
        entry(Actor::Account(who), "channel.update"),
        entry(Actor::Operator, "account.suspend"),
        entry(Actor::Server, "key.expire"),
    ];
    store.note(entries[0].clone(), vec![Scope::Channel(channel), Scope::Account(who)]).await.unwrap();
    store.note(entries[1].clone(), vec![Scope::Account(who)]).await.unwrap();
    store.note(entries[2].clone(), vec![]).await.unwrap();
    let newest = store.audit(Scope::Installation, None, 2).await.unwrap();
    assert_eq!(newest, [entries[2].clone(), entries[1].clone()]);
    let older = store.audit(Scope::Installation, Some(newest[1].id), 1).await.unwrap();
    assert_eq!(older, [entries[0].clone()]);
    assert_eq!(store.audit(Scope::Channel(channel), None, 9).await.unwrap(), [entries[0].clone()]);
    assert_eq!(store.audit(Scope::Account(who), None, 9).await.unwrap(), [entries[1].clone(), entries[0].clone()]);
}

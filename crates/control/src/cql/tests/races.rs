//! Several nodes at once, and nodes that die in the middle.

use futures::future::join_all;
use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId, ChannelName, KeySecret, StreamKey};

use super::{config, open};
use crate::{
    accounts::{Account, Accounts, DisplayName, Role},
    channels::{Channel, Channels},
    cql::{
        Cql, Id, column,
        names::{Claim, YOUNG_FOR},
    },
    error::Error,
    first_start,
    keys::{KEYS_PER_CHANNEL_MAX, Key, Keys},
    roles::{ChannelRole, Given, Roles},
    store::{Config, Installation, Store},
};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn person(text: &str) -> (Account, Channel) {
    let account = Account::new(name(text), None, Role::User);
    let channel = Channel::new(name(text), Some(account.id));
    (account, channel)
}

fn key(secret: &KeySecret, channel: ChannelId) -> Key {
    Key::new(channel, "obs", secret.hash(&StreamKey::random()))
}

/// Makes it look as if a name had been taken long ago.
async fn age(store: &Cql, claim: &Claim) {
    let long_ago = column::at(Timestamp::now() - YOUNG_FOR - YOUNG_FOR);
    let kind = format!("{:?}", claim.kind).to_lowercase();
    let values = (long_ago, kind, claim.name.as_str(), claim.owner);
    let update = "UPDATE names SET at = ? WHERE kind = ? AND name = ? IF owner = ?";
    store.session.query_unpaged(update, values).await.unwrap();
}

#[tokio::test]
async fn nodes_that_start_at_once_make_one_store() {
    let config = config().await;
    let stores = join_all((0..4).map(|_| open(&config))).await;
    let stores: Vec<Cql> = stores.into_iter().map(Result::unwrap).collect();
    let secrets = join_all(stores.iter().map(Installation::key_secret)).await;
    let secrets: Vec<KeySecret> = secrets.into_iter().map(Result::unwrap).collect();
    assert!(secrets.iter().all(|secret| secret.as_bytes() == secrets[0].as_bytes()));
    let first = first_start::Config::default();
    let founded = join_all(stores.iter().map(|store| first_start::run(store, &secrets[0], &first))).await;
    let founded: Vec<_> = founded.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(founded.len(), 1, "one prints the credentials");
    let admin = stores[3].account_named(&name("admin")).await.unwrap().unwrap();
    assert!(admin.password.unwrap().matches(&founded[0].password));
    assert!(stores[2].grant(secrets[0].hash(&founded[0].key)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_newer_schema_is_worked_with_unless_it_says_otherwise() {
    let config = config().await;
    let store = open(&config).await.unwrap();
    let note = "INSERT INTO schema_versions (part, version, name, readable_from) VALUES ('schema', ?, 'later', ?)";
    store.session.query_unpaged(note, (7, 1)).await.unwrap();
    open(&config).await.unwrap().ping().await.unwrap();
    store.session.query_unpaged(note, (8, 7)).await.unwrap();
    let refused = open(&config).await.unwrap_err();
    assert!(matches!(refused, Error::Newer { found: 8, .. }), "{refused}");
}

#[tokio::test]
async fn what_only_one_can_have_one_gets() {
    let config = config().await;
    let (one, two) = (open(&config).await.unwrap(), open(&config).await.unwrap());
    let people: Vec<_> = (0..8).map(|_| person("anna")).collect();
    let tries = people.iter().zip([&one, &two].into_iter().cycle());
    let registered =
        join_all(tries.map(|((account, channel), at)| at.register(account.clone(), channel.clone()))).await;
    let won: Vec<AccountId> =
        registered.iter().zip(&people).filter(|(done, _)| done.is_ok()).map(|(_, (account, _))| account.id).collect();
    let [anna] = won[..] else { panic!("{registered:?}") };
    assert_eq!(two.account_named(&name("anna")).await.unwrap().unwrap().id, anna);
    assert_eq!(one.channels_of(anna).await.unwrap().len(), 1);
    assert_eq!(one.accounts(None, 9).await.unwrap().len(), 1);

    let channel = Channel::new(name("berta"), None);
    one.add_channel(channel.clone()).await.unwrap();
    let secret = one.key_secret().await.unwrap();
    let keys: Vec<Key> = (0..KEYS_PER_CHANNEL_MAX + 8).map(|_| key(&secret, channel.id)).collect();
    let mut added = 0;
    // A few at once: the others look again.
    for some in keys.chunks(3) {
        let done = join_all(some.iter().zip([&one, &two, &one]).map(|(key, at)| at.add_key(key.clone()))).await;
        for (done, key) in done.into_iter().zip(some) {
            let opens = two.grant(key.hash).await.unwrap().is_some();
            assert_eq!(done.is_ok(), opens, "{done:?}");
            added += u32::from(opens);
        }
    }
    assert_eq!(added, KEYS_PER_CHANNEL_MAX);
    assert_eq!(one.keys_of(channel.id).await.unwrap().len(), KEYS_PER_CHANNEL_MAX as usize);
}

#[tokio::test]
async fn names_that_a_node_took_before_it_died_are_free_again_and_it_cannot_come_back() {
    let store = open(&config().await).await.unwrap();
    let (dead, its_channel) = person("carla");
    let claims = [
        Claim::account(&dead.name, dead.id),
        Claim::look(&dead.display_name, dead.id),
        Claim::channel(&its_channel.name, its_channel.id),
    ];
    store.take_all(&claims).await.unwrap();
    store.write_channel(&its_channel, Some(dead.id)).await.unwrap();
    assert_eq!(store.channel_named(&its_channel.name).await.unwrap(), None, "its account is not there");

    let (carla, channel) = person("carla");
    let early = store.register(carla.clone(), channel.clone()).await;
    assert!(matches!(early, Err(Error::Exists)), "it may still come: {early:?}");
    for claim in &claims {
        age(&store, claim).await;
    }
    store.register(carla.clone(), channel.clone()).await.unwrap();
    assert!(!store.write_account(&dead).await.unwrap(), "the way is barred");
    assert_eq!(store.account_named(&carla.name).await.unwrap(), Some(carla));
    assert_eq!(store.channel_named(&channel.name).await.unwrap(), Some(channel));
    assert_eq!(store.channels(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_look_and_a_key_that_were_taken_for_nothing_are_free_again() {
    let store = open(&config().await).await.unwrap();
    let (dora, channel) = person("dora");
    let (emma, other) = person("emma");
    store.register(dora.clone(), channel.clone()).await.unwrap();
    store.register(emma.clone(), other.clone()).await.unwrap();

    let wanted = DisplayName::parse("Same").unwrap();
    let look = Claim::look(&wanted, dora.id);
    store.take(&look).await.unwrap();
    age(&store, &look).await;
    let renamed = Account { display_name: wanted.clone(), ..emma };
    assert!(store.update_account(renamed).await.unwrap());
    let slow = Account { display_name: wanted, ..dora.clone() };
    assert!(!store.change(&slow).await.unwrap(), "the slow change is barred");

    let secret = store.key_secret().await.unwrap();
    let slow = key(&secret, channel.id);
    let claim = Claim::key(slow.hash, slow.channel, slow.id);
    store.take(&claim).await.unwrap();
    assert!(matches!(store.add_key(Key::new(other.id, "obs", slow.hash)).await, Err(Error::Exists)));
    age(&store, &claim).await;
    store.add_key(Key::new(other.id, "obs", slow.hash)).await.unwrap();
    assert_eq!(store.grant(slow.hash).await.unwrap().unwrap().channel, other.name);
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_by_whoever_comes_across_it() {
    let config = config().await;
    let store = open(&config).await.unwrap();
    let secret = store.key_secret().await.unwrap();
    for text in ["fiona", "greta", "hanna"] {
        let (account, channel) = person(text);
        store.register(account.clone(), channel.clone()).await.unwrap();
        let kept = key(&secret, channel.id);
        store.add_key(kept.clone()).await.unwrap();
        let given = Given { account: account.id, role: ChannelRole::Vip, at: crate::store_time(Timestamp::now()) };
        store.give_role(channel.id, given).await.unwrap();
        let mark = "UPDATE accounts SET state = 'deleting' WHERE id = ? IF EXISTS";
        store.session.query_unpaged(mark, (account.id.column(),)).await.unwrap();
        assert_eq!(store.account_named(&account.name).await.unwrap(), None);
        match text {
            // Somebody wants the name.
            "fiona" => store.register(person("fiona").0, person("fiona_2").1).await.unwrap(),
            // The caller tries again.
            "greta" => assert!(store.delete_account(account.id).await.unwrap()),
            // A node starts.
            _ => {
                let note = "INSERT INTO deletions (queue, account, at) VALUES ('accounts', ?, ?)";
                let long_ago = column::at(Timestamp::now() - YOUNG_FOR - YOUNG_FOR);
                store.session.query_unpaged(note, (account.id.column(), long_ago)).await.unwrap();
                open(&config).await.unwrap();
            }
        }
        assert_eq!(store.channel(channel.id).await.unwrap(), None);
        assert!(store.grant(kept.hash).await.unwrap().is_none());
        assert_eq!(store.role_of(channel.id, account.id).await.unwrap(), None);
        assert!(matches!(store.add_key(key(&secret, channel.id)).await, Err(Error::Missing)));
        assert!(!store.delete_account(account.id).await.unwrap());
        store.add_channel(Channel::new(name(text), None)).await.unwrap();
    }
    let left = "SELECT account FROM deletions WHERE queue = 'accounts'";
    let left = store.session.query_unpaged(left, ()).await.unwrap().into_rows_result().unwrap();
    assert_eq!(left.rows_num(), 0);
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_an_error_and_no_wait() {
    let config = Config { url: "cql://127.0.0.1:1/weir".into(), ..Config::default() };
    let error = open(&config).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
}

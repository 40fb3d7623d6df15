//! One of three servers dies under load: what was acknowledged is there.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use jiff::Timestamp;
use tokio::task::JoinSet;
use weir_identity::{AuditId, ChannelName, KeySecret, StreamKey};
use weir_testkit::cassandra::Cassandra;

use super::open;
use crate::{
    accounts::{Account, Accounts, Role},
    audit::{Actor, Audit, Entry, Scope},
    channels::{Channel, Channels},
    cql::{Cql, statement::step_aside},
    error::Error,
    keys::{Key, Keys},
    store::{Config, Installation},
};

/// Callers that write at once.
const WRITERS: usize = 6;
/// Writes that are acknowledged before a server is killed, and how many more after it.
const BEFORE: usize = 90;
const AFTER: usize = 180;

/// What was acknowledged.
#[derive(Default)]
struct Kept {
    accounts: Vec<Account>,
    keys: Vec<Key>,
    entries: Vec<Entry>,
    errors: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_one_of_three_servers_loses_no_acknowledged_write() {
    let cluster = Arc::new(tokio::task::spawn_blocking(|| Cassandra::start(3)).await.unwrap());
    let config = Config { url: cluster.url("weir"), replication_factor: 3, ..Config::default() };
    let store = Arc::new(open(&config).await.unwrap());
    let secret = store.key_secret().await.unwrap();
    let (kept, count) = (Arc::new(Mutex::new(Kept::default())), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(store.clone(), secret.clone(), writer, kept.clone(), count.clone()));
    }
    while count.load(Relaxed) < BEFORE {
        // Between two looks at the writers' progress.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let victim = cluster.clone();
    tokio::task::spawn_blocking(move || victim.kill(2)).await.unwrap();
    writers.join_all().await;

    let Kept { accounts, keys, entries, errors } = std::mem::take(&mut *kept.lock().unwrap());
    for account in &accounts {
        assert_eq!(store.account_named(&account.name).await.unwrap().as_ref(), Some(account));
        assert_eq!(store.channels_of(account.id).await.unwrap().len(), 1, "{}", account.name);
    }
    for key in &keys {
        assert!(store.grant(key.hash).await.unwrap().is_some_and(|grant| grant.key.id == key.id));
    }
    let log = store.audit(Scope::Installation, None, usize::MAX).await.unwrap();
    assert!(entries.iter().all(|entry| log.contains(entry)));
    let acknowledged = accounts.len() + keys.len() + entries.len();
    let mut kinds: Vec<String> = errors.clone();
    kinds.sort();
    kinds.dedup();
    println!("acknowledged {acknowledged}, none lost; errors {}: {kinds:#?}", errors.len());
    assert!(acknowledged >= BEFORE + AFTER);
}

/// Registers, adds a key and notes it, until enough was acknowledged.
async fn write(store: Arc<Cql>, secret: KeySecret, writer: usize, kept: Arc<Mutex<Kept>>, count: Arc<AtomicUsize>) {
    for turn in 0.. {
        if count.load(Relaxed) >= BEFORE + AFTER {
            return;
        }
        let name = ChannelName::parse(&format!("user_{writer}_{turn}")).unwrap();
        let account = Account::new(name.clone(), None, Role::User);
        let channel = Channel::new(name, Some(account.id));
        let registered = store.register(account.clone(), channel.clone()).await;
        let done = note(registered, &kept, &count, |kept| kept.accounts.push(account.clone()));
        if done {
            let key = Key::new(channel.id, "obs", secret.hash(&StreamKey::random()));
            let added = store.add_key(key.clone()).await;
            note(added, &kept, &count, |kept| kept.keys.push(key));
        }
        let entry = Entry {
            id: AuditId::new(),
            at: crate::store_time(Timestamp::now()),
            actor: Actor::Account(account.id),
            address: "192.0.2.1".into(),
            action: "account.register".into(),
            target: account.name.to_string(),
            detail: "{}".into(),
        };
        let noted = store.note(entry.clone(), vec![Scope::Account(account.id)]).await;
        if !note(noted, &kept, &count, |kept| kept.entries.push(entry)) {
            // As any client does that is told to come back.
            step_aside().await;
        }
    }
}

fn note(done: Result<(), Error>, kept: &Mutex<Kept>, count: &AtomicUsize, keep: impl FnOnce(&mut Kept)) -> bool {
    let mut kept = kept.lock().unwrap();
    match done {
        Ok(()) => {
            keep(&mut kept);
            count.fetch_add(1, Relaxed);
            true
        }
        Err(error) => {
            kept.errors.push(error.to_string());
            false
        }
    }
}

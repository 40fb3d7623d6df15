//! Accounts, identities and the keys that sign for them.

use weir_identity::AccountId;

use super::{name, now};
use crate::{
    accounts::{Account, DisplayName, Role},
    channels::Channel,
    error::Error,
    oidc_identities::{IDENTITIES_PER_ACCOUNT_MAX, OidcIdentity},
    second_factor::SecondFactor,
    signing::{GENERATIONS_KEPT, SigningKey},
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    an_account_comes_with_its_channel_or_not_at_all(store).await;
    a_change_counts_only_on_what_was_seen(store).await;
    names_that_look_the_same_are_taken(store).await;
    a_deleted_account_takes_what_belongs_to_it(store).await;
    an_identity_opens_one_account(store).await;
    an_account_that_an_identity_opens_comes_with_it_or_not_at_all(store).await;
    one_node_makes_each_signing_key(store).await;
}

pub(super) async fn account(store: &dyn Store, text: &str) -> Account {
    let account = Account::new(name(text), None, Role::User);
    store.register(account.clone(), Channel::new(name(text), Some(account.id))).await.unwrap();
    account
}

async fn an_account_comes_with_its_channel_or_not_at_all(store: &dyn Store) {
    let lena = account(store, "lena").await;
    assert_eq!(store.account_named(&lena.name).await.unwrap().as_ref(), Some(&lena));
    assert_eq!(store.account(lena.id).await.unwrap().as_ref(), Some(&lena));
    let channels = store.channels_of(lena.id).await.unwrap();
    assert_eq!(channels.iter().map(|channel| channel.name.as_str()).collect::<Vec<_>>(), ["lena"]);
    assert_eq!(store.channel(channels[0].id).await.unwrap().as_ref(), Some(&channels[0]));

    let again = Account::new(name("lena"), None, Role::User);
    let taken = store.register(again.clone(), Channel::new(name("lena_2"), Some(again.id))).await;
    assert!(matches!(taken, Err(Error::Exists)), "{taken:?}");
    assert_eq!(store.channel_named(&name("lena_2")).await.unwrap(), None);

    // A channel from the command line has that name: the account must not come without its own.
    store.add_channel(Channel::new(name("mona"), None)).await.unwrap();
    let mona = Account::new(name("mona"), None, Role::User);
    let taken = store.register(mona.clone(), Channel::new(name("mona"), Some(mona.id))).await;
    assert!(matches!(taken, Err(Error::Exists)), "{taken:?}");
    assert_eq!(store.account_named(&mona.name).await.unwrap(), None);
    assert_eq!(store.account(AccountId::new()).await.unwrap(), None);

    let names: Vec<_> = store.accounts(Some(name("admin")), 1).await.unwrap();
    assert_eq!(names.len(), 1);
    assert!(names[0].name > name("admin"));
}

async fn a_change_counts_only_on_what_was_seen(store: &dyn Store) {
    let seen = account(store, "nora").await;
    let factor = SecondFactor { sealed: vec![1, 2], recovery: vec![[7; 32]], last_step: 9, confirmed: true };
    let changed = Account {
        display_name: DisplayName::parse("Nora 노라").unwrap(),
        email: Some("nora@example.org".into()),
        suspended_at: Some(now()),
        second_factor: Some(factor),
        role: Role::Admin,
        ..seen.clone()
    };
    assert!(store.update_account(changed.clone()).await.unwrap());
    assert!(!store.update_account(seen.clone()).await.unwrap(), "it was seen before the change");
    let kept = store.account(seen.id).await.unwrap().unwrap();
    assert_eq!(kept, Account { version: 2, ..changed });
    assert!(!store.update_account(Account::new(name("nowhere"), None, Role::User)).await.unwrap());
}

async fn names_that_look_the_same_are_taken(store: &dyn Store) {
    let olga = account(store, "olga").await;
    let other = account(store, "other").await;
    // The first letter is Cyrillic.
    let alike = Account { display_name: DisplayName::parse("оlga").unwrap(), ..other.clone() };
    let taken = store.update_account(alike).await;
    assert!(matches!(taken, Err(Error::Exists)), "{taken:?}");
    let free = Account { display_name: DisplayName::parse("Free").unwrap(), ..olga };
    assert!(store.update_account(free).await.unwrap());
    let now_free = Account { display_name: DisplayName::parse("оlga").unwrap(), ..other };
    assert!(store.update_account(now_free).await.unwrap(), "a look that was given up is free");
}

async fn a_deleted_account_takes_what_belongs_to_it(store: &dyn Store) {
    let paula = account(store, "paula").await;
    let channel = store.channel_named(&paula.name).await.unwrap().unwrap();
    let (key, _) = super::key(store, &channel, "obs").await;
    let identity = OidcIdentity { issuer: "https://id.example.org".into(), subject: "paula".into() };
    store.link_identity(identity.clone(), paula.id, now()).await.unwrap();
    assert!(store.delete_account(paula.id).await.unwrap());
    assert!(!store.delete_account(paula.id).await.unwrap());
    assert_eq!(store.account_named(&paula.name).await.unwrap(), None);
    assert_eq!(store.channel_named(&paula.name).await.unwrap(), None);
    assert!(super::opens(store, &key).await.is_err());
    assert_eq!(store.account_of_identity(identity).await.unwrap(), None);
    account(store, "paula").await;
}

async fn an_identity_opens_one_account(store: &dyn Store) {
    let (one, two) = (account(store, "quentin").await, account(store, "rosa").await);
    let identity = |n: usize| OidcIdentity { issuer: "https://id.example.org".into(), subject: format!("{n:03}") };
    store.link_identity(identity(0), one.id, now()).await.unwrap();
    assert_eq!(store.account_of_identity(identity(0)).await.unwrap(), Some(one.id));
    let again = store.link_identity(identity(0), two.id, now()).await;
    assert!(matches!(again, Err(Error::Exists)), "{again:?}");
    for n in 1..IDENTITIES_PER_ACCOUNT_MAX {
        store.link_identity(identity(n), one.id, now()).await.unwrap();
    }
    let many = store.link_identity(identity(999), one.id, now()).await;
    assert!(matches!(many, Err(Error::TooMany)), "{many:?}");
    assert_eq!(store.identities_of(one.id).await.unwrap().len(), IDENTITIES_PER_ACCOUNT_MAX);
    assert!(!store.unlink_identity(identity(0), two.id).await.unwrap());
    assert!(store.unlink_identity(identity(0), one.id).await.unwrap());
    assert_eq!(store.account_of_identity(identity(0)).await.unwrap(), None);
    let nobody = store.link_identity(identity(0), AccountId::new(), now()).await;
    assert!(matches!(nobody, Err(Error::Missing)), "{nobody:?}");
}

async fn an_account_that_an_identity_opens_comes_with_it_or_not_at_all(store: &dyn Store) {
    let identity = |subject: &str| OidcIdentity { issuer: "https://id.example.org".into(), subject: subject.into() };
    let register = async |text: &str, subject: &str| {
        let account = Account::new(name(text), None, Role::User);
        let channel = Channel::new(name(text), Some(account.id));
        let registered = store.register_with_identity(account.clone(), channel, identity(subject), now()).await;
        registered.map(|()| account)
    };
    let sara = register("sara", "sara").await.unwrap();
    assert_eq!(store.account_of_identity(identity("sara")).await.unwrap(), Some(sara.id));
    assert_eq!(store.identities_of(sara.id).await.unwrap(), [identity("sara")]);
    assert!(store.channel_named(&sara.name).await.unwrap().is_some());
    let taken = register("sara", "other").await;
    assert!(matches!(taken, Err(Error::Exists)), "{taken:?}");
    assert_eq!(store.account_of_identity(identity("other")).await.unwrap(), None, "it opens nothing");
    let opens_another = register("sara_2", "sara").await;
    assert!(matches!(opens_another, Err(Error::Exists)), "{opens_another:?}");
    assert_eq!(store.account_named(&name("sara_2")).await.unwrap(), None);
    register("sara_2", "other").await.unwrap();
}

async fn one_node_makes_each_signing_key(store: &dyn Store) {
    let key = |generation: u32, seed: [u8; 60]| SigningKey {
        generation,
        kid: format!("k{generation}"),
        seed: seed.to_vec(),
        created_at: now(),
    };
    let begin = store.signing_keys().await.unwrap().first().map_or(0, |key| key.generation);
    let first = key(begin + 1, [1; 60]);
    assert!(store.add_signing_key(first.clone()).await.unwrap());
    assert!(!store.add_signing_key(key(begin + 1, [2; 60])).await.unwrap(), "another node was first");
    assert_eq!(store.signing_keys().await.unwrap()[0], first);
    for more in 2..5 {
        assert!(store.add_signing_key(key(begin + more, [3; 60])).await.unwrap());
    }
    let kept: Vec<u32> = store.signing_keys().await.unwrap().iter().map(|key| key.generation).collect();
    assert_eq!(kept, (0..GENERATIONS_KEPT).map(|age| begin + 4 - age).collect::<Vec<_>>());
}

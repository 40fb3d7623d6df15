//! What every store must do, as tests over the traits. An implementation calls [`all`] on an empty store.

mod accounts;
mod devices;
mod emotes;
mod follows;
mod messages;
mod moderation;
mod requests;
mod rights;
mod vods;
mod webhooks;

use jiff::{Timestamp, ToSpan};
use weir_identity::{ChannelName, KeyId, KeySecret, StreamKey};

use crate::{
    admission::{Refusal, admit},
    channels::{Channel, Conflict},
    error::Error,
    first_start,
    keys::{KEYS_PER_CHANNEL_MAX, Key, REVOKED_PER_CHANNEL_MAX},
    sessions::{End, SESSIONS_PER_CHANNEL_MAX, Session},
    store::Store,
};

/// Runs everything. `store` must be empty.
pub(crate) async fn all(store: &dyn Store) {
    store.ping().await.unwrap();
    first_start_happens_once(store).await;
    channel_names_are_taken_once(store).await;
    channels_come_in_pages_by_name(store).await;
    keys_open_their_channel_until_revoked_or_expired(store).await;
    the_same_key_is_refused_twice(store).await;
    a_channel_opens_with_its_key_or_not_at_all(store).await;
    rotating_revokes_what_was_and_adds_one(store).await;
    keys_are_limited(store).await;
    sessions_are_remembered_newest_first(store).await;
    calls_at_once_do_not_harm_each_other(store).await;
    accounts::all(store).await;
    devices::all(store).await;
    rights::all(store).await;
    emotes::all(store).await;
    follows::all(store).await;
    requests::all(store).await;
    messages::all(store).await;
    vods::all(store).await;
    webhooks::all(store).await;
    moderation::all(store).await;
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn now() -> Timestamp {
    crate::store_time(Timestamp::now())
}

async fn channel(store: &dyn Store, text: &str) -> Channel {
    let channel = Channel::new(name(text), None);
    store.add_channel(channel.clone()).await.unwrap();
    channel
}

async fn key(store: &dyn Store, channel: &Channel, name: &str) -> (StreamKey, Key) {
    let secret = store.key_secret().await.unwrap();
    let key = StreamKey::random();
    let kept = Key::new(channel.id, name, secret.hash(&key));
    store.add_key(kept.clone()).await.unwrap();
    (key, kept)
}

async fn opens(store: &dyn Store, key: &StreamKey) -> Result<ChannelName, Refusal> {
    let secret = store.key_secret().await.unwrap();
    admit(store, &secret, key, now()).await.map(|grant| grant.channel)
}

async fn first_start_happens_once(store: &dyn Store) {
    let secret = store.key_secret().await.unwrap();
    let config = first_start::Config { stream_key: "preset_key_1".into(), ..Default::default() };
    let first = first_start::run(store, &secret, &config).await.unwrap().expect("the store was empty");
    assert_eq!(first.key.reveal(), "preset_key_1");
    assert_eq!(opens(store, &first.key).await.unwrap(), name("admin"));
    let admin = store.account_named(&name("admin")).await.unwrap().expect("it was made");
    assert!(admin.password.as_ref().is_some_and(|password| password.matches(&first.password)));
    assert_eq!(store.channel_named(&name("ADMIN")).await.unwrap().unwrap().owner, Some(admin.id));
    assert!(first_start::run(store, &secret, &config).await.unwrap().is_none());
    assert_eq!(store.key_secret().await.unwrap().as_bytes(), secret.as_bytes());
}

async fn channel_names_are_taken_once(store: &dyn Store) {
    let mut anna = channel(store, "anna").await;
    let again = store.add_channel(Channel::new(name("anna"), None)).await;
    assert!(matches!(again, Err(Error::Exists)), "{again:?}");
    anna.conflict = Conflict::Refuse;
    assert!(store.update_channel(anna.clone()).await.unwrap());
    anna.version += 1;
    assert_eq!(store.channel_named(&anna.name).await.unwrap(), Some(anna));
    assert_eq!(store.channel_named(&name("nobody")).await.unwrap(), None);
    assert!(!store.update_channel(Channel::new(name("nobody"), None)).await.unwrap());
}

async fn channels_come_in_pages_by_name(store: &dyn Store) {
    channel(store, "berta").await;
    let names = |channels: Vec<Channel>| channels.iter().map(|c| c.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.channels(None, 2).await.unwrap()), ["admin", "anna"]);
    assert_eq!(names(store.channels(Some(name("anna")), 2).await.unwrap()), ["berta"]);
    let some = store.channels_named(vec![name("berta"), name("nobody")]).await.unwrap();
    assert_eq!(names(some), ["berta"]);
}

async fn keys_open_their_channel_until_revoked_or_expired(store: &dyn Store) {
    let channel = channel(store, "carla").await;
    let (open, kept) = key(store, &channel, "obs").await;
    assert_eq!(opens(store, &open).await.unwrap(), channel.name);
    assert!(matches!(opens(store, &StreamKey::random()).await, Err(Refusal::Unknown)));

    let used = now();
    store.key_used(channel.id, kept.id, used).await.unwrap();
    let listed = store.keys_of(channel.id).await.unwrap();
    assert_eq!(listed, [Key { last_used_at: Some(used), ..kept.clone() }]);

    assert!(store.revoke_key(channel.id, kept.id, now()).await.unwrap());
    assert!(!store.revoke_key(channel.id, kept.id, now()).await.unwrap());
    assert!(!store.revoke_key(channel.id, KeyId::new(), now()).await.unwrap());
    assert!(matches!(opens(store, &open).await, Err(Refusal::Revoked)));

    let secret = store.key_secret().await.unwrap();
    let (past, future) = (StreamKey::random(), StreamKey::random());
    for (key, end) in [(&past, now() - 1.second()), (&future, now() + 1.hour())] {
        let kept = Key { expires_at: Some(end), ..Key::new(channel.id, "event", secret.hash(key)) };
        store.add_key(kept).await.unwrap();
    }
    assert!(matches!(opens(store, &past).await, Err(Refusal::Expired)));
    assert_eq!(opens(store, &future).await.unwrap(), channel.name);
    let other = KeySecret::random();
    assert!(matches!(admit(store, &other, &future, now()).await, Err(Refusal::Unknown)));
}

async fn the_same_key_is_refused_twice(store: &dyn Store) {
    let (one, two) = (channel(store, "dora").await, channel(store, "emma").await);
    let (_, kept) = key(store, &one, "obs").await;
    let same = store.add_key(Key::new(two.id, "obs", kept.hash)).await;
    assert!(matches!(same, Err(Error::Exists)), "{same:?}");
    let nowhere = Channel::new(name("nowhere"), None);
    let orphan = Key::new(nowhere.id, "obs", KeySecret::random().hash(&StreamKey::random()));
    assert!(matches!(store.add_key(orphan).await, Err(Error::Missing)));
}

async fn a_channel_opens_with_its_key_or_not_at_all(store: &dyn Store) {
    let (taken, free) = (channel(store, "julia").await, Channel::new(name("klara"), None));
    let (_, known) = key(store, &taken, "obs").await;
    let refused = store.open_channel(free.clone(), Key::new(free.id, "obs", known.hash)).await;
    assert!(matches!(refused, Err(Error::Exists)), "{refused:?}");
    assert_eq!(store.channel_named(&free.name).await.unwrap(), None);
    let secret = store.key_secret().await.unwrap();
    let new = StreamKey::random();
    store.open_channel(free.clone(), Key::new(free.id, "obs", secret.hash(&new))).await.unwrap();
    assert_eq!(opens(store, &new).await.unwrap(), free.name);
}

async fn rotating_revokes_what_was_and_adds_one(store: &dyn Store) {
    let channel = channel(store, "fiona").await;
    let secret = store.key_secret().await.unwrap();
    let (obs, obs_kept) = key(store, &channel, "obs").await;
    let (phone, phone_kept) = key(store, &channel, "phone").await;

    let new = StreamKey::random();
    let kept = Key::new(channel.id, "obs", secret.hash(&new));
    let revoked = store.rotate_keys(kept.clone(), Some("obs".into()), now()).await.unwrap();
    assert_eq!(revoked, [obs_kept.id]);
    assert!(matches!(opens(store, &obs).await, Err(Refusal::Revoked)));
    assert!(opens(store, &phone).await.is_ok());
    assert!(opens(store, &new).await.is_ok());

    let taken = Key { id: KeyId::new(), ..kept.clone() };
    assert!(matches!(store.rotate_keys(taken, None, now()).await, Err(Error::Exists)));
    assert!(opens(store, &phone).await.is_ok(), "a rotation that fails revokes nothing");

    for _ in 0..REVOKED_PER_CHANNEL_MAX + 3 {
        let next = Key::new(channel.id, "obs", secret.hash(&StreamKey::random()));
        store.rotate_keys(next, None, now()).await.unwrap();
    }
    let keys = store.keys_of(channel.id).await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.revoked_at.is_none()).count(), 1);
    assert_eq!(keys.len(), REVOKED_PER_CHANNEL_MAX as usize + 1, "old revoked keys are forgotten");
    assert!(keys.iter().all(|key| key.id != phone_kept.id));

    for _ in 0..3 {
        let (_, kept) = key(store, &channel, "obs").await;
        assert!(store.revoke_key(channel.id, kept.id, now()).await.unwrap());
    }
    let keys = store.keys_of(channel.id).await.unwrap();
    assert_eq!(keys.len(), REVOKED_PER_CHANNEL_MAX as usize + 1, "also when they are revoked one by one");
}

async fn keys_are_limited(store: &dyn Store) {
    let channel = channel(store, "greta").await;
    for _ in 0..KEYS_PER_CHANNEL_MAX {
        key(store, &channel, "obs").await;
    }
    let secret = store.key_secret().await.unwrap();
    let one_more = Key::new(channel.id, "obs", secret.hash(&StreamKey::random()));
    assert!(matches!(store.add_key(one_more).await, Err(Error::TooMany)));
}

async fn sessions_are_remembered_newest_first(store: &dyn Store) {
    let begin = now();
    let session = |number: u32| Session {
        id: format!("{number:032x}"),
        channel: name("hanna"),
        key: KeyId::new(),
        protocol: "rtmp".into(),
        started_at: begin + i64::from(number).milliseconds(),
        end: None,
    };
    for some in (0..SESSIONS_PER_CHANNEL_MAX + 2).collect::<Vec<_>>().chunks(32) {
        let begun = some.iter().map(|number| store.session_began(session(*number)));
        futures::future::try_join_all(begun).await.unwrap();
    }
    let end = End { at: now(), reason: "the publisher left".into(), bytes: 7 };
    let newest = session(SESSIONS_PER_CHANNEL_MAX + 1).id;
    store.session_ended(newest.clone(), end.clone()).await.unwrap();
    assert!(matches!(store.session_ended("unknown".into(), end.clone()).await, Err(Error::Missing)));
    let kept = store.sessions_of(&name("hanna"), 9_999).await.unwrap();
    assert_eq!(kept.len(), SESSIONS_PER_CHANNEL_MAX as usize);
    assert_eq!((&kept[0].id, &kept[0].end), (&newest, &Some(end)));
    assert!(kept.is_sorted_by(|one, two| one.started_at >= two.started_at));
}

async fn calls_at_once_do_not_harm_each_other(store: &dyn Store) {
    let one = store.add_channel(Channel::new(name("irene"), None));
    let two = store.add_channel(Channel::new(name("irene"), None));
    let three = store.ping();
    let (one, two, three) = tokio::join!(one, two, three);
    three.unwrap();
    assert!(one.is_ok() != two.is_ok(), "exactly one gets the name");
}

//! A grown file moves into a real Cassandra: cut short, taken up again, compared.

use std::slice::from_ref;

use jiff::{Timestamp, ToSpan};
use weir_identity::{
    AccountId, AuditId, ChannelId, ChannelName, DeliveryId, FamilyId, HeldId, HookId, KeyId, KeySecret, MessageId,
    NodeId, StreamKey,
};

use super::{Progress, source, sqlite_to_cql};
use crate::{
    accounts::{Account, Accounts, Cost, PasswordHash, Role},
    audit::{Actor, Audit, Entry, Scope},
    bans::{Ban, Bans},
    channels::{Channel, Channels},
    cql::tests as cluster,
    error::Error,
    families::{Exchange, Families, Family, Rotation},
    follows::Follows,
    held::{Held, HeldMessages},
    keys::{Key, Keys},
    messages::{self, Flight, Message, Messages, Note, Wanted, Way},
    oidc_identities::{OidcIdentities, OidcIdentity},
    reports::{self, Report, Reported, Reports},
    roles::{ChannelRole, Given, Roles},
    sessions::{End, Session, Sessions},
    signing::{SigningKey, SigningKeys},
    sqlite::Sqlite,
    store::{Config, Installation, Store},
    vods::{Finish, State, Vod, Vods},
    webhooks::{Delivery, Event, Hook, Outcome, Webhooks, Whose},
    words::{Action, Word, WordList, WordLists},
};

const PEOPLE: usize = 300;
const PUBLISHES: u32 = 900;
const NOTES: usize = 900;

fn name(number: usize) -> ChannelName {
    ChannelName::parse(&format!("user_{number:04}")).unwrap()
}

fn now() -> Timestamp {
    crate::store_time(Timestamp::now())
}

/// What somebody on the old server had, and must have on the new one.
struct Known {
    secret: KeySecret,
    accounts: Vec<Account>,
    channels: Vec<Channel>,
    stream_keys: Vec<StreamKey>,
    family: Family,
    identity: OidcIdentity,
    ban: Ban,
    hook: Hook,
    delivery: Delivery,
    log: Vec<Entry>,
    publishes: Vec<Session>,
    messages: Vec<Message>,
    vods: [Vod; 2],
}

/// A message that waits, and one that was reported.
fn waiting(author: &Account) -> (Held, Reported) {
    let (id, author, author_name, text) = (HeldId::new(), author.id, author.name.clone(), "안녕".to_owned());
    let held = Held { id, author, author_name: author_name.clone(), text: text.clone(), reply_to: None, at: now() };
    let message = reports::Message { id: MessageId::new(), author, author_name, text, at: now() };
    (held, Reported { message, reports: vec![Report { by: author, reason: "spam".into(), at: now() }] })
}

fn words() -> WordList {
    WordList { version: 0, words: vec![Word { word: "나쁜".into(), action: Action::Hold }] }
}

async fn grow(store: &Sqlite) -> Known {
    let secret = store.key_secret().await.unwrap();
    let (mut accounts, mut channels, mut stream_keys) = (Vec::new(), Vec::new(), Vec::new());
    let password = PasswordHash::of("correct horse", Cost { memory_kib: 8, passes: 1 }).unwrap();
    for number in 0..PEOPLE {
        let mut account = Account::new(name(number), Some(password.clone()).filter(|_| number % 2 == 0), Role::User);
        account.email = (number % 3 == 0).then(|| format!("{number}@example.org"));
        let mut channel = Channel::new(name(number), Some(account.id));
        channel.tags = vec!["라이브".into()];
        store.register(account.clone(), channel.clone()).await.unwrap();
        let key = StreamKey::random();
        let kept = Key::new(channel.id, "obs", secret.hash(&key));
        store.add_key(kept.clone()).await.unwrap();
        if number % 2 == 0 {
            store.key_used(channel.id, kept.id, now()).await.unwrap();
        }
        accounts.push(account);
        channels.push(channel);
        stream_keys.push(key);
    }
    let (anna, berta) = (&accounts[0], &accounts[1]);
    let family = Family {
        id: FamilyId::new(),
        account: anna.id,
        hash: [1; 32],
        device: "Firefox".into(),
        address: "192.0.2.1".into(),
        created_at: now(),
        used_at: now(),
        expires_at: now() + 24.hours(),
    };
    store.open_family(family.clone()).await.unwrap();
    let over = Family { id: FamilyId::new(), expires_at: now() - 1.hour(), ..family.clone() };
    store.open_family(over).await.unwrap();
    let identity = OidcIdentity { issuer: "https://id.example.org".into(), subject: "7".into() };
    store.link_identity(identity.clone(), anna.id, now()).await.unwrap();
    let given = Given { account: berta.id, role: ChannelRole::Moderator, at: now() };
    store.give_role(channels[0].id, given).await.unwrap();
    for account in &accounts[1..40] {
        store.follow(channels[0].id, account.id, now()).await.unwrap();
    }
    let ban = Ban {
        account: AccountId::new(),
        address: Some([9; 32]),
        by: berta.id,
        reason: "spam".into(),
        at: now(),
        until: Some(now() + 1.hour()),
    };
    store.ban(channels[0].id, ban.clone()).await.unwrap();
    let ended = Ban { account: AccountId::new(), until: Some(now() - 1.hour()), ..ban.clone() };
    store.ban(channels[0].id, ended).await.unwrap();
    let (held, reported) = waiting(berta);
    store.hold(channels[0].id, held).await.unwrap();
    for settled in [false, true] {
        let message = reports::Message { id: MessageId::new(), ..reported.message.clone() };
        store.report(channels[0].id, message.clone(), reported.reports[0].clone()).await.unwrap();
        assert_eq!(store.settle(channels[0].id, message.id).await.unwrap() && settled, settled);
        if !settled {
            store.report(channels[0].id, reported.message.clone(), reported.reports[0].clone()).await.unwrap();
        }
    }
    store.set_words(channels[0].id, words()).await.unwrap();
    store.spoke(channels[0].id, berta.id, [4; 32], now()).await.unwrap();
    let signs = SigningKey { generation: 4, kid: "k4".into(), seed: vec![7; 60], created_at: now() };
    store.add_signing_key(signs).await.unwrap();
    let hook = Hook {
        id: HookId::new(),
        whose: Whose::Installation,
        url: "https://hooks.example.org/weir".into(),
        events: vec![Event::ALL[0]],
        secret: vec![3; 60],
        by: anna.id,
        created_at: now(),
    };
    store.add_hook(hook.clone()).await.unwrap();
    store.note_outcome(hook.whose, hook.id, Outcome { at: now(), ok: true, note: "200".into() }).await.unwrap();
    let delivery = Delivery {
        id: DeliveryId::new(),
        hook: hook.id,
        whose: hook.whose,
        body: "{}".into(),
        created_at: now(),
        tries: 0,
        due_at: now(),
    };
    store.enqueue(vec![delivery.clone()]).await.unwrap();
    let vods = [NodeId::new(), NodeId::new()].map(|node| Vod::begin(&channels[0], node));
    for vod in &vods {
        store.begin_vod(vod.clone()).await.unwrap();
    }
    let finish = Finish { state: State::Ready, note: String::new(), duration_ms: 7, bytes: 8 };
    store.finish_vod(vods[0].id, finish).await.unwrap();
    let messages = talk(store, channels[0].id, [&accounts[0], &accounts[1]]).await;
    let begin = now();
    for number in 0..PUBLISHES {
        let id = format!("{number:032x}");
        let (channel, key) = (name(0), KeyId::new());
        let started_at = begin - i64::from(number).minutes();
        let session = Session { id: id.clone(), channel, key, protocol: "rtmp".into(), started_at, end: None };
        store.session_began(session).await.unwrap();
        if number > 0 {
            store.session_ended(id, End { at: now(), reason: "the publisher left".into(), bytes: 5 }).await.unwrap();
        }
    }
    for number in 0..NOTES {
        let entry = Entry {
            id: AuditId::new(),
            at: now(),
            actor: Actor::Account(anna.id),
            address: "192.0.2.9".into(),
            action: "channel.update".into(),
            target: number.to_string(),
            detail: "{}".into(),
        };
        store.note(entry, vec![Scope::Account(anna.id)]).await.unwrap();
    }
    let log = store.audit(Scope::Installation, None, usize::MAX).await.unwrap();
    let publishes = store.sessions_of(&name(0), 9_999).await.unwrap();
    Known {
        secret,
        accounts,
        channels,
        stream_keys,
        family,
        identity,
        ban,
        hook,
        delivery,
        log,
        publishes,
        messages,
        vods,
    }
}

/// What two say in a room: one message was taken back, what the second said long ago was cleared, the last is pinned.
async fn talk(store: &Sqlite, room: ChannelId, people: [&Account; 2]) -> Vec<Message> {
    let message = |number: usize| {
        let by = people[number % 2];
        Message {
            id: MessageId::new(),
            account: by.id,
            name: by.name.clone(),
            display_name: String::new(),
            role: messages::Role::Viewer,
            text: format!("안녕 {number}"),
            at: now(),
            reply_to: None,
            called: Some(number.to_string()),
            flight: number.is_multiple_of(7).then(|| Flight { way: Way::Top, color: Some("#ffcc00".into()) }),
            deleted: false,
        }
    };
    let messages: Vec<Message> = (0..500).map(message).collect();
    let mut notes: Vec<Note> = messages.iter().cloned().map(Note::Said).collect();
    notes.push(Note::Cleared { account: Some(people[1].id), until: messages[1].at - 1.hour() });
    notes.extend([Note::TakenBack(messages[0].id), Note::TakenBack(MessageId::new()), Note::Set("{}".into())]);
    notes.push(Note::Pinned(messages.last().map(|message| message.id)));
    store.keep_messages(notes.into_iter().map(|note| (room, note)).collect()).await.unwrap();
    store.messages(room, said(None)).await.unwrap().messages
}

fn said(account: Option<AccountId>) -> Wanted {
    Wanted { account, limit: 999, comments: true, ..Wanted::default() }
}

#[tokio::test]
async fn everything_arrives_though_the_move_is_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("weir.db");
    let store = Sqlite::open(file.clone(), &Config::default()).await.unwrap();
    let known = grow(&store).await;
    let to = cluster::config().await;

    let busy = sqlite_to_cql(&file, &to, &mut |_| Ok(())).await.unwrap_err();
    assert!(matches!(busy, Error::Open { .. }), "a server runs on it: {busy}");
    drop(store);

    let mut heard = 0;
    let mut leave = |_: Progress<'_>| {
        heard += 1;
        if heard < 9 { Ok(()) } else { Err(Error::Closed) }
    };
    let cut = sqlite_to_cql(&file, &to, &mut leave).await;
    assert!(matches!(cut, Err(Error::Closed)), "{cut:?}");
    let early = cluster::open(&to).await.unwrap_err();
    assert!(early.to_string().contains("has not finished"), "{early}");

    let (mut copied, mut verified) = (0, 0);
    sqlite_to_cql(&file, &to, &mut |progress| {
        match progress {
            Progress::Copied { .. } => copied += 1,
            Progress::Verified { .. } => verified += 1,
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(verified, super::TARGETS.len());
    assert!(copied < 16 + 2 * (PUBLISHES as usize + NOTES) / super::BATCH, "it went on from there: {copied}");
    let again = sqlite_to_cql(&file, &to, &mut |_| Ok(())).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");

    let store = cluster::open(&to).await.unwrap();
    assert_eq!(store.key_secret().await.unwrap().as_bytes(), known.secret.as_bytes());
    for ((account, channel), key) in known.accounts.iter().zip(&known.channels).zip(&known.stream_keys) {
        assert_eq!(store.account_named(&account.name).await.unwrap().as_ref(), Some(account));
        assert_eq!(store.channels_of(account.id).await.unwrap(), *from_ref(channel));
        let grant = store.grant(known.secret.hash(key)).await.unwrap().unwrap();
        assert_eq!(grant.channel, channel.name);
    }
    let (anna, channel) = (known.accounts[0].id, known.channels[0].id);
    assert_eq!(store.accounts(None, 9_999).await.unwrap().len(), PEOPLE);
    assert_eq!(store.families_of(anna).await.unwrap(), *from_ref(&known.family), "one that was over stays behind");
    assert_eq!(store.account_of_identity(known.identity).await.unwrap(), Some(anna));
    assert_eq!(store.roles_in(channel).await.unwrap().len(), 1);
    let follower = known.accounts[1].id;
    assert_eq!(store.followers(channel).await.unwrap(), 39, "counted where they arrived");
    assert!(store.follows_since(channel, follower).await.unwrap().is_some());
    assert!(store.unfollow(channel, follower).await.unwrap());
    assert_eq!(store.followers(channel).await.unwrap(), 38);
    assert_eq!(store.bans_in(channel, None, 9).await.unwrap(), *from_ref(&known.ban));
    assert_eq!(store.messages(channel, said(None)).await.unwrap().messages, known.messages);
    let room = store.room(channel).await.unwrap();
    assert_eq!((room.settings.as_deref(), room.pinned.as_ref()), (Some("{}"), known.messages.first()));
    let berta = known.accounts[1].id;
    let by_berta = known.messages.iter().filter(|message| message.account == berta && message.flight.is_none());
    let found = store.messages(channel, said(Some(berta))).await.unwrap();
    assert_eq!(found.messages, by_berta.cloned().collect::<Vec<_>>());
    assert_eq!(store.held_in(channel, None, 9).await.unwrap()[0].text, "안녕");
    let reported = store.reported_in(channel, None, 9).await.unwrap();
    assert_eq!((reported.len(), reported[0].reports.len()), (1, 1), "those that are settled stay so");
    let list = store.words_of(channel).await.unwrap();
    assert_eq!((list.version, list.words), (1, words().words));
    assert_eq!(store.spoke_from(channel, follower).await.unwrap(), Some([4; 32]));
    assert_eq!(store.signing_keys().await.unwrap()[0].seed, [7; 60]);
    assert_eq!(store.audit(Scope::Installation, None, usize::MAX).await.unwrap(), known.log);
    assert_eq!(store.sessions_of(&name(0), 9_999).await.unwrap(), known.publishes);

    let [first, second] = known.vods;
    assert_eq!(store.recording_on(second.node).await.unwrap(), *from_ref(&second));
    let ended = Vod { state: State::Ready, duration_ms: 7, bytes: 8, ..first };
    assert_eq!(store.vods_of(channel, None, 9).await.unwrap(), [second, ended]);

    let hooks = store.hooks_of(Whose::Installation).await.unwrap();
    assert!(hooks.len() == 1 && hooks[0].0 == known.hook && hooks[0].1.is_some(), "{hooks:?}");
    let queue = store.claim_deliveries(now(), now() + 1.minute(), 9).await.unwrap();
    assert_eq!(queue.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [known.delivery.id]);

    // What is changed afterwards stays changed.
    let exchange = Exchange {
        family: known.family.id,
        presented: [1; 32],
        next: [2; 32],
        at: now(),
        expires_at: now() + 24.hours(),
        address: "192.0.2.2".into(),
    };
    assert_eq!(store.rotate_family(exchange).await.unwrap(), Rotation::Done(anna));
    assert!(store.unban(channel, known.ban.account).await.unwrap());
    assert_eq!(store.ban_of(channel, known.ban.account).await.unwrap(), None);
    let taken = Account::new(name(5), None, Role::User);
    let refused = store.register(taken.clone(), Channel::new(name(5), Some(taken.id))).await;
    assert!(matches!(refused, Err(Error::Exists)), "{refused:?}");
    assert!(store.delete_account(anna).await.unwrap());
    assert_eq!(store.account_named(&name(0)).await.unwrap(), None);
}

#[tokio::test]
async fn a_target_that_holds_a_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("weir.db");
    let missing = sqlite_to_cql(&file, &cluster::config().await, &mut |_| Ok(())).await.unwrap_err();
    assert!(matches!(missing, Error::Open { .. }), "{missing}");
    Sqlite::open(file.clone(), &Config::default()).await.unwrap().key_secret().await.unwrap();
    let to = cluster::config().await;
    cluster::open(&to).await.unwrap().key_secret().await.unwrap();
    let refused = sqlite_to_cql(&file, &to, &mut |_| Ok(())).await.unwrap_err();
    assert!(refused.to_string().contains("holds a store already"), "{refused}");
}

#[tokio::test]
async fn every_table_of_the_file_is_moved_or_left_behind_on_purpose() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("weir.db");
    Sqlite::open(file.clone(), &Config::default()).await.unwrap().ping().await.unwrap();
    let tables = source::Source::open(&file).await.unwrap().tables().await;
    for table in tables {
        let moved = source::SOURCES.iter().any(|source| source.name == table);
        assert!(moved || source::LEFT_BEHIND.contains(&table.as_str()), "{table} would be lost");
    }
}

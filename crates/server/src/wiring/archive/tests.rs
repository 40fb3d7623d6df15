//! Rooms on a fabric of this node over a real store, which may be away.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use jiff::Timestamp;
use tokio::sync::oneshot;
use weir_chat::{
    fabric::{Archived, Local, Signal, Sink},
    room::{
        ClientId, Event, Person, Role, Settings,
        event::Message as Said,
        log::{Taken, Terms},
    },
};
use weir_control::{
    Error,
    accounts::{self, Account},
    channels::Channel,
    messages::{Found, RoomKept},
};
use weir_identity::{AccountId, MessageId};

use super::*;

/// A store that can be away.
struct Unsure {
    store: Arc<dyn Store>,
    away: AtomicBool,
    calls: AtomicBool,
}

type Kept<'a, T> = weir_control::store::Answer<'a, T>;

impl Unsure {
    fn ask<'a, T: Send + 'a>(&self, answer: Kept<'a, T>) -> Kept<'a, T> {
        self.calls.store(true, Relaxed);
        let away = self.away.load(Relaxed);
        Box::pin(async move { if away { Err(Error::Unreachable("on purpose".into())) } else { answer.await } })
    }
}

impl Messages for Unsure {
    fn keep_messages(&self, notes: Vec<(ChannelId, Note)>) -> Kept<'_, ()> {
        let keeps = async move { self.store.keep_messages(notes).await };
        self.ask(Box::pin(keeps))
    }

    fn messages(&self, channel: ChannelId, wanted: Wanted) -> Kept<'_, Found> {
        self.ask(self.store.messages(channel, wanted))
    }

    fn message(&self, channel: ChannelId, id: MessageId) -> Kept<'_, Option<Message>> {
        self.ask(self.store.message(channel, id))
    }

    fn room(&self, channel: ChannelId) -> Kept<'_, RoomKept> {
        self.ask(self.store.room(channel))
    }
}

/// A server that somebody talks on.
struct Talk {
    store: Arc<Unsure>,
    room: ChannelId,
    person: Person,
    fabric: Archived,
    archive: Archive,
    writing: Writing,
    directory: PathBuf,
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Talk {
    async fn start(queue_max: usize) -> Self {
        let directory = std::env::temp_dir().join(format!("weir-archive-{}", weir_identity::PublishId::random()));
        std::fs::create_dir(&directory).expect("a directory");
        let store = weir_control::open(&weir_control::Config::default(), &directory).await.expect("a store");
        let account = Account::new("anna".parse().expect("a name"), None, accounts::Role::User);
        let channel = Channel::new(account.name.clone(), Some(account.id));
        let (id, name, room) = (account.id, account.name.clone(), channel.id);
        store.register(account, channel).await.expect("she registers");
        let person = Person { id, name, display_name: String::new(), role: Role::Owner };
        let store = Arc::new(Unsure { store, away: AtomicBool::new(false), calls: AtomicBool::new(false) });
        let (fabric, archive, writing) = open(&store, queue_max);
        Self { store, room, person, fabric, archive, writing, directory }
    }

    /// The same store, and nothing else that was there.
    async fn restart(&mut self) {
        let (fabric, archive, writing) = open(&self.store, QUEUE_MAX);
        (self.fabric, self.archive) = (fabric, archive);
        std::mem::replace(&mut self.writing, writing).close().await;
    }

    async fn append(&self, event: Event, once: &str) -> Taken {
        let (reply, taken) = oneshot::channel();
        let terms = Terms { by: Some(self.person.id), once: ClientId::parse(once), ..Terms::default() };
        self.fabric.append(self.room, event, terms, Box::new(move |taken| reply.send(taken).expect("somebody waits")));
        taken.await.expect("an answer").expect("the fabric of a node is there")
    }

    async fn say(&self, text: &str) -> Said {
        let (id, user, at) = (MessageId::new(), self.person.clone(), Timestamp::now());
        let at = Timestamp::from_millisecond(at.as_millisecond()).expect("a time");
        let said = Said { id, user, text: text.into(), at, reply_to: None, deleted: false };
        assert!(matches!(self.append(Event::Message(said.clone()), text).await, Taken::New(_)));
        said
    }

    async fn delete(&self, id: MessageId) {
        self.append(Event::Deleted { id, by: self.person.id }, "").await;
    }

    async fn enter(&self) -> Result<Opened, Down> {
        let sink: Sink = Arc::new(|_| {});
        self.fabric.open(self.room, sink).await
    }

    /// What the store has, oldest first.
    async fn kept(&self) -> Vec<String> {
        let wanted = Wanted { limit: 999, ..Wanted::default() };
        let found = self.store.store.messages(self.room, wanted).await.expect("it answers");
        found.messages.into_iter().rev().map(|message| message.text).collect()
    }

    async fn until_kept(&self, texts: &[&str]) {
        let wait = async { while self.kept().await != texts {} };
        let waited = timeout(Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{:?} instead of {texts:?}", self.kept().await);
    }

    fn away(&self, away: bool) {
        self.store.away.store(away, Relaxed);
    }

    /// Waits until the store is asked something.
    async fn until_asked(&self) {
        self.store.calls.store(false, Relaxed);
        while !self.store.calls.load(Relaxed) {
            tokio::task::yield_now().await;
        }
    }
}

fn open(store: &Arc<Unsure>, queue_max: usize) -> (Archived, Archive, Writing) {
    let fabric: Arc<dyn Fabric> = Arc::new(Local::new(100));
    let (archive, write) = Archive::with_queue(store.clone(), queue_max);
    let writing = write(fabric.clone());
    (Archived::new(fabric, Arc::new(archive.clone()), 3), archive, writing)
}

#[tokio::test]
async fn what_is_said_and_taken_back_gets_into_the_store() {
    let talk = Talk::start(QUEUE_MAX).await;
    talk.say("one").await;
    let two = talk.say("two").await;
    talk.delete(two.id).await;
    talk.until_kept(&["one", ""]).await;
    talk.append(Event::Cleared { user: None, by: AccountId::new(), sentence: None }, "").await;
    talk.until_kept(&["", ""]).await;
}

#[tokio::test]
async fn a_server_that_stops_writes_what_waits() {
    let mut talk = Talk::start(QUEUE_MAX).await;
    let texts: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    for text in &texts {
        talk.say(text).await;
    }
    talk.restart().await;
    assert_eq!(talk.kept().await.len(), 999);
    assert_eq!(talk.kept().await.last(), texts.last());
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_chat_goes_on() {
    let talk = Talk::start(QUEUE_MAX).await;
    talk.away(true);
    talk.say("one").await;
    talk.until_asked().await;
    talk.say("two").await;
    assert!(talk.kept().await.is_empty());
    talk.away(false);
    talk.until_kept(&["one", "two"]).await;
}

#[tokio::test]
async fn what_found_no_room_is_taken_from_the_fabric_once_the_store_is_back() {
    let talk = Talk::start(4).await;
    talk.away(true);
    let first = talk.say("0").await;
    talk.until_asked().await;
    let texts: Vec<String> = (1..60).map(|n| n.to_string()).collect();
    for text in &texts {
        talk.say(text).await;
    }
    talk.delete(first.id).await;
    talk.fabric.signal(talk.room, Signal::Settings(Settings { slow: 9, ..Settings::default() }));
    assert!(!talk.archive.0.lacking.lock().is_empty());
    talk.away(false);
    let all: Vec<&str> = std::iter::once("").chain(texts.iter().map(String::as_str)).collect();
    talk.until_kept(&all).await;
    let slow = async { while talk.store.store.room(talk.room).await.expect("it answers").settings.is_none() {} };
    timeout(Duration::from_secs(20), slow).await.expect("settings are kept as well");
}

#[tokio::test]
async fn a_room_begins_after_a_restart_as_it_was() {
    let mut talk = Talk::start(QUEUE_MAX).await;
    assert_eq!(talk.enter().await.expect("it opens").head, 0);
    let mut said = Vec::new();
    for text in ["one", "two", "three", "four"] {
        said.push(talk.say(text).await);
    }
    talk.delete(said[2].id).await;
    talk.append(Event::Pinned { message: Some(Box::new(said[1].clone())), by: talk.person.id }, "").await;
    let settings = Settings { slow: 9, ..Settings::default() };
    talk.fabric.signal(talk.room, Signal::Settings(settings.clone()));
    talk.restart().await;
    let opened = talk.enter().await.expect("it opens");
    let texts: Vec<_> = opened.recent.iter().map(|entry| entry.event.clone()).collect();
    assert_eq!(
        texts,
        [Event::Message(said[1].clone()), Event::Message(said[3].clone())],
        "the last three, as they stand"
    );
    assert_eq!((opened.head, opened.settings), (2, settings));
    assert_eq!(opened.pinned.as_ref(), Some(&said[1]));
    let again = talk.append(Event::Message(said[3].clone()), "four").await;
    assert!(matches!(again, Taken::Again(2, id) if id == said[3].id), "{again:?}");
    talk.delete(said[1].id).await;
    talk.say("five").await;
    talk.until_kept(&["one", "", "", "four", "five"]).await;
    talk.restart().await;
    assert_eq!(talk.enter().await.expect("it opens").pinned, None, "it was taken back");
}

#[tokio::test]
async fn a_room_does_not_begin_while_nobody_knows_how_it_was() {
    let talk = Talk::start(QUEUE_MAX).await;
    talk.away(true);
    assert!(talk.enter().await.is_err());
    talk.away(false);
    assert!(talk.enter().await.is_ok());
}

#[tokio::test]
async fn what_a_node_that_died_had_in_its_queue_is_found_when_the_room_is_opened() {
    let talk = Talk::start(QUEUE_MAX).await;
    let fabric: Arc<dyn Fabric> = Arc::new(Local::new(100));
    let (reply, taken) = oneshot::channel();
    let said = Said {
        id: MessageId::new(),
        user: talk.person.clone(),
        text: "last words".into(),
        at: Timestamp::from_second(1_790_000_000).expect("a time"),
        reply_to: None,
        deleted: false,
    };
    let done = Box::new(move |taken| reply.send(taken).expect("somebody waits"));
    fabric.append(talk.room, Event::Message(said), Terms::default(), done);
    taken.await.expect("an answer").expect("it is taken");
    let (archive, write) = Archive::with_queue(talk.store.clone(), QUEUE_MAX);
    let _writing = write(fabric.clone());
    let other = Archived::new(fabric, Arc::new(archive), 3);
    other.open(talk.room, Arc::new(|_| {})).await.expect("it opens");
    talk.until_kept(&["last words"]).await;
}

//! What every fabric does, on this node's and on real servers.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use weir_identity::{AccountId, ChannelId};
use weir_testkit::{redis::Redis as Servers, server::PATIENCE};

use super::*;
use crate::room::{ClientId, event::tests::said, log::Limit};

/// One node's ear in a room.
struct Node {
    fabric: Arc<dyn Fabric>,
    room: ChannelId,
    heard: mpsc::UnboundedReceiver<Delivery>,
    _sink: Sink,
    opened: Opened,
}

impl Node {
    async fn open(fabric: &Arc<dyn Fabric>, room: ChannelId) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let sink: Sink = Arc::new(move |delivery| drop(sender.send(delivery)));
        let opened = fabric.open(room, sink.clone()).await.unwrap();
        Self { fabric: fabric.clone(), room, heard, _sink: sink, opened }
    }

    async fn append(&self, event: Event, terms: Terms) -> Result<Taken, Down> {
        let (sender, taken) = tokio::sync::oneshot::channel();
        self.fabric.append(self.room, event, terms, Box::new(move |taken| sender.send(taken).unwrap()));
        taken.await.unwrap()
    }

    /// The next that is heard, but heads.
    async fn next(&mut self) -> Delivery {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
            match next.expect("something is heard").unwrap() {
                Delivery::Head(..) => {}
                other => return other,
            }
        }
    }

    async fn offset(&mut self) -> u64 {
        match self.next().await {
            Delivery::Entry(entry) => entry.offset,
            other => panic!("{other:?}"),
        }
    }

    /// How the room goes on, once it does with the other nodes, or without.
    async fn moved(&mut self, alone: bool) -> Moved {
        loop {
            match self.next().await {
                Delivery::Moved(moved) if moved.alone == alone => return *moved,
                _ => {}
            }
        }
    }

    /// Says something as somebody of that many letters, until it is taken. The text is what the client calls it.
    async fn say(&self, letters: u8, text: &str) -> u64 {
        let name = "a".repeat(letters.into());
        loop {
            match self.append(said(&name, text), by(letters, text)).await {
                Ok(Taken::New(offset) | Taken::Again(offset, _)) => return offset,
                Ok(other) => panic!("{other:?}"),
                Err(Down) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

fn texts(entries: &[Arc<Entry>]) -> Vec<(u64, String)> {
    let text = |entry: &Arc<Entry>| match &entry.event {
        Event::Message(message) => Some((entry.offset, message.text.clone())),
        _ => None,
    };
    entries.iter().filter_map(text).collect()
}

fn expected(texts: &[(u64, &str)]) -> Vec<(u64, String)> {
    texts.iter().map(|(offset, text)| (*offset, (*text).to_owned())).collect()
}

fn by(name: u8, once: &str) -> Terms {
    Terms { by: Some(AccountId::from_bytes([name; 16])), once: ClientId::parse(once), ..Terms::default() }
}

fn redis(servers: &Servers) -> Arc<dyn Fabric> {
    Arc::new(Redis::new(weir_redis::Target::parse(servers.url()).unwrap(), 100))
}

/// A room that is not on a node's own log: Redis is connected in the background.
async fn connected(fabric: &Arc<dyn Fabric>, room: ChannelId) -> Node {
    loop {
        let node = Node::open(fabric, room).await;
        let there = fabric.since(room, &node.opened.epoch, 0, 1).await;
        let kept =
            node.append(Event::Cleared { user: None, by: AccountId::new(), sentence: None }, Terms::default()).await;
        let again = Node::open(fabric, room).await;
        if there.is_ok()
            && kept.is_ok()
            && !again.opened.alone
            && again.opened.epoch == node.opened.epoch
            && !again.opened.recent.is_empty()
        {
            return again;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two nodes, or one and the same.
async fn check(one: &Arc<dyn Fabric>, other: &Arc<dyn Fabric>) {
    let room = ChannelId::new();
    let (mut here, mut there) = (Node::open(one, room).await, Node::open(other, room).await);
    assert_eq!((here.opened.head, &here.opened.epoch), (0, &there.opened.epoch));
    assert_eq!(here.append(said("anna", "one"), by(1, "a")).await, Ok(Taken::New(1)));
    assert_eq!(there.append(said("berta", "two"), by(2, "a")).await, Ok(Taken::New(2)));
    for node in [&mut here, &mut there] {
        assert_eq!([node.offset().await, node.offset().await], [1, 2]);
    }
    assert!(matches!(there.append(said("anna", "one"), by(1, "a")).await, Ok(Taken::Again(1, _))));
    let limit = Some(Limit { count: 2, within: Duration::from_secs(60) });
    let limited = |id: &str| Terms { limit, ..by(3, id) };
    assert_eq!(here.append(said("carl", "x"), limited("1")).await, Ok(Taken::New(3)));
    assert_eq!(there.append(said("carl", "x"), limited("2")).await, Ok(Taken::New(4)));
    assert!(matches!(here.append(said("carl", "x"), limited("3")).await, Ok(Taken::TooMuch(_))));
    let slow = |id: &str| Terms { slow: Some(Duration::from_secs(60)), ..by(4, id) };
    assert_eq!(here.append(said("dora", "x"), slow("1")).await, Ok(Taken::New(5)));
    assert!(matches!(there.append(said("dora", "x"), slow("2")).await, Ok(Taken::TooSoon(_))));
    let unique = |name, id: &str| Terms { unique: Some(7), ..by(name, id) };
    assert_eq!(here.append(said("emil", "x"), unique(5, "1")).await, Ok(Taken::New(6)));
    assert_eq!(there.append(said("fay", "x"), unique(6, "1")).await, Ok(Taken::NotUnique));
    let missed = there.fabric.since(room, &there.opened.epoch, 4, 10).await.unwrap().unwrap();
    assert_eq!(missed.iter().map(|entry| entry.offset).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(there.fabric.since(room, "another", 4, 10).await, Ok(None));
    let settings = Settings { slow: 9, ..Settings::default() };
    here.fabric.signal(room, Signal::Settings(settings.clone()));
    loop {
        if matches!(there.next().await, Delivery::Signal(Signal::Settings(heard)) if heard == settings) {
            break;
        }
    }
    let late = Node::open(other, room).await;
    assert_eq!((late.opened.head, late.opened.recent.len(), late.opened.settings), (6, 6, settings));
}

#[tokio::test]
async fn a_node_by_itself_keeps_rooms() {
    let local: Arc<dyn Fabric> = Arc::new(Local::new(100));
    check(&local, &local).await;
}

#[tokio::test]
async fn nodes_on_one_redis_are_one() {
    let servers = Servers::single();
    let (one, other) = (redis(&servers), redis(&servers));
    for fabric in [&one, &other] {
        connected(fabric, ChannelId::new()).await;
    }
    check(&one, &other).await;
}

#[tokio::test]
async fn nodes_on_one_cluster_are_one() {
    let servers = Servers::cluster();
    let (one, other) = (redis(&servers), redis(&servers));
    for fabric in [&one, &other] {
        connected(fabric, ChannelId::new()).await;
    }
    for _ in 0..4 {
        check(&one, &other).await;
    }
}

#[tokio::test]
async fn a_room_goes_on_without_redis_and_what_was_said_is_there_when_it_is_back() {
    let servers = Servers::single();
    let fabric = redis(&servers);
    let room = ChannelId::new();
    let mut node = connected(&fabric, room).await;
    let (epoch, head) = (node.opened.epoch.clone(), node.opened.head);
    assert_eq!(node.say(3, "before").await, head + 1);
    servers.pause(1);
    let alone = node.moved(true).await;
    assert_ne!(alone.epoch, epoch);
    assert_eq!((alone.since, alone.head, alone.before.shares(&epoch)), (Some(head + 1), head + 1, Some(head + 1)));
    assert_eq!(node.say(3, "before").await, head + 1, "it is known that it was said");
    assert_eq!(node.say(3, "meanwhile").await, head + 2);
    let late = Node::open(&fabric, room).await;
    assert!(late.opened.alone && late.opened.head == head + 2 && late.opened.epoch == alone.epoch);
    servers.resume(1);
    let back = node.moved(false).await;
    assert_eq!((&back.epoch, back.since, back.head), (&epoch, Some(head + 1), head + 2));
    assert_eq!(texts(&back.entries), expected(&[(head + 2, "meanwhile")]));
    assert_eq!(node.say(3, "meanwhile").await, head + 2, "it is not said twice");
    assert_eq!(node.say(3, "after").await, head + 3);
}

#[tokio::test]
async fn nodes_that_went_apart_are_one_again_and_nothing_is_lost_or_doubled() {
    let servers = Servers::single();
    let (one, two) = (redis(&servers), redis(&servers));
    let room = ChannelId::new();
    let (mut here, mut there) = (connected(&one, room).await, connected(&two, room).await);
    let mut known = here.say(3, "before").await;
    while there.offset().await < known {}
    servers.kill(1);
    for node in [&mut here, &mut there] {
        assert_eq!(node.moved(true).await.head, known);
    }
    assert_eq!(here.say(3, "said on one").await, known + 1);
    assert_eq!(there.say(4, "said on two").await, known + 1);
    servers.revive(1);
    let (here_back, there_back) = (here.moved(false).await, there.moved(false).await);
    assert_eq!(here_back.epoch, there_back.epoch);
    // Redis has what both said; each tells what it had not yet.
    known += here.say(5, "after").await - known;
    let read = here.fabric.since(room, &here_back.epoch, 0, 1_000).await.unwrap();
    let read = match read {
        Some(read) => read,
        None => there.fabric.since(room, &here_back.epoch, known - 4, 1_000).await.unwrap().unwrap(),
    };
    let mut all: Vec<String> = texts(&read).into_iter().map(|(_, text)| text).collect();
    assert_eq!((all.first().map(String::as_str), all.last().map(String::as_str)), (Some("before"), Some("after")));
    all.sort();
    assert_eq!(all, ["after", "before", "said on one", "said on two"]);
}

#[tokio::test]
async fn an_emptied_redis_is_given_a_room_by_a_node_that_remembers_it() {
    let servers = Servers::single();
    let (one, two) = (redis(&servers), redis(&servers));
    let room = ChannelId::new();
    let (mut here, mut there) = (connected(&one, room).await, connected(&two, room).await);
    let epoch = here.opened.epoch.clone();
    let known = here.say(3, "before").await;
    while there.offset().await < known {}
    here.fabric.signal(room, Signal::Settings(Settings { slow: 7, ..Settings::default() }));
    for node in [&mut here, &mut there] {
        while !matches!(node.next().await, Delivery::Signal(Signal::Settings(_))) {}
    }
    servers.kill(1);
    servers.revive(1);
    let moved = [here.moved(false).await, there.moved(false).await];
    assert_eq!(moved[0].epoch, moved[1].epoch);
    for moved in moved {
        assert_eq!((moved.since, moved.head, moved.before.shares(&epoch)), (Some(known), known, Some(known)));
        assert_eq!((moved.entries.len(), moved.settings.slow), (0, 7));
    }
    assert_eq!(there.say(3, "before").await, known, "it was said");
    assert_eq!(there.say(3, "after").await, known + 1);
    let late = Node::open(&two, room).await;
    assert_eq!(texts(&late.opened.recent).last(), Some(&(known + 1, "after".to_owned())));
    assert_eq!(late.opened.settings.slow, 7);
}

#[tokio::test]
async fn when_a_replica_takes_over_offsets_count_in_another_epoch_and_nothing_is_lost() {
    let servers = Servers::sentinel();
    let (one, two) = (redis(&servers), redis(&servers));
    let room = ChannelId::new();
    let (mut here, mut there) = (connected(&one, room).await, connected(&two, room).await);
    let epoch = here.opened.epoch.clone();
    let known = here.say(3, "before").await;
    while there.offset().await < known {}
    // The replica hears nothing more, as when a primary dies with what it was about to tell.
    servers.pause(2);
    let primary = ::redis::Client::open(format!("redis://{}", servers.address(1))).unwrap();
    let mut primary = primary.get_multiplexed_async_connection().await.unwrap();
    let kill = ::redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("replica").take();
    kill.exec_async(&mut primary).await.unwrap();
    let unheard = here.say(3, "only the primary knows").await;
    servers.kill(1);
    servers.resume(2);
    let (here_back, there_back) = (here.moved(false).await, there.moved(false).await);
    assert_eq!(here_back.epoch, there_back.epoch);
    assert_ne!(here_back.epoch, epoch);
    let after = there.say(4, "after").await;
    let read = there.fabric.since(room, &there_back.epoch, known - 1, 100).await.unwrap().unwrap();
    let read = texts(&read);
    let expected = expected(&[(known, "before"), (unheard, "only the primary knows"), (after, "after")]);
    assert_eq!(read, expected);
}

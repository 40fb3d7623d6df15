//! What every fabric does, on this node's and on real servers.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use weir_identity::{AccountId, ChannelId};
use weir_testkit::redis::Redis as Servers;

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
            let next = tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await;
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
        if there.is_ok() && kept.is_ok() && again.opened.epoch == node.opened.epoch && !again.opened.recent.is_empty() {
            return again;
        }
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
async fn what_is_said_while_redis_is_away_is_there_when_it_is_back() {
    let servers = Servers::single();
    let fabric = redis(&servers);
    let room = ChannelId::new();
    let mut node = connected(&fabric, room).await;
    let epoch = node.opened.epoch.clone();
    assert!(node.append(said("anna", "before"), by(1, "before")).await.is_ok());
    servers.pause(1);
    while !matches!(node.next().await, Delivery::Restarted) {}
    let mut alone = Node::open(&fabric, room).await;
    assert!(alone.opened.alone && !node.opened.alone);
    assert_ne!(alone.opened.epoch, epoch);
    assert_eq!(alone.append(said("anna", "meanwhile"), by(1, "meanwhile")).await, Ok(Taken::New(1)));
    servers.resume(1);
    while !matches!(alone.next().await, Delivery::Restarted) {}
    let back = Node::open(&fabric, room).await;
    assert_eq!((&back.opened.epoch, back.opened.alone), (&epoch, false));
    assert!(matches!(back.append(said("anna", "meanwhile"), by(1, "meanwhile")).await, Ok(Taken::Again(..))));
    let texts = back.opened.recent.iter().filter_map(|entry| match &entry.event {
        Event::Message(message) => Some(message.text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["before", "meanwhile"]);
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_begins_another_epoch() {
    let servers = Servers::single();
    let fabric = redis(&servers);
    let room = ChannelId::new();
    let mut node = connected(&fabric, room).await;
    let epoch = node.opened.epoch.clone();
    servers.kill(1);
    servers.revive(1);
    while !matches!(node.next().await, Delivery::Restarted) {}
    assert_ne!(connected(&fabric, room).await.opened.epoch, epoch);
}

//! Clients in a room, over pipes in memory.

mod moderation;

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

use super::{connection::carry, *};
use crate::{
    fabric::Local,
    gate::{Admission, Answer, Deed, Denied, Held, OwnWords, Queues, Verdict, Waiting, until},
    room::{
        Person, Role,
        rules::{Sentence, Speaker},
    },
};

/// Knows everybody: a token is a name, with the role before it.
#[derive(Default)]
struct Names {
    sentences: Mutex<HashMap<AccountId, Sentence>>,
    deeds: Mutex<Vec<&'static str>>,
    /// What somebody is, where that has changed.
    roles: Mutex<HashMap<AccountId, Role>>,
    /// Whether only moderators may be there.
    closed: Mutex<bool>,
    /// Whether it keeps nothing.
    away: Mutex<bool>,
    /// What waits; three fit.
    held: Mutex<Vec<String>>,
    words: Mutex<OwnWords>,
    /// Who spoke from where.
    spoke: Mutex<HashMap<AccountId, IpAddr>>,
    /// Where somebody is banned.
    addresses: Mutex<HashMap<AccountId, IpAddr>>,
}

fn person(token: &str) -> Person {
    let (role, name) = token.split_once(':').unwrap_or(("", token));
    let role = match role {
        "owner" => Role::Owner,
        "mod" => Role::Moderator,
        "vip" => Role::Vip,
        _ => Role::Viewer,
    };
    let mut id = [role as u8; 16];
    id.iter_mut().zip(name.bytes()).for_each(|(id, byte)| *id = byte);
    id[15] = role as u8;
    Person { id: AccountId::from_bytes(id), name: name.parse().unwrap(), display_name: String::new(), role }
}

impl Names {
    fn known(&self, person: Person) -> Speaker {
        Speaker { sentence: self.sentences.lock().get(&person.id).copied(), person, follows_since: None }
    }
}

fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Gate for Names {
    fn admit<'a>(
        &'a self,
        channel: &'a ChannelName,
        token: Option<&'a str>,
        _: IpAddr,
    ) -> Answer<'a, Result<Admission, Denied>> {
        ready(match (channel.as_str(), token) {
            ("nobody", _) => Err(Denied::NoChannel),
            (_, Some("")) => Err(Denied::BadToken),
            (_, token) => Ok(Admission {
                channel: ChannelId::from_bytes([7; 16]),
                speaker: token.map(|token| self.known(person(token))),
            }),
        })
    }

    fn speaker(&self, _: ChannelId, person: Person, address: IpAddr) -> Answer<'_, Result<Speaker, Denied>> {
        let role = self.roles.lock().get(&person.id).copied().unwrap_or(person.role);
        let mut speaker = self.known(Person { role, ..person });
        if self.addresses.lock().values().any(|banned| *banned == address) && role < Role::Vip {
            speaker.sentence = Some(Sentence { until: None });
        }
        ready(if *self.closed.lock() && role < Role::Moderator { Err(Denied::Forbidden) } else { Ok(speaker) })
    }

    fn reader(&self, _: ChannelId) -> Answer<'_, Result<(), Denied>> {
        ready(if *self.closed.lock() { Err(Denied::Forbidden) } else { Ok(()) })
    }

    fn spoke(&self, _: ChannelId, account: AccountId, address: IpAddr) {
        self.spoke.lock().insert(account, address);
    }

    fn hold(&self, waiting: Waiting) -> Answer<'_, Result<Held, Denied>> {
        let mut held = self.held.lock();
        ready(match held.len() {
            _ if *self.away.lock() => Err(Denied::Unavailable),
            0..3 => {
                held.push(waiting.text);
                Ok(Held::Waits(held.len() as u64))
            }
            _ => Ok(Held::Full),
        })
    }

    fn queues(&self, _: ChannelId) -> Answer<'_, Result<Option<Queues>, Denied>> {
        ready(Ok(Some(Queues { held: self.held.lock().len() as u64, reported: 0 })))
    }

    fn words(&self, _: ChannelId, known: u32) -> Answer<'_, Result<Option<OwnWords>, Denied>> {
        let words = self.words.lock();
        ready(Ok((words.version != known).then(|| words.clone())))
    }

    fn role(&self, _: ChannelId, account: AccountId) -> Answer<'_, Result<Role, Denied>> {
        let roles = [Role::Viewer, Role::Vip, Role::Moderator, Role::Owner];
        ready(Ok(roles[usize::from(account.as_bytes()[15])]))
    }

    fn ban(&self, verdict: Verdict) -> Answer<'_, Result<Sentence, Denied>> {
        let sentence = Sentence { until: until(verdict.lasts, Timestamp::now()) };
        self.sentences.lock().insert(verdict.account, sentence);
        if let Some(address) = self.spoke.lock().get(&verdict.account).filter(|_| verdict.address) {
            self.addresses.lock().insert(verdict.account, *address);
        }
        ready(Ok(sentence))
    }

    fn unban(&self, _: ChannelId, account: AccountId, _: AccountId) -> Answer<'_, Result<(), Denied>> {
        self.sentences.lock().remove(&account);
        self.addresses.lock().remove(&account);
        ready(Ok(()))
    }

    fn note(&self, deed: Deed) {
        self.deeds.lock().push(deed.action);
    }
}

/// Owns what is tested, as the server's root would.
struct Root;

impl Actor for Root {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Server {
    chat: Chat,
    gate: Arc<Names>,
}

impl Server {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        config.validate().unwrap();
        let gate = Arc::new(Names::default());
        let fabric = Arc::new(Local::new(config.history));
        let words = crate::filter::list::parse("mask:silly\nhold:odd\nblock:bad");
        let words = Arc::new(arc_swap::ArcSwap::from_pointee(crate::filter::Filter::new(&words).unwrap()));
        let chat = Chat::new(config, gate.clone(), fabric, words);
        let (root, _) = Actor::spawn(None, Root, ()).await.unwrap();
        chat.start(root.get_cell()).await.unwrap();
        Self { chat, gate }
    }

    /// A client that has said nothing yet, in whose pipe so many bytes fit.
    fn connect(&self, channel: &str, pipe_bytes: usize) -> Client {
        let (ours, theirs) = tokio::io::duplex(pipe_bytes);
        let task = carry(theirs, self.chat.0.clone(), channel.parse().unwrap(), [192, 0, 2, 1].into());
        Client { io: ours, task: self.chat.0.tasks.spawn(task) }
    }

    /// A client that has joined, and what it was told.
    async fn join(&self, join: Value) -> (Client, Value) {
        let mut client = self.connect("anna", 1 << 20);
        client.send(join).await;
        let joined = client.next().await;
        (client, joined)
    }

    async fn reader(&self, token: impl Into<Value>) -> Client {
        let (client, joined) = self.join(json!({"type": "join", "token": token.into()})).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        client
    }
}

struct Client {
    io: DuplexStream,
    task: JoinHandle<()>,
}

impl Client {
    async fn send(&mut self, frame: Value) {
        self.send_bytes(0x81, frame.to_string().as_bytes()).await;
    }

    async fn send_bytes(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        // Who has closed reads no more.
        let _ = self.io.write_all(&frame).await;
    }

    /// The next frame: its first byte, and what it holds.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.io.read_u8().await.ok()?;
        let length = match self.io.read_u8().await.ok()? {
            126 => self.io.read_u16().await.ok()?.into(),
            127 => self.io.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// The next text, pings, presence and empty queues left out.
    async fn next(&mut self) -> Value {
        loop {
            let (first, payload) = self.frame().await.expect("the connection is there");
            match first {
                0x81 => {
                    let said: Value = serde_json::from_slice(&payload).unwrap();
                    let is_queue = ["held", "reported"].iter().any(|kind| said["type"] == *kind);
                    if said["type"] != "presence" && !(is_queue && said["count"] == 0) {
                        return said;
                    }
                }
                0x89 => self.send_bytes(0x8a, &payload).await,
                _ => return json!({"type": "close", "code": u16::from_be_bytes([payload[0], payload[1]])}),
            }
        }
    }

    /// The next text of that type.
    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let next = self.next().await;
            assert_ne!(next["type"], "close", "before {kind} came");
            if next["type"] == kind {
                return next;
            }
        }
    }

    async fn say(&mut self, id: &str, text: &str) {
        self.send(json!({"type": "say", "id": id, "text": text})).await;
    }

    /// Says something, and gives what it is answered: `ack` and the offset, or the code of an error.
    async fn answer(&mut self, request: Value) -> String {
        self.send(request).await;
        loop {
            let next = self.next().await;
            match next["type"].as_str().unwrap() {
                "ack" => return format!("ack {}", next["offset"]),
                "error" => return next["code"].as_str().unwrap().to_owned(),
                "close" => return next.to_string(),
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_says_both_hear_in_order() {
    let server = Server::start(|_| {}).await;
    let (mut anna, joined) = server.join(json!({"type": "join", "token": "anna"})).await;
    assert_eq!((&joined["offset"], &joined["recovered"]), (&json!(0), &json!(false)));
    assert_eq!((&joined["you"]["name"], &joined["you"]["role"]), (&json!("anna"), &json!("viewer")));
    let mut berta = server.reader(Value::Null).await;
    anna.say("a1", "hello").await;
    anna.say("a2", "world").await;
    let acks = [anna.until("ack").await, anna.until("ack").await];
    assert_eq!(acks.each_ref().map(|ack| ack["id"].as_str().unwrap()), ["a1", "a2"]);
    for (offset, text) in [(1, "hello"), (2, "world")] {
        let message = berta.until("message").await;
        assert_eq!((&message["offset"], &message["text"]), (&json!(offset), &json!(text)));
        assert_eq!(message["user"]["name"], "anna");
        assert_eq!(acks[offset - 1]["message"], message["id"]);
    }
    assert_eq!(berta.answer(json!({"type": "say", "id": "b", "text": "I only read"})).await, "read_only");
}

#[tokio::test(start_paused = true)]
async fn an_id_is_said_once_over_every_connection_of_its_user() {
    let server = Server::start(|_| {}).await;
    let (mut one, mut other) = (server.reader("anna").await, server.reader("anna").await);
    let say = json!({"type": "say", "id": "same", "text": "hello"});
    assert_eq!(one.answer(say.clone()).await, "ack 1");
    assert_eq!(one.answer(say.clone()).await, "ack 1");
    assert_eq!(other.answer(say.clone()).await, "ack 1");
    assert_eq!(server.reader("berta").await.answer(say).await, "ack 2");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_brought_what_was_missed() {
    let server = Server::start(|config| config.history_shown = 2).await;
    let mut anna = server.reader("anna").await;
    for number in 1..=5 {
        anna.answer(json!({"type": "say", "id": number.to_string(), "text": "hello"})).await;
    }
    let epoch = server.join(json!({"type": "join"})).await.1["epoch"].clone();
    for (join, recovered, offsets) in [
        (json!({"type": "join", "since": 2, "epoch": epoch}), true, &[3, 4, 5][..]),
        (json!({"type": "join", "since": 5, "epoch": epoch}), true, &[]),
        (json!({"type": "join", "since": 6, "epoch": epoch}), false, &[4, 5]),
        (json!({"type": "join", "since": 2, "epoch": "another"}), false, &[4, 5]),
        (json!({"type": "join"}), false, &[4, 5]),
    ] {
        let (mut client, joined) = server.join(join.clone()).await;
        assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(recovered), &json!(5)), "{join}");
        for offset in offsets {
            assert_eq!(client.next().await["offset"], *offset, "{join}");
        }
        client.send(json!({"type": "ping"})).await;
        assert_eq!(client.next().await["type"], "pong", "{join}: and nothing more");
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_back_after_the_room_was_empty_finds_it_as_it_was() {
    let server = Server::start(|_| {}).await;
    let (mut anna, joined) = server.join(json!({"type": "join", "token": "anna"})).await;
    anna.answer(json!({"type": "say", "id": "a", "text": "hello"})).await;
    drop(anna);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (mut anna, again) =
        server.join(json!({"type": "join", "token": "anna", "since": 0, "epoch": joined["epoch"]})).await;
    assert_eq!((&again["epoch"], &again["recovered"]), (&joined["epoch"], &json!(true)));
    assert_eq!(anna.next().await["text"], "hello");
    assert_eq!(anna.answer(json!({"type": "say", "id": "a", "text": "hello"})).await, "ack 1");
}

#[tokio::test(start_paused = true)]
async fn many_come_in_one_frame_to_whoever_asked_for_that() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let (mut berta, _) = server.join(json!({"type": "join", "batch": true})).await;
    anna.say("a", "hello").await;
    let many = berta.next().await;
    assert_eq!(many[0]["text"], "hello", "{many}");
    let (mut carl, _) = server.join(json!({"type": "join", "batch": true})).await;
    assert_eq!(carl.next().await[0]["text"], "hello");
}

#[tokio::test(start_paused = true)]
async fn so_much_may_be_said_and_no_more() {
    let server = Server::start(|_| {}).await;
    let say = |number: usize| json!({"type": "say", "id": number.to_string(), "text": "hello"});
    let mut anna = server.reader("anna").await;
    for number in 0..20 {
        assert!(anna.answer(say(number)).await.starts_with("ack"));
    }
    assert_eq!(anna.answer(say(20)).await, "rate_limited");
    assert_eq!(server.reader("anna").await.answer(say(21)).await, "rate_limited", "over another connection");
    let mut moderator = server.reader("mod:berta").await;
    for number in 0..100 {
        assert!(moderator.answer(say(number)).await.starts_with("ack"), "{number}");
    }
    assert_eq!(moderator.answer(say(100)).await, "rate_limited");
    let unlimited = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let mut anna = unlimited.reader("anna").await;
    for number in 0..500 {
        assert!(anna.answer(say(number)).await.starts_with("ack"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_kept_told_and_lifted() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    let say = |id: &str| json!({"type": "say", "id": id, "text": "hello"});
    assert_eq!(anna.answer(say("1")).await, "ack 1");
    let id = person("anna").id;
    assert_eq!(anna.answer(json!({"type": "ban", "user": id})).await, "forbidden");
    moderator.send(json!({"type": "ban", "user": id, "reason": "spam"})).await;
    let cleared = moderator.until("cleared").await;
    assert_eq!((&cleared["user"], &cleared["offset"]), (&json!(id), &json!(2)));
    assert_eq!(anna.answer(say("2")).await, "banned");
    assert_eq!(server.reader("anna").await.answer(say("3")).await, "banned", "after a reconnect");
    let (mut carl, _) = server.join(json!({"type": "join"})).await;
    let gone = carl.until("message").await;
    assert_eq!((&gone["text"], &gone["deleted"]), (&json!(""), &json!(true)));
    moderator.send(json!({"type": "unban", "user": id})).await;
    moderator.send(json!({"type": "ping"})).await;
    moderator.until("pong").await;
    assert_eq!(anna.answer(say("4")).await, "ack 3");
    moderator.send(json!({"type": "timeout", "user": id, "seconds": 60})).await;
    moderator.until("cleared").await;
    assert_eq!(anna.answer(say("5")).await, "timed_out");
    let owner = person("owner:carl").id;
    assert_eq!(moderator.answer(json!({"type": "ban", "user": owner})).await, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn messages_are_deleted_by_who_said_them_and_who_keeps_order() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut berta) = (server.reader("anna").await, server.reader("berta").await);
    let mut moderator = server.reader("mod:carl").await;
    anna.say("1", "one").await;
    let one = anna.until("message").await["id"].clone();
    anna.say("2", "two").await;
    let two = anna.until("message").await["id"].clone();
    assert_eq!(berta.answer(json!({"type": "delete", "id": one})).await, "forbidden");
    anna.send(json!({"type": "delete", "id": one})).await;
    let deleted = berta.until("deleted").await;
    assert_eq!((&deleted["id"], &deleted["offset"]), (&one, &json!(3)));
    moderator.send(json!({"type": "pin", "id": two})).await;
    assert_eq!(berta.until("pinned").await["message"]["text"], "two");
    assert_eq!(server.join(json!({"type": "join"})).await.1["pinned"]["text"], "two");
    moderator.send(json!({"type": "delete", "id": two})).await;
    berta.until("deleted").await;
    assert_eq!(server.join(json!({"type": "join"})).await.1["pinned"], Value::Null);
    assert_eq!(berta.answer(json!({"type": "clear"})).await, "forbidden");
    moderator.send(json!({"type": "clear"})).await;
    assert_eq!(berta.until("cleared").await["user"], Value::Null);
    assert_eq!(*server.gate.deeds.lock(), ["chat.clear"]);
}

#[tokio::test(start_paused = true)]
async fn settings_hold_for_everybody_at_once() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    assert_eq!(anna.answer(json!({"type": "settings", "settings": {"slow": 5}})).await, "forbidden");
    assert_eq!(moderator.answer(json!({"type": "settings", "settings": {"slow": 100_000}})).await, "bad_frame");
    moderator.send(json!({"type": "settings", "settings": {"slow": 60}})).await;
    assert_eq!(anna.until("settings").await["settings"]["slow"], 60);
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 1");
    anna.say("2", "hello").await;
    let refused = anna.until("error").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("slow_mode"), &json!("2")));
    assert!(refused["retry_after"].as_f64().unwrap() > 50.0);
    assert_eq!(server.join(json!({"type": "join"})).await.1["settings"]["slow"], 60);
}

#[tokio::test(start_paused = true)]
async fn words_that_must_not_be_said_are_not_said() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    let say = |id: &str, text: &str| json!({"type": "say", "id": id, "text": text});
    assert_eq!(anna.answer(say("1", "that is b.a.d")).await, "blocked");
    assert_eq!(anna.answer(say("2", "how odd")).await, "held");
    anna.say("3", "you ＳＩＬＬＹ one").await;
    anna.until("ack").await;
    assert_eq!(moderator.until("message").await["text"], "you ***** one");
    assert_eq!(moderator.answer(say("4", "do not say bad")).await, "ack 2");
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "bad"})).await, "blocked");
}

#[tokio::test(start_paused = true)]
async fn comments_over_the_picture_take_no_offset() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut berta) = (server.reader("anna").await, server.reader(Value::Null).await);
    anna.send(json!({"type": "danmaku", "text": "wow", "color": "#ff0000", "mode": "top"})).await;
    let comment = berta.until("danmaku").await;
    assert_eq!((&comment["text"], &comment["mode"]), (&json!("wow"), &json!("top")));
    assert_eq!(comment.get("offset"), None);
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "wow", "color": "red"})).await, "bad_color");
    for _ in 0..19 {
        anna.send(json!({"type": "danmaku", "text": "wow"})).await;
    }
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "wow"})).await, "rate_limited");
    assert_eq!(server.join(json!({"type": "join"})).await.1["offset"], 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_told_to_come_back_and_slows_nobody() {
    let server = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let mut slow = server.connect("anna", 1_000);
    slow.send(json!({"type": "join", "token": null})).await;
    slow.until("joined").await;
    let mut anna = server.reader("anna").await;
    let text = "a".repeat(500);
    let (many, mut number) = (3_000, 0);
    while number < many {
        number += 1;
        anna.say(&number.to_string(), &text).await;
        anna.until("message").await;
    }
    let mut last = Value::Null;
    loop {
        let next = slow.next().await;
        if next["type"] == "close" {
            break;
        }
        last = next;
    }
    assert_eq!((&last["type"], &last["reason"]), (&json!("reconnect"), &json!("slow")));
    slow.task.await.unwrap();
    assert_eq!(anna.answer(json!({"type": "say", "id": "x", "text": "hello"})).await, format!("ack {}", many + 1));
}

#[tokio::test(start_paused = true)]
async fn what_no_client_sends_ends_its_connection_only() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let text = |text: &str| (0x81, text.as_bytes().to_vec());
    for ((first, payload), code) in [
        (text(&"a".repeat(1 << 20)), 1009),
        ((0x82, b"bytes".to_vec()), 1003),
        ((0x81, vec![0xff, 0xfe]), 1007),
        ((0xc1, b"deflated".to_vec()), 1002),
        (text("no JSON"), 1002),
        (text(r#"{"type":"say","id":"1","text":"before joining"}"#), 1002),
    ] {
        let mut client = server.connect("anna", 1 << 21);
        client.send_bytes(first, &payload).await;
        loop {
            let next = client.next().await;
            if next["type"] == "close" {
                assert_eq!(next["code"], code);
                break;
            }
        }
    }
    for request in [json!([]), json!({"type": "fly"}), json!({"type": "join"}), json!({"type": "say", "id": ""})] {
        assert_eq!(anna.answer(request).await, "bad_frame");
    }
    let flood = json!({"type": "nonsense"}).to_string();
    for _ in 0..300 {
        anna.send_bytes(0x81, flood.as_bytes()).await;
    }
    loop {
        let next = anna.next().await;
        if next["type"] == "close" {
            assert_eq!(next["code"], 1008);
            break;
        }
    }
    assert_eq!(server.reader("anna").await.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 1");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_join_hears_why() {
    let server = Server::start(|_| {}).await;
    let mut silent = server.connect("anna", 1_000);
    assert_eq!(silent.next().await["code"], "silent");
    let mut lost = server.connect("nobody", 1_000);
    lost.send(json!({"type": "join"})).await;
    assert_eq!(lost.next().await["code"], "not_found");
    let mut forged = server.connect("anna", 1_000);
    forged.send(json!({"type": "join", "token": ""})).await;
    assert_eq!(
        (forged.next().await["code"].clone(), forged.next().await["code"].clone()),
        (json!("unauthorized"), json!(1008))
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_without_a_word_is_noticed() {
    let server = Server::start(|_| {}).await;
    let (anna, _) = server.join(json!({"type": "join"})).await;
    // It reads nothing and answers no ping.
    anna.task.await.unwrap();
    drop(anna.io);
    let (mut berta, _) = server.join(json!({"type": "join"})).await;
    for _ in 0..20 {
        let (first, payload) = berta.frame().await.unwrap();
        if first == 0x89 {
            berta.send_bytes(0x8a, &payload).await;
        }
    }
    assert!(!berta.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn how_many_are_there_is_told() {
    let server = Server::start(|_| {}).await;
    let (mut anna, _) = server.join(json!({"type": "join"})).await;
    let _others = [server.join(json!({"type": "join"})).await, server.join(json!({"type": "join"})).await];
    loop {
        let (_, payload) = anna.frame().await.unwrap();
        let said: Value = serde_json::from_slice(&payload).unwrap_or_default();
        if said["type"] == "presence" && said["count"] == 3 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_tells_everybody_to_come_back() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let chat = server.chat.clone();
    let drained = tokio::spawn(async move { chat.drain().await });
    let told = anna.until("reconnect").await;
    assert_eq!(told["reason"], "stopping");
    assert_eq!(anna.next().await["code"], 1012);
    drop(anna.io);
    drained.await.unwrap();
    assert_eq!(server.chat.connections(), 0);
}

#[test]
fn pages_of_other_sites_may_not_open_rooms() {
    #[track_caller]
    fn check(origin: Option<&'static str>, host: &'static str, may: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        origin.into_iter().for_each(|origin| drop(headers.insert(header::ORIGIN, HeaderValue::from_static(origin))));
        assert_eq!(may_open(&headers, &["https://friend.example".into()]), may, "{origin:?} {host}");
    }
    check(None, "weir.example", true);
    check(Some("https://weir.example"), "weir.example", true);
    check(Some("https://Weir.example"), "weir.example:443", true);
    check(Some("http://weir.example"), "weir.example:80", true);
    check(Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true);
    check(Some("https://friend.example"), "weir.example", true);
    for origin in ["null", "https://evil.example", "https://weir.example.evil", "http://weir.example@evil", ""] {
        check(Some(origin), "weir.example", false);
    }
    check(Some("https://"), "", false);
}

//! Clients in a room, over pipes in memory.

mod beginning;
mod hostile;
mod moderation;
mod people;
mod rules;
mod talking;
mod transcripts;

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
        let fabric = Arc::new(Local::new(config.history));
        Self::over(fabric, config).await
    }

    async fn over(fabric: Arc<dyn Fabric>, config: Config) -> Self {
        let gate = Arc::new(Names::default());
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

//! A client that stays in a room whatever happens: it comes back, goes on where it was, and says until it is acknowledged.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch, task::JoinHandle, time::sleep};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::transcript::Transcript;

/// How long until it tries another server.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How often it looks whether something is to be said.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it waits for an acknowledgement before it says the same again.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long a server may take for a handshake and for letting it in. Then it tries another.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where it goes, and who it is.
#[derive(Debug, Clone)]
pub struct Habits {
    /// A name that nobody else has: its texts begin with it.
    pub name: String,
    /// The room.
    pub channel: String,
    /// Servers. It begins with the first, and tries the next when one is not there.
    pub servers: Vec<SocketAddr>,
    /// An access token. Without it, it reads.
    pub token: Option<String>,
    /// How long it is silent after each thing it said was acknowledged. Without it, it says nothing.
    pub says_every: Option<Duration>,
}

/// A client that runs until it is told to go.
pub struct Regular {
    state: Arc<Mutex<State>>,
    speaks: watch::Sender<bool>,
    /// How often it was told to go to its first server.
    home: watch::Sender<usize>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    transcript: Transcript,
    is_in: bool,
    alone: bool,
    /// What it says, and has not been acknowledged yet: its id, its text, and when it was last sent.
    pending: Option<(String, String, Option<Instant>)>,
    said: usize,
    connections: usize,
}

impl Regular {
    /// Begins.
    #[must_use]
    pub fn start(habits: Habits) -> Self {
        let state = State { transcript: Transcript::new(&habits.name), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let (speaks, speaking) = watch::channel(true);
        let (home, go_home) = watch::channel(0);
        let task = tokio::spawn(stay(habits, state.clone(), speaking, go_home));
        Self { state, speaks, home, task }
    }

    /// Whether it is in the room, with all servers together. The epoch and the last offset that it has.
    #[must_use]
    pub fn place(&self) -> Option<(String, u64)> {
        let state = self.state();
        let place = state.transcript.place().map(|(epoch, head)| (epoch.to_owned(), head));
        place.filter(|_| state.is_in && !state.alone)
    }

    /// Whether it is in the room, at a server that cannot reach the others.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        let state = self.state();
        state.is_in && state.alone
    }

    /// How much of what it said was acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.state().transcript.acknowledged()
    }

    /// How often it had to connect.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// It connects anew, to its first server.
    pub fn go_home(&self) {
        self.home.send_modify(|times| *times += 1);
    }

    /// It says nothing new. False while something is not acknowledged.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.speaks.send_replace(false);
        self.state().pending.is_none()
    }

    /// It goes. What it was told.
    #[must_use]
    pub fn end(self) -> Transcript {
        self.task.abort();
        std::mem::take(&mut self.state().transcript)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

/// Connects again and again.
async fn stay(
    habits: Habits,
    state: Arc<Mutex<State>>,
    speaking: watch::Receiver<bool>,
    mut go_home: watch::Receiver<usize>,
) {
    let mut tries = 0;
    loop {
        let server = habits.servers[tries % habits.servers.len()];
        tries += 1;
        if let Ok(Some(mut socket)) = tokio::time::timeout(ANSWER_WITHIN, connect(&habits, server, &state)).await {
            tokio::select! {
                () = talk(&habits, &state, &speaking, &mut socket) => {}
                Ok(()) = go_home.changed() => tries = 0,
            }
            let mut state = state.lock().expect("no one panics while holding it");
            state.is_in = false;
            // What was sent may not have arrived.
            if let Some((.., sent)) = &mut state.pending {
                *sent = None;
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn connect(habits: &Habits, server: SocketAddr, state: &Mutex<State>) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(server).await.ok()?;
    let url = format!("ws://{server}/api/v1/channels/{}/chat", habits.channel);
    let (mut socket, _) = client_async(url.into_client_request().ok()?, stream).await.ok()?;
    let place = {
        let mut state = state.lock().expect("no one panics while holding it");
        state.connections += 1;
        state.transcript.place().map(|(epoch, offset)| (epoch.to_owned(), offset))
    };
    let (epoch, since) = place.unzip();
    let join = json!({"type": "join", "token": habits.token, "epoch": epoch, "since": since, "batch": true});
    socket.send(Message::text(join.to_string())).await.ok()?;
    Some(socket)
}

/// Hears and says until the connection ends.
async fn talk(
    habits: &Habits,
    state: &Mutex<State>,
    speaking: &watch::Receiver<bool>,
    socket: &mut WebSocketStream<TcpStream>,
) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut silent_since: Option<Instant> = None;
    loop {
        let frame = tokio::select! {
            frame = socket.next() => frame,
            _ = look.tick(), if habits.says_every.is_some() => {
                let say = {
                    let mut state = state.lock().expect("no one panics while holding it");
                    if state.pending.is_none() {
                        silent_since.get_or_insert_with(Instant::now);
                    }
                    state.next(habits, *speaking.borrow(), &mut silent_since)
                };
                if let Some(say) = say
                    && socket.send(Message::text(say.to_string())).await.is_err()
                {
                    return;
                }
                continue;
            }
        };
        match frame {
            Some(Ok(Message::Text(text))) => {
                let mut state = state.lock().expect("no one panics while holding it");
                match serde_json::from_str(&text).expect("the server sends JSON") {
                    Value::Array(many) => many.iter().for_each(|frame| state.hear(frame)),
                    one => state.hear(&one),
                }
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            Some(Ok(_)) => {}
        }
    }
}

impl State {
    fn hear(&mut self, frame: &Value) {
        self.transcript.hear(frame);
        match frame["type"].as_str().unwrap_or_default() {
            "joined" => {
                self.is_in = true;
                self.alone = frame["alone"] == true;
            }
            "epoch" => self.alone = frame["alone"] == true,
            "ack" if self.pending.as_ref().is_some_and(|(id, ..)| frame["id"] == **id) => self.pending = None,
            _ => {}
        }
    }

    /// What is to be said now.
    fn next(&mut self, habits: &Habits, may_begin: bool, silent_since: &mut Option<Instant>) -> Option<Value> {
        if !self.is_in {
            return None;
        }
        let pause = habits.says_every?;
        if self.pending.is_none() && may_begin && silent_since.is_some_and(|since| since.elapsed() >= pause) {
            self.said += 1;
            *silent_since = None;
            let (id, text) = (format!("{}-{}", habits.name, self.said), format!("{} says {}", habits.name, self.said));
            self.transcript.says(&id, &text);
            self.pending = Some((id, text, None));
        }
        let (id, text, sent) = self.pending.as_mut()?;
        if sent.is_some_and(|sent| sent.elapsed() < SAY_AGAIN_AFTER) {
            return None;
        }
        *sent = Some(Instant::now());
        Some(json!({"type": "say", "id": id, "text": text}))
    }
}

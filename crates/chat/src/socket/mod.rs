//! WebSocket (RFC 6455) over the server's own HTTP: the handshake, then a task for each client.
//!
//! `connection` is that task, `talker` who is at its other end. `line` moves its bytes, `frame` knows what they mean,
//! `desk` holds what is for it alone; `limits` counts, and `moderation` does what the store has to know. Compression is
//! not offered: it would cost each connection more memory than all the rest, and shared bytes could not be shared.

mod connection;
pub(crate) mod desk;
pub(crate) mod frame;
mod limits;
mod line;
mod moderation;
mod talker;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use ractor::{ActorCell, SpawnErr};
use tokio::{
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;
use tungstenite::handshake::derive_accept_key;
use weir_identity::{AccountId, ChannelId, ChannelName, site::is_page_of};

use self::limits::{Addresses, Bounds, TooMany};
use crate::{
    config::Config,
    fabric::{Fabric, Signal},
    filter::{Filter, Word, list::Current},
    gate::Gate,
    room::{
        ClientId, Event, MessageId, Person,
        actor::Msg,
        event::{Message, Reply},
        log::Terms,
        rules::Sentence,
    },
    rooms::Rooms,
};

/// How long connections may take to hear that the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(6);

/// Connections that ask the gate anew at once: a room of thousands does when its channel is closed.
const ASKING_MAX: usize = 64;

/// Whom a request comes from, seen through proxies that are trusted: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

/// What all connections share.
struct Shared {
    gate: Arc<dyn Gate>,
    rooms: Rooms,
    fabric: Arc<dyn Fabric>,
    config: Arc<Config>,
    addresses: Arc<Addresses>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Places for those who ask the gate anew.
    asking: Semaphore,
    slow: Counter,
    open: Gauge,
}

/// Chat. Cheap to clone.
#[derive(Clone)]
pub struct Chat(Arc<Shared>);

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("rooms", &self.0.rooms).finish_non_exhaustive()
    }
}

impl Chat {
    /// Chat over `fabric`, for whom `gate` lets in, without `words`. Nobody may come before [`Self::start`].
    #[must_use]
    pub fn new(config: Config, gate: Arc<dyn Gate>, fabric: Arc<dyn Fabric>, words: Current) -> Self {
        describe_gauge!("weir_chat_connections", "Chat connections that are open.");
        describe_gauge!("weir_chat_rooms", "Rooms that somebody on this node is in.");
        describe_counter!("weir_chat_messages_total", "What was said and done in rooms of this node.");
        describe_counter!("weir_chat_deliveries_total", "Frames of rooms, counted once for each who is sent them.");
        describe_counter!("weir_chat_slow_total", "Connections that were told to come back since they did not read.");
        describe_counter!("weir_chat_refused_total", "Connections that were refused.");
        let config = Arc::new(config);
        let addresses = Addresses::new(Bounds {
            connections: config.connections,
            per_address: config.connections_per_address,
            joins: config.limits_rates().then_some(config.joins_per_address),
        });
        Self(Arc::new(Shared {
            rooms: Rooms::new(fabric.clone(), config.clone(), gate.clone(), words),
            gate,
            fabric,
            config,
            addresses,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            asking: Semaphore::new(ASKING_MAX),
            slow: counter!("weir_chat_slow_total"),
            open: gauge!("weir_chat_connections"),
        }))
    }

    /// Starts the owner of the rooms under `supervisor`.
    ///
    /// # Errors
    /// When `supervisor` is stopping.
    pub async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        self.0.rooms.start(supervisor).await
    }

    /// Tells everybody to come back, and waits until they have been told.
    pub async fn drain(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        // Whoever is in a room hears of it there; whoever is about to enter one finds none.
        self.0.rooms.drain().await;
        let _ = tokio::time::timeout(DRAIN_MAX, self.0.tasks.wait()).await;
    }

    /// Somebody was banned elsewhere, or is so no longer: rooms hear of it, on every node, and what they said goes.
    /// With a sentence comes who decided.
    pub fn sentence(&self, channel: ChannelId, account: AccountId, decided: Option<(Sentence, AccountId)>) {
        let fabric = &self.0.fabric;
        match decided {
            Some((sentence, by)) => {
                let cleared = Event::Cleared { user: Some(account), by, sentence: Some(sentence) };
                // The ban is kept, whether rooms can be told or not.
                fabric.append(channel, cleared, Terms::default(), Box::new(|_| {}));
            }
            None => fabric.signal(channel, Signal::Sentence { account, sentence: None }),
        }
    }

    /// What is known of who is in a room has changed: everybody, or one account, is asked anew, on every node. Whoever
    /// may no longer be there goes when it is asked `at_once`.
    pub fn rights_changed(&self, channel: ChannelId, account: Option<AccountId>, at_once: bool) {
        self.0.fabric.signal(channel, Signal::Anew { account, at_once });
    }

    /// What is known of an account has changed: it is asked anew wherever it is on this node, at once.
    pub fn account_changed(&self, account: AccountId) {
        self.0.rooms.ask_anew(account);
    }

    /// Queues of a channel's moderators have changed; they are told so, on every node.
    pub fn queues_changed(&self, channel: ChannelId, held: Option<u64>, reported: Option<u64>) {
        self.0.fabric.signal(channel, Signal::Queues { held, reported });
    }

    /// A channel has other emotes: who is in its rooms is told so, on every node. Without a channel, those of all
    /// channels are others: rooms of this node tell it wherever they are.
    pub fn emotes_changed(&self, channel: Option<ChannelId>) {
        match channel {
            Some(channel) => self.0.fabric.signal(channel, Signal::Emotes),
            None => self.0.rooms.emotes_changed(),
        }
    }

    /// A channel has other words of its own: its rooms read them, on every node.
    pub fn words_changed(&self, channel: ChannelId, version: u32) {
        self.0.fabric.signal(channel, Signal::Words { version });
    }

    /// Whether words can be looked for.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn check_words(words: Vec<Word>) -> Result<(), String> {
        let made = spawn_blocking(move || Filter::new(&words).map(drop)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Says something in somebody's name that a moderator allowed, once for each `once` of that person. False when it
    /// could not be said.
    pub async fn allow(
        &self,
        channel: ChannelId,
        user: Person,
        text: String,
        reply_to: Option<Reply>,
        once: ClientId,
    ) -> bool {
        let Some(guest) = self.0.rooms.enter(channel).await else { return false };
        let now = Timestamp::now();
        let at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let message = Message { id: MessageId::new(), user, text, at, reply_to, deleted: false };
        let (done, said) = oneshot::channel();
        guest.room.actor.cast(Msg::Allow { message, once, done }).is_ok() && said.await.unwrap_or(false)
    }

    /// A message that stands in a room, if it was said lately.
    pub async fn message(&self, channel: ChannelId, id: MessageId) -> Option<Message> {
        let guest = self.0.rooms.enter(channel).await?;
        let (reply, found) = oneshot::channel();
        guest.room.actor.cast(Msg::Find(id, reply)).ok()?;
        found.await.ok()?
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.addresses.connections()
    }

    /// The route: `/api/v1/channels/{name}/chat`.
    pub fn router(&self) -> Router {
        Router::new().route("/api/v1/channels/{name}/chat", get(open)).with_state(self.clone())
    }
}

/// Turns a request into a connection.
async fn open(State(Chat(shared)): State<Chat>, Path(name): Path<String>, mut request: Request) -> Response {
    let Ok(channel) = ChannelName::parse(&name) else { return refused(Refused::NotFound) };
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(why) => return refused(why),
    };
    if !may_open(request.headers(), &shared.config.origins) {
        return refused(Refused::Origin);
    }
    if shared.stop.is_cancelled() {
        return refused(Refused::Full);
    }
    let address = request.extensions().get::<Remote>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |from| from.0.ip());
    let counted = match shared.addresses.take(address, Instant::now()) {
        Ok(counted) => counted,
        Err(TooMany::Connections) => return refused(Refused::Full),
        Err(TooMany::FromAddress | TooMany::Joins) => return refused(Refused::TooMany),
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else { return refused(Refused::NoUpgrade) };
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                shared.open.increment(1.0);
                connection::carry(TokioIo::new(upgraded), shared.clone(), channel, address).await;
                shared.open.decrement(1.0);
            }
            Err(error) => debug!(%error, "a handshake was not finished"),
        }
        drop(counted);
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Why a request does not become a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    NotFound,
    NoUpgrade,
    WrongVersion,
    Origin,
    TooMany,
    Full,
}

fn refused(why: Refused) -> Response {
    counter!("weir_chat_refused_total").increment(1);
    let (status, name, title) = match why {
        Refused::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
        Refused::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "websocket-needed", "A room is entered over WebSocket"),
        Refused::WrongVersion => {
            (StatusCode::UPGRADE_REQUIRED, "websocket-needed", "Only version 13 of WebSocket is spoken here")
        }
        Refused::Origin => (StatusCode::FORBIDDEN, "wrong-origin", "Pages of another site may not open rooms here"),
        Refused::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many connections from one address"),
        Refused::Full => (StatusCode::SERVICE_UNAVAILABLE, "crowded", "No more connections are taken right now"),
    };
    let body = format!(r#"{{"type":"urn:weir:problem:{name}","title":"{title}","status":{}}}"#, status.as_u16());
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    let headers = response.headers_mut();
    match status {
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        _ => {}
    }
    response
}

/// The answer to a handshake (RFC 6455 §4.2.2).
fn accept_key(request: &Request) -> Result<HeaderValue, Refused> {
    let headers = request.headers();
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    let is_handshake = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket");
    if !is_handshake {
        return Err(Refused::NoUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refused::WrongVersion);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refused::NoUpgrade)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Refused::NoUpgrade)
}

/// Whether a page of that origin may open a room: one of ours, or one that is allowed. Programs that are no browsers
/// send none. What else browsers say of a page is not asked: nothing here counts on a cookie, and `Origin` always comes
/// with a handshake.
fn may_open(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    is_page_of(origin, host)
}

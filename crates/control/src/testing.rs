//! A server's API over a real, empty store, for the tests of routes.

use std::{net::IpAddr, pin::Pin, sync::Arc};

use axum::{Router, body::Body, http::Request};
use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt;
use weir_identity::{AccountId, ChannelId, ChannelName, KeyId, KeySecret, MessageId, VodId};

use crate::{
    api::{self, Api},
    auth::{self, Auth, Origin},
    bans::Ban,
    channels::Visibility,
    emotes::{self, Images, Maker, NotMade, Picture},
    held::Held,
    limits::{self, Limits},
    oidc::{self, Oidc},
    places::Places,
    playback::PlaybackTokens,
    presence::{HealthInfo, HealthMessage, LiveInfo, Presence},
    reports::Message,
    rooms::{Changed, NotSaid, Rooms, Said, Waiting},
    sqlite::Sqlite,
    store::{self, Store},
    webhooks::{self, Announcer},
    words::Word,
};

/// Anna is live with three viewers; nobody else is. Notes what it is told.
#[derive(Default)]
pub(crate) struct AnnaIsLive(Mutex<Vec<String>>);

impl Presence for AnnaIsLive {
    fn live(&self, channel: &ChannelName) -> Option<LiveInfo> {
        let started_at: Timestamp = "2026-11-21T07:00:00Z".parse().unwrap();
        (channel.as_str() == "anna").then(|| LiveInfo { started_at, viewers: 3, renditions: Vec::new() })
    }

    fn live_channels(&self) -> Vec<ChannelName> {
        vec!["anna".parse().unwrap()]
    }

    fn health(&self, channel: &ChannelName) -> Option<HealthInfo> {
        let live = channel.as_str() == "anna";
        let told = HealthMessage { subject: "b-frames".into(), text: "Set B-frames to 0.".into() };
        live.then(|| HealthInfo { live, b_frames: Some(true), messages: vec![told], ..HealthInfo::default() })
    }

    fn serves_whep(&self) -> bool {
        true
    }

    fn end(&self, channel: &ChannelName) {
        self.0.lock().push(format!("end {channel}"));
    }

    fn visibility_changed(&self, channel: &ChannelName, visibility: Visibility) {
        self.0.lock().push(format!("{channel} is {}", visibility.as_str()));
    }

    fn vod_changed(&self, id: VodId) {
        self.0.lock().push(format!("vod {id}"));
    }

    fn followed(&self, _: weir_identity::ChannelId, _: weir_identity::AccountId, since: Option<Timestamp>) {
        self.0.lock().push(if since.is_some() { "follows" } else { "follows no more" }.to_owned());
    }

    fn emotes_changed(&self, channel: Option<weir_identity::ChannelId>) {
        self.0.lock().push(if channel.is_some() { "emotes of a channel" } else { "emotes of all" }.to_owned());
    }

    fn revoked(&self, keys: &[KeyId]) {
        self.0.lock().extend(keys.iter().map(|key| format!("revoked {key}")));
    }
}

impl Rooms for AnnaIsLive {
    fn banned(&self, _: ChannelId, _: AccountId, ban: Option<&Ban>) {
        self.0.lock().push(format!("banned {}", ban.is_some()));
    }

    fn rights_changed(&self, changed: Changed) {
        let what = match changed {
            Changed::Channel(_) => "channel",
            Changed::Role(..) => "role",
            Changed::Addresses(_) => "addresses",
            Changed::Account(_) => "account",
        };
        self.0.lock().push(format!("rights of {what}"));
    }

    fn waiting(&self, _: ChannelId, waiting: Waiting) {
        self.0.lock().push(format!("{waiting:?}"));
    }

    fn words_changed(&self, _: ChannelId, version: u32) {
        self.0.lock().push(format!("words {version}"));
    }

    fn check_words(&self, words: Vec<Word>) -> Said<'_, Result<(), String>> {
        let bad = words.iter().find(|word| word.word.chars().all(|c| c == '*'));
        Box::pin(std::future::ready(bad.map_or(Ok(()), |word| Err(format!("`{}` is no word", word.word)))))
    }

    fn say(&self, _: ChannelId, held: Held) -> Said<'_, Result<(), NotSaid>> {
        let banned = held.text == "of somebody banned";
        self.0.lock().extend((!banned).then(|| format!("said {}", held.text)));
        Box::pin(std::future::ready(if banned { Err(NotSaid::Author) } else { Ok(()) }))
    }

    fn message(&self, _: ChannelId, id: MessageId) -> Said<'_, Option<Message>> {
        let (author, at) = (AccountId::from_bytes([9; 16]), Timestamp::UNIX_EPOCH);
        // One that ends on 7 stands in the room.
        let stands = id.as_bytes()[15] == 7;
        let message = Message { id, author, author_name: "somebody".parse().unwrap(), text: "bad".into(), at };
        Box::pin(std::future::ready(stands.then_some(message)))
    }
}

/// Takes what begins with `picture`.
struct Makes;

impl Maker for Makes {
    fn make(&self, sent: Bytes) -> Pin<Box<dyn Future<Output = Result<Picture, NotMade>> + Send + '_>> {
        let made = match &sent[..] {
            b"busy" => Err(NotMade::Busy),
            sent if sent.starts_with(b"picture") => {
                let png = Bytes::from([b"made of ", sent].concat());
                Ok(Picture { png, width: 128, height: 64, animated: false })
            }
            _ => Err(NotMade::Refused("this is no picture".into())),
        };
        Box::pin(std::future::ready(made))
    }
}

struct Here;

impl Places for Here {
    fn rtmp_server(&self, host: Option<&str>) -> String {
        format!("rtmp://{}:1935/live", host.unwrap_or("localhost"))
    }

    fn whip(&self, authority: Option<&str>, tls: bool) -> String {
        format!("{}://{}/whip", if tls { "https" } else { "http" }, authority.unwrap_or("localhost:8080"))
    }
}

/// A server with an empty store. Cloned, it is the same server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sqlite: Arc<Sqlite>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) announcer: Announcer,
    pub(crate) secret: KeySecret,
    presence: Arc<AnnaIsLive>,
    router: Router,
    from: Option<IpAddr>,
    _directory: Arc<tempfile::TempDir>,
}

/// What it answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) kind: String,
    pub(crate) cookie: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) retry_after: Option<u64>,
    /// Which other sites may read it, and whether with what the browser knows of its user (CORS).
    pub(crate) allowed: [Option<String>; 2],
}

impl Answer {
    /// A text of the answer.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::limited(&limits::Config::default()).await
    }

    pub(crate) async fn limited(limits: &limits::Config) -> Self {
        Self::open(limits, auth::Config::default()).await
    }

    /// A server with login providers.
    pub(crate) async fn with_providers(oidc: oidc::Providers) -> Self {
        Self::open(&limits::Config::default(), auth::Config { oidc, ..auth::Config::default() }).await
    }

    /// A server with login providers where nobody may register.
    pub(crate) async fn closed(oidc: oidc::Providers) -> Self {
        let config = auth::Config { oidc, registration: false, ..auth::Config::default() };
        Self::open(&limits::Config::default(), config).await
    }

    async fn open(limits: &limits::Config, config: auth::Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(directory.path().join("weir.db"), &store::Config::default()).await.unwrap();
        let sqlite = Arc::new(sqlite);
        let store: Arc<dyn Store> = sqlite.clone();
        let secret = store.key_secret().await.unwrap();
        let auth = Auth::open(store.clone(), &secret, config.clone()).await.unwrap();
        let oidc = Oidc::new(store.clone(), auth.clone(), secret.clone(), &config);
        let presence = Arc::new(AnnaIsLive::default());
        let playback = PlaybackTokens::new(&secret);
        let limits = Limits::new(limits, secret.clone());
        let announcer = Announcer::new(store.clone());
        let images = Images::new(store.clone());
        let router = api::router(Api {
            emotes: emotes::Config::default(),
            pictures: Arc::new(Makes),
            images: images.clone(),
            limits,
            store: store.clone(),
            presence: presence.clone(),
            auth: auth.clone(),
            oidc,
            announcer: announcer.clone(),
            webhooks: webhooks::Client::new(false),
            places: Arc::new(Here),
            secret: secret.clone(),
            playback,
        });
        let router = router.merge(images.router());
        Self { store, sqlite, auth, announcer, secret, presence, router, from: None, _directory: Arc::new(directory) }
    }

    /// The same server, called from an address.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self { from: Some(address.parse().unwrap()), ..self.clone() }
    }

    /// What the rest of the server was told so far.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.presence.0.lock())
    }

    /// What comes back, as it is.
    pub(crate) async fn respond(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(address) = self.from {
            request = request.extension(Origin { address, tls: false });
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    /// What comes back of a request that is whole.
    pub(crate) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let response = self.respond(method, path, headers, body).await;
        let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, cookie, etag) = (response.status().as_u16(), text("set-cookie"), text("etag"));
        let retry_after = text("retry-after").map(|seconds| seconds.parse().unwrap());
        let kind = text("content-type").unwrap_or_default();
        let allowed = ["access-control-allow-origin", "access-control-allow-credentials"].map(text);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status, body, kind, cookie, etag, retry_after, allowed }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &[], body).await
    }

    pub(crate) async fn register(&self, name: &str) -> Answer {
        self.post("/api/v1/auth/register", json!({"username": name, "password": "correct horse"})).await
    }

    /// The access token of somebody who registers now.
    pub(crate) async fn token(&self, name: &str) -> String {
        self.register(name).await.text("access_token").to_owned()
    }

    pub(crate) async fn with(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        self.call(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }
}

//! Offers over the routes, and peers over real sockets on the loopback.

mod peer;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tower::ServiceExt as _;
use weir_identity::{ChannelName, KeyId, StreamKey};
use weir_media::{EndReason, Event, Kick, Publish, Registry, TrackId, registry::Conflict};
use weir_peer::{
    resource::{FRAGMENT, SDP},
    socket::Sockets,
    transport::{Certificate, Credentials, Reason},
};

use self::peer::Peer;
use super::{Config, Remote, Whip};
use crate::{Denied, Gate};

const KEY: &str = "the-key-of-anna";

/// Knows one key, and a few that are refused.
struct OneKey;

impl Gate for OneKey {
    async fn admit(&self, key: StreamKey, _: SocketAddr) -> Result<Publish, Denied> {
        match key.reveal() {
            KEY => Ok(publish("anna", Conflict::TakeOver)),
            "the-key-that-yields" => Ok(publish("anna", Conflict::Refuse)),
            "a-revoked-key" => Err(Denied::Revoked),
            "a-key-too-many" => Err(Denied::TooManyAttempts),
            "a-key-in-an-outage" => Err(Denied::Unavailable),
            "a-key-for-the-patient" => std::future::pending().await,
            _ => Err(Denied::UnknownKey),
        }
    }
}

fn publish(channel: &str, conflict: Conflict) -> Publish {
    Publish {
        channel: ChannelName::parse(channel).unwrap(),
        key: KeyId::new(),
        conflict,
        private: false,
        protocol: "rtmp",
    }
}

/// Stands above the owner of the sessions.
struct Top;

impl Actor for Top {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Node {
    whip: Whip<OneKey>,
    router: Router,
    registry: Registry,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Node {
    async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    async fn start_with(config: Config) -> Self {
        let webrtc = weir_peer::Config { listen: ([127, 0, 0, 1], 0).into(), ..weir_peer::Config::default() };
        let sockets = Sockets::bind(&webrtc).unwrap();
        let registry = Registry::new(9);
        let certificate = Certificate::generate().unwrap();
        let whip = Whip::new(config, Arc::new(OneKey), registry.clone(), sockets, certificate, Vec::new());
        let (top, _) = Actor::spawn(None, Top, ()).await.unwrap();
        whip.spawn(top.get_cell()).await.unwrap();
        let router = whip.router().layer(axum::Extension(Remote(([192, 0, 2, 9], 7).into())));
        Self { whip, router, registry }
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answered {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answered { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn post(&self, key: &str, offer: &str) -> Answered {
        let bearer = format!("Bearer {key}");
        self.ask("POST", "/whip", &[("authorization", &bearer), ("content-type", SDP)], offer.to_owned()).await
    }

    /// A peer whose offer was answered, and where its session is.
    async fn offered(&self) -> (Peer, Answered) {
        let mut peer = Peer::new().await;
        let answered = self.post(KEY, &peer.offer()).await;
        assert_eq!(answered.status, 201, "{}", answered.body);
        peer.answered(&answered.body);
        (peer, answered)
    }

    /// A peer that is live.
    async fn live(&self) -> (Peer, Answered) {
        let (mut peer, answered) = self.offered().await;
        peer.connect().await;
        (peer, answered)
    }

    /// Waits until `channel` is live by WHIP.
    async fn until_live(&self, channel: &str) -> Arc<weir_media::Live> {
        let channel = ChannelName::parse(channel).unwrap();
        loop {
            match self.registry.get(&channel) {
                Some(live) if live.publish.protocol == "whip" => return live,
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_connects_goes_live_and_is_gone_after_delete() {
    let node = Node::start().await;
    let (mut peer, answered) = node.offered().await;
    assert!(node.registry.is_empty(), "who is not connected holds no channel");
    assert!(answered.header(header::LOCATION).starts_with("/whip/"));
    assert!(!answered.header(header::ETAG).is_empty());
    peer.connect().await;
    let live = node.until_live("anna").await;
    assert!(live.announced().audio && live.announced().video);
    let mut subscriber = live.subscribe();
    peer.say_until(|| {
        subscriber.try_recv().is_some_and(|event| {
        matches!(event, Event::Frame(frame) if frame.track == TrackId::AUDIO && frame.data[..] == *peer::SOUND)
    })
    })
    .await;
    let location = answered.header(header::LOCATION);
    assert_eq!(node.ask("DELETE", location, &[], "").await.status, 200);
    assert_eq!(peer.closed().await, Reason::Peer);
    live.ended().await;
    assert_eq!(live.end_reason(), Some(EndReason::Left));
    assert_eq!(node.ask("DELETE", location, &[], "").await.status, 404);
    assert_eq!(node.whip.0.table.len(), 0);
}

#[tokio::test]
async fn a_kicked_peer_is_told_and_its_place_is_free() {
    let node = Node::start().await;
    let (mut peer, answered) = node.live().await;
    node.until_live("anna").await.kick(Kick::Ended);
    assert_eq!(peer.closed().await, Reason::Peer);
    let location = answered.header(header::LOCATION).to_owned();
    while node.ask("DELETE", &location, &[], "").await.status != 404 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_peer_takes_the_channel_over_only_when_it_is_connected() {
    let node = Node::start().await;
    let older = node.registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
    let (mut peer, _) = node.offered().await;
    assert!(!older.live().is_told_to_go(), "an offer alone ends nothing");
    peer.connect().await;
    assert_eq!(older.kicked().await, Kick::TakenOver);
}

#[tokio::test]
async fn a_peer_that_says_goodbye_ends_its_publish() {
    let node = Node::start().await;
    let (mut peer, _) = node.live().await;
    let live = node.until_live("anna").await;
    peer.close().await;
    live.ended().await;
    assert_eq!(live.end_reason(), Some(EndReason::Left));
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let node = Node::start().await;
    let offer = Peer::new().await.offer();
    let _busy = node.registry.publish(publish("anna", Conflict::TakeOver)).unwrap();
    let check = async |key: &str, offer: &str, want: u16| {
        let answered = node.post(key, offer).await;
        assert_eq!(answered.status, want, "{key}: {}", answered.body);
        assert_eq!(answered.header(header::CONTENT_TYPE), "application/problem+json");
        assert!(answered.body.contains("urn:weir:problem:"), "{}", answered.body);
        answered
    };
    let unknown = check("some-other-key", &offer, 401).await;
    assert!(unknown.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
    check("no key", &offer, 401).await;
    check("a-revoked-key", &offer, 403).await;
    check("the-key-that-yields", &offer, 409).await;
    assert_eq!(check("a-key-too-many", &offer, 429).await.header(header::RETRY_AFTER), "60");
    assert!(!check("a-key-in-an-outage", &offer, 503).await.header(header::RETRY_AFTER).is_empty());
    check(KEY, "v=0\r\nnonsense", 400).await;
    check(KEY, &offer.repeat(200), 413).await;
    check(KEY, &offer.replace("opus", "G722").replace("H264", "H263"), 415).await;
    check(KEY, &offer.replace("a=setup:actpass", "a=setup:passive"), 422).await;
    let json = [("authorization", "Bearer the-key-of-anna"), ("content-type", "application/json")];
    let answered = node.ask("POST", "/whip", &json, offer.clone()).await;
    assert_eq!((answered.status.as_u16(), answered.headers["accept-post"].to_str().unwrap()), (415, SDP));
    assert_eq!(node.ask("POST", "/whip", &[("content-type", SDP)], offer.clone()).await.status, 401);
    assert_eq!(node.whip.0.table.len(), 0);
    node.whip.drain().await;
    check(KEY, &offer, 503).await;
}

#[tokio::test]
async fn neither_a_body_nor_the_gate_is_waited_for_without_end() {
    let node = Node::start().await;
    let offer = Peer::new().await.offer();
    tokio::time::pause();
    assert_eq!(node.post("a-key-for-the-patient", &offer).await.status, 503);
    let headers = [("authorization", "Bearer the-key-of-anna"), ("content-type", SDP)];
    assert_eq!(node.ask("POST", "/whip", &headers, Body::new(Endless)).await.status, 408);
}

/// A body that never ends.
struct Endless;

impl axum::body::HttpBody for Endless {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_options_tell_what_works() {
    let node = Node::start().await;
    for uri in ["/whip", "/whip/0123456789abcdef0123456789abcdef"] {
        for method in ["GET", "HEAD", "PUT"] {
            let answered = node.ask(method, uri, &[], "").await;
            assert_eq!(answered.status, 405, "{method} {uri}");
            assert!(answered.header(header::ALLOW).contains("OPTIONS"), "{method} {uri}");
        }
        let answered = node.ask("OPTIONS", uri, &[], "").await;
        assert_eq!(answered.status, 204);
        assert_eq!(answered.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    }
    assert_eq!(node.ask("PATCH", "/whip/0123", &[], "").await.status, 404);
}

#[tokio::test]
async fn ice_restarts_by_patch_and_the_stream_goes_on() {
    let node = Node::start().await;
    let (mut peer, answered) = node.live().await;
    let live = node.until_live("anna").await;
    let (location, tag) = (answered.header(header::LOCATION), answered.header(header::ETAG));
    let patch = async |if_match: &str, body: &str| {
        let headers = [("content-type", FRAGMENT), ("if-match", if_match)];
        node.ask("PATCH", location, &headers, body.to_owned()).await
    };
    let trickle = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n";
    assert_eq!(patch(tag, trickle).await.status, 204);
    assert_eq!(patch("\"another\"", trickle).await.status, 412);
    assert_eq!(node.ask("PATCH", location, &[("content-type", FRAGMENT)], trickle).await.status, 428);
    let credentials = Credentials::random();
    let restarted = patch("*", &peer::fragment(&credentials)).await;
    assert_eq!(restarted.status, 200, "{}", restarted.body);
    assert_eq!(patch(tag, trickle).await.status, 412, "the tag is another now");
    assert_eq!(patch(restarted.header(header::ETAG), trickle).await.status, 204);
    peer.restarted(credentials, &restarted.body).await;
    let mut subscriber = live.subscribe();
    peer.say_until(|| matches!(subscriber.try_recv(), Some(Event::Frame(_)))).await;
    assert_eq!(live.end_reason(), None);
}

#[tokio::test]
async fn who_has_the_key_does_not_take_every_place() {
    let node = Node::start_with(Config { pending_max: 5, ..Config::default() }).await;
    let (_, first) = node.offered().await;
    for _ in 0..8 {
        node.offered().await;
    }
    while node.ask("PATCH", first.header(header::LOCATION), &[], "").await.status != 404 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn draining_tells_every_publisher() {
    let node = Node::start().await;
    let (mut peer, _) = node.live().await;
    let live = node.until_live("anna").await;
    let (_, reason) = tokio::join!(node.whip.drain(), peer.closed());
    assert_eq!(reason, Reason::Peer);
    assert_eq!(live.end_reason(), Some(EndReason::Kicked(Kick::Shutdown)));
}

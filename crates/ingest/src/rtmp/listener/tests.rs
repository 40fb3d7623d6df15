//! The listener with real sockets and our own crude client.

mod encoders;

use rml_amf0::Amf0Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weir_identity::{ChannelName, KeyId, StreamKey};
use weir_media::{Conflict, Event, Kick, Live, Observer, Publish, Subscriber};

use super::*;
use crate::{
    Denied,
    rtmp::{
        chunks::{Writer, kind},
        command,
    },
};

/// Knows the keys `key-CHANNEL`; panics at `panic-key`.
struct TestGate(Conflict);

impl Gate for TestGate {
    async fn admit(&self, key: StreamKey, _: SocketAddr) -> Result<Publish, Denied> {
        assert_ne!(key.reveal(), "panic-key", "this key makes the gate panic");
        let channel = key.reveal().strip_prefix("key-").and_then(|name| ChannelName::parse(name).ok());
        let channel = channel.ok_or(Denied::UnknownKey)?;
        Ok(Publish { channel, key: KeyId::new(), conflict: self.0, private: false, protocol: "" })
    }
}

/// Hands every new publish to the test, subscribed before its first frame.
struct Watch(tokio::sync::mpsc::UnboundedSender<(Arc<Live>, Subscriber)>);

impl Observer for Watch {
    fn began(&self, live: &Arc<Live>) {
        let _ = self.0.send((live.clone(), live.subscribe()));
    }
}

/// Whoever owns the listener, and must not die with it.
struct Owner;

impl Actor for Owner {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Server {
    listeners: Listeners,
    registry: Registry,
    publishes: tokio::sync::mpsc::UnboundedReceiver<(Arc<Live>, Subscriber)>,
}

impl Server {
    async fn start() -> Self {
        Self::with(Conflict::TakeOver, None, |_| {}).await
    }

    async fn with(
        conflict: Conflict,
        tls: Option<Arc<rustls::ServerConfig>>,
        change: impl FnOnce(&mut crate::rtmp::Config),
    ) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut settings = crate::rtmp::Config { listen: loopback, tls_listen: loopback, ..Default::default() };
        change(&mut settings);
        let registry = Registry::new(100);
        let (sender, publishes) = tokio::sync::mpsc::unbounded_channel();
        registry.observe(Watch(sender));
        let (owner, _) = Actor::spawn(None, Owner, ()).await.unwrap();
        let gate = Arc::new(TestGate(conflict));
        let listeners =
            spawn(Config { rtmp: settings, ..Config::default() }, tls, gate, registry.clone(), owner.get_cell())
                .await
                .unwrap();
        Self { listeners, registry, publishes }
    }

    async fn client(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.listeners.address).await.unwrap())
    }

    async fn published(&mut self) -> (Arc<Live>, Subscriber) {
        self.publishes.recv().await.expect("the server runs")
    }
}

/// Says what it is told to, and searches what it hears for texts.
struct Client<S> {
    socket: S,
    writer: Writer,
    heard: Vec<u8>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    fn new(socket: S) -> Self {
        Self { socket, writer: Writer::new(), heard: Vec::new() }
    }

    async fn handshake(&mut self) {
        self.socket.write_all(&[&[3][..], &[0; 3072]].concat()).await.unwrap();
        let mut answer = [0; 3073];
        self.socket.read_exact(&mut answer).await.unwrap();
    }

    async fn say(&mut self, kind: u8, stream: u32, time: u32, body: &[u8]) {
        let mut bytes = Vec::new();
        self.writer.message(4, time, kind, stream, body, &mut bytes);
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn command(&mut self, name: &str, transaction: f64, arguments: &[&str]) {
        let arguments = arguments.iter().map(|text| Amf0Value::Utf8String((*text).to_owned())).collect();
        let body = command::body(name, transaction, Amf0Value::Null, arguments);
        self.say(kind::COMMAND, 1, 0, &body).await;
    }

    async fn connect(&mut self) {
        self.handshake().await;
        let app = Amf0Value::Object([("app".to_owned(), Amf0Value::Utf8String("live".into()))].into());
        self.say(kind::COMMAND, 0, 0, &command::body("connect", 1.0, app, vec![])).await;
        self.hears("NetConnection.Connect.Success").await;
    }

    async fn publish(&mut self, key: &str) {
        self.connect().await;
        self.command("createStream", 2.0, &[]).await;
        self.command("publish", 3.0, &[key, "live"]).await;
    }

    /// Reads on until a text has come.
    async fn hears(&mut self, text: &str) {
        while !self.heard.windows(text.len()).any(|window| window == text.as_bytes()) {
            let count = self.socket.read_buf(&mut self.heard).await.unwrap();
            assert!(count > 0, "closed without saying {text:?}: {:?}", String::from_utf8_lossy(&self.heard));
        }
    }

    /// Reads on until the server closes.
    async fn is_closed(&mut self) {
        while matches!(self.socket.read_buf(&mut self.heard).await, Ok(count) if count > 0) {}
    }

    async fn audio(&mut self, time: u32) {
        self.say(kind::AUDIO, 1, time, &[0xaf, 0, 0x11, 0x90]).await;
        self.say(kind::AUDIO, 1, time, &[0xaf, 1, 1, 2, 3]).await;
    }
}

/// A channel plays if a frame comes.
async fn frame(subscriber: &mut Subscriber) {
    while !matches!(subscriber.recv().await.expect("it is live"), Event::Frame(_)) {}
}

#[tokio::test]
async fn a_publisher_is_heard_and_says_goodbye() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.publish("key-anna").await;
    client.hears("NetStream.Publish.Start").await;
    client.audio(0).await;
    let (live, mut subscriber) = server.published().await;
    assert_eq!((live.publish.channel.as_str(), live.publish.protocol), ("anna", "rtmp"));
    frame(&mut subscriber).await;
    client.command("FCUnpublish", 0.0, &["key-anna"]).await;
    live.ended().await;
    client.hears("NetStream.Unpublish.Success").await;
}

#[tokio::test]
async fn one_connection_may_publish_again() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.publish("key-anna").await;
    let (first, _) = server.published().await;
    client.command("deleteStream", 0.0, &[]).await;
    first.ended().await;
    client.command("publish", 5.0, &["key-anna", "live"]).await;
    let (_, mut second) = server.published().await;
    client.audio(0).await;
    frame(&mut second).await;
}

#[tokio::test]
async fn a_dead_socket_ends_the_publish() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.publish("key-anna").await;
    let (live, _) = server.published().await;
    drop(client);
    live.ended().await;
    assert!(server.registry.is_empty());
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_words() {
    let server = Server::start().await;
    for key in ["who-is-this", "short", "no/such/key-at-all"] {
        let mut client = server.client().await;
        client.publish(key).await;
        client.hears("NetStream.Publish.BadName").await;
        client.hears("ey from your channel's settings.").await;
        client.is_closed().await;
    }
}

#[tokio::test]
async fn a_second_publisher_takes_over_and_the_first_is_told() {
    let mut server = Server::start().await;
    let mut first = server.client().await;
    first.publish("key-anna").await;
    first.hears("NetStream.Publish.Start").await;
    let mut second = server.client().await;
    second.publish("key-anna").await;
    second.hears("NetStream.Publish.Start").await;
    first.hears("Another publisher took over this channel.").await;
    first.is_closed().await;
    let (_, _) = server.published().await;
    let (_, mut subscriber) = server.published().await;
    second.audio(0).await;
    frame(&mut subscriber).await;
}

#[tokio::test]
async fn a_second_publisher_is_refused_where_the_channel_says_so() {
    let server = Server::with(Conflict::Refuse, None, |_| {}).await;
    let mut first = server.client().await;
    first.publish("key-anna").await;
    first.hears("NetStream.Publish.Start").await;
    let mut second = server.client().await;
    second.publish("key-anna").await;
    second.hears("This channel is already live").await;
    second.is_closed().await;
    assert_eq!(server.registry.len(), 1);
}

#[tokio::test]
async fn a_revoked_publisher_hears_why() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.publish("key-anna").await;
    client.hears("NetStream.Publish.Start").await;
    server.published().await.0.kick(Kick::KeyRevoked);
    client.hears("This stream key was revoked.").await;
    client.is_closed().await;
}

#[tokio::test]
async fn a_panic_in_one_session_touches_no_other() {
    let mut server = Server::start().await;
    let mut anna = server.client().await;
    anna.publish("key-anna").await;
    let (_, mut subscriber) = server.published().await;
    let mut other = server.client().await;
    other.publish("panic-key").await;
    other.is_closed().await;
    anna.audio(0).await;
    frame(&mut subscriber).await;
    let mut late = server.client().await;
    late.publish("key-berta").await;
    late.hears("NetStream.Publish.Start").await;
}

#[tokio::test]
async fn draining_tells_every_publisher_and_closes_the_port() {
    let mut server = Server::start().await;
    let mut publisher = server.client().await;
    publisher.publish("key-anna").await;
    publisher.hears("NetStream.Publish.Start").await;
    let (live, _) = server.published().await;
    let mut idle = server.client().await;
    idle.connect().await;
    let told = async {
        publisher.hears("The server is shutting down.").await;
        publisher.is_closed().await;
        idle.is_closed().await;
        drop((publisher, idle));
    };
    tokio::join!(server.listeners.drain(), told);
    assert_eq!(live.end_reason(), Some(weir_media::EndReason::Kicked(Kick::Shutdown)));
    assert!(server.registry.is_empty());
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_go_on() {
    let server = Server::with(Conflict::TakeOver, None, |config| config.connections_per_address_max = 2).await;
    let mut first = server.client().await;
    first.connect().await;
    let mut second = server.client().await;
    second.connect().await;
    server.client().await.is_closed().await;
    drop(second);
    // The place is free again once the server has seen the end of the second.
    loop {
        let mut another = server.client().await;
        let _ = another.socket.write_all(&[3]).await;
        let _ = another.socket.write_all(&[0; 1536]).await;
        if another.socket.read(&mut [0; 99]).await.is_ok_and(|count| count > 0) {
            break;
        }
    }
    first.command("_checkbw", 9.0, &[]).await;
    first.hears("_result").await;
}

#[tokio::test]
async fn strangers_of_an_address_do_not_lock_its_publishers_out() {
    let mut server = Server::start().await;
    let mut strangers = Vec::new();
    for number in 0..300 {
        let mut stranger = server.client().await;
        let said: &[u8] = if number % 2 == 0 { &[] } else { &[3] };
        stranger.socket.write_all(said).await.unwrap();
        strangers.push(stranger);
    }
    server.client().await.publish("key-anna").await;
    server.published().await;
}

#[tokio::test]
async fn garbage_costs_its_own_connection_only() {
    let mut server = Server::start().await;
    let mut anna = server.client().await;
    anna.publish("key-anna").await;
    let (_, mut subscriber) = server.published().await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 5000], &[3; 9000], &[255; 70_000]] {
        let mut client = server.client().await;
        let _ = client.socket.write_all(garbage).await;
        client.is_closed().await;
    }
    let mut nested = server.client().await;
    nested.handshake().await;
    let mut bytes = Vec::new();
    nested.writer.set_chunk_bytes(1 << 20, &mut bytes);
    nested.writer.message(3, 0, kind::COMMAND, 0, &[10, 0, 0, 0, 1].repeat(13_000), &mut bytes);
    let _ = nested.socket.write_all(&bytes).await;
    nested.is_closed().await;
    anna.audio(0).await;
    frame(&mut subscriber).await;
}

#[tokio::test]
async fn many_connections_come_and_go() {
    let server = Server::start().await;
    let address = server.listeners.address;
    let clients = (0..200).map(|number| async move {
        let mut client = Client::new(TcpStream::connect(address).await.unwrap());
        client.publish(&format!("key-anna{number}")).await;
        // The registry of these tests takes 100.
        client.hears("NetStream.Publish.").await;
    });
    let mut tasks = tokio::task::JoinSet::new();
    clients.for_each(|client| drop(tasks.spawn(client)));
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    server.listeners.drain().await;
    assert!(server.registry.is_empty());
}

#[tokio::test]
async fn media_that_is_not_carried_ends_the_publish_in_words() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.publish("key-anna").await;
    let (live, _) = server.published().await;
    client.say(kind::AUDIO, 1, 0, &[0x2f, 1, 2, 3]).await;
    client.hears("not MP3. Choose another audio encoder.").await;
    live.ended().await;
    assert!(matches!(live.end_reason(), Some(weir_media::EndReason::Kicked(Kick::Refused(_)))));
}

/// A certificate for `localhost`, and settings that have it.
fn certificate() -> (rustls::pki_types::CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (certificate, key) = (certified.cert.der().clone(), certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], rustls::pki_types::PrivatePkcs8KeyDer::from(key).into())
        .unwrap();
    (certificate, Arc::new(tls))
}

#[tokio::test(start_paused = true)]
async fn whoever_never_finishes_the_tls_handshake_is_cut_off() {
    let server = Server::with(Conflict::TakeOver, Some(certificate().1), |_| {}).await;
    let mut client = Client::new(TcpStream::connect(server.listeners.tls_address.unwrap()).await.unwrap());
    client.socket.write_all(&[0x16, 3, 1]).await.unwrap();
    client.is_closed().await;
}

#[tokio::test]
async fn rtmps_is_rtmp_behind_tls() {
    let (certificate, tls) = certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = Server::with(Conflict::TakeOver, Some(tls), |_| {}).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(server.listeners.tls_address.unwrap()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let secure = tokio_rustls::TlsConnector::from(Arc::new(trusting)).connect(name, socket).await.unwrap();
    let mut client = Client::new(secure);
    client.publish("key-anna").await;
    client.hears("NetStream.Publish.Start").await;
    client.audio(0).await;
    let (live, mut subscriber) = server.published().await;
    assert_eq!(live.publish.protocol, "rtmps");
    frame(&mut subscriber).await;
    let mut plain = Client::new(TcpStream::connect(server.listeners.tls_address.unwrap()).await.unwrap());
    let _ = plain.socket.write_all(&[3; 1537]).await;
    plain.is_closed().await;
}

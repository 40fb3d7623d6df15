//! `weir serve`: what is started in which order, and how it stops.
//!
//! Everything that can refuse to start does so before anything is printed or kept: settings, data directory, store,
//! certificate, ports. Then the first start, then traffic.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::middleware::from_fn_with_state;
use ractor::{Actor, ActorRef, SpawnErr};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use weir_chat::{Chat, fabric, filter};
use weir_control::{
    Presence, Store,
    admin::Operators,
    admission_call::AdmissionCall,
    api,
    auth::Auth,
    emotes, first_start,
    limits::Limits,
    oidc::Oidc,
    playback::PlaybackTokens,
    webhooks::{self, Announcer, Courier},
};
use weir_edge::whep::{self, Whep};
use weir_identity::KeySecret;
use weir_ingest::whip::Whip;
use weir_media::Registry;
use weir_packager::{
    Spool,
    repair::{self, Program},
};
use weir_pictures::Workers;

use crate::{
    Failure,
    addresses::{self, Addresses},
    config::{Config, Loaded},
    data_dir::DataDir,
    health::{self, Health},
    internal::{self, Internal, Token},
    logs, pages, process,
    shutdown::Signals,
    supervise::{
        root::{self, Root},
        streams::{self, Publishes},
    },
    tls,
    webrtc::WebRtc,
    wiring::{
        access::Signed,
        admin::Admin,
        archive::Archive,
        chat::ChatGate,
        gate::Gate,
        history::History,
        nodes::{self, Nodes},
        origin,
        pictures::Pictures,
        presence::Streams,
        recordings::Recordings,
        rooms::WithRooms,
        running::Running,
    },
};

/// Runs the server until it is told to stop.
pub(crate) async fn serve(loaded: Loaded) -> Result<(), Failure> {
    let config = loaded.config;
    logs::start(&config.log);
    for key in loaded.without_effect {
        warn!(key, "this setting does nothing in this build of weir");
    }
    let mut signals = Signals::listen()?;
    if let Some(may) = process::raise_open_files().filter(|may| *may < config.open_files()) {
        let wanted = config.open_files();
        warn!(
            may,
            wanted,
            "this process may open fewer files than its settings admit connections: raise the hard limit of open files \
             (LimitNOFILE, ulimit -Hn), or lower edge.connections and ingest.rtmp.connections_max"
        );
    }
    let metrics = process::recorder()?.install_recorder()?;
    process::describe();
    tokio::spawn(process::upkeep(metrics.clone()));

    let _data_dir = DataDir::take(&config.data_dir)?;
    let store = weir_control::open(&config.store, &config.data_dir).await?;
    let secret = store.key_secret().await?;
    let certificate = tls::read(&config.tls)?;
    weir_packager::init()?;
    let sockets = Sockets::bind(&config, certificate.is_some())?;
    let webrtc = WebRtc::open(&config)?;

    let health = Health::starting(store.clone());
    let registry = Registry::new(config.streams.publishers_max);
    registry.keep_gops(true);
    let playlists = weir_hls::Store::new(config.playlist_limits());
    let repair = repair::Workers::new(config.repair.clone(), Program::this(&["worker", "repair"]));
    let announcer = Announcer::new(store.clone());
    let recordings = open_recordings(&config, &store, &secret, &announcer)?;
    playlists.observe(Arc::new(recordings.clone()));
    let playback = PlaybackTokens::new(&secret);
    let access: Arc<dyn weir_edge::Access> = Arc::new(Signed(playback.clone()));
    let whep = Whep::new(whep::Args {
        access: Some(access.clone()),
        config: config.edge.whep.clone(),
        registry: registry.clone(),
        sockets: webrtc.sockets.clone(),
        certificate: webrtc.certificate.clone(),
        ice_servers: config.webrtc.ice_servers.clone(),
        repair: Some(Arc::new(repair.clone())),
        grace_time: config.streams.grace_time,
    });
    let asked = AdmissionCall::new(&config.admission);
    let limits = match config.redis.target()? {
        Some(redis) => Limits::shared(&config.limits, secret.clone(), weir_redis::Link::open(redis, "limits")),
        None => Limits::new(&config.limits, secret.clone()),
    };
    let gate = Arc::new(Gate::new(store.clone(), secret.clone(), asked, limits.clone()));
    let whip = Whip::new(
        config.ingest.whip.clone(),
        gate.clone(),
        registry.clone(),
        webrtc.sockets,
        webrtc.certificate,
        config.webrtc.ice_servers.clone(),
    );
    let nodes = Nodes::new(registry.clone());
    let streams = Streams {
        playlists: playlists.clone(),
        registry: registry.clone(),
        nodes: nodes.clone(),
        running: Running::default(),
        whep: Some(whep.clone()),
    };
    let history = History::new(store.clone(), announcer.clone(), config.streams.grace_time);
    let auth = Auth::open(store.clone(), &secret, config.auth.clone()).await?;
    let fabric: Arc<dyn fabric::Fabric> = match config.redis.target()? {
        Some(redis) => Arc::new(fabric::Redis::new(redis, config.chat.history)),
        None => Arc::new(fabric::Local::new(config.chat.history)),
    };
    let (archive, write) = Archive::new(store.clone());
    let writing = write(fabric.clone());
    let fabric = Arc::new(fabric::Archived::new(fabric, Arc::new(archive), config.chat.history_shown));
    let chat_gate = Arc::new(ChatGate::new(store.clone(), auth.clone(), announcer.clone(), secret.clone()));
    let chat = Chat::new(
        config.chat.clone(),
        chat_gate.clone(),
        fabric,
        filter::list::watch(config.chat.words.clone()).await?,
    );
    let publishing = Publishing { tls: certificate.clone(), gate, whip: whip.clone(), chat: chat.clone() };
    let tree = Tree::start(&config, publishing, history, &streams, &repair, &health).await?;
    let addresses = sockets.addresses(&config, tree.rtmp.address)?;
    recordings.reached_at(addresses.clone());
    tokio::spawn(recordings.clone().recover());
    tokio::spawn(recordings.clone().tidy());

    let first = first_start::run(&*store, &secret, &config.first_start).await?;
    let admin = Admin::new(store.clone(), secret.clone(), registry, nodes.clone(), addresses.clone());
    let token = Token::create(&config.data_dir)?;
    nodes.with_rooms(chat.clone());
    let with_rooms =
        WithRooms { streams: streams.clone(), chat: chat.clone(), gate: chat_gate, recordings: recordings.clone() };
    let presence: Arc<dyn Presence> = Arc::new(with_rooms);
    tokio::spawn(auth.clone().rotate_keys(secret.clone()));
    if let Some(redis) = config.redis.target()? {
        nodes.join(&redis);
    }
    if config.store.is_shared() {
        let every = if config.redis.url.is_some() { nodes::LOOK_WITH_REDIS } else { nodes::LOOK_ALONE };
        tokio::spawn(nodes::watch(store.clone(), streams.registry.clone(), every));
    }
    let oidc = Oidc::new(store.clone(), auth.clone(), secret.clone(), &config.auth);
    let operators = Operators::new(store.clone(), auth.clone(), presence.clone());
    let internal = Internal { token, health: health.clone(), metrics, streams, admin, operators };
    let stop = CancellationToken::new();
    let internal = serve_internal(sockets.internal, internal, stop.clone());
    let mut listeners = vec![weir_edge::Listener::plain(sockets.http)];
    if let (Some(https), Some(certificate)) = (sockets.https, &certificate) {
        listeners.push(weir_edge::Listener::tls(https, certificate));
    }
    let places = Arc::new(addresses.clone());
    tokio::spawn(Courier::new(store.clone(), secret.clone(), &announcer, config.webhooks.clone()).run());
    let webhooks = webhooks::Client::new(config.webhooks.allow_private);
    let trusted: origin::Trusted = config.http.trusted_proxies.clone().into();
    let images = emotes::Images::new(store.clone());
    let pictures = Workers::new(Program::this(&["worker", "pictures"]), config.emotes.at_once);
    let site = pages::router()
        .merge(images.router())
        .merge(api::router(api::Api {
            store,
            presence,
            auth,
            oidc,
            places,
            secret,
            playback,
            limits,
            announcer,
            webhooks,
            emotes: config.emotes.clone(),
            pictures: Arc::new(Pictures(pictures)),
            images,
        }))
        .merge(whep::router(whep))
        .merge(whip.router())
        .merge(chat.router())
        .layer(from_fn_with_state(trusted, origin::seen));
    let vod = weir_edge::Vod::new(Arc::new(recordings.library()));
    let edge = weir_edge::service(playlists, Some(access)).with_recordings(vod);
    let stop_http = CancellationToken::new();
    let http = tokio::spawn(weir_edge::serve(listeners, edge, site, config.edge.clone(), stop_http.clone()));

    health.clear(health::STARTING);
    info!(version = env!("CARGO_PKG_VERSION"), http = %addresses.http, https = ?addresses.https, rtmp = %addresses.rtmp, "ready");
    greet(&addresses, first.as_ref());
    drop(first);

    let signal = signals.next().await;
    info!(signal, "stopping: streams end, publishers are told, waiting requests are answered");
    health.because(health::DRAINING);
    let drain = async {
        let rooms_end = async {
            chat.drain().await;
            writing.close().await;
        };
        tokio::join!(tree.end_streams(), rooms_end);
        stop_http.cancel();
        // A panic of the listeners is their end as well.
        let _ = http.await;
        tree.publishers_gone().await;
        recordings.written().await;
        stop.cancel();
        let _ = internal.await;
    };
    tokio::select! {
        () = drain => info!("stopped"),
        () = tokio::time::sleep(config.drain_timeout) => warn!("not everything ended in time: stopping all the same"),
        signal = signals.next() => {
            warn!(signal, "told again to stop: stopping at once");
            std::process::exit(1);
        }
    }
    Ok(())
}

/// The sockets this crate binds itself; RTMP's are bound by their actor.
struct Sockets {
    http: TcpListener,
    https: Option<TcpListener>,
    internal: TcpListener,
}

impl Sockets {
    fn bind(config: &Config, tls: bool) -> Result<Self, String> {
        Ok(Self {
            http: addresses::listen(config.http.listen, "http.listen")?,
            https: tls.then(|| addresses::listen(config.http.tls_listen, "http.tls_listen")).transpose()?,
            internal: addresses::listen(config.internal.listen, "internal.listen")?,
        })
    }

    fn addresses(&self, config: &Config, rtmp: std::net::SocketAddr) -> std::io::Result<Addresses> {
        Ok(Addresses {
            public_host: config.public_host.clone(),
            http: self.http.local_addr()?,
            https: self.https.as_ref().map(TcpListener::local_addr).transpose()?,
            rtmp,
        })
    }
}

/// How publishers, and those who talk, reach this server.
struct Publishing {
    tls: Option<Arc<rustls::ServerConfig>>,
    gate: Arc<Gate>,
    whip: Whip<Gate>,
    chat: Chat,
}

/// The running supervision tree.
struct Tree {
    root: ActorRef<root::Msg>,
    rtmp: weir_ingest::Listeners,
    history: History,
}

impl Tree {
    async fn start(
        config: &Config,
        publishing: Publishing,
        history: History,
        streams: &Streams,
        repair: &repair::Workers,
        health: &Health,
    ) -> Result<Self, Failure> {
        let current = Arc::new(ArcSwapOption::empty());
        let whep = streams.whep.clone();
        let publishes = Publishes {
            current: current.clone(),
            history: history.clone(),
            revoked: streams.nodes.revoked.clone(),
            moved: streams.nodes.moved.clone(),
            whep: whep.clone(),
        };
        streams.registry.observe(publishes);
        let arguments = root::Arguments {
            ingest: config.ingest.clone(),
            tls: publishing.tls,
            gate: publishing.gate,
            registry: streams.registry.clone(),
            streams: streams::Arguments {
                running: streams.running.clone(),
                packager: config.packager(),
                playlists: streams.playlists.clone(),
                registry: streams.registry.clone(),
                spool: start_spool(config)?,
                repair: Some(repair.clone()),
            },
            current,
            whep,
            whip: Some(publishing.whip),
            chat: Some(publishing.chat),
            health: health.clone(),
        };
        let (root, _) = Actor::spawn(None, Root, arguments).await.map_err(|error| match error {
            SpawnErr::StartupFailed(error) => match error.downcast::<weir_ingest::Error>() {
                Ok(error) => name_setting(config, *error),
                Err(error) => error,
            },
            error => error.into(),
        })?;
        let rtmp = ractor::call!(root, root::Msg::Addresses)?;
        Ok(Self { root, rtmp, history })
    }

    /// Takes no more publishers, and waits until every playlist has ended.
    async fn end_streams(&self) {
        // An error means that the tree is gone.
        let _ = self.root.call(root::Msg::Drain, None).await;
    }

    /// Waits until the last publisher has been told and has gone, and that is written down.
    async fn publishers_gone(&self) {
        let _ = self.root.call(root::Msg::PublishersGone, None).await;
        self.history.written().await;
    }
}

/// The thread that writes finished segments to disk, unless they are to stay in memory.
fn start_spool(config: &Config) -> Result<Option<Spool>, Failure> {
    if !config.streams.spool {
        return Ok(None);
    }
    let directory = config.data_dir.join("spool");
    let spool = Spool::start(&directory, config.streams.spool_bytes_max);
    let spool = spool.map_err(|error| format!("the spool {} cannot be used: {error}", directory.display()))?;
    Ok(Some(spool))
}

/// What is recorded, and what was.
fn open_recordings(
    config: &Config,
    store: &Arc<dyn Store>,
    secret: &KeySecret,
    announcer: &Announcer,
) -> Result<Recordings, Failure> {
    let recordings = Recordings::open(&config.data_dir, &config.recording, store.clone(), secret, announcer.clone());
    let place = config.data_dir.join("vods");
    Ok(recordings.map_err(|error| format!("recordings cannot be kept in {}: {error}", place.display()))?)
}

/// Adds the setting to an error about a port.
fn name_setting(config: &Config, error: weir_ingest::Error) -> Failure {
    let weir_ingest::Error::Bind { address, source } = &error else { return error.into() };
    let tls = *address == config.ingest.rtmp.tls_listen;
    let setting = if tls { "ingest.rtmp.tls_listen" } else { "ingest.rtmp.listen" };
    addresses::why(*address, setting, source).into()
}

fn serve_internal(listener: TcpListener, internal: Internal, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let served = axum::serve(listener, internal::router(internal)).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            warn!(%error, "the internal listener ended");
        }
    })
}

/// Tells where to stream and watch; after the first start also the secrets, which are never shown again.
#[expect(clippy::print_stdout, reason = "this is what standard output is for")]
fn greet(addresses: &Addresses, first: Option<&first_start::Credentials>) {
    println!("{}", greeting(addresses, first));
}

fn greeting(addresses: &Addresses, first: Option<&first_start::Credentials>) -> String {
    let mut lines = vec![format!("Weir {} is ready.", env!("CARGO_PKG_VERSION")), String::new()];
    match first {
        None => {
            lines.push(format!("  Watch         {}", addresses.start_url()));
            lines.push(format!("  OBS server    {}", addresses.rtmp_url()));
            lines.push("  Stream key    `weir channel rotate-key NAME` makes a new one".into());
        }
        Some(first) => {
            lines.push("This is shown once. Keep it.".into());
            lines.push(String::new());
            lines.push(format!("  Account       {}", first_start::ADMIN));
            lines.push(format!("  Password      {}", first.password));
            lines.push(format!("  Watch         {}", addresses.page_url(&first.channel)));
            lines.push(String::new());
            lines.push("  OBS: Settings, Stream, Service \"Custom…\"".into());
            lines.push(format!("  Server        {}", addresses.rtmp_url()));
            lines.push(format!("  Stream key    {}", first.key.reveal()));
            lines.push(String::new());
            lines.push(format!("  WHIP          {}", addresses.whip_url()));
            lines.push(format!("  Bearer token  {}", first.key.reveal()));
        }
    }
    if let Some(address) = addresses.address_elsewhere() {
        lines.push(String::new());
        lines.push(format!("From another machine, put {address} in place of localhost."));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use weir_identity::StreamKey;

    use super::*;

    fn addresses() -> Addresses {
        let at = |port: u16| ([127, 0, 0, 1], port).into();
        Addresses { public_host: String::new(), http: at(8080), https: None, rtmp: at(1935) }
    }

    #[test]
    fn the_first_start_shows_everything_a_streamer_needs() {
        let key = StreamKey::random();
        let first = first_start::Credentials {
            channel: "admin".parse().unwrap(),
            password: "the password".into(),
            key: key.clone(),
        };
        let said = greeting(&addresses(), Some(&first));
        for part in [
            "the password",
            "http://127.0.0.1:8080/admin",
            "rtmp://127.0.0.1:1935/live",
            "http://127.0.0.1:8080/whip",
            key.reveal(),
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn later_starts_show_where_to_stream_and_watch() {
        let said = greeting(&addresses(), None);
        assert!(said.contains("http://127.0.0.1:8080/") && said.contains("rtmp://127.0.0.1:1935/live"), "{said}");
    }
}

//! Every setting of the server, in one struct made of the crates' own.
//!
//! [`load`] reads it from flags, environment, file and defaults; [`reference`] prints it with its documentation.

pub(crate) mod load;
mod origin;
pub(crate) mod reference;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use load::{Loaded, Sources, load};

/// Every setting.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory for the database, the spool, recordings and the command line's token. Made if it is missing; one server uses it at a time.
    pub(crate) data_dir: PathBuf,
    /// Name or address that printed URLs carry, for example `live.example.org`. Empty: the listening address, or `localhost`.
    pub(crate) public_host: String,
    /// How long a stopping server waits for players and publishers before it stops all the same.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) drain_timeout: Duration,
    /// Pages, API and media over HTTP.
    pub(crate) http: Http,
    /// The certificate for HTTPS and RTMPS.
    pub(crate) tls: Tls,
    /// Health, metrics and the command line's calls.
    pub(crate) internal: Internal,
    /// How streams come in.
    pub(crate) ingest: weir_ingest::Config,
    /// How streams are cut for Low-Latency HLS.
    pub(crate) hls: Hls,
    /// How many streams there may be, how long they live, where their segments lie.
    pub(crate) streams: Streams,
    /// What becomes of streams that are recorded.
    pub(crate) recording: weir_packager::record::Config,
    /// Conversion of what viewers cannot take as it is sent.
    pub(crate) repair: weir_packager::repair::Config,
    /// How media is handed to viewers.
    pub(crate) edge: weir_edge::Config,
    /// Where accounts, channels and keys are kept.
    pub(crate) store: weir_control::Config,
    /// How people log in.
    pub(crate) auth: weir_control::auth::Config,
    /// How much of the API one caller may use.
    pub(crate) limits: weir_control::limits::Config,
    /// Telling other programs what happens.
    pub(crate) webhooks: weir_control::webhooks::Config,
    /// Another program that is asked before somebody publishes.
    pub(crate) admission: weir_control::admission_call::Config,
    /// Presets for unattended installs.
    pub(crate) first_start: weir_control::first_start::Config,
    /// What is logged and how.
    pub(crate) log: Log,
    /// WebRTC, in and out.
    pub(crate) webrtc: weir_peer::Config,
    /// What nodes share while they run.
    pub(crate) redis: Redis,
    /// The room beside every channel.
    pub(crate) chat: weir_chat::Config,
    /// Pictures for words of chat.
    pub(crate) emotes: weir_control::emotes::Config,
    /// The cluster. Takes effect when that part is in this build.
    pub(crate) cluster: Cluster,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            public_host: String::new(),
            drain_timeout: Duration::from_secs(10),
            http: Http::default(),
            tls: Tls::default(),
            internal: Internal::default(),
            ingest: weir_ingest::Config::default(),
            hls: Hls::default(),
            streams: Streams::default(),
            recording: weir_packager::record::Config::default(),
            repair: weir_packager::repair::Config::default(),
            edge: weir_edge::Config::default(),
            store: weir_control::Config::default(),
            auth: weir_control::auth::Config::default(),
            limits: weir_control::limits::Config::default(),
            webhooks: weir_control::webhooks::Config::default(),
            admission: weir_control::admission_call::Config::default(),
            first_start: weir_control::first_start::Config::default(),
            log: Log::default(),
            webrtc: weir_peer::Config::default(),
            redis: Redis::default(),
            chat: weir_chat::Config::default(),
            emotes: weir_control::emotes::Config::default(),
            cluster: Cluster::default(),
        }
    }
}

impl Config {
    /// Says which value is impossible: its key and what is wrong.
    fn validate(&self) -> Result<(), (String, String)> {
        let below = |section: &'static str| move |(key, why): (&'static str, String)| (format!("{section}.{key}"), why);
        self.ingest.validate().map_err(below("ingest"))?;
        self.packager().validate().map_err(|(key, why)| {
            let section = if matches!(key, "grace_time" | "spool" | "spool_bytes_max") { "streams" } else { "hls" };
            (format!("{section}.{key}"), why)
        })?;
        if self.streams.publishers_max == 0 {
            return Err(("streams.publishers_max".into(), "must be at least 1".into()));
        }
        if self.hls.window > WINDOW_MAX {
            return Err(("hls.window".into(), "must be at most 10m: it is kept for every stream".into()));
        }
        self.recording.validate().map_err(below("recording"))?;
        self.repair.validate().map_err(below("repair"))?;
        self.edge.validate().map_err(below("edge"))?;
        self.webrtc.validate().map_err(below("webrtc"))?;
        self.store.validate().map_err(below("store"))?;
        self.auth.validate().map_err(below("auth"))?;
        self.limits.validate().map_err(below("limits"))?;
        self.webhooks.validate().map_err(below("webhooks"))?;
        self.admission.validate().map_err(below("admission"))?;
        self.chat.validate().map_err(below("chat"))?;
        self.emotes.validate().map_err(below("emotes"))?;
        self.first_start.validate().map_err(below("first_start"))?;
        self.log.validate().map_err(below("log"))?;
        self.redis.target().map_err(|why| ("redis.url".to_owned(), why.to_string()))?;
        let impossible = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
        if self.data_dir.as_os_str().is_empty() {
            return impossible("data_dir", "must name a directory");
        }
        if self.drain_timeout.is_zero() || self.drain_timeout > DRAIN_TIMEOUT_MAX {
            return impossible("drain_timeout", "must be longer than 0 s and at most 1 h");
        }
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => return impossible("tls.certificate", "needs `tls.key` as well"),
            (None, Some(_)) => return impossible("tls.key", "needs `tls.certificate` as well"),
            _ => {}
        }
        if !self.internal.listen.ip().is_loopback() && !self.internal.allow_public {
            return impossible(
                "internal.listen",
                "is for this machine only; set `internal.allow_public` if another network guards it",
            );
        }
        if !self.public_host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)) {
            return impossible("public_host", "must be a host name or an address, without scheme or path");
        }
        Ok(())
    }
}

impl Config {
    /// What the packager is told.
    pub(crate) fn packager(&self) -> weir_packager::Config {
        weir_packager::Config {
            part_duration: self.hls.part_duration,
            segment_duration: self.hls.segment_duration,
            target_duration_max: self.hls.target_duration_max,
            grace_time: self.streams.grace_time,
            spool: self.streams.spool,
            spool_bytes_max: self.streams.spool_bytes_max,
        }
    }

    /// Files that this process may come to open: one a connection, and some for itself.
    pub(crate) fn open_files(&self) -> u64 {
        let webrtc = if self.webrtc.tcp { self.webrtc.tcp_connections_max } else { 0 };
        let connections = self.edge.connections.saturating_add(self.ingest.rtmp.connections_max).saturating_add(webrtc);
        let connections = connections.saturating_add(self.chat.connections);
        u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(FILES_OF_OUR_OWN)
    }

    /// What the playlists' store may hold.
    pub(crate) fn playlist_limits(&self) -> weir_hls::Limits {
        weir_hls::Limits {
            // An ended playlist stays for a minute beside its successor, and publishers come back.
            streams: self.streams.publishers_max.saturating_mul(4),
            window: self.hls.window,
            rendition_bytes: self.hls.rendition_bytes_max,
            held_requests: self.edge.held_requests,
        }
    }
}

/// Files beside those of connections: the store's, the spool's, listening sockets, the runtime's. They are a few dozen.
const FILES_OF_OUR_OWN: u64 = 200;

/// Longest window: beyond it, recording is what is wanted.
const WINDOW_MAX: Duration = Duration::from_secs(600);

/// `[hls]`: how streams are cut for Low-Latency HLS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Hls {
    /// Length of a part, rounded up to whole frames: 100 ms to 2 s. Shorter parts lower the latency and cost requests.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) part_duration: Duration,
    /// Length of a segment, where the publisher's keyframes allow: 1 s to 10 s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) segment_duration: Duration,
    /// Longest segment, in whole seconds. Keyframes further apart make segments that do not start with one.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) target_duration_max: Duration,
    /// How far back a playlist goes: at least so long, and never less than six segments. At most 10 minutes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) window: Duration,
    /// Bytes of one rendition in memory, at which its oldest segments leave the playlist early.
    pub(crate) rendition_bytes_max: u64,
}

impl Default for Hls {
    fn default() -> Self {
        let (packager, limits) = (weir_packager::Config::default(), weir_hls::Limits::default());
        Self {
            part_duration: packager.part_duration,
            segment_duration: packager.segment_duration,
            target_duration_max: packager.target_duration_max,
            window: limits.window,
            rendition_bytes_max: limits.rendition_bytes,
        }
    }
}

/// `[streams]`: how many streams there may be, how long they live, where their segments lie.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Streams {
    /// Publishers at once on this node. One more is told that the server is full.
    pub(crate) publishers_max: usize,
    /// How long a channel stays live without a publisher. One that comes back in time continues the same playlist.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub(crate) grace_time: Duration,
    /// Whether finished segments are kept in unlinked files below `data_dir/spool` and mapped, instead of in memory.
    pub(crate) spool: bool,
    /// Most bytes of spooled segments on disk; what is beyond stays in memory.
    pub(crate) spool_bytes_max: u64,
}

impl Default for Streams {
    fn default() -> Self {
        let packager = weir_packager::Config::default();
        Self {
            publishers_max: 2_000,
            grace_time: packager.grace_time,
            spool: packager.spool,
            spool_bytes_max: packager.spool_bytes_max,
        }
    }
}

/// Longest drain: a service manager kills long before.
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// `[http]`: pages, API and media over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Address and port for HTTP/1.1 and h2c. `[::]` means every address of the machine, IPv4 included.
    pub(crate) listen: SocketAddr,
    /// Address and port for HTTPS with HTTP/2. Used only when a certificate is configured.
    pub(crate) tls_listen: SocketAddr,
    /// Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, such as `["10.0.0.0/8"]`. From
    /// all others these headers are worth nothing: anybody could claim any address.
    #[schemars(with = "Vec<String>")]
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: ([0_u16; 8], 8080).into(), tls_listen: ([0_u16; 8], 8443).into(), trusted_proxies: Vec::new() }
    }
}

/// `[tls]`: the certificate for HTTPS and RTMPS. Read at the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file with the certificate and its chain.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub(crate) key: Option<PathBuf>,
}

/// `[internal]`: `/livez`, `/readyz`, `/metrics` and the command line's calls. Never to be reached from outside.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Internal {
    /// Address and port.
    pub(crate) listen: SocketAddr,
    /// Let `listen` be another address than this machine's own, for example inside a container's network. Metrics and
    /// health are then readable by whoever reaches it; calls still need the token.
    pub(crate) allow_public: bool,
}

impl Default for Internal {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 9464).into(), allow_public: false }
    }
}

/// `[log]`: what is logged, to standard error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` for people, `json` for machines: one object a line.
    pub(crate) format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or directives such as `info,weir_ingest=debug`.
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl Log {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        match tracing_subscriber::EnvFilter::builder().parse(&self.filter) {
            Ok(_) => Ok(()),
            Err(error) => Err(("filter", error.to_string())),
        }
    }
}

/// How a line of log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[redis]`: what nodes share while they run: how much of the API a caller used, how often a password was guessed, what was
/// said in chat, and whose publish is to end. While Redis is away each node counts by itself, and nothing waits for it.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Redis {
    /// One server: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`. The primary that sentinels call NAME:
    /// `redis+sentinel://[USER:PASSWORD@]SENTINEL[:PORT],…/NAME[/DATABASE]`, where the login is for the primary. A
    /// cluster: `redis+cluster://[USER:PASSWORD@]HOST[:PORT],…`. Each also as `rediss…` over TLS. Not set: a node keeps
    /// to itself.
    pub(crate) url: Option<String>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Redis").field("target", &self.target()).finish()
    }
}

impl Redis {
    /// What the URL names.
    pub(crate) fn target(&self) -> Result<Option<weir_redis::Target>, weir_redis::TargetError> {
        self.url.as_deref().map(weir_redis::Target::parse).transpose()
    }
}

/// `[cluster]`: nodes that work together. Takes effect when that part is in this build.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// Address and port for other nodes. Off unless set.
    pub(crate) listen: Option<SocketAddr>,
}

/// Sections whose settings are known but do nothing in this build.
const NOT_IN_THIS_BUILD: &[&str] = &["cluster"];

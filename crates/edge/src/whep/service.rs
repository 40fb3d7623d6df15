//! WHEP without HTTP: offers become viewers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use ractor::{ActorCell, ActorRef, SpawnErr, rpc::CallResult};
use weir_identity::ChannelName;
use weir_media::{Live, Registry, derive::Repair};
use weir_peer::{
    IceServer,
    resource::{self, Answer, Patch, Problem, Protocol},
    sdp::{self, Local, Offer},
    socket::{RegisterError, Sockets},
    transport::{Certificate, Credentials, Side, Transport},
};

use crate::access::{self, Access};

use super::{
    channels::{self, Running},
    config::Config,
    fanout,
    meters::Meters,
    sources::Offered,
    table::Table,
    viewer::{self, Viewer},
};

/// How long a viewer waits for a publish that began a moment ago to say what it has.
const OFFERED_MAX: Duration = Duration::from_secs(2);
/// How long a call to an actor may take before the server counts as overloaded.
const CALL_MAX: Duration = Duration::from_secs(5);
/// How often a viewer is taken to a channel's fan-out that ends just as it comes.
const TRIES: u32 = 5;
/// Between two such tries.
const TRY_AFTER: Duration = Duration::from_millis(20);
/// How long a channel's fan-out without viewers goes on: who reloads the page finds it, and its converted sound, still
/// there.
const LINGER: Duration = Duration::from_secs(5);
/// What a viewer is told to wait when there is no room, in seconds.
const RETRY_AFTER: &str = "5";

/// What it needs from the rest of the server.
pub struct Args {
    /// Its settings.
    pub config: Config,
    /// Who is live. It should keep groups of pictures ([`Registry::keep_gops`]).
    pub registry: Registry,
    /// What carries every session.
    pub sockets: Sockets,
    /// By which viewers know this process.
    pub certificate: Certificate,
    /// STUN and TURN servers that viewers are told of.
    pub ice_servers: Vec<IceServer>,
    /// Who makes what viewers need and publishers do not send; without it AAC is not heard.
    pub repair: Option<Arc<dyn Repair>>,
    /// How long a channel waits for its publisher to come back.
    pub grace_time: Duration,
    /// Who is let in to closed streams; nobody without it.
    pub access: Option<Arc<dyn Access>>,
}

impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Viewers over WebRTC. Clones are the same.
#[derive(Clone)]
pub struct Whep(Arc<Inner>);

struct Inner {
    registry: Registry,
    sockets: Sockets,
    certificate: Certificate,
    ice_servers: Vec<IceServer>,
    access: Option<Arc<dyn Access>>,
    table: Arc<Table>,
    meters: Arc<Meters>,
    arguments: channels::Arguments,
    /// The actor that owns the fan-outs, while it runs.
    channels: ArcSwapOption<ActorRef<channels::Msg>>,
}

impl std::fmt::Debug for Whep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whep").field("table", &self.0.table).finish_non_exhaustive()
    }
}

impl Whep {
    /// Takes no viewers before [`Self::start`].
    #[must_use]
    pub fn new(args: Args) -> Self {
        Self::lingering(args, LINGER)
    }

    pub(super) fn lingering(args: Args, linger: Duration) -> Self {
        let Args { config, registry, sockets, certificate, ice_servers, repair, grace_time, access } = args;
        let meters = Arc::new(Meters::new());
        let table = Arc::new(Table::new(config.viewers_max, config.connecting_max, meters.clone()));
        let shards_max = std::thread::available_parallelism().map_or(1, usize::from);
        let arguments = channels::Arguments { repair, meters: meters.clone(), grace_time, linger, shards_max };
        let channels = ArcSwapOption::empty();
        Self(Arc::new(Inner {
            registry,
            sockets,
            certificate,
            ice_servers,
            access,
            table,
            meters,
            arguments,
            channels,
        }))
    }

    /// Starts the actor that owns the channels' fan-outs, under `supervisor`; again, when it has failed.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        let channels = channels::spawn(self.0.arguments.clone(), supervisor).await?;
        self.0.channels.store(Some(Arc::new(channels.clone())));
        Ok(channels.get_cell())
    }

    /// To be told of every publish that begins. Does not block.
    pub fn began(&self, live: &Arc<Live>) {
        if let Some(channels) = &*self.0.channels.load() {
            // One that is gone has no viewers.
            let _ = channels.cast(channels::Msg::Began(live.clone()));
        }
    }

    /// Viewers of a channel that are connected.
    #[must_use]
    pub fn viewers(&self, channel: &ChannelName) -> u64 {
        self.0.table.watching(channel)
    }

    /// Viewers of all channels that are connected.
    #[must_use]
    pub fn all_viewers(&self) -> u64 {
        self.0.table.all_watching()
    }

    /// Says goodbye to every viewer and takes no more.
    pub async fn drain(&self) {
        if let Some(channels) = self.0.channels.load_full() {
            // An error means that it is gone, and its viewers with it.
            let _ = channels.call(channels::Msg::Drain, None).await;
        }
    }

    pub(super) fn ice_servers(&self) -> &[IceServer] {
        &self.0.ice_servers
    }

    /// Answers an offer: the viewer gets frames as soon as it is connected.
    pub(super) async fn play(
        &self,
        channel: &str,
        query: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, Problem> {
        let played = self.try_play(channel, query, content_type, body).await;
        let outcome = if played.is_ok() { &self.0.meters.accepted } else { &self.0.meters.refused };
        outcome.increment(1);
        played
    }

    async fn try_play(
        &self,
        channel: &str,
        query: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, Problem> {
        if body.is_empty() {
            let detail = "The body has to be an SDP offer: this server answers offers and makes none.";
            return Err(Problem::new(400, "no-offer", "There is no offer", detail).with("accept-post", resource::SDP));
        }
        let offer = resource::offer(content_type, body)?;
        let channel = ChannelName::parse(channel).map_err(|_| not_live())?;
        if !self.0.table.has_room() {
            return Err(full());
        }
        let mut running = self.watchable(&channel, query).await?;
        let sources = offered(&mut running).await.sources;
        if sources.is_empty() {
            return Err(starting());
        }
        let local = self.local();
        let answer = sdp::play(&offer, &sources, &local).map_err(|why| Problem::unacceptable(Protocol::Whep, &why))?;
        let viewer = self.viewer(channel, &offer, &local, answer.outgoing)?;
        let unseated = Unseated(&viewer);
        self.join(running, &viewer, query).await?;
        drop(unseated);
        let (tag, _) = viewer.ice();
        let location = format!("/whep/{}/{}", viewer.channel(), viewer.id().as_str());
        Ok(Answer::created(&location, &tag, answer.sdp, &self.0.ice_servers))
    }

    fn local(&self) -> Local {
        let candidates = self.0.sockets.candidates();
        Local { credentials: Credentials::random(), fingerprint: self.0.certificate.fingerprint(), candidates }
    }

    /// Makes a viewer that the table and the sockets know.
    fn viewer(
        &self,
        channel: ChannelName,
        offer: &Offer,
        local: &Local,
        outgoing: Vec<weir_peer::agreed::Outgoing>,
    ) -> Result<Arc<Viewer>, Problem> {
        let now = Instant::now();
        let (certificate, peer) = (&self.0.certificate, offer.credentials.clone());
        let (ours, fingerprints) = (local.credentials.clone(), offer.fingerprints.clone());
        let transport = Transport::new(now, Side::Server, certificate, ours, peer.clone(), fingerprints)
            .map_err(|error| Problem::new(500, "internal", "The server cannot do this", error.to_string()))?;
        let viewer = Viewer::new(
            now,
            viewer::Parts {
                channel,
                transport,
                outgoing,
                peer,
                sockets: self.0.sockets.clone(),
                table: self.0.table.clone(),
                meters: self.0.meters.clone(),
            },
        );
        if let Some(given_up) = self.0.table.insert(&viewer).map_err(|_| full())? {
            given_up.close(now);
        }
        match self.0.sockets.register(&local.credentials.ufrag, viewer.clone()) {
            Ok(registration) => viewer.registered(registration),
            Err(error) => {
                viewer.close(now);
                return Err(if error == RegisterError::Full { full() } else { busy() });
            }
        }
        Ok(viewer)
    }

    /// The fan-out of a channel that whoever asks may watch: it is live, or was a moment ago and has viewers who wait.
    async fn watchable(&self, channel: &ChannelName, query: Option<&str>) -> Result<Running, Problem> {
        let live = self.0.registry.get(channel).filter(|live| !live.is_told_to_go());
        let may_watch = |private: bool| !private || access::may_watch(self.0.access.as_ref(), channel, query);
        if live.as_ref().is_some_and(|live| !may_watch(live.publish.private)) {
            return Err(closed());
        }
        let running = match live {
            Some(live) => self.open(live).await?,
            None => self.find(channel).await.ok_or_else(not_live)?,
        };
        if may_watch(running.private) { Ok(running) } else { Err(closed()) }
    }

    async fn find(&self, channel: &ChannelName) -> Option<Running> {
        let (channels, channel) = (self.0.channels.load_full()?, channel.clone());
        match channels.call(|reply| channels::Msg::Find(channel, reply), Some(CALL_MAX)).await {
            Ok(CallResult::Success(running)) => running,
            _ => None,
        }
    }

    async fn open(&self, live: Arc<Live>) -> Result<Running, Problem> {
        let channels = self.0.channels.load_full().ok_or_else(busy)?;
        match channels.call(|reply| channels::Msg::Open(live, reply), Some(CALL_MAX)).await {
            Ok(CallResult::Success(running)) => Ok(running),
            _ => Err(busy()),
        }
    }

    /// Has the viewer sit down; in another fan-out, if the one it came for ends just now.
    async fn join(&self, mut running: Running, viewer: &Arc<Viewer>, query: Option<&str>) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let joining = viewer.clone();
            let joined = running.actor.call(|reply| fanout::Msg::Join(joining, reply), Some(CALL_MAX)).await;
            if matches!(joined, Ok(CallResult::Success(()))) {
                return Ok(());
            }
            tokio::time::sleep(TRY_AFTER).await;
            running = self.watchable(viewer.channel(), query).await?;
        }
        Err(busy())
    }

    /// Does what a PATCH asks for.
    pub(super) fn patch(
        &self,
        channel: &str,
        id: &str,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, Problem> {
        let viewer = self.session(channel, id)?;
        let (tag, peer) = viewer.ice();
        match resource::patch(content_type, if_match, body, &tag, &peer)? {
            Patch::Done(answer) => Ok(answer),
            Patch::Restart(peer, fragment) => {
                let local = self.local();
                let restarted = viewer.restart(Instant::now(), local.credentials.clone(), peer);
                let tag = restarted.ok_or_else(Problem::no_session)?;
                Ok(Answer::restarted(&tag, fragment.answer(&local)))
            }
        }
    }

    /// Ends a viewer's session at its wish.
    pub(super) fn delete(&self, channel: &str, id: &str) -> Result<Answer, Problem> {
        self.session(channel, id)?.close(Instant::now());
        Ok(Answer::ended())
    }

    fn session(&self, channel: &str, id: &str) -> Result<Arc<Viewer>, Problem> {
        let channel = ChannelName::parse(channel).map_err(|_| Problem::no_session())?;
        self.0.table.get(&channel, id).ok_or_else(Problem::no_session)
    }
}

/// A viewer whom nobody looks after yet: closed, if its request ends before it sits.
struct Unseated<'a>(&'a Arc<Viewer>);

impl Drop for Unseated<'_> {
    fn drop(&mut self) {
        if !self.0.is_seated() {
            self.0.close(Instant::now());
        }
    }
}

/// What may be offered, once everything that was promised is known, or [`OFFERED_MAX`] is over.
async fn offered(running: &mut Running) -> Offered {
    // What is known by then has to do.
    let _ = tokio::time::timeout(OFFERED_MAX, running.offered.wait_for(|offered| offered.complete)).await;
    running.offered.borrow().clone()
}

fn not_live() -> Problem {
    Problem::new(404, "not-live", "This channel is not live", "Nobody publishes to this channel now.")
}

fn closed() -> Problem {
    let detail = "This channel is watched by a signed address, and this one does not count or has expired.";
    Problem::new(403, "signed-address-needed", "This channel is closed", detail)
}

fn starting() -> Problem {
    let detail = "The publisher has sent nothing yet that can be watched over WebRTC.";
    Problem::new(503, "starting", "The stream is starting", detail).with("retry-after", "1")
}

fn full() -> Problem {
    let detail = "This server has as many viewers over WebRTC as it may have.";
    Problem::new(503, "crowded", "There are too many viewers", detail).with("retry-after", RETRY_AFTER)
}

fn busy() -> Problem {
    let detail = "The server is starting, stopping or overloaded.";
    Problem::new(503, "busy", "The server is busy", detail).with("retry-after", RETRY_AFTER)
}

//! Owns the stream actor of every channel that is live.
//!
//! Owner: `root`. Restart: by the root; its streams end with it, and running publishes are taken up anew.
//! Children: one `weir_packager::stream` a channel. One that fails is started again by [`RESTART`], its own failures
//! counted only; when it is given up its publisher is told so. No stream touches another.
//! Mailbox: a few messages a publish. Frames travel in the subscriber that comes with it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use arc_swap::ArcSwapOption;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tracing::{error, warn};
use weir_edge::Whep;
use weir_identity::ChannelName;
use weir_media::{
    Live, Registry, Subscriber,
    registry::{Kick, Observer},
};
use weir_packager::stream;
use weir_supervise::{Decision, Failures, Restart, decide};

use crate::wiring::{history::History, moved::Moved, revoked::Revoked, running::Running};

/// A stream that fails loses at most its viewers' next seconds; one that fails at every start is given up soon, since
/// its publisher's media is what makes it fail.
const RESTART: Restart = Restart {
    intensity: 5,
    window: std::time::Duration::from_secs(60),
    backoff_min: std::time::Duration::from_millis(100),
    backoff_max: std::time::Duration::from_secs(5),
};

/// Everything that may be asked of it.
pub(crate) enum Msg {
    /// A publish began; the subscriber misses nothing of it.
    Began(Arc<Live>, Subscriber),
    /// Start the stream of a channel again, if it is still published.
    Again(ChannelName),
    /// End every stream and take no more. Answered when the last has ended.
    Drain(RpcReplyPort<()>),
}

/// What streams are made of.
#[derive(Clone)]
pub(crate) struct Arguments {
    pub(crate) packager: weir_packager::Config,
    pub(crate) playlists: weir_hls::Store,
    pub(crate) registry: Registry,
    /// Where finished segments go, if they go to disk.
    pub(crate) spool: Option<weir_packager::Spool>,
    /// Makes what players need and a publisher does not send.
    pub(crate) repair: Option<weir_packager::repair::Workers>,
    /// Where those who ask find the streams.
    pub(crate) running: Running,
}

pub(crate) struct Streams;

pub(crate) struct State {
    arguments: Arguments,
    channels: HashMap<ChannelName, Opened>,
    names: HashMap<ActorId, ChannelName>,
    /// Of channels whose stream failed a while ago or runs again.
    failures: HashMap<ChannelName, Failures>,
    draining: bool,
    drained: Option<RpcReplyPort<()>>,
}

/// A channel's stream.
struct Opened {
    actor: ActorRef<stream::Msg>,
    /// Whether the addresses of its playlists are secret.
    private: bool,
}

/// Channels whose failures are remembered; more than are live at once.
const FAILURES_MAX: usize = 10_000;

impl Actor for Streams {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, _: ActorRef<Msg>, arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let (channels, names, failures) = Default::default();
        Ok(State { arguments, channels, names, failures, draining: false, drained: None })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Began(live, _) if state.draining => live.kick(Kick::Shutdown),
            Msg::Began(live, subscriber) => state.began(&me, live, subscriber).await,
            Msg::Again(channel) => {
                if let Some(live) = state.published(&channel)
                    && !state.channels.contains_key(&channel)
                {
                    let subscriber = live.subscribe();
                    state.began(&me, live, subscriber).await;
                }
            }
            Msg::Drain(reply) => {
                for stream in state.channels.values() {
                    // One that is gone already has ended.
                    let _ = stream.actor.cast(stream::Msg::Drain);
                }
                state.draining = true;
                state.drained = Some(reply);
                state.answer_if_drained();
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (child, failure) = match event {
            SupervisionEvent::ActorFailed(child, error) => (child, Some(error)),
            SupervisionEvent::ActorTerminated(child, ..) => (child, None),
            _ => return Ok(()),
        };
        let Some(channel) = state.names.remove(&child.get_id()) else { return Ok(()) };
        if state.channels.get(&channel).is_some_and(|current| current.actor.get_id() == child.get_id()) {
            state.channels.remove(&channel);
            state.arguments.running.ended(&channel);
            if let Some(error) = &failure {
                error!(%channel, %error, "a stream failed; all others go on");
            }
            state.ended(&me, channel);
        }
        state.answer_if_drained();
        Ok(())
    }
}

impl State {
    /// Hands a publish to its channel's stream, which is started if there is none.
    async fn began(&mut self, me: &ActorRef<Msg>, live: Arc<Live>, subscriber: Subscriber) {
        let channel = live.publish.channel.clone();
        let private = live.publish.private;
        let mut message = stream::Msg::Publish(live.clone(), subscriber);
        if let Some(stream) = self.channels.get(&channel).filter(|stream| stream.private != private) {
            // Who knows the old addresses need not be let into what comes now: it gets a stream of its own. One that is
            // gone already has ended.
            let _ = stream.actor.cast(stream::Msg::Drain);
            self.channels.remove(&channel);
            self.arguments.running.ended(&channel);
        }
        if let Some(stream) = self.channels.get(&channel) {
            match stream.actor.cast(message) {
                Ok(()) => return,
                // It ended a moment ago.
                Err(ractor::MessagingErr::SendErr(back)) => message = back,
                Err(_) => return live.kick(Kick::Refused("This server cannot take the stream now.".into())),
            }
        }
        let args = stream::Args {
            config: self.arguments.packager.clone(),
            channel: channel.clone(),
            private,
            store: self.arguments.playlists.clone(),
            spool: self.arguments.spool.clone(),
            repair: self.arguments.repair.clone(),
        };
        match stream::spawn(args, me.get_cell()).await {
            Ok(stream) => {
                self.arguments.running.began(&channel, stream.clone());
                let actor = stream.actor;
                self.names.insert(actor.get_id(), channel.clone());
                // If it ended at once, its termination says so and the publish is taken up again.
                let _ = actor.cast(message);
                self.channels.insert(channel, Opened { actor, private });
            }
            Err(error) => {
                error!(%channel, %error, "a stream cannot be started");
                live.kick(Kick::Refused("This server cannot take the stream now.".into()));
            }
        }
    }

    /// The channel's publish, unless it is on its way out: a stream that refused its publisher is not started again
    /// for it.
    fn published(&self, channel: &ChannelName) -> Option<Arc<Live>> {
        self.arguments.registry.get(channel).filter(|live| !live.is_told_to_go())
    }

    /// A channel's stream ended. If somebody publishes there, it failed, or ended just as they came.
    fn ended(&mut self, me: &ActorRef<Msg>, channel: ChannelName) {
        let Some(live) = self.published(&channel).filter(|_| !self.draining) else {
            self.failures.remove(&channel);
            return;
        };
        if self.failures.len() >= FAILURES_MAX {
            self.failures.clear();
        }
        match decide(&RESTART, self.failures.entry(channel.clone()).or_default(), Instant::now()) {
            Decision::Again { after } => {
                warn!(%channel, ?after, "the stream is started again");
                me.send_after(after, move || Msg::Again(channel));
            }
            Decision::GiveUp => {
                error!(%channel, "the stream fails again and again: its publisher is turned away");
                self.failures.remove(&channel);
                live.kick(Kick::Refused("This stream cannot be packaged; see the server's log.".into()));
            }
        }
    }

    fn answer_if_drained(&mut self) {
        if self.names.is_empty()
            && let Some(reply) = self.drained.take()
        {
            let _ = reply.send(());
        }
    }
}

/// Hears of every publish and passes it on, whichever actor is the owner of the streams now.
pub(crate) struct Publishes {
    pub(crate) current: Arc<ArcSwapOption<ActorRef<Msg>>>,
    pub(crate) history: History,
    pub(crate) revoked: Revoked,
    pub(crate) moved: Moved,
    /// Viewers over WebRTC.
    pub(crate) whep: Option<Whep>,
}

impl Observer for Publishes {
    fn began(&self, live: &Arc<Live>) {
        self.revoked.check(live);
        self.moved.check(live);
        self.history.follow(live.clone());
        if let Some(whep) = &self.whep {
            whep.began(live);
        }
        // Without an owner the publish waits: the next one takes it up.
        if let Some(streams) = &*self.current.load() {
            let _ = streams.cast(Msg::Began(live.clone(), live.subscribe()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ractor::ActorCell;
    use weir_control::webhooks::Announcer;
    use weir_identity::KeyId;
    use weir_media::{Publish, Publisher, registry::Conflict};

    use super::*;

    /// The owner of the streams alone, told of every publish.
    struct Alone {
        owner: ActorRef<Msg>,
        registry: Registry,
        directory: PathBuf,
    }

    impl Alone {
        async fn start() -> Self {
            weir_packager::init().unwrap();
            let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
            std::fs::create_dir(&directory).unwrap();
            let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
            let registry = Registry::new(9);
            let arguments = Arguments {
                running: Running::default(),
                packager: weir_packager::Config::default(),
                playlists: weir_hls::Store::new(weir_hls::Limits::default()),
                registry: registry.clone(),
                spool: None,
                repair: None,
            };
            let (owner, _) = Actor::spawn(None, Streams, arguments).await.unwrap();
            let current = Arc::new(ArcSwapOption::from_pointee(owner.clone()));
            let history = History::new(store.clone(), Announcer::new(store), std::time::Duration::ZERO);
            let revoked = Revoked::default();
            registry.observe(Publishes { current, history, revoked, moved: Moved::default(), whep: None });
            Self { owner, registry, directory }
        }

        fn publish(&self, channel: &str) -> Publisher {
            let channel = ChannelName::parse(channel).unwrap();
            let publish =
                Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, private: false, protocol: "rtmp" };
            self.registry.publish(publish).unwrap()
        }

        /// The streams, once `enough` of them.
        async fn streams(&self, enough: impl Fn(&[ActorCell]) -> bool) -> Vec<ActorCell> {
            loop {
                let mut streams = self.owner.get_children();
                streams.sort_by_key(ActorCell::get_id);
                if enough(&streams) {
                    return streams;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    impl Drop for Alone {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[tokio::test]
    async fn a_stream_that_fails_comes_back_and_touches_no_other() {
        let alone = Alone::start().await;
        let _publishers = [alone.publish("anna"), alone.publish("berta")];
        let before = alone.streams(|streams| streams.len() == 2).await;
        before[0].kill();
        let after = alone.streams(|streams| streams.len() == 2 && streams[0].get_id() != before[0].get_id()).await;
        assert_eq!(after[0].get_id(), before[1].get_id(), "the other one is the same");
    }

    #[tokio::test]
    async fn a_stream_that_fails_again_and_again_is_given_up_and_its_publisher_told() {
        let alone = Alone::start().await;
        let publisher = alone.publish("anna");
        let failing = async {
            let mut killed = Vec::new();
            loop {
                let streams = alone.streams(|streams| streams.iter().any(|s| !killed.contains(&s.get_id()))).await;
                for stream in streams {
                    killed.push(stream.get_id());
                    stream.kill();
                }
            }
        };
        let kick = tokio::select! {
            kick = publisher.kicked() => kick,
            () = failing => unreachable!("it fails for ever"),
        };
        assert!(matches!(kick, Kick::Refused(_)), "{kick:?}");
    }

    #[tokio::test]
    async fn a_stream_is_not_started_again_for_a_publisher_who_was_told_to_go() {
        let alone = Alone::start().await;
        let publisher = alone.publish("anna");
        let streams = alone.streams(|streams| streams.len() == 1).await;
        publisher.live().kick(Kick::Refused("Not this.".into()));
        streams[0].kill();
        alone.streams(<[_]>::is_empty).await;
        // Were it to be started again, that would be before this.
        tokio::time::pause();
        tokio::time::sleep(RESTART.backoff_max).await;
        assert!(alone.owner.get_children().is_empty());
    }

    #[tokio::test]
    async fn who_begins_while_the_server_stops_is_told_so() {
        let alone = Alone::start().await;
        let first = alone.publish("anna");
        alone.streams(|streams| streams.len() == 1).await;
        ractor::call!(alone.owner, Msg::Drain).unwrap();
        assert!(alone.owner.get_children().is_empty());
        let late = alone.publish("berta");
        assert_eq!(late.kicked().await, Kick::Shutdown);
        drop(first);
    }
}

//! The root of the tree: owns the RTMP listener, and the owners of the streams and of whoever comes over WebRTC.
//!
//! Owner: `serve`, which starts it and stops it. Restart: never; without it the server ends.
//! Children: the RTMP listener, `streams`, the owners of viewers and of publishers over WebRTC and of the chat rooms, each
//! started again by [`RESTART`]. One that is given up makes the server not ready; whatever else runs goes on.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwapOption;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::task::JoinHandle;
use tracing::error;
use weir_chat::Chat;
use weir_edge::Whep;
use weir_ingest::{Listeners, whip::Whip};
use weir_media::Registry;
use weir_supervise::{Decision, Failures, Restart, decide};

use super::streams;
use crate::{
    health::{self, Health},
    wiring::gate::Gate,
};

/// Children fail only by a bug of ours. Encoders come back within seconds, so a restart must be quick; one that
/// fails again and again would only burn the machine.
const RESTART: Restart = Restart {
    intensity: 10,
    window: std::time::Duration::from_secs(60),
    backoff_min: std::time::Duration::from_millis(50),
    backoff_max: std::time::Duration::from_secs(5),
};

/// Everything that may be asked of the root.
pub(crate) enum Msg {
    /// Where RTMP is heard.
    Addresses(RpcReplyPort<Listeners>),
    /// Take no more publishers, tell those there are, end every stream. Answered when the streams have ended.
    Drain(RpcReplyPort<()>),
    /// Answered when the last publisher has gone, after [`Msg::Drain`].
    PublishersGone(RpcReplyPort<()>),
    /// Start the RTMP listener again.
    StartRtmp,
    /// Start the owner of the streams again.
    StartStreams,
    /// Start the owner of the viewers over WebRTC again.
    StartWhep,
    /// Start the owner of the publishers over WebRTC again.
    StartWhip,
    /// Start the owner of the chat rooms again.
    StartChat,
}

/// What the children are made of.
pub(crate) struct Arguments {
    pub(crate) ingest: weir_ingest::Config,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    pub(crate) streams: streams::Arguments,
    /// Where whoever hears of new publishes finds the owner of the streams.
    pub(crate) current: Arc<ArcSwapOption<ActorRef<streams::Msg>>>,
    /// Viewers over WebRTC.
    pub(crate) whep: Option<Whep>,
    /// Publishers over WebRTC.
    pub(crate) whip: Option<Whip<Gate>>,
    /// Those who talk.
    pub(crate) chat: Option<Chat>,
    pub(crate) health: Health,
}

pub(crate) struct Root;

pub(crate) struct State {
    arguments: Arguments,
    rtmp: Listeners,
    rtmp_failures: Failures,
    streams: ActorRef<streams::Msg>,
    streams_failures: Failures,
    whep: Option<ActorCell>,
    whep_failures: Failures,
    whip: Option<ActorCell>,
    whip_failures: Failures,
    chat: Option<ActorCell>,
    chat_failures: Failures,
    draining: bool,
    /// Ends when the last publisher has gone, once draining began.
    publishers: Option<JoinHandle<()>>,
}

impl Actor for Root {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Msg>, mut arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let streams = start_streams(&me, &arguments).await?;
        let whep = start_whep(&me, &arguments).await?;
        let whip = start_whip(&me, &arguments).await?;
        let chat = start_chat(&me, &arguments).await?;
        let rtmp = start_rtmp(&me, &arguments).await?;
        // Started again, it listens where it did, also when the system chose the port.
        arguments.ingest.rtmp.listen = rtmp.address;
        if let Some(address) = rtmp.tls_address {
            arguments.ingest.rtmp.tls_listen = address;
        }
        let (rtmp_failures, streams_failures, whep_failures, whip_failures, chat_failures) = Default::default();
        Ok(State {
            arguments,
            rtmp,
            rtmp_failures,
            streams,
            streams_failures,
            whep,
            whep_failures,
            whip,
            whip_failures,
            chat,
            chat_failures,
            draining: false,
            publishers: None,
        })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Addresses(reply) => drop(reply.send(state.rtmp.clone())),
            Msg::Drain(reply) => state.drain(reply),
            Msg::PublishersGone(reply) => {
                let publishers = state.publishers.take();
                tokio::spawn(async move {
                    if let Some(publishers) = publishers {
                        // Its end is what counts, even by a panic.
                        let _ = publishers.await;
                    }
                    let _ = reply.send(());
                });
            }
            Msg::StartRtmp if !state.draining => match start_rtmp(&me, &state.arguments).await {
                Ok(rtmp) => state.rtmp = rtmp,
                Err(error) => state.rtmp_ended(&me, &error.to_string()),
            },
            Msg::StartStreams if !state.draining => match start_streams(&me, &state.arguments).await {
                Ok(streams) => state.streams = streams,
                Err(error) => state.streams_ended(&me, &error.to_string()),
            },
            Msg::StartWhep if !state.draining => match start_whep(&me, &state.arguments).await {
                Ok(whep) => state.whep = whep,
                Err(error) => state.whep_ended(&me, &error.to_string()),
            },
            Msg::StartWhip if !state.draining => match start_whip(&me, &state.arguments).await {
                Ok(whip) => state.whip = whip,
                Err(error) => state.whip_ended(&me, &error.to_string()),
            },
            Msg::StartChat if !state.draining => match start_chat(&me, &state.arguments).await {
                Ok(chat) => state.chat = chat,
                Err(error) => state.chat_ended(&me, &error.to_string()),
            },
            Msg::StartRtmp | Msg::StartStreams | Msg::StartWhep | Msg::StartWhip | Msg::StartChat => {}
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (child, why) = match event {
            SupervisionEvent::ActorFailed(child, error) => (child, error.to_string()),
            SupervisionEvent::ActorTerminated(child, _, why) => (child, why.unwrap_or_else(|| "it stopped".into())),
            _ => return Ok(()),
        };
        if state.draining {
            return Ok(());
        }
        if child.get_id() == state.rtmp.actor.get_id() {
            state.rtmp_ended(&me, &why);
        } else if child.get_id() == state.streams.get_id() {
            state.streams_ended(&me, &why);
        } else if state.whep.as_ref().is_some_and(|whep| whep.get_id() == child.get_id()) {
            state.whep_ended(&me, &why);
        } else if state.whip.as_ref().is_some_and(|whip| whip.get_id() == child.get_id()) {
            state.whip_ended(&me, &why);
        } else if state.chat.as_ref().is_some_and(|chat| chat.get_id() == child.get_id()) {
            state.chat_ended(&me, &why);
        }
        Ok(())
    }
}

impl State {
    fn drain(&mut self, reply: RpcReplyPort<()>) {
        if self.draining {
            let _ = reply.send(());
            return;
        }
        let (rtmp, whip) = (self.rtmp.clone(), self.arguments.whip.clone());
        self.draining = true;
        self.publishers = Some(tokio::spawn(async move {
            let over_webrtc = async {
                if let Some(whip) = whip {
                    whip.drain().await;
                }
            };
            tokio::join!(rtmp.drain(), over_webrtc);
        }));
        let (streams, whep) = (self.streams.clone(), self.arguments.whep.clone());
        tokio::spawn(async move {
            let viewers_gone = async {
                if let Some(whep) = whep {
                    whep.drain().await;
                }
            };
            // An error means that the owner of the streams is gone, and the streams with it.
            let _ = tokio::join!(streams.call(streams::Msg::Drain, None), viewers_gone);
            let _ = reply.send(());
        });
    }

    fn rtmp_ended(&mut self, me: &ActorRef<Msg>, why: &str) {
        match decide(&RESTART, &mut self.rtmp_failures, Instant::now()) {
            Decision::Again { after } => {
                error!(why, ?after, "the RTMP listener failed and is started again");
                me.send_after(after, || Msg::StartRtmp);
            }
            Decision::GiveUp => {
                error!(why, "the RTMP listener fails again and again: given up; streams that run by other ways go on");
                self.arguments.health.because(health::NO_RTMP);
            }
        }
    }

    fn streams_ended(&mut self, me: &ActorRef<Msg>, why: &str) {
        self.arguments.current.store(None);
        match decide(&RESTART, &mut self.streams_failures, Instant::now()) {
            Decision::Again { after } => {
                error!(why, ?after, "the owner of the streams failed and is started again");
                me.send_after(after, || Msg::StartStreams);
            }
            Decision::GiveUp => {
                error!(why, "the owner of the streams fails again and again: given up");
                self.arguments.health.because(health::NO_STREAMS);
            }
        }
    }

    fn whip_ended(&mut self, me: &ActorRef<Msg>, why: &str) {
        match decide(&RESTART, &mut self.whip_failures, Instant::now()) {
            Decision::Again { after } => {
                error!(why, ?after, "the owner of the publishers over WebRTC failed and is started again");
                me.send_after(after, || Msg::StartWhip);
            }
            Decision::GiveUp => {
                error!(why, "the owner of the publishers over WebRTC fails again and again: given up; others go on");
                self.arguments.health.because(health::NO_WHIP);
            }
        }
    }

    fn chat_ended(&mut self, me: &ActorRef<Msg>, why: &str) {
        match decide(&RESTART, &mut self.chat_failures, Instant::now()) {
            Decision::Again { after } => {
                error!(why, ?after, "the owner of the chat rooms failed and is started again");
                me.send_after(after, || Msg::StartChat);
            }
            Decision::GiveUp => {
                error!(why, "the owner of the chat rooms fails again and again: given up; streams go on without chat");
                self.arguments.health.because(health::NO_CHAT);
            }
        }
    }

    fn whep_ended(&mut self, me: &ActorRef<Msg>, why: &str) {
        match decide(&RESTART, &mut self.whep_failures, Instant::now()) {
            Decision::Again { after } => {
                error!(why, ?after, "the owner of the viewers over WebRTC failed and is started again");
                me.send_after(after, || Msg::StartWhep);
            }
            Decision::GiveUp => {
                error!(why, "the owner of the viewers over WebRTC fails again and again: given up; other viewers stay");
                self.arguments.health.because(health::NO_WHEP);
            }
        }
    }
}

async fn start_whip(me: &ActorRef<Msg>, arguments: &Arguments) -> Result<Option<ActorCell>, ActorProcessingErr> {
    match &arguments.whip {
        Some(whip) => Ok(Some(whip.spawn(me.get_cell()).await?.get_cell())),
        None => Ok(None),
    }
}

async fn start_chat(me: &ActorRef<Msg>, arguments: &Arguments) -> Result<Option<ActorCell>, ActorProcessingErr> {
    match &arguments.chat {
        Some(chat) => Ok(Some(chat.start(me.get_cell()).await?)),
        None => Ok(None),
    }
}

async fn start_whep(me: &ActorRef<Msg>, arguments: &Arguments) -> Result<Option<ActorCell>, ActorProcessingErr> {
    match &arguments.whep {
        Some(whep) => Ok(Some(whep.start(me.get_cell()).await?)),
        None => Ok(None),
    }
}

async fn start_rtmp(me: &ActorRef<Msg>, arguments: &Arguments) -> Result<Listeners, ActorProcessingErr> {
    let (config, tls, gate) = (arguments.ingest.clone(), arguments.tls.clone(), arguments.gate.clone());
    Ok(weir_ingest::spawn(config, tls, gate, arguments.registry.clone(), me.get_cell()).await?)
}

async fn start_streams(
    me: &ActorRef<Msg>,
    arguments: &Arguments,
) -> Result<ActorRef<streams::Msg>, ActorProcessingErr> {
    let (streams, _) = Actor::spawn_linked(None, streams::Streams, arguments.streams.clone(), me.get_cell()).await?;
    arguments.current.store(Some(Arc::new(streams.clone())));
    // Whoever published while there was no owner is taken up.
    for live in arguments.registry.all() {
        let subscriber = live.subscribe();
        streams.cast(streams::Msg::Began(live, subscriber))?;
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use weir_control::{limits::Limits, webhooks::Announcer};
    use weir_identity::ChannelName;
    use weir_media::{Publish, registry};

    use super::*;
    use crate::wiring::{history::History, moved::Moved, revoked::Revoked};

    /// A tree on a free port, with a store in a directory of its own.
    struct Grown {
        root: ActorRef<Msg>,
        current: Arc<ArcSwapOption<ActorRef<streams::Msg>>>,
        registry: Registry,
        directory: std::path::PathBuf,
    }

    impl Grown {
        async fn grow() -> Self {
            weir_packager::init().unwrap();
            let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
            std::fs::create_dir(&directory).unwrap();
            let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
            let secret = store.key_secret().await.unwrap();
            let (registry, current) = (Registry::new(9), Arc::new(ArcSwapOption::empty()));
            registry.observe(streams::Publishes {
                current: current.clone(),
                history: History::new(store.clone(), Announcer::new(store.clone()), std::time::Duration::ZERO),
                revoked: Revoked::default(),
                moved: Moved::default(),
                whep: None,
            });
            let mut ingest = weir_ingest::Config::default();
            ingest.rtmp.listen = ([127, 0, 0, 1], 0).into();
            let arguments = Arguments {
                ingest,
                tls: None,
                gate: Arc::new(Gate::new(
                    store.clone(),
                    secret.clone(),
                    None,
                    Limits::new(&Default::default(), secret),
                )),
                registry: registry.clone(),
                streams: streams::Arguments {
                    running: crate::wiring::running::Running::default(),
                    packager: weir_packager::Config::default(),
                    playlists: weir_hls::Store::new(weir_hls::Limits::default()),
                    registry: registry.clone(),
                    spool: None,
                    repair: None,
                },
                current: current.clone(),
                whep: None,
                whip: None,
                chat: None,
                health: Health::starting(store),
            };
            let (root, _) = Actor::spawn(None, Root, arguments).await.unwrap();
            Self { root, current, registry, directory }
        }

        /// Where RTMP is heard, once it is another actor than `before`.
        async fn listeners_after(&self, before: Option<&Listeners>) -> Listeners {
            loop {
                let listeners = ractor::call!(self.root, Msg::Addresses).unwrap();
                if before.is_none_or(|before| before.actor.get_id() != listeners.actor.get_id()) {
                    return listeners;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    impl Drop for Grown {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[tokio::test]
    async fn a_listener_that_fails_comes_back_on_its_port() {
        let grown = Grown::grow().await;
        let before = grown.listeners_after(None).await;
        before.actor.kill();
        let after = grown.listeners_after(Some(&before)).await;
        assert_eq!(after.address, before.address);
        tokio::net::TcpStream::connect(after.address).await.unwrap();
    }

    #[tokio::test]
    async fn the_owner_of_the_streams_comes_back_and_takes_up_who_publishes() {
        let grown = Grown::grow().await;
        let channel = ChannelName::parse("anna").unwrap();
        let publish = Publish {
            channel,
            key: weir_identity::KeyId::new(),
            conflict: registry::Conflict::TakeOver,
            private: false,
            protocol: "rtmp",
        };
        let _publisher = grown.registry.publish(publish).unwrap();
        let before = grown.current.load_full().expect("there is an owner");
        before.kill();
        let after = loop {
            match grown.current.load_full() {
                Some(after) if after.get_id() != before.get_id() => break after,
                _ => tokio::task::yield_now().await,
            }
        };
        while after.get_children().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn draining_ends_everything_and_starts_nothing() {
        let grown = Grown::grow().await;
        let listeners = grown.listeners_after(None).await;
        ractor::call!(grown.root, Msg::Drain).unwrap();
        ractor::call!(grown.root, Msg::PublishersGone).unwrap();
        assert!(tokio::net::TcpStream::connect(listeners.address).await.is_err(), "nobody listens any more");
    }
}

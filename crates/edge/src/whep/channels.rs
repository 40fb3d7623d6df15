//! Owns the fan-out of every channel that has viewers over WebRTC.
//!
//! Owner: whoever called [`spawn`]: the server's root, which starts it again. Its fan-outs, and their viewers, end with
//! it.
//! Children: one `fanout` a channel. One that fails is gone; its viewers ask anew and begin another.
//! Mailbox: a message a new viewer and a new publish.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent};
use tokio::sync::watch;
use tracing::error;
use weir_identity::ChannelName;
use weir_media::{Live, derive::Repair};

use super::{
    fanout::{self, Fanout},
    meters::Meters,
    sources::Offered,
};

/// Everything that may be asked of it.
#[derive(Debug)]
pub(super) enum Msg {
    /// The fan-out of a channel, whose publish is this; it is begun if there is none. Not answered while draining.
    Open(Arc<Live>, RpcReplyPort<Running>),
    /// The fan-out of a channel that waits for its publisher to come back, if it runs.
    Find(ChannelName, RpcReplyPort<Option<Running>>),
    /// A publish began.
    Began(Arc<Live>),
    /// Close every viewer and take no more. Answered when all are gone.
    Drain(RpcReplyPort<()>),
}

/// A fan-out that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) actor: ActorRef<fanout::Msg>,
    pub(super) offered: watch::Receiver<Offered>,
    /// Whether its publish is for some only.
    pub(super) private: bool,
}

/// What fan-outs are made of.
#[derive(Clone)]
pub(super) struct Arguments {
    pub(super) repair: Option<Arc<dyn Repair>>,
    pub(super) meters: Arc<Meters>,
    pub(super) grace_time: Duration,
    /// How long a fan-out without viewers goes on.
    pub(super) linger: Duration,
    pub(super) shards_max: usize,
}

pub(super) struct Channels;

pub(super) struct State {
    arguments: Arguments,
    fanouts: HashMap<ChannelName, Running>,
    /// Those of `fanouts`, and those that end just now.
    names: HashMap<ActorId, ChannelName>,
    drained: Option<RpcReplyPort<()>>,
    draining: bool,
}

/// Starts it under `supervisor`.
pub(super) async fn spawn(arguments: Arguments, supervisor: ActorCell) -> Result<ActorRef<Msg>, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, Channels, arguments, supervisor).await?;
    Ok(actor)
}

impl Actor for Channels {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, _: ActorRef<Msg>, arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let (fanouts, names) = Default::default();
        Ok(State { arguments, fanouts, names, drained: None, draining: false })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Open(..) if state.draining => {}
            Msg::Open(live, reply) => {
                if let Some(running) = state.open(&me, live).await {
                    // Who asked may be gone; the fan-out ends by itself then.
                    let _ = reply.send(running);
                }
            }
            Msg::Find(channel, reply) => drop(reply.send(state.fanouts.get(&channel).cloned())),
            Msg::Began(live) => {
                state.end_if_others_may_watch(&live);
                if let Some(running) = state.fanouts.get(&live.publish.channel) {
                    // One that is ending needs no news.
                    let _ = running.actor.cast(fanout::Msg::Began(live));
                }
            }
            Msg::Drain(reply) => {
                state.draining = true;
                for running in state.fanouts.values() {
                    let _ = running.actor.cast(fanout::Msg::Drain);
                }
                state.drained = Some(reply);
                state.answer_if_drained();
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let child = match event {
            SupervisionEvent::ActorFailed(child, error) => {
                error!(%error, "a channel's fan-out over WebRTC failed: its viewers are gone, other channels go on");
                child
            }
            SupervisionEvent::ActorTerminated(child, ..) => child,
            _ => return Ok(()),
        };
        if let Some(channel) = state.names.remove(&child.get_id())
            && state.fanouts.get(&channel).is_some_and(|running| running.actor.get_id() == child.get_id())
        {
            state.fanouts.remove(&channel);
        }
        state.answer_if_drained();
        Ok(())
    }
}

impl State {
    async fn open(&mut self, me: &ActorRef<Msg>, live: Arc<Live>) -> Option<Running> {
        let (channel, private) = (live.publish.channel.clone(), live.publish.private);
        self.end_if_others_may_watch(&live);
        if let Some(running) = self.fanouts.get(&channel)
            && running.actor.cast(fanout::Msg::Began(live.clone())).is_ok()
        {
            return Some(running.clone());
        }
        let (offered, receiver) = watch::channel(Offered::default());
        let Arguments { repair, meters, grace_time, linger, shards_max } = self.arguments.clone();
        let args =
            fanout::Args { channel: channel.clone(), live, offered, repair, meters, grace_time, linger, shards_max };
        match Actor::spawn_linked(None, Fanout, args, me.get_cell()).await {
            Ok((actor, _)) => {
                let running = Running { actor, offered: receiver, private };
                self.names.insert(running.actor.get_id(), channel.clone());
                self.fanouts.insert(channel, running.clone());
                Some(running)
            }
            Err(error) => {
                error!(%channel, %error, "a fan-out over WebRTC cannot be started");
                None
            }
        }
    }

    /// A channel that was opened or closed between two publishes: who watched the one need not be let into the other.
    fn end_if_others_may_watch(&mut self, live: &Live) {
        if live.is_told_to_go() {
            return;
        }
        let channel = &live.publish.channel;
        if self.fanouts.get(channel).is_some_and(|running| running.private != live.publish.private)
            && let Some(running) = self.fanouts.remove(channel)
        {
            // One that is ending already says goodbye by itself.
            let _ = running.actor.cast(fanout::Msg::Drain);
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

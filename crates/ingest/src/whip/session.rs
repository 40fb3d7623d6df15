//! One WHIP publisher's session, as a supervised actor.
//!
//! Owner: `whip::listener`. Restart: never, the publisher makes another.
//! Mailbox: control only. Datagrams and frames stay in the pump, which is bounded; kicks reach it through the publish,
//! and what HTTP asks through its channel of commands.

use std::net::SocketAddr;

use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::{sync::oneshot, task::AbortHandle};
use tracing::{Instrument, debug, error, field, info, info_span};

use super::{listener, meters, pump::Pump};
use crate::{Error, Fault};

/// Everything that may be asked of a session.
#[derive(Debug)]
pub(super) enum Msg {
    /// Tell the publisher that the server stops, and close.
    Drain,
    /// The pump ended; its result becomes the session's.
    PumpEnded(Result<(), Error>),
}

/// A session as it was agreed on.
pub(super) struct Arguments {
    pub(super) pump: Pump,
    /// Who made the offer.
    pub(super) from: SocketAddr,
}

pub(super) struct Session;

/// Dropping it ends the pump, and with it the publish.
pub(super) struct State {
    pump: AbortHandle,
    drain: Option<oneshot::Sender<()>>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.pump.abort();
        metrics::gauge!(meters::SESSIONS).decrement(1);
    }
}

impl Session {
    /// Starts a session that `listener` owns.
    pub(super) async fn spawn_under(arguments: Arguments, listener: &ActorRef<listener::Msg>) -> Result<(), SpawnErr> {
        Self::spawn_linked(None, Self, arguments, listener.get_cell()).await.map(|_| ())
    }
}

impl Actor for Session {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Msg>, arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { pump, from } = arguments;
        let (drain, drained) = oneshot::channel();
        let channel = field::display(&pump.publish.channel);
        let span = info_span!(parent: None, "session", proto = "whip", peer = %from, channel);
        let report = Report { session: me, result: Some(Err(Error::Panicked)) };
        let pump = async move {
            let result = pump.run(drained).await;
            log(&result);
            report.finish(result);
        };
        metrics::gauge!(meters::SESSIONS).increment(1);
        let pump = tokio::spawn(pump.instrument(span)).abort_handle();
        Ok(State { pump, drain: Some(drain) })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Drain => {
                if let Some(drain) = state.drain.take() {
                    // An error means that the pump has ended, which is what was wanted.
                    let _ = drain.send(());
                }
            }
            Msg::PumpEnded(Err(error)) if error.fault() == Fault::Ours => return Err(error.into()),
            Msg::PumpEnded(Err(error)) => me.stop(Some(error.to_string())),
            Msg::PumpEnded(Ok(())) => me.stop(None),
        }
        Ok(())
    }
}

/// Tells the session how its pump ended, also when it panicked.
struct Report {
    session: ActorRef<Msg>,
    result: Option<Result<(), Error>>,
}

impl Report {
    fn finish(mut self, result: Result<(), Error>) {
        self.result = Some(result);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(result) = self.result.take() {
            // An error means that the session is gone, and needs no report.
            let _ = self.session.cast(Msg::PumpEnded(result));
        }
    }
}

fn log(result: &Result<(), Error>) {
    let Err(ending) = result else { return debug!("session ended") };
    metrics::counter!(meters::ERRORS, "fault" => ending.fault().label()).increment(1);
    match ending.fault() {
        Fault::Peer | Fault::Network => info!(error = %ending, "session ended"),
        Fault::Operator | Fault::Ours => error!(error = %ending, "session ended"),
    }
}

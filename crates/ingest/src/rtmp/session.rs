//! One publisher's RTMP connection, as a supervised actor.
//!
//! Owner: `rtmp::listener`. Restart: never, the encoder reconnects by itself.
//! Mailbox: control only. Bytes and frames stay in the pump, which is bounded; kicks reach it through the publish.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    task::AbortHandle,
    time::timeout_at,
};
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument, debug, error, field, info, info_span};

use super::{
    meters,
    pump::{Pump, Shared},
    slots::Slot,
};
use crate::{Error, Fault, Gate};

/// Everything that may be asked of a session.
#[derive(Debug)]
pub(super) enum Msg {
    /// Tell the publisher that the server stops, and close.
    Drain,
    /// The pump ended; its result becomes the session's.
    PumpEnded(Result<(), Error>),
}

/// A connection as it was accepted.
pub(super) struct Arguments<G> {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    /// With this the peer speaks TLS first.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) shared: Arc<Shared<G>>,
    pub(super) slot: Slot,
}

pub(super) struct Session<G>(std::marker::PhantomData<fn() -> G>);

impl<G> Default for Session<G> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

/// Dropping it ends the pump, and with it the publish.
pub(super) struct State {
    pump: AbortHandle,
    drain: Option<oneshot::Sender<()>>,
    _slot: Slot,
}

impl Drop for State {
    fn drop(&mut self) {
        self.pump.abort();
        metrics::gauge!(meters::SESSIONS).decrement(1);
    }
}

impl<G: Gate> Actor for Session<G> {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments<G>;

    async fn pre_start(&self, me: ActorRef<Msg>, arguments: Arguments<G>) -> Result<State, ActorProcessingErr> {
        let Arguments { socket, peer, tls, shared, slot } = arguments;
        let (drain, drained) = oneshot::channel();
        let protocol = if tls.is_some() { "rtmps" } else { "rtmp" };
        let span = info_span!(parent: None, "session", proto = protocol, %peer, channel = field::Empty);
        let connection =
            Connection { socket, peer, tls, protocol, drain: drained, began: tokio::time::Instant::now().into_std() };
        let report = Report { session: me, result: Some(Err(Error::Panicked)) };
        let pump = async move {
            let result = connection.run(shared).await;
            log(&result);
            report.finish(result);
        };
        metrics::gauge!(meters::SESSIONS).increment(1);
        let pump = tokio::spawn(pump.instrument(span)).abort_handle();
        Ok(State { pump, drain: Some(drain), _slot: slot })
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

struct Connection {
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    protocol: &'static str,
    drain: oneshot::Receiver<()>,
    began: Instant,
}

impl Connection {
    async fn run<G: Gate>(self, shared: Arc<Shared<G>>) -> Result<(), Error> {
        let Self { socket, peer, tls, protocol, drain, began } = self;
        // Our answers are small and waited for.
        socket.set_nodelay(true)?;
        let Some(tls) = tls else {
            return Box::pin(Pump { socket, peer, protocol, shared, drain, began }.run()).await;
        };
        let login = shared.config.login_timeout;
        let socket = timeout_at((began + login).into(), tls.accept(socket))
            .await
            .map_err(|_| Error::LoginTimeout(login))?
            .map_err(Error::Tls)?;
        run_tls(Pump { socket, peer, protocol, shared, drain, began }).await
    }
}

/// Apart and boxed, so that a plain session does not carry the room for TLS.
async fn run_tls<S: AsyncRead + AsyncWrite + Unpin + Send, G: Gate>(pump: Pump<S, G>) -> Result<(), Error> {
    Box::pin(pump.run()).await
}

fn log(result: &Result<(), Error>) {
    let Err(ending) = result else { return debug!("session ended") };
    metrics::counter!(meters::ERRORS, "fault" => ending.fault().label()).increment(1);
    match ending.fault() {
        // A port in the open sees such peers all day: nothing for an operator to look into.
        Fault::Peer | Fault::Network => info!(error = %ending, "session ended"),
        Fault::Operator | Fault::Ours => error!(error = %ending, "session ended"),
    }
}

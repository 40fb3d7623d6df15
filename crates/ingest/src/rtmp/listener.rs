//! The RTMP and RTMPS ports, as a supervised actor.
//!
//! Owner: whoever called [`spawn`]. Restart: by the owner, with a new [`spawn`].
//! Children: one `rtmp::session` a connection, never restarted; a session that fails is logged and forgotten.
//! The tasks that accept are restarted by [`ACCEPT_RESTART`]; the sockets stay open meanwhile.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::AbortHandle,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tracing::{error, info, warn};
use weir_media::Registry;
use weir_supervise::{Decision, Failures, Restart, decide};

use super::{
    meters,
    pump::Shared,
    session::{self, Session},
    slots::{Full, Slots},
};
use crate::{Config, Error, Gate};

/// Connections that wait to be accepted, a socket: as many as Linux allows by default (`net.core.somaxconn`), so that a
/// burst of strangers costs a publisher no second try.
const BACKLOG: u32 = 4096;
/// Wait after an error of accepting, such as too many open files: long enough not to spin, short enough for a human.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often it is said that a limit of connections is reached: at the limit one goes and another comes all the time.
const FULL_SAID_EVERY: Duration = Duration::from_secs(60);
/// How often a draining listener looks whether the last session has gone: one whose start was cut off ends without an
/// event.
const DRAIN_CHECK: Duration = Duration::from_millis(100);
/// Accepting fails only by a bug of ours; then it must not take the port away, nor spin.
const ACCEPT_RESTART: Restart = Restart {
    intensity: 10,
    window: Duration::from_secs(60),
    backoff_min: Duration::from_millis(50),
    backoff_max: Duration::from_secs(5),
};

/// Everything that may be asked of the listener.
#[derive(Debug)]
pub enum Msg {
    /// Accept no more, tell every publisher that the server stops, and stop when the last has gone.
    Drain,
    /// The task that accepts on a port ended, by a bug.
    AcceptEnded(Port),
    /// Accept on a port again.
    Accept(Port),
}

/// A listening port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// RTMP.
    Plain,
    /// RTMPS.
    Tls,
}

/// The running listener.
#[derive(Debug, Clone)]
pub struct Listeners {
    /// Where RTMP is heard.
    pub address: SocketAddr,
    /// Where RTMPS is heard, if there is a certificate.
    pub tls_address: Option<SocketAddr>,
    /// The actor.
    pub actor: ActorRef<Msg>,
}

impl Listeners {
    /// Accepts no more, tells every publisher that the server stops, and waits until the last session has ended. A
    /// publisher that does not listen is given up after the write timeout.
    pub async fn drain(&self) {
        // An error means that the listener has stopped, which is what was wanted.
        let _ = self.actor.cast(Msg::Drain);
        let _ = self.actor.wait(None).await;
    }
}

/// Opens the ports and spawns the listener's actor under `supervisor`. RTMPS is heard only with `tls`.
///
/// # Errors
/// [`Error::Bind`] when a port cannot be opened.
pub async fn spawn<G: Gate>(
    config: Config,
    tls: Option<Arc<rustls::ServerConfig>>,
    gate: Arc<G>,
    registry: Registry,
    supervisor: ActorCell,
) -> Result<Listeners, Error> {
    meters::describe();
    let config = config.rtmp;
    let plain = bind(config.listen)?;
    let address = local(&plain, config.listen)?;
    let secure = match tls {
        Some(tls) => Some((bind(config.tls_listen)?, TlsAcceptor::from(tls))),
        None => None,
    };
    let tls_address = match &secure {
        Some((socket, _)) => Some(local(socket, config.tls_listen)?),
        None => None,
    };
    let slots = Slots::new(config.connections_max, config.connections_per_address_max);
    let arguments = Arguments {
        plain: Arc::new(plain),
        secure: secure.map(|(socket, tls)| (Arc::new(socket), tls)),
        shared: Arc::new(Shared { config, gate, registry }),
        slots,
    };
    let (actor, _) = Actor::spawn_linked(None, Listener::<G>(std::marker::PhantomData), arguments, supervisor).await?;
    info!(%address, ?tls_address, "RTMP is listening");
    Ok(Listeners { address, tls_address, actor })
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = open(address).or_else(|error| match address.ip() {
        // A machine without IPv6 still has all its IPv4 addresses.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if error.kind() != io::ErrorKind::AddrInUse => {
            open((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        _ => Err(error),
    });
    bound.map_err(|source| Error::Bind { address, source })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must not wait for connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn local(socket: &TcpListener, address: SocketAddr) -> Result<SocketAddr, Error> {
    socket.local_addr().map_err(|source| Error::Bind { address, source })
}

struct Listener<G>(std::marker::PhantomData<fn() -> G>);

struct Arguments<G> {
    plain: Arc<TcpListener>,
    secure: Option<(Arc<TcpListener>, TlsAcceptor)>,
    shared: Arc<Shared<G>>,
    slots: Slots,
}

struct State<G> {
    arguments: Arguments<G>,
    accepting: Vec<(Port, AbortHandle)>,
    failures: Failures,
    draining: bool,
}

impl<G> Drop for State<G> {
    fn drop(&mut self) {
        for (_, task) in &self.accepting {
            task.abort();
        }
    }
}

impl<G: Gate> Actor for Listener<G> {
    type Msg = Msg;
    type State = State<G>;
    type Arguments = Arguments<G>;

    async fn pre_start(&self, me: ActorRef<Msg>, arguments: Arguments<G>) -> Result<State<G>, ActorProcessingErr> {
        let mut state = State { arguments, accepting: Vec::new(), failures: Failures::default(), draining: false };
        state.accept(Port::Plain, &me);
        state.accept(Port::Tls, &me);
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State<G>) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Drain => state.drain(&me),
            Msg::Accept(port) => state.accept(port, &me),
            Msg::AcceptEnded(port) => match decide(&ACCEPT_RESTART, &mut state.failures, Instant::now()) {
                Decision::Again { after } => {
                    error!(?port, ?after, "accepting connections failed and is restarted");
                    me.send_after(after, move || Msg::Accept(port));
                }
                Decision::GiveUp => return Err("accepting connections fails again and again".into()),
            },
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State<G>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            error!(%error, "a session failed; all others go on");
        }
        if state.draining {
            drain(&me);
        }
        Ok(())
    }
}

impl<G: Gate> State<G> {
    fn accept(&mut self, port: Port, me: &ActorRef<Msg>) {
        if self.draining {
            return;
        }
        let (socket, tls) = match (port, &self.arguments.secure) {
            (Port::Plain, _) => (self.arguments.plain.clone(), None),
            (Port::Tls, Some((socket, tls))) => (socket.clone(), Some(tls.clone())),
            (Port::Tls, None) => return,
        };
        let (shared, slots) = (self.arguments.shared.clone(), self.arguments.slots.clone());
        let acceptor = Acceptor { socket, tls, shared, slots, listener: me.clone() };
        let ended = Ended { listener: me.clone(), port };
        let task = tokio::spawn(async move {
            let _ended = ended;
            acceptor.run().await;
        });
        self.accepting.retain(|(other, _)| *other != port);
        self.accepting.push((port, task.abort_handle()));
    }

    fn drain(&mut self, me: &ActorRef<Msg>) {
        self.draining = true;
        for (_, task) in self.accepting.drain(..) {
            task.abort();
        }
        drain(me);
        me.send_after(DRAIN_CHECK, || Msg::Drain);
    }
}

/// Tells the sessions that there are to go, and stops when there are none. Telling them again changes nothing.
fn drain(me: &ActorRef<Msg>) {
    let mut sessions = me.get_children();
    sessions.retain(|session| session.get_status() < ActorStatus::Stopping);
    if sessions.is_empty() {
        me.stop(None);
    }
    for session in sessions {
        // An error means that it has ended by itself.
        let _ = session.send_message(session::Msg::Drain);
    }
}

/// Tells the listener that accepting ended; an aborted task is of no interest and finds the listener draining.
struct Ended {
    listener: ActorRef<Msg>,
    port: Port,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.listener.cast(Msg::AcceptEnded(self.port));
        }
    }
}

/// The task that accepts on one port.
struct Acceptor<G> {
    socket: Arc<TcpListener>,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared<G>>,
    slots: Slots,
    listener: ActorRef<Msg>,
}

impl<G: Gate> Acceptor<G> {
    async fn run(self) {
        let accepted = metrics::counter!(meters::CONNECTIONS);
        let mut said = None::<Instant>;
        loop {
            let (socket, peer) = match self.socket.accept().await {
                Ok(connection) => connection,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    warn!(%error, "cannot accept RTMP connections; trying again");
                    metrics::counter!(meters::ACCEPT_ERRORS).increment(1);
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            accepted.increment(1);
            let slot = match self.slots.take(peer.ip()) {
                Ok(slot) => slot,
                Err(full) => {
                    let (reason, limit) = match full {
                        Full::Total => ("connections_max", self.shared.config.connections_max),
                        Full::Address => {
                            ("connections_per_address_max", self.shared.config.connections_per_address_max)
                        }
                    };
                    metrics::counter!(meters::REFUSALS, "reason" => reason).increment(1);
                    if said.is_none_or(|at| at.elapsed() >= FULL_SAID_EVERY) {
                        warn!(%peer, limit, "{reason} is reached: RTMP connections are closed at once");
                        said = Some(Instant::now());
                    }
                    continue;
                }
            };
            let arguments =
                session::Arguments { socket, peer, tls: self.tls.clone(), shared: self.shared.clone(), slot };
            let spawned = Session::spawn_linked(None, Session::<G>::default(), arguments, self.listener.get_cell());
            if let Err(error) = spawned.await {
                error!(%error, "a session did not start");
            }
        }
    }
}

/// Whether an error of accepting concerns a connection that broke before it was accepted, not us.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;

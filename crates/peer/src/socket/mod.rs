//! The one UDP port, and the TCP port of the same number, that carry every session.
//!
//! [`Sockets`] is the shell: it reads, finds the session ([`Endpoint`]) and hands over. [`routes`] decides whose a
//! datagram is; [`addresses`] and [`candidate`] what peers are told; [`udp`] and [`tcp`] move bytes; [`batch`] is how
//! many datagrams leave at once.

mod addresses;
mod announce;
mod batch;
mod candidate;
mod discovery;
mod framing;
mod meters;
mod routes;
mod tcp;
mod udp;

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use parking_lot::RwLock;
use tokio::{net::TcpListener, task::AbortHandle};

use self::{
    announce::Announcer,
    discovery::Discovery,
    meters::Meters,
    routes::{Delivery, Orphans, Routes},
    tcp::Connections,
    udp::Udp,
};
pub use self::{
    batch::Batch,
    candidate::{Candidate, Protocol},
};
use crate::{
    config::Config,
    path::{Carrier, Path},
};

/// Who gets the datagrams of a session. Called from the sockets' own tasks: must not block.
pub trait Endpoint: Send + Sync + 'static {
    /// A datagram came. It is either a STUN request that names one of this endpoint's user fragments, or anything from a
    /// path that was [`Verdict::Ours`] before.
    fn datagram(&self, now: Instant, path: Path, datagram: &[u8]) -> Verdict;

    /// The TCP connection behind `path` is gone.
    fn closed(&self, path: Path);
}

/// Whether later datagrams of the same path belong to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The peer proved itself on this path (its STUN message integrity is right): what follows is its.
    Ours,
    /// Nothing was proven. The path stays as it is known.
    Unproven,
}

/// Why the sockets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of `webrtc.listen` could not be bound.
    #[error("cannot listen on {address} (`webrtc.listen`, {protocol}): {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Why a session was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There are as many sessions as `webrtc.sessions_max` allows.
    #[error("there are as many WebRTC sessions as `webrtc.sessions_max` allows")]
    Full,
    /// Another session has this user fragment. They are random, so try another.
    #[error("the user fragment is in use")]
    Taken,
    /// The session is forgotten, because its endpoint panicked.
    #[error("the session is forgotten")]
    Gone,
}

/// The sockets of all sessions. Clones are the same sockets; they close when the last one is dropped.
#[derive(Clone)]
pub struct Sockets {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// What the tasks and the registrations need.
struct Shared {
    routes: Routes,
    udp: Udp,
    tcp: Connections,
    meters: Meters,
    candidates: RwLock<Arc<[Candidate]>>,
    discovery: Discovery,
}

/// Ends the tasks when the last [`Sockets`] goes.
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Sockets {
    /// Opens the sockets and starts to read them. Must be called within a runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let (udp, listener) = open(config)?;
        let mut announcer = Announcer::new(config, udp.bound(), listener.is_some());
        let candidates = RwLock::new(announcer.candidates().into());
        let (routes, meters) = (Routes::new(config.sessions_max), Meters::new());
        let shared = Arc::new(Shared {
            routes,
            udp,
            tcp: Connections::new(),
            meters,
            candidates,
            discovery: Discovery::default(),
        });
        let mut tasks = Tasks(vec![tokio::spawn(receive(Arc::clone(&shared))).abort_handle()]);
        if let Some(listener) = listener {
            let accepting = tcp::accept(Arc::clone(&shared), listener, config.tcp_connections_max);
            tasks.0.push(tokio::spawn(accepting).abort_handle());
        }
        if announcer.has_news() {
            tasks.0.push(tokio::spawn(announce::run(Arc::clone(&shared), announcer)).abort_handle());
        }
        Ok(Self { shared, _tasks: Arc::new(tasks) })
    }

    /// What is bound, with the real port where the configured one is 0.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.shared.udp.bound()
    }

    /// The ways in that an answer names now, by falling priority. They change when the machine's addresses do.
    #[must_use]
    pub fn candidates(&self) -> Arc<[Candidate]> {
        Arc::clone(&self.shared.candidates.read())
    }

    /// Makes `endpoint` the one that gets STUN requests for `ufrag`, and what comes on paths that it says are its own.
    /// Keep the answer: dropping it ends that.
    ///
    /// # Errors
    /// [`RegisterError::Full`] and [`RegisterError::Taken`].
    pub fn register(&self, ufrag: &str, endpoint: Arc<dyn Endpoint>) -> Result<Registration, RegisterError> {
        let id = self.shared.routes.register(ufrag, endpoint)?;
        self.shared.meters.sessions.set(self.shared.routes.len() as f64);
        Ok(Registration { id, shared: Arc::clone(&self.shared) })
    }

    /// Sends one datagram, or drops it where that is not possible at once: whoever needs it sends it again.
    pub fn send(&self, path: &Path, datagram: &[u8]) {
        self.shared.send(path, datagram);
    }

    /// Sends every datagram of `batch` in order, each as [`send`](Self::send) does, with as few calls to the kernel as
    /// possible.
    pub fn send_batch(&self, path: &Path, batch: &Batch) {
        match path.carrier {
            Carrier::Udp => self.shared.udp.send_batch(path, batch, &self.shared.meters),
            Carrier::Tcp(connection) => self.shared.tcp.send_batch(connection, batch, &self.shared.meters),
        }
    }
}

async fn receive(shared: Arc<Shared>) {
    let deliver = |now, path, datagram: &[u8]| shared.deliver(now, path, datagram) != Delivery::Unknown;
    shared.udp.receive(&shared.meters, deliver).await;
}

/// UDP ports that the kernel may choose before one is free for TCP as well, where the configured one is 0.
const PORT_TRIES: usize = 16;

/// Both sockets on one port.
fn open(config: &Config) -> Result<(Udp, Option<TcpListener>), Error> {
    let fault = |protocol| move |source| Error::Bind { address: config.listen, protocol, source };
    let mut tries = if config.listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let udp = Udp::bind(config.listen, config).map_err(fault("UDP"))?;
        tries -= 1;
        match config.tcp.then(|| tcp::listen(udp.bound())).transpose() {
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            listener => return Ok((udp, listener.map_err(fault("TCP"))?)),
        }
    }
}

impl Shared {
    fn send(&self, path: &Path, datagram: &[u8]) {
        match path.carrier {
            Carrier::Udp => self.udp.send(path, datagram, &self.meters),
            Carrier::Tcp(connection) => self.tcp.send(connection, datagram, &self.meters),
        }
    }

    fn deliver(&self, now: Instant, path: Path, datagram: &[u8]) -> Delivery {
        let (delivery, orphans) = self.routes.deliver(now, path, datagram);
        self.close(orphans);
        if delivery == Delivery::Unknown && path.carrier == Carrier::Udp {
            return if self.discovery.response(path.remote, datagram) { Delivery::Taken } else { delivery };
        }
        delivery
    }

    fn close(&self, Orphans(connections): Orphans) {
        connections.into_iter().for_each(|connection| self.tcp.close(connection));
    }
}

/// A session's place at the sockets. Dropping it forgets its user fragments and paths.
#[must_use]
pub struct Registration {
    id: u64,
    shared: Arc<Shared>,
}

impl Registration {
    /// Adds a user fragment, for an ICE restart. The one before stays; those before that do not.
    ///
    /// # Errors
    /// [`RegisterError::Taken`] and [`RegisterError::Gone`].
    pub fn add(&self, ufrag: &str) -> Result<(), RegisterError> {
        self.shared.routes.add(self.id, ufrag)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let orphans = self.shared.routes.forget(self.id);
        self.shared.close(orphans);
        self.shared.meters.sessions.set(self.shared.routes.len() as f64);
    }
}

#[cfg(test)]
mod tcp_tests;
#[cfg(test)]
mod tests;

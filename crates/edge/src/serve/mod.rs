//! The public HTTP listeners: accepting, limits, draining.
//!
//! [`serve`] is one future: it accepts on every listener until it is told to stop, then lets running answers end. What
//! a connection does is in `connection`, what it may not do (be silent, refuse to read) in `guard` and
//! `overdue`.
//!
//! Owner: whoever awaits [`serve`]; dropping the future closes everything. Restart: the listeners are given by value,
//! so a new call binds anew.

mod connection;
mod guard;
mod overdue;

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tracing::{debug, info, warn};

pub(crate) use overdue::Overdue;

use crate::{config::Config, hls::Edge};

/// How long accepting pauses after the system ran out of file descriptors or memory: some connections will have ended.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// How often it is said that there are too many connections: at the limit one goes and another comes all the time.
const FULL_SAID_EVERY: Duration = Duration::from_secs(60);
/// How often the gauge is brought up to date.
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// One bound socket, in clear or with TLS.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// HTTP/1.1, and HTTP/2 by prior knowledge.
    #[must_use]
    pub fn plain(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }

    /// HTTPS: HTTP/2 and HTTP/1.1 by ALPN, whatever the configuration says about it.
    #[must_use]
    pub fn tls(tcp: TcpListener, config: &rustls::ServerConfig) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { tcp, tls: Some(TlsAcceptor::from(Arc::new(config))) }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("tcp", &self.tcp).field("tls", &self.tls.is_some()).finish()
    }
}

/// Who sent a request; an extension of the requests that go to the fallback service.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end of the connection: a viewer, or a proxy.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Serves `edge` below `/live/` and `fallback` elsewhere, until `stop`; then accepts nothing more, lets answers end
/// and returns, after `config.drain_timeout` at the latest. Requests that are held are answered as soon as their
/// streams end, which is up to the caller.
pub async fn serve<S, B>(listeners: Vec<Listener>, edge: Edge, fallback: S, config: Config, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    describe_gauge!("weir_http_connections", "Connections that are open.");
    describe_counter!("weir_http_connections_total", "Connections that were accepted.");
    describe_counter!("weir_http_connections_refused_total", "Connections that were closed because of the limit.");
    let shared = Arc::new(connection::Shared::new(edge, fallback, &config, stop.clone()));
    let connections = TaskTracker::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(shared.edge.store().clone().sweep());
    tasks.spawn(measure(shared.edge.clone()));
    for listener in listeners {
        tasks.spawn(accept(listener, shared.clone(), connections.clone(), config.clone()));
    }
    stop.cancelled().await;
    tasks.shutdown().await;
    connections.close();
    if tokio::time::timeout(config.drain_timeout, connections.wait()).await.is_err() {
        info!(left = connections.len(), "closing connections that did not end in time");
    }
    shared.abort.cancel();
    connections.wait().await;
}

async fn measure(edge: Edge) {
    let open = gauge!("weir_http_connections");
    loop {
        open.set(edge.connections() as f64);
        tokio::time::sleep(GAUGE_EVERY).await;
    }
}

async fn accept<S, B>(listener: Listener, shared: Arc<connection::Shared<S>>, connections: TaskTracker, config: Config)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let refused = counter!("weir_http_connections_refused_total");
    let accepted = counter!("weir_http_connections_total");
    let mut said = None::<Instant>;
    loop {
        let (stream, address) = match listener.tcp.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                warn!(%error, "cannot accept connections for a moment");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        let Some(slot) = shared.edge.connection(config.connections) else {
            refused.increment(1);
            if said.is_none_or(|at| at.elapsed() >= FULL_SAID_EVERY) {
                said = Some(Instant::now());
                warn!(connections = config.connections, "as many connections as allowed: refusing more");
            }
            continue;
        };
        accepted.increment(1);
        // Parts leave at once, whatever the size of the last packet.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY");
        }
        let (tls, shared) = (listener.tls.clone(), shared.clone());
        let abort = shared.abort.clone();
        let handshake = config.handshake_timeout;
        connections.spawn(async move {
            tokio::select! {
                () = carry(stream, address, tls, handshake, &shared) => {}
                () = abort.cancelled() => {}
            }
            drop(slot);
        });
    }
}

async fn carry<S, B>(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    handshake: Duration,
    shared: &Arc<connection::Shared<S>>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(tls) = tls else {
        return shared.carry(stream, Peer { address, tls: false }).await;
    };
    match tokio::time::timeout(handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => shared.carry(stream, Peer { address, tls: true }).await,
        Ok(Err(error)) => debug!(%address, %error, "TLS handshake"),
        Err(_) => debug!(%address, "TLS handshake took too long"),
    }
}

/// Errors of a connection that went away before it was accepted, as against those of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// A fallback for a server that only serves streams: everything else is 404.
#[derive(Debug, Clone, Copy)]
pub struct NothingElse;

impl Service<Request<Incoming>> for NothingElse {
    type Response = Response<crate::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        std::future::ready(Ok(crate::hls::not_found()))
    }
}

/// Polls a future that cannot fail to its value.
async fn infallible<T>(future: impl Future<Output = Result<T, Infallible>>) -> T {
    match future.await {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

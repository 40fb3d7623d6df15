//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks.

use std::{convert::Infallible, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};
use tracing::debug;

use super::{
    Overdue, Peer,
    guard::{Guarded, Limits},
    infallible,
};
use crate::{body::Body, config::Config, hls::Edge};

/// Largest request head, in bytes; also what HTTP/1 buffers of an answer before it waits for the socket.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Largest decoded header list of an HTTP/2 request, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;
/// Most header fields of an HTTP/1 request.
const HEADERS_MAX: usize = 64;
/// What an HTTP/2 stream buffers of an answer, in bytes. A part is one buffer and is taken whole.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// What all connections share.
pub(super) struct Shared<S> {
    pub(super) edge: Edge,
    fallback: S,
    http: auto::Builder<TokioExecutor>,
    limits: Limits,
    /// Answers that run may end, and nothing new begins.
    stop: CancellationToken,
    /// The time for that is over.
    pub(super) abort: CancellationToken,
}

impl<S> Shared<S> {
    pub(super) fn new(edge: Edge, fallback: S, config: &Config, stop: CancellationToken) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.streams_per_connection)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(config.ping_interval)
            .keep_alive_timeout(config.ping_interval);
        let limits = Limits { first_bytes: config.header_timeout, stall: config.stall_timeout };
        Self { edge, fallback, http, limits, stop, abort: CancellationToken::new() }
    }
}

impl<S, B> Shared<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Carries a connection to its end.
    pub(super) async fn carry<T>(self: &Arc<Self>, stream: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(Guarded::new(stream, self.limits));
        let overdue = Arc::new(Overdue::default());
        let service = service_fn(|request: Request<Incoming>| {
            let shared = self.clone();
            let overdue = (request.version() == Version::HTTP_2).then(|| overdue.clone());
            async move {
                let answer = shared.answer(request, peer).await;
                Ok::<_, Infallible>(match overdue {
                    Some(overdue) => answer.map(|body| body.watched(overdue)),
                    None => answer,
                })
            }
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, service));
        let mut period = tokio::time::interval(self.limits.stall * 2);
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = period.tick() => if overdue.next_period() {
                    debug!(address = %peer.address, "the client does not take its answers");
                    return;
                },
            }
        };
        if let Err(error) = ended {
            // Clients go away all the time; that is nobody's fault.
            debug!(address = %peer.address, error, "connection ended");
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, peer: Peer) -> Response<Body<B>> {
        if Edge::wants(request.uri().path()) {
            return self.edge.call(&request).await.map(Body::widen);
        }
        request.extensions_mut().insert(peer);
        infallible(self.fallback.clone().oneshot(request)).await.map(Body::other)
    }
}

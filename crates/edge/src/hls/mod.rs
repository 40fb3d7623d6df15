//! Requests below `/live/` (and `/vod/`, see [`crate::vod`]): paths to answers, with the headers that players and caches need.
//!
//! [`route`] splits the path, the store answers, [`answer`] dresses it, [`negotiate`] reads the few request headers
//! that matter. A request allocates the answer's header map and nothing else; what is sent is shared.

pub(crate) mod answer;
pub(crate) mod negotiate;
mod route;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, Method, Request, Response, header};
use metrics::{Counter, Unit, counter, describe_counter};
use weir_hls::{Query, Store, Stream};
use weir_identity::{ChannelName, PublishId};

use self::route::Target;
use crate::{
    access::{self, Access},
    body::Body,
    problem::Problem,
    vod::{self, Vod},
};

/// Serves the streams of a store. Clones share it.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    access: Option<Arc<dyn Access>>,
    vod: OnceLock<Vod>,
    connections: AtomicUsize,
    multivariants: Counter,
    playlists: Counter,
    files: Counter,
    vods: Counter,
    refused: Counter,
    bytes: Counter,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

impl Edge {
    /// Serves `store`, the closed streams in it to whom `access` lets in; to nobody without it.
    #[must_use]
    pub fn new(store: Store, access: Option<Arc<dyn Access>>) -> Self {
        describe_counter!(
            "weir_hls_requests_total",
            "Requests below /live/ and /vod/ by kind; the refused ones count twice."
        );
        describe_counter!(
            "weir_hls_sent_bytes_total",
            Unit::Bytes,
            "Bytes of playlists, parts and segments in answers."
        );
        let requests = |kind: &'static str| counter!("weir_hls_requests_total", "kind" => kind);
        Self {
            inner: Arc::new(Inner {
                store,
                access,
                vod: OnceLock::new(),
                connections: AtomicUsize::new(0),
                multivariants: requests("multivariant"),
                playlists: requests("playlist"),
                files: requests("file"),
                vods: requests("vod"),
                refused: requests("refused"),
                bytes: counter!("weir_hls_sent_bytes_total"),
            }),
        }
    }

    /// The same, which serves these recordings as well. The first ones count.
    #[must_use]
    pub fn with_recordings(self, vod: Vod) -> Self {
        // Somebody who gives others later gets the first ones.
        let _ = self.inner.vod.set(vod);
        self
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Connections that are open now, of all listeners together.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection while the answer lives; `None` when there are `at_most` already.
    pub(crate) fn connection(&self, at_most: usize) -> Option<Connection> {
        let slot = Connection { edge: self.clone() };
        (self.inner.connections.fetch_add(1, Ordering::Relaxed) < at_most).then_some(slot)
    }

    /// Whether a path is for this service.
    #[must_use]
    pub fn wants(path: &str) -> bool {
        path.starts_with(route::PREFIX) || vod::wants(path)
    }

    /// Answers a request, after waiting for what it waits for. Its body is not read.
    pub async fn call<B>(&self, request: &Request<B>) -> Response<Body> {
        let head = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            Method::OPTIONS => return answer::preflight(),
            _ => return answer::problem(Problem::Method),
        };
        let path = request.uri().path();
        if vod::wants(path) {
            let answered = match self.inner.vod.get() {
                Some(vod) => vod.answer(path, request.uri().query(), request.headers()).await,
                None => Err(Problem::NotFound),
            };
            self.inner.vods.increment(1);
            return self.finished(answered, head);
        }
        let answered = match route::target(path) {
            Some(Target::Playlist { channel, session, rendition }) => {
                self.playlist(request, channel, session, rendition).await
            }
            Some(Target::File { channel, session, rendition, resource }) => {
                self.inner.files.increment(1);
                match self.session(channel, session) {
                    Some(stream) => match stream.resource(rendition, resource).await {
                        Ok((body, media)) => Ok(answer::file(request.headers(), body, media)),
                        Err(error) => Err(error.into()),
                    },
                    None => Err(Problem::NotFound),
                }
            }
            Some(Target::Multivariant { channel }) => self.multivariant(request, channel).await,
            None => Err(Problem::NotFound),
        };
        self.finished(answered, head)
    }

    /// What is sent, counted.
    fn finished(&self, answered: Result<Response<Body>, Problem>, head: bool) -> Response<Body> {
        match answered {
            Ok(response) if head => answer::without_body(response),
            Ok(response) => {
                self.inner.bytes.increment(http_body::Body::size_hint(response.body()).lower());
                response
            }
            Err(problem) => {
                self.inner.refused.increment(1);
                answer::problem(problem)
            }
        }
    }

    async fn multivariant<B>(&self, request: &Request<B>, channel: &str) -> Result<Response<Body>, Problem> {
        self.inner.multivariants.increment(1);
        let stream = self.current(channel).ok_or(Problem::NotLive)?;
        // What this lists carries the publish's secret, so it alone is asked for a signature.
        let closed = stream.private();
        if closed && !access::may_watch(self.inner.access.as_ref(), stream.channel(), request.uri().query()) {
            return Err(Problem::Closed);
        }
        let reply = stream.multivariant().await.map_err(|error| match error {
            weir_hls::Error::NotFound => Problem::NotLive,
            other => other.into(),
        })?;
        let mut response = answer::playlist(gzip(request), &reply);
        if closed {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Ok(response)
    }

    async fn playlist<B>(
        &self,
        request: &Request<B>,
        channel: &str,
        session: PublishId,
        rendition: &str,
    ) -> Result<Response<Body>, Problem> {
        self.inner.playlists.increment(1);
        let stream = self.session(channel, session).ok_or(Problem::NotFound)?;
        let query = request.uri().query().map_or_else(Query::default, Query::parse);
        let reply = stream.media_playlist(rendition, query).await?;
        Ok(answer::playlist(gzip(request), &reply))
    }

    /// Names are compared without case, and asked for in lower case nearly always.
    fn current(&self, channel: &str) -> Option<Arc<Stream>> {
        let store = &self.inner.store;
        store.current(channel).or_else(|| store.current(&lower(channel)?))
    }

    fn session(&self, channel: &str, session: PublishId) -> Option<Arc<Stream>> {
        let store = &self.inner.store;
        store.session(channel, session).or_else(|| store.session(&lower(channel)?, session))
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    edge: Edge,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.edge.inner.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lower(channel: &str) -> Option<ChannelName> {
    let mixed = channel.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed { ChannelName::parse(channel).ok() } else { None }
}

fn gzip<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    headers.get(header::ACCEPT_ENCODING).is_some_and(|value| negotiate::takes_gzip(value.as_bytes()))
}

/// The answer to what is nowhere.
pub(crate) fn not_found() -> Response<Body> {
    answer::problem(Problem::NotFound)
}

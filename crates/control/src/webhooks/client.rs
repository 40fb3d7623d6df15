//! Posts to addresses that others chose.
//!
//! A name is resolved here, every address that it gives is looked at, and one of those is connected to: a name that
//! gives another address when asked again leads nowhere. So it is for each redirect as well.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{HeaderMap, Method, Request, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{URL_BYTES_MAX, address::is_public};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 3;
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Posts messages.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    allow_private: bool,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body; empty when it was longer than is read.
    pub body: Bytes,
}

/// Why nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Not an address that is posted to.
    #[error("{0}")]
    Url(&'static str),
    /// The name leads to no address.
    #[error("the name of the host leads nowhere")]
    NoAddress,
    /// It leads only to addresses that a hook may not name.
    #[error("the host has an address of a private network, which hooks may not name")]
    Private,
    /// Nobody listens there.
    #[error("no connection: {0}")]
    Connect(String),
    /// No TLS.
    #[error("no TLS: {0}")]
    Tls(String),
    /// HTTP went wrong.
    #[error("no answer: {0}")]
    Http(String),
    /// It redirects on and on, or to something that is not followed.
    #[error("it redirects too often, or from HTTPS to HTTP")]
    Redirects,
    /// It takes too long.
    #[error("no answer in time")]
    Timeout,
}

impl Client {
    /// A client that reaches what anybody may reach, or everything.
    #[must_use]
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private }
    }

    /// Whether an address could be posted to, as far as it can be said without asking for its name.
    ///
    /// # Errors
    /// [`Failed::Url`] or [`Failed::Private`].
    pub fn check(&self, url: &str) -> Result<Url, Failed> {
        if url.len() > URL_BYTES_MAX {
            return Err(Failed::Url("the address is too long"));
        }
        let url = Url::parse(url).map_err(|_| Failed::Url("this is no address"))?;
        self.check_parsed(&url)?;
        Ok(url)
    }

    pub(super) fn check_parsed(&self, url: &Url) -> Result<(), Failed> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failed::Url("the address must begin with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failed::Url("the address must not carry a password"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(Failed::Url("the address names no host")),
        };
        if literal.is_some_and(|address| !self.may_reach(address)) {
            return Err(Failed::Private);
        }
        Ok(())
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }

    /// Posts JSON with these headers, within `limit`, and follows redirects that keep the method.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        limit: Duration,
    ) -> Result<Answered, Failed> {
        tokio::time::timeout(limit, self.follow(url, headers, body)).await.unwrap_or(Err(Failed::Timeout))
    }

    async fn follow(&self, url: &str, headers: &[(&'static str, String)], body: Bytes) -> Result<Answered, Failed> {
        let mut url = self.check(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let (answered, location) = self.once(&url, headers, body.clone()).await?;
            let Some(location) = location.filter(|_| matches!(answered.status, 301 | 302 | 307 | 308)) else {
                return Ok(answered);
            };
            let next = url.join(&location).map_err(|_| Failed::Url("it redirects to no address"))?;
            self.check_parsed(&next)?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(Failed::Redirects);
            }
            url = next;
        }
        Err(Failed::Redirects)
    }

    /// Posts once. Gives the answer and where it points to.
    pub(super) async fn once(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<(Answered, Option<String>), Failed> {
        let request = request(url, headers, body)?;
        let stream = self.connect(url).await?;
        if url.scheme() != "https" {
            return exchange(stream, request).await;
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(|_| Failed::NoAddress)?,
            Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
            None => return Err(Failed::NoAddress),
        };
        let stream = tls().connect(name, stream).await.map_err(|error| Failed::Tls(error.to_string()))?;
        exchange(stream, request).await
    }

    /// Connects to an address that was looked at.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Failed> {
        let port = url.port_or_known_default().ok_or(Failed::NoAddress)?;
        let found: Vec<SocketAddr> = match url.host() {
            Some(Host::Domain(name)) => {
                let found = tokio::net::lookup_host((name, port)).await.map_err(|_| Failed::NoAddress)?;
                found.collect()
            }
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(Failed::NoAddress);
        }
        let mut failed = Failed::Private;
        for address in found.into_iter().filter(|address| self.may_reach(address.ip())).take(ADDRESSES_MAX) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = Failed::Connect(error.to_string()),
            }
        }
        Err(failed)
    }
}

fn tls() -> TlsConnector {
    trusted_authorities().into()
}

/// TLS that trusts the machine's certificate authorities, read when they are first needed.
pub(crate) fn trusted_authorities() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            tracing::warn!("this machine has no certificate authorities (ca-certificates): HTTPS leads nowhere");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    });
    config.clone()
}

fn request(url: &Url, headers: &[(&'static str, String)], body: Bytes) -> Result<Request<Full<Bytes>>, Failed> {
    let unusable = |_| Failed::Url("this is no address");
    let target: Uri = url[url::Position::BeforePath..url::Position::AfterQuery].parse().map_err(|_| unusable(()))?;
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(body)).map_err(|_| unusable(()))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(Answered, Option<String>), Failed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| Failed::Http(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let driver = AbortOnDrop(tokio::spawn(async move {
        // What goes wrong is told to whoever waits for the answer.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status().as_u16();
    let location = location(answer.headers());
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    drop(driver);
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok((Answered { status, body }, location))
}

fn location(headers: &HeaderMap) -> Option<String> {
    headers.get(header::LOCATION)?.to_str().ok().map(ToOwned::to_owned)
}

/// A task that ends with whoever started it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! A small HTTP/1.1 and h2c client: one request, one connection, nothing hidden.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Why there is no answer.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// GET over HTTP/1.1.
///
/// # Errors
/// When nobody listens, or the answer is broken.
pub async fn get(url: &str) -> Result<Answer, Error> {
    get_with(url, &[]).await
}

/// GET over HTTP/1.1 with some headers.
///
/// # Errors
/// When nobody listens, or the answer is broken.
pub async fn get_with(url: &str, headers: &[(&str, &str)]) -> Result<Answer, Error> {
    send("GET", url, headers, Bytes::new()).await
}

/// Any request over HTTP/1.1.
///
/// # Errors
/// When nobody listens, or the answer is broken.
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, Error> {
    let uri: Uri = url.parse()?;
    let stream = TokioIo::new(TcpStream::connect(uri.authority().ok_or("no host")?.as_str()).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header("host", uri.authority().map_or("", |authority| authority.as_str()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(sender.send_request(request.body(Full::new(body))?).await?).await
}

/// GET over HTTP/2 with prior knowledge, in clear.
///
/// # Errors
/// When nobody listens, or the answer is broken.
pub async fn get_h2c(url: &str) -> Result<Answer, Error> {
    let uri: Uri = url.parse()?;
    let stream = TokioIo::new(TcpStream::connect(uri.authority().ok_or("no host")?.as_str()).await?);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    read(sender.send_request(Request::get(uri).body(Empty::<Bytes>::new())?).await?).await
}

async fn read(response: Response<Incoming>) -> Result<Answer, Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

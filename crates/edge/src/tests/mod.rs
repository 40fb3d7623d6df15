//! The rules of a Low-Latency HLS origin once more, over real HTTP: a server on a free port, a real client.

mod caches;
mod delivery;
mod sockets;
mod tls;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use weir_hls::{Limits, Part, RenditionId, RenditionKind, RenditionSpec, Store, StreamWriter, Timing};
use weir_identity::{ChannelName, PublishId};

use crate::{Config, Listener, serve::NothingElse};

const PART: Duration = Duration::from_millis(200);
const EXPOSED: &str = "Date, Age, ETag, Location, Link, Content-Range, Retry-After";

/// A server with one live stream, written by hand.
struct Origin {
    address: SocketAddr,
    edge: crate::Edge,
    store: Store,
    writer: StreamWriter,
    video: RenditionId,
    audio: RenditionId,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// Closed streams open to one word.
struct Password;

impl crate::Access for Password {
    fn opens(&self, channel: &ChannelName, token: &str) -> bool {
        channel.as_str() == "berta" && token == "sesame"
    }
}

impl Origin {
    async fn start() -> Self {
        Self::start_with(Config::default(), Limits::default()).await
    }

    async fn start_with(config: Config, limits: Limits) -> Self {
        let store = Store::new(limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(vec![Listener::plain(listener)], address, store, config)
    }

    fn serve(listeners: Vec<Listener>, address: SocketAddr, store: Store, config: Config) -> Self {
        let writer = store.open(ChannelName::parse("anna").unwrap(), PublishId::random(), false).unwrap();
        let stop = CancellationToken::new();
        let edge = crate::service(store.clone(), Some(Arc::new(Password)));
        let served = tokio::spawn(crate::serve(listeners, edge.clone(), NothingElse, config, stop.clone()));
        let (video, audio) = (RenditionId::video(), RenditionId::audio());
        let timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
        let specs = vec![
            RenditionSpec {
                id: video.clone(),
                codecs: "avc1.64001f".to_owned(),
                kind: RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 },
            },
            RenditionSpec {
                id: audio.clone(),
                codecs: "mp4a.40.2".to_owned(),
                kind: RenditionKind::Audio { channels: 2, sample_rate: 48_000 },
            },
        ];
        writer.describe(timing, specs);
        for id in [&video, &audio] {
            writer.init(id, Bytes::from(format!("<init of {id}>")));
        }
        Self { address, edge, store, writer, video, audio, stop, served }
    }

    /// Parts of the same numbers in both renditions, with bytes that tell them apart.
    fn parts(&self, count: usize) -> &Self {
        for _ in 0..count {
            for id in [&self.video, &self.audio] {
                self.writer.part(
                    id,
                    Part {
                        data: Bytes::from(format!("<a part of {id}>")),
                        duration: PART,
                        independent: true,
                        gap: false,
                        program_date_time: SystemTime::UNIX_EPOCH,
                        media_time: Duration::ZERO,
                    },
                );
            }
        }
        self
    }

    fn segments(&self, count: usize) -> &Self {
        for _ in 0..count {
            self.parts(10);
            self.writer.end_segment(&self.video);
            self.writer.end_segment(&self.audio);
        }
        self
    }

    /// A path below the pictures.
    fn path(&self, file: &str) -> String {
        format!("/live/anna/{}/video/{file}", self.writer.stream().session())
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(request(path)).await
    }

    async fn ask(&self, request: Request<Empty<Bytes>>) -> Answer {
        self.client().await.ask(request).await
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client { sender }
    }

    async fn client2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    fn served_connections(&self) -> usize {
        self.edge.connections()
    }

    /// Waits until this many requests are held.
    async fn held(&self, count: usize) {
        while self.store.held_requests() != count {
            tokio::task::yield_now().await;
        }
    }
}

/// One HTTP/1.1 connection.
struct Client {
    sender: http1::SendRequest<Empty<Bytes>>,
}

impl Client {
    async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Answer {
        self.sender.ready().await.unwrap();
        Answer::read(self.sender.send_request(request).await.unwrap()).await
    }
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header(header::HOST, "localhost").body(Empty::new()).unwrap()
}

fn request_with(path: &str, name: header::HeaderName, value: &str) -> Request<Empty<Bytes>> {
    let mut request = request(path);
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    async fn read(response: Response<hyper::body::Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    fn is_problem(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store", "errors become false");
        assert_eq!(self.header("access-control-allow-origin"), "*");
        assert!(self.text().contains("\"type\":\"urn:weir:problem:"), "{self:?}");
        assert!(self.text().contains(&format!("\"status\":{status}")), "{self:?}");
        self
    }
}

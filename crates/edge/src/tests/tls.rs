//! Row E1: HTTPS, with HTTP/2 and HTTP/1.1 by ALPN; HTTP/2 by prior knowledge without a certificate.

use super::*;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

struct Secure {
    origin: Origin,
    roots: rustls::RootCertStore,
}

impl Secure {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let (plain, tls) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = tls.local_addr().unwrap();
        let listeners = vec![Listener::plain(plain), Listener::tls(tls, &config)];
        let origin = Origin::serve(listeners, address, Store::new(Limits::default()), Config::default());
        origin.segments(1);
        Self { origin, roots }
    }

    async fn connect(&self, alpn: &[&[u8]]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.origin.address).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

#[tokio::test]
async fn e1_http2_is_chosen_where_the_client_offers_it() {
    let secure = Secure::start().await;
    let stream = secure.connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let url = format!("https://localhost{}", secure.origin.path("seg-0.m4s"));
    let answer =
        Answer::read(sender.send_request(Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap()).await;
    assert_eq!(answer.text(), "<a part of video>".repeat(10));
    assert_eq!(answer.header("content-length"), "170");
}

#[tokio::test]
async fn e1_http1_works_as_well() {
    let secure = Secure::start().await;
    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let stream = secure.connect(alpn).await;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut client = Client { sender };
        assert_eq!(client.ask(request("/live/anna/index.m3u8")).await.status, 200);
        assert_eq!(client.ask(request(&secure.origin.path("part-0.m4s"))).await.text(), "<a part of video>");
    }
}

#[tokio::test]
async fn e1_http2_without_a_certificate_is_by_prior_knowledge() {
    let origin = Origin::start().await;
    origin.segments(1);
    let mut h2 = origin.client2().await;
    let request = Request::get("http://localhost/live/anna/index.m3u8").body(Empty::new()).unwrap();
    let answer = Answer::read(h2.send_request(request).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-expose-headers"), EXPOSED);
}

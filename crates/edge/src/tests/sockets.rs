//! What a client cannot do to the server: be silent, refuse to read, come in crowds. And how the server leaves.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn hasty() -> Config {
    Config {
        header_timeout: Duration::from_millis(200),
        stall_timeout: Duration::from_millis(200),
        handshake_timeout: Duration::from_millis(200),
        ping_interval: Duration::from_millis(200),
        ..Config::default()
    }
}

/// Reads until the server closes.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset closes as well.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let origin = Origin::start_with(hasty(), Limits::default()).await;
    for beginning in ["", "G", "PRI * HT", "GET /live/anna/index.m3u8 HTTP/1.1\r\nHost: x\r\n", "\u{16}\u{3}"] {
        let mut stream = TcpStream::connect(origin.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await;
    }
}

#[tokio::test]
async fn a_client_that_drips_a_head_is_closed() {
    let origin = Origin::start_with(hasty(), Limits::default()).await;
    let mut stream = TcpStream::connect(origin.address).await.unwrap();
    stream.write_all(b"GET /live/anna/index.m3u8 HTTP/1.1\r\n").await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut closed = Vec::new();
    let mut every = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            _ = read.read_to_end(&mut closed) => break,
            _ = every.tick() => { let _ = write.write_all(b"X: y\r\n").await; }
        }
    }
}

#[tokio::test]
async fn a_silent_http2_client_is_closed_and_a_live_one_is_not() {
    let origin = Origin::start_with(hasty(), Limits::default()).await;
    origin.segments(1);
    let mut stream = TcpStream::connect(origin.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut live = origin.client2().await;
    read_to_end(&mut stream).await;
    let request = Request::get("http://localhost/live/anna/index.m3u8").body(Empty::new()).unwrap();
    assert_eq!(live.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_closed() {
    let origin = Origin::start_with(hasty(), Limits::default()).await;
    let big = Part {
        data: Bytes::from(vec![7; 64 << 20]),
        duration: PART,
        independent: true,
        gap: false,
        program_date_time: SystemTime::UNIX_EPOCH,
        media_time: Duration::ZERO,
    };
    origin.writer.part(&origin.video, big);
    let mut stream = TcpStream::connect(origin.address).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", origin.path("part-0.m4s"));
    stream.write_all(head.as_bytes()).await.unwrap();
    while origin.served_connections() == 0 {
        tokio::task::yield_now().await;
    }
    // Nobody reads; the server gives up.
    while origin.served_connections() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(read_to_end(&mut stream).await.len() < 64 << 20);
}

#[tokio::test]
async fn an_http2_viewer_that_never_opens_its_window_is_closed() {
    let origin = Origin::start_with(
        Config { stall_timeout: Duration::from_millis(100), ..Config::default() },
        Limits::default(),
    )
    .await;
    origin.segments(1);
    let stream = TcpStream::connect(origin.address).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(5)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let url = format!("http://localhost{}", origin.path("seg-0.m4s"));
    let answer = sender.send_request(Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    // The answer is kept and never read, so that the window stays shut; the server gives up.
    let _ = connection.await.unwrap();
    while origin.served_connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn garbage_costs_its_own_connection_only() {
    let origin = Origin::start().await;
    origin.segments(1);
    let mut client = origin.client().await;
    for garbage in [
        &b"\0\xff\xfe garbage\r\n\r\n more garbage"[..],
        b"GET / HTTP/9.9\r\n\r\n aaaaaaaaaaaa",
        b"GET \xff HTTP/1.1\r\n\r\naaaaaaaaaa",
    ] {
        let mut stream = TcpStream::connect(origin.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        read_to_end(&mut stream).await;
    }
    let mut endless = TcpStream::connect(origin.address).await.unwrap();
    let head = [b"GET /live/".to_vec(), vec![b'a'; 1 << 20]].concat();
    let _ = endless.write_all(&head).await;
    read_to_end(&mut endless).await;
    assert_eq!(client.ask(request("/live/anna/index.m3u8")).await.status, 200);
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_at_once() {
    let origin = Origin::start_with(Config { connections: 2, ..Config::default() }, Limits::default()).await;
    origin.segments(1);
    let (mut one, mut two) = (origin.client().await, origin.client().await);
    assert_eq!(one.ask(request("/live/anna/index.m3u8")).await.status, 200);
    assert_eq!(two.ask(request("/live/anna/index.m3u8")).await.status, 200);
    let mut three = TcpStream::connect(origin.address).await.unwrap();
    assert_eq!(read_to_end(&mut three).await, b"");
    drop(one);
    while origin.served_connections() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(origin.get("/live/anna/index.m3u8").await.status, 200, "the place is free again");
}

#[tokio::test]
async fn at_shutdown_held_requests_are_answered_and_nobody_new_comes_in() {
    let origin = Origin::start().await;
    origin.segments(1);
    let (mut held, mut idle) = (origin.client().await, origin.client().await);
    idle.ask(request("/live/anna/index.m3u8")).await;
    let path = origin.path("index.m3u8?_HLS_msn=1");
    let waits = tokio::spawn(async move { held.ask(request(&path)).await });
    origin.held(1).await;
    origin.stop.cancel();
    while TcpStream::connect(origin.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!waits.is_finished());
    origin.writer.end();
    let last = waits.await.unwrap();
    assert!(last.text().ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(last.header("connection"), "close");
    origin.served.await.unwrap();
}

#[tokio::test]
async fn at_shutdown_what_does_not_end_is_closed() {
    let config = Config { drain_timeout: Duration::from_millis(100), ..Config::default() };
    let origin = Origin::start_with(config, Limits::default()).await;
    origin.segments(1);
    let mut client = origin.client().await;
    let path = origin.path("part-10.m4s");
    let waits = tokio::spawn(async move { client.sender.send_request(request(&path)).await.map(|_| ()) });
    origin.held(1).await;
    origin.stop.cancel();
    assert!(waits.await.unwrap().is_err());
    origin.served.await.unwrap();
    assert_eq!(origin.store.held_requests(), 0);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let origin = Origin::start().await;
    origin.segments(1);
    let mut stream = TcpStream::connect(origin.address).await.unwrap();
    let ask = |file: &str| format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", origin.path(file));
    let last = ask("part-1.m4s").replace("Host: x", "Host: x\r\nConnection: close");
    stream.write_all(format!("{}{}{last}", ask("init-0.mp4"), ask("seg-0.m4s")).as_bytes()).await.unwrap();
    let all = String::from_utf8(read_to_end(&mut stream).await).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 3, "{all}");
    assert!(all.find("<init of video>") < all.find("<a part of video>"));
}

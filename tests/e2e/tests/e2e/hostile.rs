//! Bad input beside a stream that must not notice.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weir_testkit::{
    clock::ClockPublisher,
    hls::{self, Playlist},
    http,
    server::{ADMIN_KEY, Server},
};

/// Connections of each hostile kind.
const STRANGERS: usize = 50;

#[tokio::test]
async fn strangers_with_garbage_disturb_no_stream() {
    let server = Server::start().await;
    let _publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let playlist = Playlist::read(&start.variant).await;

    let mut handshake = vec![3];
    handshake.extend([0; 1536 * 2]);
    // After the handshake: a message of 16 MiB that never ends, then chunk sizes that are no sizes.
    let endless = [&handshake[..], &[3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0], &[0; 4096]].concat();
    let no_size = [&handshake[..], &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0], &[0, 0, 0, 0]].concat();
    let huge = [&handshake[..], &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0], &[0x7f, 0xff, 0xff, 0xff]].concat();
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let kinds = [handshake[..700].to_vec(), endless, no_size, huge, noise, b"GET / HTTP/1.1\r\n\r\n".to_vec()];
    let mut strangers = Vec::new();
    for bytes in kinds {
        for _ in 0..STRANGERS {
            let mut stranger = TcpStream::connect(server.rtmp).await.expect("the listener still accepts");
            // The server may hang up before it has heard everything.
            let _ = stranger.write_all(&bytes).await;
            strangers.push(stranger);
        }
    }
    // The stream goes on with all of them still connected.
    let (segment, _) = playlist.next();
    let playlist = playlist.reload_until(|playlist| playlist.next().0 >= segment + 3).await;
    assert!(playlist.tags("EXT-X-DISCONTINUITY").is_empty());
    assert!(!server.output().contains("panicked"), "{}", server.output());
}

#[tokio::test]
async fn odd_requests_get_answers_and_cost_nothing() {
    let server = Server::start().await;
    for path in [
        "/live/../../etc/passwd",
        "/live/%2e%2e/x",
        "/live//index.m3u8",
        "/live/admin/",
        "/live/admin/x/y/z/w",
        "/live/admin/00000000000000000000000000000000/video/index.m3u8?_HLS_msn=18446744073709551616",
    ] {
        let answer = http::get(&server.url(path)).await.expect("an answer");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    let mut stream = TcpStream::connect(server.http).await.expect("it listens");
    stream.write_all(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).as_bytes()).await.ok();
    let mut answer = Vec::new();
    // Refused with a 4xx, or cut: either way the connection ends.
    stream.read_to_end(&mut answer).await.ok();
    assert!(http::get(&server.url("/")).await.expect("still there").status == 200);
}

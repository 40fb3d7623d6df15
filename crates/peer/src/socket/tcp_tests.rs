//! Peers over TCP, on loopback.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{tests::*, *};

async fn connect(sockets: &Sockets) -> TcpStream {
    TcpStream::connect(sockets.local_address()).await.unwrap()
}

async fn say(stream: &mut TcpStream, datagram: &[u8]) {
    let mut framed = Vec::new();
    framing::append(&mut framed, datagram);
    stream.write_all(&framed).await.unwrap();
}

async fn hear(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut datagram = vec![0; length.into()];
    stream.read_exact(&mut datagram).await.ok()?;
    Some(datagram)
}

/// Waits until the server has closed it.
async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

async fn gone(sockets: &Sockets) {
    while sockets.shared.tcp.len() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_peer_over_tcp_gets_framed_answers() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let sockets = bind(listen);
        let (_registration, mut seen) = echo(&sockets, "ours");
        let mut peer = connect(&sockets).await;
        for datagram in [&asks("ours")[..], b"\x80media"] {
            say(&mut peer, datagram).await;
            assert_eq!(hear(&mut peer).await.unwrap(), datagram);
            let (path, got) = seen.recv().await.unwrap();
            assert_eq!((path.local, path.remote), (sockets.local_address(), peer.local_addr().unwrap()));
            assert_eq!(got, datagram);
        }
        drop(peer);
        assert_eq!(seen.recv().await.unwrap().1, b"closed");
        gone(&sockets).await;
    }
}

#[tokio::test]
async fn a_batch_arrives_framed() {
    let sockets = bind("127.0.0.1:0");
    let (_registration, mut seen) = echo(&sockets, "ours");
    let mut peer = connect(&sockets).await;
    say(&mut peer, &asks("ours")).await;
    hear(&mut peer).await.unwrap();
    let (path, _) = seen.recv().await.unwrap();
    let mut batch = Batch::new();
    [1200, 1200, 300, 1, 1200].iter().for_each(|size| batch.push_slice(&vec![7; *size]));
    sockets.send_batch(&path, &batch);
    for datagram in batch.datagrams() {
        assert_eq!(hear(&mut peer).await.unwrap(), datagram);
    }
}

#[tokio::test]
async fn a_connection_that_says_what_is_nobodys_is_closed() {
    let sockets = bind("127.0.0.1:0");
    let (_registration, _seen) = echo(&sockets, "ours");
    for first in [&asks("other")[..], b"GET / HTTP/1.1\r\n\r\n", b"\x80media", b""] {
        let mut peer = connect(&sockets).await;
        say(&mut peer, first).await;
        ends(&mut peer).await;
    }
    let mut peer = connect(&sockets).await;
    peer.write_all(&[0xff; 100]).await.unwrap();
    ends(&mut peer).await;
    gone(&sockets).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_proves_nothing_is_closed_after_a_while() {
    let sockets = bind("127.0.0.1:0");
    let mut peer = connect(&sockets).await;
    ends(&mut peer).await;
    gone(&sockets).await;
}

#[tokio::test]
async fn when_a_session_ends_its_connection_gets_the_last_words_and_is_closed() {
    let sockets = bind("127.0.0.1:0");
    let (registration, mut seen) = echo(&sockets, "ours");
    let mut peer = connect(&sockets).await;
    say(&mut peer, &asks("ours")).await;
    let (path, _) = seen.recv().await.unwrap();
    sockets.send(&path, b"farewell");
    drop(registration);
    assert_eq!(hear(&mut peer).await.unwrap(), asks("ours"));
    assert_eq!(hear(&mut peer).await.unwrap(), b"farewell");
    assert_eq!(hear(&mut peer).await, None);
    gone(&sockets).await;
}

/// Datagrams in all: several times what outbox and kernel hold.
const ROUNDS: u32 = 20_000;

#[tokio::test]
async fn a_slow_reader_loses_datagrams_and_slows_nobody() {
    let sockets = bind("127.0.0.1:0");
    let (slow_session, mut slow_seen) = echo(&sockets, "slow");
    let (_quick_session, mut quick_seen) = echo(&sockets, "quick");
    let (mut slow, mut quick) = (connect(&sockets).await, connect(&sockets).await);
    say(&mut slow, &asks("slow")).await;
    say(&mut quick, &asks("quick")).await;
    hear(&mut slow).await.unwrap();
    hear(&mut quick).await.unwrap();
    let (to_slow, to_quick) = (slow_seen.recv().await.unwrap().0, quick_seen.recv().await.unwrap().0);

    for round in 0..ROUNDS {
        let mut datagram = [0; 1200];
        datagram[..4].copy_from_slice(&round.to_be_bytes());
        sockets.send(&to_slow, &datagram);
        sockets.send(&to_quick, &datagram);
        assert_eq!(hear(&mut quick).await.unwrap(), datagram);
    }
    drop(slow_session);
    let mut got = Vec::new();
    while let Some(datagram) = hear(&mut slow).await {
        assert_eq!(datagram.len(), 1200, "frames are lost whole");
        got.push(u32::from_be_bytes(*datagram.first_chunk().unwrap()));
    }
    assert!(got.is_sorted() && !got.is_empty() && got.len() < ROUNDS as usize, "{} arrived", got.len());
}

#[tokio::test]
async fn connections_are_limited() {
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), tcp_connections_max: 2, ..Config::default() };
    let sockets = Sockets::bind(&config).unwrap();
    let (_registration, _seen) = echo(&sockets, "ours");
    let (mut first, mut second) = (connect(&sockets).await, connect(&sockets).await);
    for peer in [&mut first, &mut second] {
        say(peer, &asks("ours")).await;
        hear(peer).await.unwrap();
    }
    ends(&mut connect(&sockets).await).await;
    drop(first);
    loop {
        let mut peer = connect(&sockets).await;
        say(&mut peer, &asks("ours")).await;
        if hear(&mut peer).await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_that_proved_nothing_makes_room() {
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), tcp_connections_max: 3, ..Config::default() };
    let sockets = Sockets::bind(&config).unwrap();
    let (_registration, _seen) = echo(&sockets, "ours");
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(connect(&sockets).await);
    }
    for _ in 0..3 {
        let mut peer = connect(&sockets).await;
        say(&mut peer, &asks("ours")).await;
        assert!(hear(&mut peer).await.is_some());
        ends(&mut idle.remove(0)).await;
        idle.push(peer);
    }
}

#[tokio::test]
async fn without_tcp_there_is_no_port_and_no_candidate() {
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), tcp: false, ..Config::default() };
    let sockets = Sockets::bind(&config).unwrap();
    assert!(TcpStream::connect(sockets.local_address()).await.is_err());
    assert!(sockets.candidates().iter().all(|candidate| candidate.protocol == Protocol::Udp));
}

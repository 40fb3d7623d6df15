//! The sockets with real peers on loopback.

use std::net::{IpAddr, UdpSocket as StdUdp};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;
use crate::transport::stun::{Class, Message, Writer};

/// An endpoint that sends every datagram back to where it came from, and tells the test.
struct Echo {
    sockets: Sockets,
    seen: mpsc::UnboundedSender<(Path, Vec<u8>)>,
}

impl Endpoint for Echo {
    fn datagram(&self, _: Instant, path: Path, datagram: &[u8]) -> Verdict {
        self.sockets.send(&path, datagram);
        let _ = self.seen.send((path, datagram.to_vec()));
        Verdict::Ours
    }

    fn closed(&self, path: Path) {
        let _ = self.seen.send((path, b"closed".to_vec()));
    }
}

pub(super) type Seen = mpsc::UnboundedReceiver<(Path, Vec<u8>)>;

pub(super) fn bind(listen: &str) -> Sockets {
    Sockets::bind(&Config { listen: listen.parse().unwrap(), ..Config::default() }).unwrap()
}

pub(super) fn echo(sockets: &Sockets, ufrag: &str) -> (Registration, Seen) {
    let (seen, see) = mpsc::unbounded_channel();
    (sockets.register(ufrag, Arc::new(Echo { sockets: sockets.clone(), seen })).unwrap(), see)
}

pub(super) fn asks(ufrag: &str) -> Vec<u8> {
    asks_again(ufrag, 7)
}

/// A request that differs from others.
fn asks_again(ufrag: &str, transaction: u8) -> Vec<u8> {
    Writer::new(Class::Request, [transaction; 12]).username(&format!("{ufrag}:theirs")).finish()
}

/// A peer that talks to one address and, being connected, hears nothing from any other.
async fn peer(at: SocketAddr) -> tokio::net::UdpSocket {
    let any: IpAddr = if at.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    let peer = tokio::net::UdpSocket::bind((any, 0)).await.unwrap();
    peer.connect(at).await.unwrap();
    peer
}

async fn hear(peer: &tokio::net::UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = peer.recv(&mut buffer).await.unwrap();
    buffer[..length].to_vec()
}

async fn check_answer_comes_from(listen: &str, asked: &str) {
    let sockets = bind(listen);
    let (_registration, mut seen) = echo(&sockets, "ours");
    let at = SocketAddr::new(asked.parse().unwrap(), sockets.local_address().port());
    let peer = peer(at).await;
    for datagram in [asks("ours"), b"\x80media".to_vec()] {
        peer.send(&datagram).await.unwrap();
        assert_eq!(hear(&peer).await, datagram);
        let path = Path { carrier: Carrier::Udp, local: at, remote: peer.local_addr().unwrap() };
        assert_eq!(seen.recv().await.unwrap(), (path, datagram));
    }
}

#[tokio::test]
async fn an_answer_leaves_from_the_address_that_was_asked() {
    check_answer_comes_from("127.0.0.1:0", "127.0.0.1").await;
    check_answer_comes_from("0.0.0.0:0", "127.0.0.2").await;
    check_answer_comes_from("[::]:0", "127.0.0.2").await;
    check_answer_comes_from("[::]:0", "::1").await;
    check_answer_comes_from("[::1]:0", "::1").await;
}

#[tokio::test]
async fn a_batch_arrives_as_the_datagrams_it_was_made_of() {
    for (listen, asked) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")] {
        let sockets = bind(listen);
        let (_registration, mut seen) = echo(&sockets, "ours");
        let peer = peer(SocketAddr::new(asked.parse().unwrap(), sockets.local_address().port())).await;
        peer.send(&asks("ours")).await.unwrap();
        hear(&peer).await;
        let (path, _) = seen.recv().await.unwrap();

        let mut batch = Batch::new();
        for (index, size) in [1200, 1200, 1200, 700, 100, 100, 1200, 1200].into_iter().enumerate() {
            batch.push_slice(&vec![u8::try_from(index).unwrap(); size]);
        }
        for offload in [true, false] {
            sockets.shared.udp.offload(offload);
            sockets.send_batch(&path, &batch);
            for datagram in batch.datagrams() {
                assert_eq!(hear(&peer).await, datagram);
            }
        }
    }
}

#[tokio::test]
async fn datagrams_that_were_joined_on_the_way_are_delivered_apart() {
    let (here, there) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (_first, mut seen) = echo(&here, "here");
    let path = Path { carrier: Carrier::Udp, local: there.local_address(), remote: here.local_address() };
    let mut batch = Batch::new();
    let messages: Vec<_> = (0..20).map(|transaction| asks_again("here", transaction)).collect();
    messages.iter().for_each(|message| batch.push_slice(message));
    there.send_batch(&path, &batch);
    for message in messages {
        assert_eq!(seen.recv().await.unwrap().1, message);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_harms_nobody() {
    let sockets = bind("127.0.0.1:0");
    let (_registration, mut seen) = echo(&sockets, "ours");
    let bound = sockets.local_address();
    let to = |remote: &str| Path { carrier: Carrier::Udp, local: bound, remote: remote.parse().unwrap() };
    let mut batch = Batch::new();
    (0..4).for_each(|_| batch.push_slice(&[1; 1200]));
    for path in [
        to("[2001:db8::1]:9"),
        to("127.0.0.1:0"),
        to("255.255.255.255:9"),
        Path { local: "203.0.113.9:1".parse().unwrap(), ..to("127.0.0.1:9") },
        Path { carrier: Carrier::Tcp(99), ..to("127.0.0.1:9") },
    ] {
        sockets.send(&path, b"into nowhere");
        sockets.send(&path, &[0; 70_000]);
        sockets.send_batch(&path, &batch);
    }
    // A closed port answers with an ICMP message, which must not end the reading.
    let closed = StdUdp::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    sockets.send_batch(&to(&closed.to_string()), &batch);
    let peer = peer(bound).await;
    peer.send(&asks("ours")).await.unwrap();
    assert!(seen.recv().await.is_some());
    assert!(sockets.shared.udp.offloads(), "unreachable peers say nothing about segmentation");
}

/// Panics over its first datagram.
struct Fragile(Mutex<bool>);

impl Endpoint for Fragile {
    fn datagram(&self, _: Instant, _: Path, _: &[u8]) -> Verdict {
        *self.0.lock() = true;
        panic!("on purpose");
    }

    fn closed(&self, _: Path) {}
}

#[tokio::test]
async fn after_a_flood_and_a_panic_others_are_still_served() {
    let sockets = bind("127.0.0.1:0");
    let fragile = Arc::new(Fragile(Mutex::new(false)));
    let _bad = sockets.register("bad", Arc::clone(&fragile) as Arc<dyn Endpoint>).unwrap();
    let (_good, mut seen) = echo(&sockets, "good");
    let (flooder, good) = (peer(sockets.local_address()).await, peer(sockets.local_address()).await);
    flooder.send(&asks("bad")).await.unwrap();
    for index in 0..2000_u32 {
        let forged = asks(&format!("forged{index}"));
        let garbage = [&index.to_be_bytes()[..], &[0xff; 40]].concat();
        for datagram in [&forged[..], &forged[..9], &garbage, b""] {
            flooder.send(datagram).await.unwrap();
        }
        if index % 16 == 0 {
            // Not faster than it is read: what the kernel drops is not under test.
            good.send(&asks("good")).await.unwrap();
            assert_eq!(seen.recv().await.unwrap().1, asks("good"));
        }
    }
    assert!(*fragile.0.lock());
    assert_eq!(sockets.shared.routes.len(), 1);
}

#[tokio::test]
async fn a_dropped_registration_and_dropped_sockets_leave_nothing() {
    let sockets = bind("127.0.0.1:0");
    let address = sockets.local_address();
    let (registration, mut seen) = echo(&sockets, "ours");
    drop(registration);
    assert!(seen.recv().await.is_none(), "the endpoint is dropped");
    let shared = Arc::downgrade(&sockets.shared);
    drop(sockets);
    while shared.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    StdUdp::bind(address).unwrap();
}

#[tokio::test]
async fn a_specific_address_is_the_candidate_with_its_real_port() {
    let sockets = bind("127.0.0.1:0");
    let candidates = sockets.candidates();
    assert_eq!(candidates.first().unwrap().address, sockets.local_address());
}

#[tokio::test]
async fn what_a_stun_server_sees_becomes_a_candidate() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        stun_servers: vec![server.local_addr().unwrap().to_string()],
        ..Config::default()
    };
    let sockets = Sockets::bind(&config).unwrap();
    let mut buffer = [0; 100];
    let (length, from) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(from, sockets.local_address(), "asked from the very socket");
    let public: SocketAddr = "198.51.100.7:40001".parse().unwrap();
    let question = Message::parse(&buffer[..length]).unwrap().transaction;
    let answer = Writer::new(Class::Success, question).mapped(public, question).finish();
    server.send_to(&answer, from).await.unwrap();
    while !sockets.candidates().iter().any(|candidate| candidate.address == public) {
        tokio::task::yield_now().await;
    }
    assert!(sockets.candidates().iter().any(|candidate| candidate.address == sockets.local_address()));
}

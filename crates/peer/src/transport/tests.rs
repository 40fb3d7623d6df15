//! Two transports in memory.

use super::*;
use crate::path::Carrier;

/// What is between two transports.
struct Pair {
    now: Instant,
    server: Transport,
    client: Transport,
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// As the server sees it; the client sees it mirrored.
fn path() -> Path {
    Path { carrier: Carrier::Udp, local: address("192.0.2.1:8189"), remote: address("198.51.100.7:40000") }
}

fn mirrored(path: Path) -> Path {
    Path { carrier: path.carrier, local: path.remote, remote: path.local }
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let certificates = [(); 2].map(|()| Certificate::generate().expect("a certificate"));
        let credentials = [(); 2].map(|()| Credentials::random());
        let make = |side, own: usize| {
            let other = 1 - own;
            let (local, remote) = (credentials[own].clone(), credentials[other].clone());
            Transport::new(now, side, &certificates[own], local, remote, vec![certificates[other].fingerprint()])
                .expect("a transport")
        };
        let (server, mut client) = (make(Side::Server, 0), make(Side::Client, 1));
        client.remote_candidate(path().local);
        Self { now, server, client }
    }

    /// Carries what is there; `keep` says of each datagram (true: from the client) whether it arrives.
    fn carry(&mut self, mut keep: impl FnMut(bool, &[u8]) -> bool) {
        loop {
            let mut quiet = true;
            while let Some(transmit) = self.client.poll_transmit() {
                quiet = false;
                if keep(true, &transmit.data) {
                    self.server.receive(self.now, path(), &transmit.data);
                }
            }
            while let Some(transmit) = self.server.poll_transmit() {
                quiet = false;
                assert_eq!(transmit.path, path());
                if keep(false, &transmit.data) {
                    self.client.receive(self.now, mirrored(path()), &transmit.data);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// The time of whichever is due first.
    fn advance(&mut self) {
        let due = self.server.poll_timeout().into_iter().chain(self.client.poll_timeout()).min().expect("a timer");
        self.now = self.now.max(due);
        self.server.handle_timeout(self.now);
        self.client.handle_timeout(self.now);
    }

    fn connect(&mut self, mut keep: impl FnMut(bool, &[u8]) -> bool) {
        for _ in 0..1_000 {
            self.carry(&mut keep);
            if self.server.is_connected() && self.client.is_connected() {
                return;
            }
            self.advance();
        }
        panic!("did not connect");
    }
}

const RTP: &[u8] = &[0x80, 96, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, b'h', b'e', b'l', b'l', b'o'];
const RTCP: &[u8] = &[0x80, 201, 0, 1, 1, 2, 3, 4];

#[test]
fn both_sides_connect_and_media_goes_both_ways() {
    let mut pair = Pair::new();
    pair.connect(|_, _| true);
    assert_eq!(pair.server.poll_event(), Some(Event::PathChanged(path())));
    assert_eq!(pair.server.poll_event(), Some(Event::Connected));
    assert_eq!(pair.client.poll_event(), Some(Event::PathChanged(mirrored(path()))));
    assert_eq!(pair.client.poll_event(), Some(Event::Connected));
    let mut out = Vec::new();
    pair.server.protect_rtp(RTP, &mut out).expect("protected");
    let received = pair.client.receive(pair.now, mirrored(path()), &out);
    assert_eq!(received, Received { verdict: Verdict::Ours, packet: Packet::Rtp(RTP.into()) });
    out.clear();
    pair.client.protect_rtcp(RTCP, &mut out).expect("protected");
    let received = pair.server.receive(pair.now, path(), &out);
    assert_eq!(received, Received { verdict: Verdict::Ours, packet: Packet::Rtcp(RTCP.into()) });
}

//! Two transports in memory.

use proptest::prelude::*;

use super::*;
use crate::path::Carrier;

mod interop;

/// What is between two transports.
struct Pair {
    now: Instant,
    server: Transport,
    client: Transport,
    /// Whether what one side says at a time arrives in reverse order.
    backwards: bool,
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
        Self { now, server, client, backwards: false }
    }

    /// Carries what is there; `keep` says of each datagram (true: from the client) whether it arrives.
    fn carry(&mut self, mut keep: impl FnMut(bool, &[u8]) -> bool) {
        loop {
            let mut from_client: Vec<_> = std::iter::from_fn(|| self.client.poll_transmit()).collect();
            let mut from_server: Vec<_> = std::iter::from_fn(|| self.server.poll_transmit()).collect();
            let quiet = from_client.is_empty() && from_server.is_empty();
            if self.backwards {
                from_client.reverse();
                from_server.reverse();
            }
            for transmit in from_client {
                if keep(true, &transmit.data) {
                    self.server.receive(self.now, path(), &transmit.data);
                }
            }
            for transmit in from_server {
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

#[test]
fn any_one_datagram_may_be_lost() {
    for lost in 0..24 {
        let mut pair = Pair::new();
        let mut count = 0;
        pair.connect(|_, _| {
            count += 1;
            count - 1 != lost
        });
    }
}

#[test]
fn all_that_one_side_says_for_a_second_may_be_lost() {
    for lost_from_client in [true, false] {
        for first in 0..10 {
            let mut pair = Pair::new();
            let mut count = 0;
            let mut lost = 0;
            pair.connect(|from_client, datagram| {
                let is_dtls = datagram.first().is_some_and(|first| *first >= 20);
                if from_client != lost_from_client || !is_dtls {
                    return true;
                }
                count += 1;
                lost += u32::from(count > first && lost < 4);
                count <= first || lost >= 4
            });
        }
    }
}

#[test]
fn a_server_prefers_aead_whatever_the_client_names_first() {
    let mut pair = Pair::new();
    pair.connect(|_, _| true);
    let mut out = Vec::new();
    pair.server.protect_rtp(RTP, &mut out).expect("protected");
    assert_eq!(out.len(), RTP.len() + 16);
}

#[test]
fn another_certificate_than_the_fingerprint_says_ends_it() {
    let mut pair = Pair::new();
    let stranger = Certificate::generate().expect("a certificate");
    let (local, remote) = (Credentials::random(), Credentials::random());
    let make = |side, own: &Certificate, local: &Credentials, remote: &Credentials, print| {
        Transport::new(pair.now, side, own, local.clone(), remote.clone(), vec![print]).expect("a transport")
    };
    let known = Certificate::generate().expect("a certificate");
    let server = make(Side::Server, &known, &local, &remote, stranger.fingerprint());
    let client = make(Side::Client, &known, &remote, &local, known.fingerprint());
    (pair.server, pair.client) = (server, client);
    pair.client.remote_candidate(path().local);
    for _ in 0..20 {
        pair.carry(|_, _| true);
        if pair.client.poll_timeout().is_some() {
            pair.advance();
        }
    }
    let events: Vec<_> = std::iter::from_fn(|| pair.server.poll_event()).collect();
    assert!(matches!(events.last(), Some(Event::Closed(Reason::Handshake(_)))), "{events:?}");
    assert!(!pair.server.is_connected());
    assert!(!events.contains(&Event::Connected));
    assert!(pair.server.protect_rtp(RTP, &mut Vec::new()).is_err());
}

#[test]
fn goodbye_reaches_the_other_side_and_frees_both() {
    for server_closes in [true, false] {
        let mut pair = Pair::new();
        pair.connect(|_, _| true);
        let (one, other) =
            if server_closes { (&mut pair.server, &mut pair.client) } else { (&mut pair.client, &mut pair.server) };
        while other.poll_event().is_some() {}
        one.close(pair.now);
        assert!(!one.is_connected());
        let at = if server_closes { mirrored(path()) } else { path() };
        while let Some(transmit) = one.poll_transmit() {
            other.receive(pair.now, at, &transmit.data);
        }
        assert_eq!(other.poll_event(), Some(Event::Closed(Reason::Peer)));
        for side in [&pair.server, &pair.client] {
            assert!(side.state.is_none());
            assert_eq!(side.poll_timeout(), None);
            assert_eq!(side.path(), None);
        }
    }
}

#[test]
fn silence_ends_it_and_checks_keep_it_alive() {
    let mut pair = Pair::new();
    pair.connect(|_, _| true);
    let start = pair.now;
    while pair.now < start + Duration::from_secs(120) {
        pair.carry(|_, _| true);
        pair.advance();
    }
    assert!(pair.server.is_connected());
    while pair.server.poll_event().is_some() {}
    let last = pair.now;
    while pair.server.is_connected() {
        pair.carry(|_, _| false);
        pair.advance();
    }
    assert!(pair.now <= last + SILENCE_MAX);
    assert_eq!(pair.server.poll_event(), Some(Event::Closed(Reason::Silence)));
    assert!(pair.server.state.is_none());
}

#[test]
fn a_peer_that_never_speaks_is_given_up() {
    let mut pair = Pair::new();
    while let Some(due) = pair.server.poll_timeout() {
        pair.server.handle_timeout(due);
    }
    assert_eq!(pair.server.poll_event(), Some(Event::Closed(Reason::Silence)));
}

#[test]
fn a_peer_that_checks_and_never_shakes_hands_is_given_up() {
    let mut pair = Pair::new();
    while pair.server.state.is_some() {
        pair.carry(|_, datagram| datagram.first().is_some_and(|first| *first < 20));
        pair.advance();
    }
    let events: Vec<_> = std::iter::from_fn(|| pair.server.poll_event()).collect();
    assert!(matches!(events.last(), Some(Event::Closed(Reason::Timeout | Reason::Silence))), "{events:?}");
}

#[test]
fn after_an_ice_restart_media_goes_on_over_the_old_path_and_then_the_new() {
    let mut pair = Pair::new();
    pair.connect(|_, _| true);
    while pair.server.poll_event().is_some() {}
    let (local, remote) = (Credentials::random(), Credentials::random());
    pair.server.restart(pair.now, local.clone(), remote.clone());
    assert_eq!(pair.server.path(), Some(path()));
    let mut out = Vec::new();
    pair.client.protect_rtp(RTP, &mut out).expect("protected");
    assert_eq!(pair.server.receive(pair.now, path(), &out).packet, Packet::Rtp(RTP.into()));
    pair.client.restart(pair.now, remote, local);
    // The client is at another address now.
    let moved = Path { remote: address("203.0.113.4:5000"), ..path() };
    for _ in 0..20 {
        pair.advance();
        while let Some(transmit) = pair.client.poll_transmit() {
            pair.server.receive(pair.now, moved, &transmit.data);
        }
        while let Some(transmit) = pair.server.poll_transmit() {
            pair.client.receive(pair.now, mirrored(moved), &transmit.data);
        }
    }
    assert_eq!(pair.server.path(), Some(moved));
    assert_eq!(pair.server.poll_event(), Some(Event::PathChanged(moved)));
    out.clear();
    pair.client.protect_rtcp(RTCP, &mut out).expect("protected");
    assert_eq!(pair.server.receive(pair.now, moved, &out).packet, Packet::Rtcp(RTCP.into()));
}

#[test]
fn media_and_handshakes_from_unproven_addresses_are_not_looked_at() {
    let mut pair = Pair::new();
    let stranger = Path { remote: address("203.0.113.66:6666"), ..path() };
    let hello = {
        let mut found = None;
        pair.connect(|from_client, datagram| {
            if from_client && datagram.first() == Some(&22) && found.is_none() {
                found = Some(datagram.to_vec());
            }
            true
        });
        found.expect("a hello")
    };
    let mut fresh = Pair::new();
    let received = fresh.server.receive(fresh.now, stranger, &hello);
    assert_eq!(received.verdict, Verdict::Unproven);
    assert_eq!(fresh.server.poll_transmit(), None);
    let mut out = Vec::new();
    pair.client.protect_rtp(RTP, &mut out).expect("protected");
    assert_eq!(pair.server.receive(pair.now, stranger, &out).verdict, Verdict::Unproven);
    assert_eq!(pair.server.dropped(), 1);
}

/// Every datagram of a whole session, for mutation.
fn recorded() -> Vec<(bool, Vec<u8>)> {
    let mut datagrams = Vec::new();
    Pair::new().connect(|from_client, datagram| {
        datagrams.push((from_client, datagram.to_vec()));
        true
    });
    datagrams
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn losses_only_delay(choices in proptest::collection::vec(any::<bool>(), 400), backwards in any::<bool>()) {
        let mut pair = Pair::new();
        pair.backwards = backwards;
        let mut choices = choices.into_iter();
        // Never two records in a row of one side: the library gives up a flight after seven repeats.
        let mut lost = [false; 2];
        pair.connect(|from_client, datagram| {
            if datagram.first().is_some_and(|first| *first < 20) {
                return true;
            }
            let lose = !lost[usize::from(from_client)] && choices.next().unwrap_or(false);
            lost[usize::from(from_client)] = lose;
            !lose
        });
    }

    #[test]
    fn damaged_datagrams_never_panic_and_get_no_more_than_they_spent(
        which in any::<proptest::sample::Index>(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
        cut in any::<proptest::sample::Index>(), cuts in any::<bool>(), deliver in 0..12_usize,
    ) {
        let mut pair = Pair::new();
        let mut left = deliver;
        for _ in 0..4 {
            pair.carry(|_, _| { left = left.saturating_sub(1); left > 0 });
            pair.advance();
        }
        let datagrams = recorded();
        let (_, mut datagram) = datagrams[which.index(datagrams.len())].clone();
        let place = at.index(datagram.len());
        datagram[place] = byte;
        if cuts {
            datagram.truncate(cut.index(datagram.len()) + 1);
        }
        while pair.server.poll_transmit().is_some() {}
        let stranger = Path { remote: address("203.0.113.66:6666"), ..path() };
        let received = pair.server.receive(pair.now, stranger, &datagram);
        prop_assert_eq!(received.verdict, Verdict::Unproven);
        let answered: usize = std::iter::from_fn(|| pair.server.poll_transmit()).map(|sent| sent.data.len()).sum();
        prop_assert!(answered * 2 <= datagram.len() * 3);
        // The same from the proven path, and to the client.
        pair.server.receive(pair.now, path(), &datagram);
        pair.client.receive(pair.now, mirrored(path()), &datagram);
    }

    #[test]
    fn garbage_never_panics(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..20),
    ) {
        let mut pair = Pair::new();
        pair.carry(|_, _| true);
        pair.advance();
        pair.carry(|_, _| true);
        for datagram in datagrams {
            pair.server.receive(pair.now, path(), &datagram);
        }
    }
}

/// A server and its client that are connected, and a nomination of the client's that is under way.
fn nominated(pair: &mut Pair) -> Vec<u8> {
    pair.connect(|_, _| true);
    while pair.server.poll_event().is_some() {}
    let mut check = None;
    while check.is_none() {
        pair.advance();
        while let Some(transmit) = pair.client.poll_transmit() {
            check = Some(transmit.data.to_vec());
        }
    }
    check.expect("found")
}

fn elsewhere() -> Path {
    Path { remote: address("203.0.113.66:6666"), ..path() }
}

/// What the server sends to `at`.
fn sent(pair: &mut Pair, at: Path) -> Vec<Vec<u8>> {
    let transmits = std::iter::from_fn(|| pair.server.poll_transmit());
    transmits.filter(|sent| sent.path == at).map(|sent| sent.data.to_vec()).collect()
}

#[test]
fn media_goes_nowhere_that_does_not_answer() {
    let mut pair = Pair::new();
    let check = nominated(&mut pair);
    let (mut spent, mut got) = (0, 0);
    // With the address of somebody who asked for nothing.
    for _ in 0..100 {
        pair.now += Duration::from_millis(20);
        assert_eq!(pair.server.receive(pair.now, elsewhere(), &check).verdict, Verdict::Ours);
        spent += check.len();
        got += sent(&mut pair, elsewhere()).iter().map(Vec::len).sum::<usize>();
        // The peer itself is heard where it is.
        let mut report = Vec::new();
        pair.client.protect_rtcp(RTCP, &mut report).expect("protected");
        pair.server.receive(pair.now, path(), &report);
        assert_eq!(pair.server.path(), Some(path()));
        // Nor do packets move it that are signed with the session's keys.
        report.clear();
        pair.client.protect_rtcp(RTCP, &mut report).expect("protected");
        assert_eq!(pair.server.receive(pair.now, elsewhere(), &report).packet, Packet::Rtcp(RTCP.into()));
        assert_eq!(pair.server.path(), Some(path()));
    }
    assert!(got * 2 <= spent * 3, "{got} for {spent}");
    assert_eq!(pair.server.poll_event(), None);
}

#[test]
fn media_moves_when_the_new_path_answers() {
    let mut pair = Pair::new();
    let check = nominated(&mut pair);
    let asked = loop {
        pair.server.receive(pair.now, elsewhere(), &check);
        let requests = |data: &Vec<u8>| stun::username(data).is_some();
        if let Some(asked) = sent(&mut pair, elsewhere()).into_iter().find(requests) {
            break asked;
        }
        assert_eq!(pair.server.path(), Some(path()));
    };
    pair.client.receive(pair.now, mirrored(elsewhere()), &asked);
    let answer = pair.client.poll_transmit().expect("an answer").data;
    // From elsewhere, or damaged, it proves nothing.
    pair.server.receive(pair.now, path(), &answer);
    let mut damaged = answer.to_vec();
    damaged[12] ^= 1;
    pair.server.receive(pair.now, elsewhere(), &damaged);
    assert_eq!(pair.server.path(), Some(path()));
    pair.server.receive(pair.now, elsewhere(), &answer);
    assert_eq!(pair.server.path(), Some(elsewhere()));
    assert_eq!(pair.server.poll_event(), Some(Event::PathChanged(elsewhere())));
    assert_eq!(pair.server.poll_event(), None);
}

#[test]
fn a_connection_over_tcp_needs_no_further_proof() {
    let mut pair = Pair::new();
    let check = nominated(&mut pair);
    let tcp = Path { carrier: Carrier::Tcp(7), ..elsewhere() };
    pair.server.receive(pair.now, tcp, &check);
    assert_eq!(pair.server.path(), Some(tcp));
}

#[test]
fn media_leaves_a_path_that_is_silent_while_another_is_heard() {
    let mut pair = Pair::new();
    let check = nominated(&mut pair);
    let tcp = Path { carrier: Carrier::Tcp(7), ..elsewhere() };
    pair.server.receive(pair.now, tcp, &check);
    assert_eq!(pair.server.path(), Some(tcp));
    let heard = |pair: &mut Pair, after: Duration| {
        pair.now += after;
        let mut report = Vec::new();
        pair.client.protect_rtcp(RTCP, &mut report).expect("protected");
        assert_eq!(pair.server.receive(pair.now, path(), &report).verdict, Verdict::Ours);
        pair.server.path()
    };
    let second = Duration::from_secs(1);
    assert_eq!(heard(&mut pair, second), Some(tcp));
    assert_eq!(heard(&mut pair, 3 * second), Some(tcp));
    // The path of the handshake, where the peer is heard.
    assert_eq!(heard(&mut pair, second), Some(path()));
    assert_eq!(pair.server.path(), Some(path()));
    // Somebody who is heard, but never answered, gets nothing; who did gets it again.
    pair.now += 5 * second;
    pair.server.receive(pair.now, elsewhere(), &check);
    assert_eq!(pair.server.path(), None);
    assert_eq!(heard(&mut pair, second), Some(path()));
    assert!(pair.server.is_connected());
}

#[test]
fn a_path_that_is_chosen_during_the_handshake_has_to_have_had_part_in_it() {
    let mut pair = Pair::new();
    let mut nomination = None;
    let mut flights = 0;
    // Until the server's part of the handshake is on its way.
    while flights == 0 {
        let from_client: Vec<_> = std::iter::from_fn(|| pair.client.poll_transmit()).collect();
        for transmit in from_client {
            if stun::username(&transmit.data).is_some() {
                nomination = Some(transmit.data.to_vec());
            }
            pair.server.receive(pair.now, path(), &transmit.data);
        }
        let from_server: Vec<_> = std::iter::from_fn(|| pair.server.poll_transmit()).collect();
        for transmit in from_server {
            flights += usize::from(transmit.data.len() > 500);
            pair.client.receive(pair.now, mirrored(path()), &transmit.data);
        }
        pair.advance();
    }
    pair.server.receive(pair.now, elsewhere(), &nomination.expect("the path was chosen"));
    assert_eq!(pair.server.path(), Some(elsewhere()), "there is no media yet");
    while pair.server.poll_transmit().is_some() {}
    while !pair.server.is_connected() {
        let from_client: Vec<_> = std::iter::from_fn(|| pair.client.poll_transmit()).collect();
        assert!(!from_client.is_empty());
        for transmit in from_client.into_iter().filter(|sent| sent.data[0] >= 20) {
            pair.server.receive(pair.now, path(), &transmit.data);
        }
    }
    assert_eq!(pair.server.path(), Some(path()));
}

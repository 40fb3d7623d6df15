use std::net::SocketAddr;

use parking_lot::Mutex;

use super::*;
use crate::transport::stun::Writer;

/// An endpoint that writes down what it got, and answers as it is told.
struct Session {
    verdict: Verdict,
    got: Mutex<Vec<Vec<u8>>>,
    closed: Mutex<Vec<Path>>,
    panics: bool,
}

impl Endpoint for Session {
    fn datagram(&self, _: Instant, _: Path, datagram: &[u8]) -> Verdict {
        assert!(!self.panics, "told to");
        self.got.lock().push(datagram.to_vec());
        self.verdict
    }

    fn closed(&self, path: Path) {
        assert!(!self.panics, "told to");
        self.closed.lock().push(path);
    }
}

fn session(verdict: Verdict) -> Arc<Session> {
    Arc::new(Session { verdict, got: Mutex::default(), closed: Mutex::default(), panics: false })
}

fn path(port: u16) -> Path {
    let local: SocketAddr = ([192, 0, 2, 1], 8189).into();
    Path { carrier: Carrier::Udp, local, remote: ([198, 51, 100, 1], port).into() }
}

fn tcp(connection: u64) -> Path {
    Path { carrier: Carrier::Tcp(connection), ..path(1) }
}

fn request() -> Writer {
    Writer::new(Class::Request, [7; 12])
}

fn asks(ufrag: &str) -> Vec<u8> {
    request().username(&format!("{ufrag}:theirs")).finish()
}

const MEDIA: &[u8] = &[0x80, 1, 2, 3];

fn check(routes: &Routes, path: Path, datagram: &[u8], expected: Delivery) {
    assert_eq!(routes.deliver(Instant::now(), path, datagram), (expected, Orphans::default()));
}

#[test]
fn a_path_is_learned_by_proof_only() {
    let routes = Routes::new(10);
    let doubting = session(Verdict::Unproven);
    let _ = routes.register("doubting", doubting.clone()).unwrap();
    check(&routes, path(1), MEDIA, Delivery::Unknown);
    check(&routes, path(1), &asks("doubting"), Delivery::Taken);
    check(&routes, path(1), MEDIA, Delivery::Unknown);

    let sure = session(Verdict::Ours);
    let _ = routes.register("sure", sure.clone()).unwrap();
    check(&routes, path(1), &asks("sure"), Delivery::Proven);
    check(&routes, path(1), MEDIA, Delivery::Taken);
    check(&routes, path(2), MEDIA, Delivery::Unknown);
    assert_eq!((doubting.got.lock().len(), sure.got.lock().len()), (1, 2));
}

#[test]
fn a_request_for_an_unknown_fragment_is_nobodys_even_on_a_known_path() {
    let routes = Routes::new(10);
    let _ = routes.register("ours", session(Verdict::Ours)).unwrap();
    check(&routes, path(1), &asks("ours"), Delivery::Proven);
    check(&routes, path(1), &asks("other"), Delivery::Unknown);
    check(&routes, path(1), &request().finish(), Delivery::Unknown);
    check(&routes, path(1), &request().username(":theirs").finish(), Delivery::Unknown);
}

#[test]
fn another_session_that_proves_itself_takes_a_path_over() {
    let routes = Routes::new(10);
    let (before, after) = (session(Verdict::Ours), session(Verdict::Ours));
    let first = routes.register("before", before.clone()).unwrap();
    let _ = routes.register("after", after.clone()).unwrap();
    check(&routes, path(1), &asks("before"), Delivery::Proven);
    check(&routes, path(1), &asks("after"), Delivery::Proven);
    let _ = routes.forget(first);
    check(&routes, path(1), MEDIA, Delivery::Taken);
    assert_eq!((before.got.lock().len(), after.got.lock().len()), (1, 2));
}

#[test]
fn the_path_that_was_proven_longest_ago_makes_room() {
    let routes = Routes::new(10);
    let _ = routes.register("ours", session(Verdict::Ours)).unwrap();
    let ports = u16::try_from(PATHS_PER_SESSION).unwrap();
    for port in (1..=ports).chain([1, ports + 1]) {
        check(&routes, path(port), &asks("ours"), Delivery::Proven);
    }
    check(&routes, path(1), MEDIA, Delivery::Taken);
    check(&routes, path(2), MEDIA, Delivery::Unknown);
    assert_eq!(routes.tables.read().paths.len(), PATHS_PER_SESSION);
}

#[test]
fn the_path_that_the_peer_chose_makes_room_for_none() {
    let routes = Routes::new(10);
    let _ = routes.register("ours", session(Verdict::Ours)).unwrap();
    let chosen = request().username("ours:theirs").use_candidate().finish();
    check(&routes, path(1), &chosen, Delivery::Proven);
    for port in 2..100 {
        check(&routes, path(port), &asks("ours"), Delivery::Proven);
        assert!(routes.tables.read().paths.len() <= PATHS_PER_SESSION);
    }
    check(&routes, path(1), MEDIA, Delivery::Taken);
    check(&routes, path(99), MEDIA, Delivery::Taken);
    check(&routes, path(2), MEDIA, Delivery::Unknown);
    // Another one now.
    check(&routes, path(100), &chosen, Delivery::Proven);
    for port in 101..200 {
        check(&routes, path(port), &asks("ours"), Delivery::Proven);
    }
    check(&routes, path(1), MEDIA, Delivery::Unknown);
    check(&routes, path(100), MEDIA, Delivery::Taken);
}

#[test]
fn a_forgotten_session_leaves_nothing() {
    let routes = Routes::new(10);
    let endpoint = session(Verdict::Ours);
    let id = routes.register("ours", endpoint.clone()).unwrap();
    routes.add(id, "restarted").unwrap();
    for path in [path(1), tcp(7)] {
        check(&routes, path, &asks("restarted"), Delivery::Proven);
    }
    assert_eq!(routes.forget(id), Orphans(vec![7]));
    for datagram in [&asks("ours"), &asks("restarted"), MEDIA] {
        check(&routes, path(1), datagram, Delivery::Unknown);
    }
    let tables = routes.tables.read();
    assert_eq!((tables.ufrags.len(), tables.paths.len(), tables.sessions.len()), (0, 0, 0));
    assert_eq!(Arc::strong_count(&endpoint), 1);
}

#[test]
fn a_restart_keeps_the_last_two_fragments() {
    let routes = Routes::new(10);
    let id = routes.register("first", session(Verdict::Ours)).unwrap();
    routes.add(id, "second").unwrap();
    check(&routes, path(1), &asks("first"), Delivery::Proven);
    routes.add(id, "third").unwrap();
    check(&routes, path(1), &asks("first"), Delivery::Unknown);
    check(&routes, path(1), &asks("second"), Delivery::Proven);
    assert_eq!(routes.add(id, "third"), Err(RegisterError::Taken));
}

#[test]
fn sessions_are_limited_and_fragments_unique() {
    let routes = Routes::new(2);
    let first = routes.register("first", session(Verdict::Ours)).unwrap();
    assert_eq!(routes.register("first", session(Verdict::Ours)), Err(RegisterError::Taken));
    let _ = routes.register("second", session(Verdict::Ours)).unwrap();
    assert_eq!(routes.register("third", session(Verdict::Ours)), Err(RegisterError::Full));
    let _ = routes.forget(first);
    assert!(routes.register("third", session(Verdict::Ours)).is_ok());
    assert_eq!(routes.add(first, "fourth"), Err(RegisterError::Gone));
}

#[test]
fn a_session_that_panics_is_forgotten_and_nobody_else() {
    let routes = Routes::new(10);
    let bad = Session { verdict: Verdict::Ours, got: Mutex::default(), closed: Mutex::default(), panics: true };
    let _ = routes.register("bad", Arc::new(bad)).unwrap();
    let _ = routes.register("good", session(Verdict::Ours)).unwrap();
    check(&routes, path(1), &asks("bad"), Delivery::Unknown);
    check(&routes, path(1), &asks("good"), Delivery::Proven);
    assert_eq!(routes.len(), 1);
}

#[test]
fn a_closed_connection_is_told_to_its_session_once() {
    let routes = Routes::new(10);
    let endpoint = session(Verdict::Ours);
    let id = routes.register("ours", endpoint.clone()).unwrap();
    check(&routes, tcp(7), &asks("ours"), Delivery::Proven);
    for _ in 0..2 {
        assert_eq!(routes.closed(tcp(7)), Orphans::default());
    }
    assert_eq!(*endpoint.closed.lock(), [tcp(7)]);
    assert_eq!(routes.forget(id), Orphans::default());
}

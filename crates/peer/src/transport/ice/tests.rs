//! The lite agent, request by request.

use super::*;
use crate::path::Carrier;
use crate::transport::stun::Transaction;

const TRANSACTION: Transaction = *b"transaction!";

fn credentials(ufrag: &str) -> Credentials {
    Credentials { ufrag: ufrag.to_owned(), pwd: format!("the password of {ufrag}") }
}

fn lite() -> Ice {
    Ice::new(Instant::now(), Side::Server, credentials("ours"), credentials("theirs")).expect("an agent")
}

fn key(ufrag: &str) -> Key {
    Key::new(&credentials(ufrag).pwd).expect("a key")
}

fn path(port: u16) -> Path {
    let local = "192.0.2.1:8189".parse().expect("an address");
    Path { carrier: Carrier::Udp, local, remote: ([198, 51, 100, 7], port).into() }
}

fn request(ufrag: &str) -> Writer {
    Writer::new(Class::Request, TRANSACTION).username(&format!("{ufrag}:theirs")).priority(1).controlling(2)
}

fn nomination(ufrag: &str) -> Vec<u8> {
    request(ufrag).use_candidate().integrity(&mut key(ufrag)).finish()
}

/// Sends `datagram` and reads the answer's error, if any, and what else was made of it.
#[track_caller]
fn ask(ice: &mut Ice, port: u16, datagram: &[u8]) -> (Option<u16>, Heard) {
    let heard = ice.receive(Instant::now(), path(port), datagram);
    let answer = heard.answer.as_deref().expect("an answer");
    assert!(answer.len() * 2 <= datagram.len() * 3, "{} for {}", answer.len(), datagram.len());
    let answer = Message::parse(answer).expect("well formed");
    assert_eq!(answer.transaction, TRANSACTION);
    (answer.error, heard)
}

#[test]
fn a_good_request_is_answered_with_the_address_it_came_from() {
    let mut ice = lite();
    let (error, heard) = ask(&mut ice, 4_000, &request("ours").integrity(&mut key("ours")).finish());
    assert_eq!((error, heard.authentic, heard.selected), (None, true, None));
    let answer = heard.answer.expect("an answer");
    let answer = Message::parse(&answer).expect("well formed");
    assert_eq!(answer.mapped, Some(path(4_000).remote));
    assert!(answer.is_authentic(&mut key("ours")));
    assert!(ice.knows(path(4_000)));
    assert_eq!(ice.selected(), None);
}

#[test]
fn the_last_nominated_path_is_the_one() {
    let mut ice = lite();
    for port in [1, 2, 1] {
        let (_, heard) = ask(&mut ice, port, &nomination("ours"));
        assert_eq!(heard.selected, Some(path(port)));
        let (_, again) = ask(&mut ice, port, &nomination("ours"));
        assert_eq!(again.selected, None, "only a change is news");
        assert_eq!(ice.selected(), Some(path(port)));
    }
}

#[test]
fn bad_requests_are_told_why_and_prove_nothing() {
    #[track_caller]
    fn check(datagram: Vec<u8>, code: u16) {
        let mut ice = lite();
        let (error, heard) = ask(&mut ice, 1, &datagram);
        assert_eq!((error, heard.authentic, heard.selected), (Some(code), false, None));
        assert!(!ice.knows(path(1)));
    }
    check(request("ours").finish(), 400);
    check(Writer::new(Class::Request, TRANSACTION).priority(1).integrity(&mut key("ours")).finish(), 400);
    check(nomination("nobody"), 401);
    check(request("ours").use_candidate().integrity(&mut key("nobody")).finish(), 401);
}

#[test]
fn a_request_that_is_too_short_for_an_answer_gets_none() {
    let empty = Writer::new(Class::Request, TRANSACTION).finish();
    assert!(lite().receive(Instant::now(), path(1), &empty[..]).answer.is_some(), "36 for 28 is within the limit");
    let mut bare = empty[..20].to_vec();
    bare[3] = 0;
    assert!(lite().receive(Instant::now(), path(1), &bare).answer.is_none());
}

#[test]
fn a_controlled_peer_is_told_to_take_control() {
    let mut ice = lite();
    let mut writer = Writer::new(Class::Request, TRANSACTION).username("ours:theirs").priority(1);
    writer = writer.controlled(3);
    let (error, heard) = ask(&mut ice, 1, &writer.use_candidate().integrity(&mut key("ours")).finish());
    assert_eq!((error, heard.selected), (Some(487), None));
}

#[test]
fn an_unknown_attribute_that_matters_is_named() {
    let mut ice = lite();
    let datagram = request("ours").unknown_attribute(0x7001).integrity(&mut key("ours")).finish();
    let (error, heard) = ask(&mut ice, 1, &datagram);
    assert_eq!((error, heard.selected), (Some(420), None));
}

#[test]
fn known_paths_are_few_and_the_nominated_one_stays() {
    let mut ice = lite();
    ask(&mut ice, 1, &nomination("ours"));
    for port in 2..100 {
        ask(&mut ice, port, &request("ours").integrity(&mut key("ours")).finish());
        assert!(ice.paths.len() <= paths::KNOWN_MAX);
    }
    assert!(ice.knows(path(1)) && ice.knows(path(99)) && !ice.knows(path(2)));
}

#[test]
fn old_credentials_count_until_the_new_ones_nominated() {
    let mut ice = lite();
    ask(&mut ice, 1, &nomination("ours"));
    ice.restart(Instant::now(), credentials("new"), credentials("theirs")).expect("restarted");
    assert_eq!(ask(&mut ice, 1, &nomination("ours")).0, None);
    assert_eq!(ask(&mut ice, 2, &request("new").integrity(&mut key("new")).finish()).0, None);
    assert_eq!(ask(&mut ice, 1, &nomination("ours")).0, None, "a check is no nomination");
    assert_eq!(ask(&mut ice, 2, &nomination("new")).1.selected, Some(path(2)));
    assert_eq!(ask(&mut ice, 1, &nomination("ours")).0, Some(401));
    assert_eq!(ice.selected(), Some(path(2)));
}

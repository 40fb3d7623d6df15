//! Hostile records.

use proptest::prelude::*;

use super::*;

/// A record of epoch 0 around `body`.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend_from_slice(&(body.len() as u16).to_be_bytes());
    record.extend_from_slice(body);
    record
}

fn fragment(sequence: u16, total: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let mut fragment = vec![1];
    fragment.extend_from_slice(&total.to_be_bytes()[1..]);
    fragment.extend_from_slice(&sequence.to_be_bytes());
    fragment.extend_from_slice(&offset.to_be_bytes()[1..]);
    fragment.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    fragment.extend_from_slice(body);
    fragment
}

#[track_caller]
fn check(gate: &mut Gate, datagram: &[u8], passes: bool) {
    assert_eq!(!gate.admit(datagram, false).is_empty(), passes);
}

#[test]
fn a_fragment_passes_once() {
    let mut gate = Gate::new(Side::Server);
    let first = record(HANDSHAKE, &fragment(0, 4, 0, b"head"));
    check(&mut gate, &first, true);
    check(&mut gate, &first, true); // Its answer may have been lost.
    let second = record(HANDSHAKE, &fragment(1, 4, 0, b"body"));
    check(&mut gate, &second, true);
    check(&mut gate, &second, false);
    check(&mut gate, &first, false);
}

#[test]
fn fragments_that_say_more_than_they_have_do_not_pass() {
    let mut gate = Gate::new(Side::Server);
    let mut empty_of_many = fragment(0, 9, 3, b"");
    check(&mut gate, &record(HANDSHAKE, &empty_of_many), false);
    empty_of_many[11] = 1;
    check(&mut gate, &record(HANDSHAKE, &empty_of_many), false);
    check(&mut gate, &record(HANDSHAKE, &fragment(0, 3, 1, b"end")), false);
    check(&mut gate, &record(HANDSHAKE, &fragment(0, 1 << 20, 0, b"part")), false);
    check(&mut gate, &record(HANDSHAKE, &fragment(400, 4, 0, b"body")), false);
    let mut two = fragment(0, 9, 0, b"part");
    two.extend_from_slice(&fragment(1, 1, 0, b"x"));
    check(&mut gate, &record(HANDSHAKE, &two), false);
}

#[test]
fn a_chain_of_fragments_has_an_end() {
    let mut gate = Gate::new(Side::Server);
    let passed = (0..5_000)
        .filter(|offset| !gate.admit(&record(HANDSHAKE, &fragment(0, 5_000, *offset, b"x")), false).is_empty());
    assert_eq!(passed.count(), FRAGMENTS_MAX);
    assert!(gate.fragments.len() <= FRAGMENTS_MAX);
}

#[test]
fn records_for_later_have_a_limit() {
    let mut gate = Gate::new(Side::Server);
    let mut early = record(HANDSHAKE, &[0; 48]);
    early[4] = 1;
    let passed = (0..1_000).filter(|_| !gate.admit(&early, false).is_empty()).count();
    assert_eq!(passed, EARLY_MAX);
}

#[test]
fn once_done_only_what_has_keys_or_repeats_a_flight_passes() {
    let mut gate = Gate::new(Side::Server);
    assert!(gate.admit(&record(ALERT, &[2, 40]), true).is_empty());
    assert!(gate.admit(&record(23, b"data"), true).is_empty());
    let flight = record(HANDSHAKE, &fragment(2, 4, 0, b"cert"));
    let passed = (0..1_000).filter(|_| !gate.admit(&flight, true).is_empty()).count();
    assert_eq!(passed, LATE_MAX);
}

proptest! {
    #[test]
    fn garbage_never_panics_and_what_passes_has_a_limit(
        bodies in proptest::collection::vec((19..25_u8, 0..3_u8, proptest::collection::vec(any::<u8>(), 0..60)), 0..40),
    ) {
        let mut gate = Gate::new(Side::Server);
        for (kind, epoch, body) in bodies {
            let mut record = record(kind, &body);
            record[4] = epoch;
            prop_assert!(gate.admit(&record, false).len() <= record.len());
            let _ = gate.admit(&body, true);
            let _ = super::super::hello::offers_gcm(&record);
        }
        prop_assert!(gate.fragments.len() <= FRAGMENTS_MAX);
    }
}

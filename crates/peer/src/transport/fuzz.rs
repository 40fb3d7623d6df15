//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::stun::{Key, Message, username};
use super::{Certificate, Credentials, Side, Transport};
use crate::path::{Carrier, Path};

/// Datagrams that one input may make the two sides exchange.
const EXCHANGED_MAX: usize = 400;

/// A STUN message: whatever reads it agrees on whether it is one.
pub fn stun(data: &[u8]) {
    let message = Message::parse(data);
    assert!(message.is_some() || username(data).is_none());
    if let Some(message) = message {
        let mut key = Key::new("a password of some length").expect("a key");
        let _ = message.is_authentic(&mut key);
        assert!(message.unknown().len() <= 4);
    }
}

static CERTIFICATES: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Certificate::generate().expect("a certificate")));

/// Two transports and what the input does to the datagrams between them. Each byte says what becomes of the next
/// datagram; those that change one take their arguments from the bytes that follow.
pub fn transport(data: &[u8]) {
    let mut now = Instant::now();
    let (mut server, mut client) = pair(now);
    let mut script = data.iter().copied();
    // What strangers sent, and got of those who do not take them for the peer.
    let (mut spent, mut answered) = ([0; 2], [0; 2]);
    for _ in 0..EXCHANGED_MAX {
        let Some(action) = script.next() else { break };
        let from_client = action & 1 == 0;
        let (from, to) = if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let mut at = if from_client { path() } else { mirrored(path()) };
        let datagram = from.poll_transmit().map(|transmit| transmit.data.to_vec());
        match (action >> 1 & 7, datagram) {
            // Time passes when there is nothing to carry.
            (0..=3, None) => {
                now += Duration::from_millis(u64::from(action) * 8);
                server.handle_timeout(now);
                client.handle_timeout(now);
            }
            (0..=3, Some(datagram)) => drop(to.receive(now, at, &datagram)),
            (4, Some(mut datagram)) => {
                for _ in 0..action >> 4 {
                    let place =
                        usize::from(u16::from_le_bytes([script.next().unwrap_or(0), script.next().unwrap_or(0)]));
                    let length = datagram.len().max(1);
                    if let Some(byte) = datagram.get_mut(place % length) {
                        *byte = script.next().unwrap_or(0);
                    }
                }
                to.receive(now, at, &datagram);
            }
            (5, Some(mut datagram)) => {
                datagram.truncate(usize::from(script.next().unwrap_or(0)) * 5);
                to.receive(now, at, &datagram);
                to.receive(now, at, &datagram);
            }
            // From an address that proved nothing, or lost.
            (6, Some(datagram)) => {
                at.remote = ([203, 0, 113, 66], 6_666).into();
                while to.poll_transmit().is_some() {}
                to.receive(now, at, &datagram);
                let sent: usize = std::iter::from_fn(|| to.poll_transmit())
                    .filter(|sent| sent.path == at)
                    .map(|sent| sent.data.len())
                    .sum();
                let side = usize::from(from_client);
                spent[side] += datagram.len();
                answered[side] += if to.path() == Some(at) { 0 } else { sent };
                assert!(answered[side] * 2 <= spent[side] * 3);
            }
            // The input's own bytes.
            _ => {
                let length = usize::from(script.next().unwrap_or(0));
                let own: Vec<u8> = script.by_ref().take(length).collect();
                to.receive(now, at, &own);
            }
        }
    }
}

fn pair(now: Instant) -> (Transport, Transport) {
    let [ours, theirs] = &*CERTIFICATES;
    let credentials = |name: &str| Credentials { ufrag: name.into(), pwd: "0123456789012345678901".into() };
    let make = |side, own: &Certificate, local, remote, other: &Certificate| {
        Transport::new(now, side, own, credentials(local), credentials(remote), vec![other.fingerprint()])
            .expect("a transport")
    };
    let server = make(Side::Server, ours, "ours", "theirs", theirs);
    let mut client = make(Side::Client, theirs, "theirs", "ours", ours);
    client.remote_candidate(path().local);
    client.handle_timeout(now);
    (server, client)
}

fn path() -> Path {
    Path { carrier: Carrier::Udp, local: ([192, 0, 2, 1], 8_189).into(), remote: ([198, 51, 100, 7], 40_000).into() }
}

fn mirrored(path: Path) -> Path {
    Path { carrier: path.carrier, local: path.remote, remote: path.local }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    #[test]
    fn the_corpora_are_harmless() {
        for (target, run) in [("stun", super::stun as fn(&[u8])), ("transport", super::transport)] {
            let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
            let inputs: Vec<_> = fs::read_dir(&corpus).expect("the corpus is in the repository").collect();
            assert!(!inputs.is_empty(), "{target} has inputs");
            for input in inputs {
                run(&fs::read(input.expect("a readable entry").path()).expect("a readable input"));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_script_is_harmless(script in proptest::collection::vec(any::<u8>(), 0..300)) {
            super::transport(&script);
        }
    }
}

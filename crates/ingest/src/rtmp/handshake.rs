//! The first 3073 bytes from a publisher: C0 and C1, then C2 (RTMP 1.0 §5.2).
//!
//! `rml_rtmp` answers both the simple and the digest ("complex") form, telling them apart by the digest in C1. It is
//! fed whole packets only: a stranger pays 1537 bytes before we compute anything, and the cost of a handshake is that
//! of two packets, however they are cut.

use rml_rtmp::handshake::{Handshake as Packets, HandshakeProcessResult as Answer, PeerType};

use crate::error::Error;

/// The only version there is; 6 is RTMPE.
const VERSION: u8 = 3;
/// C0, one byte, and C1.
const FIRST_BYTES: usize = 1537;
/// C2.
const SECOND_BYTES: usize = 1536;

/// A handshake under way, from the server's side.
pub(crate) struct Handshake {
    packets: Packets,
    /// The packet being received.
    pending: Vec<u8>,
    second: bool,
}

/// What a step of the handshake gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// To be sent; often empty.
    pub(crate) send: Vec<u8>,
    /// Chunks follow.
    pub(crate) done: bool,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        Self { packets: Packets::new(PeerType::Server), pending: Vec::new(), second: false }
    }

    /// Takes what belongs to the handshake from the front of `input`.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        let mut progress = Progress::default();
        while !input.is_empty() && !progress.done {
            let wanted = if self.second { SECOND_BYTES } else { FIRST_BYTES };
            let (taken, rest) = input.split_at(input.len().min(wanted - self.pending.len()));
            self.pending.extend_from_slice(taken);
            *input = rest;
            if let (false, Some(version)) = (self.second, self.pending.first().filter(|first| **first != VERSION)) {
                return Err(Error::NotRtmp(*version));
            }
            if self.pending.len() < wanted {
                break;
            }
            self.packet(&mut progress)?;
        }
        Ok(progress)
    }

    fn packet(&mut self, progress: &mut Progress) -> Result<(), Error> {
        let answer = self.packets.process_bytes(&self.pending).map_err(|error| Error::Handshake(error.to_string()))?;
        self.pending.clear();
        self.second = true;
        match answer {
            Answer::InProgress { response_bytes } => progress.send.extend(response_bytes),
            Answer::Completed { response_bytes, .. } => {
                progress.send.extend(response_bytes);
                progress.done = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` cut into pieces of `cut` bytes; says what came back and whether it is done.
    fn feed(handshake: &mut Handshake, bytes: &[u8], cut: usize) -> Result<Progress, Error> {
        let mut all = Progress::default();
        for mut piece in bytes.chunks(cut) {
            let progress = handshake.feed(&mut piece)?;
            all.send.extend(progress.send);
            all.done |= progress.done;
        }
        Ok(all)
    }

    /// A whole handshake of a client that sends `c1` and answers with `c2`, cut in every piece size.
    fn check(c1: &[u8; 1536], c2: fn(&[u8]) -> Vec<u8>) {
        for cut in [1, 7, 1000, 1537, 4000] {
            let mut server = Handshake::new();
            let answer = feed(&mut server, &[&[3], &c1[..]].concat(), cut).unwrap();
            assert_eq!((answer.send.len(), answer.done), (3073, false), "S0, S1 and S2");
            assert_eq!(answer.send[0], 3);
            assert!(feed(&mut server, &c2(&answer.send[1..1537]), cut).unwrap().done);
        }
    }

    #[test]
    fn a_simple_client_gets_its_own_packet_back() {
        let c1: [u8; 1536] = std::array::from_fn(|at| if at < 8 { 0 } else { at as u8 });
        check(&c1, <[u8]>::to_vec);
        let mut server = Handshake::new();
        let answer = feed(&mut server, &[&[3], &c1[..]].concat(), 9999).unwrap();
        assert_eq!(answer.send[1537..], c1);
    }

    #[test]
    fn a_client_of_nothing_but_zeros_is_served() {
        check(&[0; 1536], |_| vec![0; 1536]);
    }

    #[test]
    fn a_digest_client_is_answered_with_a_digest() {
        let mut client = Packets::new(PeerType::Client);
        let c0_c1 = client.generate_outbound_p0_and_p1().unwrap();
        let mut server = Handshake::new();
        let answer = feed(&mut server, &c0_c1, 100).unwrap();
        assert_ne!(answer.send[1537..], c0_c1[1..], "not an echo");
        let Ok(Answer::Completed { response_bytes: c2, .. }) = client.process_bytes(&answer.send) else {
            panic!("the client accepts our digest");
        };
        assert!(feed(&mut server, &c2, 100).unwrap().done);
    }

    #[test]
    fn what_follows_the_handshake_is_left_alone() {
        let mut server = Handshake::new();
        let bytes = [&[3][..], &[0; 3072], b"chunks"].concat();
        let mut input = &bytes[..];
        assert!(server.feed(&mut input).unwrap().done);
        assert_eq!(input, b"chunks");
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_byte() {
        for first in [b"GET / HTTP/1.1".as_slice(), &[0x16, 3, 1], &[6], &[0]] {
            let mut server = Handshake::new();
            assert!(matches!(feed(&mut server, first, 99), Err(Error::NotRtmp(byte)) if byte == first[0]));
        }
    }

    #[test]
    fn a_handshake_truncated_anywhere_waits_and_holds_one_packet() {
        for length in (0..3073).step_by(61).chain([1536, 1537, 1538, 3072]) {
            let mut server = Handshake::new();
            let bytes = [&[3][..], &[7; 3072]].concat();
            let progress = feed(&mut server, &bytes[..length], 4096).unwrap();
            assert!(!progress.done);
            assert_eq!(progress.send.is_empty(), length < FIRST_BYTES);
            assert!(server.pending.len() < FIRST_BYTES);
        }
    }
}

//! Both handshakes: the plain one of RTMP 1.0 §5.2, and the one with digests that Flash Media Server 3 brought, which
//! many encoders still use ("complex").

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of C1, C2, S1 and S2.
pub const PACKET_BYTES: usize = 1536;
const DIGEST_BYTES: usize = 32;
/// The first half of the player's key signs C1.
const PLAYER_TEXT: &[u8] = b"Genuine Adobe Flash Player 001";
const PLAYER_KEY_REST: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec, 0x5d,
    0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];
const SERVER_TEXT: &[u8] = b"Genuine Adobe Flash Media Server 001";

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handshake {
    /// Random bytes and their echo.
    #[default]
    Simple,
    /// Signed bytes and signed answers.
    Complex,
}

impl Handshake {
    /// C0 and C1.
    #[must_use]
    pub fn hello(self) -> Vec<u8> {
        let mut packet: Vec<u8> = (0..PACKET_BYTES).map(|at| (at * 31 % 251) as u8).collect();
        packet[..8].copy_from_slice(&[0; 8]);
        if self == Self::Complex {
            packet[4..8].copy_from_slice(&[10, 0, 45, 2]);
            let at = digest_offset(&packet, 8);
            let digest = digest_without(PLAYER_TEXT, &packet, at);
            packet[at..at + DIGEST_BYTES].copy_from_slice(&digest);
        }
        packet.insert(0, 3);
        packet
    }

    /// C2, the answer to S1.
    #[must_use]
    pub fn answer(self, s1: &[u8]) -> Vec<u8> {
        let mut answer = s1.to_vec();
        if let (Self::Complex, Some(at)) = (self, server_digest(s1)) {
            answer = (0..PACKET_BYTES).map(|at| (at * 17 % 253) as u8).collect();
            let key = hmac(&[PLAYER_TEXT, &PLAYER_KEY_REST].concat(), &[&s1[at..at + DIGEST_BYTES]]);
            let signed = PACKET_BYTES - DIGEST_BYTES;
            let signature = hmac(&key, &[&answer[..signed]]);
            answer[signed..].copy_from_slice(&signature);
        }
        answer
    }
}

/// Where S1 has its digest, if it has one: servers that know only the plain handshake have none.
#[must_use]
pub fn server_digest(s1: &[u8]) -> Option<usize> {
    [8, 772]
        .into_iter()
        .map(|base| digest_offset(s1, base))
        .find(|&at| at + DIGEST_BYTES <= s1.len() && s1[at..at + DIGEST_BYTES] == digest_without(SERVER_TEXT, s1, at))
}

/// Four bytes at `base` add up to where in the 728 bytes behind them the digest lies.
fn digest_offset(packet: &[u8], base: usize) -> usize {
    packet[base..base + 4].iter().map(|&byte| usize::from(byte)).sum::<usize>() % 728 + base + 4
}

fn digest_without(key: &[u8], packet: &[u8], at: usize) -> [u8; DIGEST_BYTES] {
    hmac(key, &[&packet[..at], &packet[at + DIGEST_BYTES..]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

//! Which SRTP profiles a ClientHello offers, read before the DTLS library sees it.
//!
//! The library takes the client's first choice, and browsers name AES-CM with HMAC-SHA1 first because its tag is six
//! bytes shorter. Protecting a packet with it costs a server several times as much as with AES-GCM. The choice is the
//! server's (RFC 5764 §4.1.1), so a server that sees AES-GCM offered knows no other profile in that handshake.

/// `use_srtp` (RFC 5764 §9).
const USE_SRTP: u16 = 14;

/// `SRTP_AEAD_AES_128_GCM` (RFC 7714 §14.2).
const AEAD_AES_128_GCM: [u8; 2] = [0, 7];

/// Bytes of the records' and of the handshake messages' headers.
const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Whether the datagram begins with a ClientHello that offers AES-GCM. Of one in fragments only the first is looked at;
/// where that does not reach `use_srtp`, the answer is no and the client's order counts.
pub(super) fn offers_gcm(datagram: &[u8]) -> bool {
    read(datagram).is_some_and(|offers| offers)
}

/// RFC 6347 §4.2.1 and §4.3.2.
fn read(datagram: &[u8]) -> Option<bool> {
    let (head, rest) = datagram.split_first_chunk::<{ RECORD_HEADER + MESSAGE_HEADER }>()?;
    let kind = head.get(RECORD_HEADER)?;
    let offset = head.get(RECORD_HEADER + 6..RECORD_HEADER + 9)?;
    if head[0] != HANDSHAKE || *kind != CLIENT_HELLO || offset != [0, 0, 0] {
        return None;
    }
    let rest = rest.get(2 + 32..)?; // The version and the random.
    let (_session, rest) = short(rest)?;
    let (_cookie, rest) = short(rest)?;
    let (_suites, rest) = long(rest)?;
    let (_compressions, rest) = short(rest)?;
    let mut extensions = rest.get(2..)?;
    loop {
        let (kind, rest) = extensions.split_first_chunk::<2>()?;
        let (value, rest) = long(rest)?;
        extensions = rest;
        if u16::from_be_bytes(*kind) == USE_SRTP {
            let (profiles, _mki) = long(value)?;
            return Some(profiles.as_chunks::<2>().0.contains(&AEAD_AES_128_GCM));
        }
    }
}

/// A field with a length of one byte, and what follows it.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A field with a length of two bytes, and what follows it.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

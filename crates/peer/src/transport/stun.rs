//! STUN binding requests and responses as ICE uses them (RFC 8489, RFC 8445 §7).
//!
//! A reader that borrows the datagram and allocates nothing, and a writer into one small buffer. The general decoder
//! that comes with `rtc` copies every attribute of every datagram to the heap before anything is authenticated; this
//! one is on the path of whatever anybody sends to the public port, so it does not.
//!
//! The writer's limits are its few attributes: no message is longer than [`MESSAGE_MAX`].

use std::net::{IpAddr, SocketAddr};

use rtc::crypto::{HmacAlgorithm, Mac, constant_time_eq};

use super::Error;
use super::provider::provider;

pub use writer::Writer;

mod writer;

/// Bytes of the longest message that is written: a check with every attribute and the longest user name.
pub const MESSAGE_MAX: usize = HEADER + 4 + USERNAME_MAX + 8 + 12 + 4 + INTEGRITY + FINGERPRINT;

/// Bytes of the longest USERNAME (RFC 8489 §14.3: fewer than 509).
pub const USERNAME_MAX: usize = 508;

/// Attributes that a message may have; browsers send fewer than ten.
const ATTRIBUTES_MAX: usize = 32;

/// Unknown attributes that a 420 names at most.
const UNKNOWN_MAX: usize = 4;

const HEADER: usize = 20;
const INTEGRITY: usize = 24;
const FINGERPRINT: usize = 8;
const COOKIE: u32 = 0x2112_a442;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §16.1).
mod attribute {
    pub(super) const USERNAME: u16 = 0x0006;
    pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const ICE_CONTROLLED: u16 = 0x8029;
    pub(super) const ICE_CONTROLLING: u16 = 0x802a;
    /// Types from here on may be ignored by who does not know them.
    pub(super) const OPTIONAL_FROM: u16 = 0x8000;
}

/// What tells a response from others.
pub type Transaction = [u8; 12];

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A binding request.
    Request,
    /// A binding indication: a keepalive that wants no answer.
    Indication,
    /// A binding success response.
    Success,
    /// A binding error response.
    Failure,
}

impl Class {
    fn of(kind: u16) -> Option<Self> {
        match kind {
            0x0001 => Some(Self::Request),
            0x0011 => Some(Self::Indication),
            0x0101 => Some(Self::Success),
            0x0111 => Some(Self::Failure),
            _ => None,
        }
    }

    fn kind(self) -> u16 {
        match self {
            Self::Request => 0x0001,
            Self::Indication => 0x0011,
            Self::Success => 0x0101,
            Self::Failure => 0x0111,
        }
    }
}

/// A message that was read. Nothing in it is proven until [`Message::is_authentic`] says so.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    datagram: &'a [u8],
    /// What it is.
    pub class: Class,
    /// Which request it is, or answers.
    pub transaction: Transaction,
    /// USERNAME.
    pub username: Option<&'a str>,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// USE-CANDIDATE: the sender nominates this path.
    pub use_candidate: bool,
    /// ICE-CONTROLLING, with its tie breaker.
    pub controlling: Option<u64>,
    /// ICE-CONTROLLED, with its tie breaker.
    pub controlled: Option<u64>,
    /// XOR-MAPPED-ADDRESS, decoded.
    pub mapped: Option<SocketAddr>,
    /// The number of an ERROR-CODE, 300 to 699.
    pub error: Option<u16>,
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
    /// Types that are not known and may not be ignored; only the first `unknown_count` count.
    unknown: [u16; UNKNOWN_MAX],
    unknown_count: usize,
}

impl<'a> Message<'a> {
    /// Reads a binding message; `None` if it is not a well-formed one. A FINGERPRINT is checked where there is one.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, body) = datagram.split_first_chunk::<HEADER>()?;
        let [k0, k1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u32::from_be_bytes([c0, c1, c2, c3]) != COOKIE || length != body.len() || length % 4 != 0 {
            return None;
        }
        let mut message = Message {
            datagram,
            class: Class::of(u16::from_be_bytes([k0, k1]))?,
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            controlling: None,
            controlled: None,
            mapped: None,
            error: None,
            integrity: None,
            unknown: [0; UNKNOWN_MAX],
            unknown_count: 0,
        };
        let mut rest = body;
        for _ in 0..ATTRIBUTES_MAX {
            if rest.is_empty() {
                return Some(message);
            }
            let offset = datagram.len() - rest.len();
            let (&[t0, t1, l0, l1], after) = rest.split_first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let value = after.get(..length)?;
            rest = after.get(length.next_multiple_of(4)..)?;
            message.attribute(u16::from_be_bytes([t0, t1]), value, offset, rest.is_empty())?;
        }
        None
    }

    /// Takes one attribute in; `None` if it is malformed.
    fn attribute(&mut self, kind: u16, value: &'a [u8], offset: usize, last: bool) -> Option<()> {
        if kind == attribute::FINGERPRINT {
            let sent = u32::from_be_bytes(value.try_into().ok()?);
            let covered = self.datagram.get(..offset)?;
            return (last && sent == crc32(covered) ^ FINGERPRINT_XOR).then_some(());
        }
        if self.integrity.is_some() {
            return Some(()); // RFC 8489 §14.5: what follows the integrity is not covered by it, so it is ignored.
        }
        match kind {
            attribute::USERNAME if self.username.is_none() => {
                self.username = Some(std::str::from_utf8(value).ok().filter(|name| name.len() <= USERNAME_MAX)?);
            }
            attribute::MESSAGE_INTEGRITY => self.integrity = (value.len() == 20).then_some(offset),
            attribute::PRIORITY => self.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.controlled = Some(u64::from_be_bytes(value.try_into().ok()?)),
            attribute::ICE_CONTROLLING => self.controlling = Some(u64::from_be_bytes(value.try_into().ok()?)),
            attribute::XOR_MAPPED_ADDRESS => self.mapped = Some(unxor(value, self.transaction)?),
            attribute::ERROR_CODE => {
                let &[_, _, hundreds, rest, ..] = value else { return None };
                self.error = Some(u16::from(hundreds & 7) * 100 + u16::from(rest % 100));
            }
            kind if kind < attribute::OPTIONAL_FROM && !is_known(kind) => {
                if let Some(slot) = self.unknown.get_mut(self.unknown_count) {
                    *slot = kind;
                    self.unknown_count += 1;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Types that this side does not know and the sender says must be known; at most a few of them.
    #[must_use]
    pub fn unknown(&self) -> &[u16] {
        self.unknown.get(..self.unknown_count).unwrap_or_default()
    }

    /// Bytes of the datagram: what an answer is weighed against.
    #[must_use]
    pub fn size(&self) -> usize {
        self.datagram.len()
    }

    /// Whether there is a MESSAGE-INTEGRITY at all.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether the MESSAGE-INTEGRITY was made with `key`.
    pub fn is_authentic(&self, key: &mut Key) -> bool {
        let Some(offset) = self.integrity else { return false };
        let (Some(covered), Some(sent)) = (self.datagram.get(..offset), self.datagram.get(offset + 4..offset + 24))
        else {
            return false;
        };
        let Some((head, rest)) = covered.split_first_chunk::<HEADER>() else { return false };
        let length = u16::try_from(offset + INTEGRITY - HEADER).unwrap_or(u16::MAX);
        key.sign(&[&with_length(*head, length), rest]).is_some_and(|tag| constant_time_eq(&tag, sent))
    }
}

fn is_known(kind: u16) -> bool {
    // Besides what is read above: the classic MAPPED-ADDRESS, REALM, NONCE and the SHA-256 integrity, which mean
    // nothing in a check but are no reason to refuse one.
    matches!(kind, 0x0001 | attribute::USERNAME | attribute::MESSAGE_INTEGRITY | attribute::ERROR_CODE)
        || matches!(kind, attribute::UNKNOWN_ATTRIBUTES | 0x0014 | 0x0015 | 0x001c | attribute::XOR_MAPPED_ADDRESS)
        || matches!(kind, attribute::PRIORITY | attribute::USE_CANDIDATE)
}

/// Our user fragment in a binding request: the part of USERNAME before the colon (RFC 8445 §7.2.2). Nothing is proven
/// by it; it only says which session should look at the datagram.
#[must_use]
pub fn username(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram)?;
    if message.class != Class::Request {
        return None;
    }
    Some(local_part(message.username?))
}

/// The part of a USERNAME that its receiver made.
#[must_use]
pub fn local_part(username: &str) -> &str {
    username.split_once(':').map_or(username, |(local, _)| local)
}

/// The key of a MESSAGE-INTEGRITY with short-term credentials: the password as it is (RFC 8489 §9.1.1).
pub struct Key(Box<dyn Mac>);

impl Key {
    /// The key that `password` gives.
    pub fn new(password: &str) -> Result<Self, Error> {
        let mac = provider().crypto().new_hmac(HmacAlgorithm::Sha1, password.as_bytes());
        Ok(Self(mac.map_err(|error| Error::Crypto(error.to_string()))?))
    }

    fn sign(&mut self, parts: &[&[u8]]) -> Option<[u8; 20]> {
        let mut tag = [0; 20];
        self.0.sign(parts, &mut tag).ok()?;
        Some(tag)
    }
}

fn with_length(mut header: [u8; HEADER], length: u16) -> [u8; HEADER] {
    [header[2], header[3]] = length.to_be_bytes();
    header
}

/// What an address is XORed with: the cookie, then the transaction (RFC 8489 §14.2).
fn mask(transaction: Transaction) -> impl Iterator<Item = u8> {
    COOKIE.to_be_bytes().into_iter().chain(transaction)
}

fn unxor(value: &[u8], transaction: Transaction) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([p0, p1]) ^ (COOKIE >> 16) as u16;
    let mut octets = [0; 16];
    for ((octet, sent), mask) in octets.iter_mut().zip(address).zip(mask(transaction)) {
        *octet = sent ^ mask;
    }
    let ip = match (family, address.len()) {
        (1, 4) => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        (2, 16) => IpAddr::from(octets),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The CRC of FINGERPRINT: ISO 3309, as in zip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ CRC_TABLE[usize::from(crc as u8 ^ byte)])
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests;

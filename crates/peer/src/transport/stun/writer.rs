//! Writing a message, attribute by attribute.

use std::net::{IpAddr, SocketAddr};

use super::{
    COOKIE, Class, FINGERPRINT, FINGERPRINT_XOR, HEADER, INTEGRITY, Key, Transaction, USERNAME_MAX, attribute, crc32,
    mask,
};

/// Writes one message.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins a message.
    #[must_use]
    pub fn new(class: Class, transaction: Transaction) -> Self {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(&class.kind().to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE.to_be_bytes());
        bytes.extend_from_slice(&transaction);
        Self { bytes }
    }

    /// USERNAME; at most [`USERNAME_MAX`] bytes of it.
    #[must_use]
    pub fn username(self, name: &str) -> Self {
        let name = name.as_bytes();
        self.attribute(attribute::USERNAME, name.get(..USERNAME_MAX).unwrap_or(name))
    }

    /// PRIORITY.
    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(attribute::PRIORITY, &priority.to_be_bytes())
    }

    /// ICE-CONTROLLING.
    #[must_use]
    pub fn controlling(self, tie_breaker: u64) -> Self {
        self.attribute(attribute::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// ICE-CONTROLLED.
    #[must_use]
    pub fn controlled(self, tie_breaker: u64) -> Self {
        self.attribute(attribute::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// Some attribute without a value.
    #[cfg(test)]
    pub(in crate::transport) fn unknown_attribute(self, kind: u16) -> Self {
        self.attribute(kind, &[])
    }

    /// USE-CANDIDATE.
    #[must_use]
    pub fn use_candidate(self) -> Self {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    /// XOR-MAPPED-ADDRESS.
    #[must_use]
    pub fn mapped(self, address: SocketAddr, transaction: Transaction) -> Self {
        let mut value = [0; 20];
        let port = address.port() ^ (COOKIE >> 16) as u16;
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let mask = mask(transaction);
        let length = match address.ip() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&ip.octets());
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..20].copy_from_slice(&ip.octets());
                20
            }
        };
        for (byte, mask) in value[4..length].iter_mut().zip(mask) {
            *byte ^= mask;
        }
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value[..length])
    }

    /// ERROR-CODE, without a reason phrase: an answer to somebody unknown stays short.
    #[must_use]
    pub fn error(self, code: u16) -> Self {
        self.attribute(attribute::ERROR_CODE, &[0, 0, (code / 100) as u8, (code % 100) as u8])
    }

    /// UNKNOWN-ATTRIBUTES.
    #[must_use]
    pub fn unknown(self, kinds: &[u16]) -> Self {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value)
    }

    /// MESSAGE-INTEGRITY over all so far.
    #[must_use]
    pub fn integrity(mut self, key: &mut Key) -> Self {
        self.set_length(INTEGRITY);
        let tag = key.sign(&[&self.bytes]).unwrap_or_default();
        self.attribute(attribute::MESSAGE_INTEGRITY, &tag)
    }

    /// Ends the message with a FINGERPRINT.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.set_length(FINGERPRINT);
        let crc = crc32(&self.bytes) ^ FINGERPRINT_XOR;
        let mut whole = self.attribute(attribute::FINGERPRINT, &crc.to_be_bytes());
        whole.set_length(0);
        whole.bytes
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Writes the header's length as if `more` bytes followed.
    fn set_length(&mut self, more: usize) {
        let length = (self.bytes.len() - HEADER + more) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

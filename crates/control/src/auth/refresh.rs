//! Refresh tokens: the device's id and 256 random bits.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use weir_identity::FamilyId;

/// A token in clear. Kept only as its hash.
pub(super) struct RefreshToken {
    pub(super) family: FamilyId,
    bits: [u8; 32],
}

impl RefreshToken {
    /// A new token of a device.
    pub(super) fn new(family: FamilyId) -> Self {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).expect("the operating system gives random bytes");
        Self { family, bits }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 48];
        // Longer texts do not fit, and are not read.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (family, bits) = bytes.split_at(16);
        (length == bytes.len()).then(|| Self {
            family: FamilyId::from_bytes(family.try_into().expect("16 of 48")),
            bits: bits.try_into().expect("32 of 48"),
        })
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bits).into()
    }

    pub(super) fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.family.as_bytes()[..], &self.bits].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_does() {
        let token = RefreshToken::new(FamilyId::new());
        let read = RefreshToken::parse(&token.reveal()).unwrap();
        assert_eq!((read.family, read.hash()), (token.family, token.hash()));
        for text in ["", "AAAA", &"A".repeat(65), &"A".repeat(100_000), "né"] {
            assert!(RefreshToken::parse(text).is_none(), "{}", text.len());
        }
    }
}

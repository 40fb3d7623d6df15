//! Stream keys: the secret that a publisher presents.
//!
//! A key is kept only as HMAC-SHA256 under a secret of the installation. A password hash such as argon2 is slow so
//! that short, guessable passwords hold out after a leak; a made key has 256 random bits, which no one guesses at any
//! speed, and a slow hash would only let strangers burn our processor with wrong keys. The HMAC's secret also
//! protects keys that an operator chose, which may be weak: a leaked table alone cannot be searched.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Fewest characters of a key that an operator chooses.
pub const KEY_CHARS_MIN: usize = 8;
/// Most characters of a key.
pub const KEY_CHARS_MAX: usize = 128;

/// Secret a publisher presents: 8 to 128 of `[A-Za-z0-9_-]`. `Debug` never prints it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(Box<str>);

/// The text is no stream key. Carries nothing of the text, which may be somebody's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream key has {KEY_CHARS_MIN} to {KEY_CHARS_MAX} characters, each a letter, a digit, '_' or '-'")]
pub struct InvalidKey;

impl StreamKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`InvalidKey`] for a text of another length or alphabet.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let length = (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&text.len());
        let alphabet = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if length && alphabet { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }

    /// A new key of 256 random bits, 43 characters.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn random() -> Self {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).expect("the operating system gives random bytes");
        Self(URL_SAFE_NO_PAD.encode(bits).into())
    }

    /// The key in clear, to show it once to its owner. Never to be logged.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(…)")
    }
}

/// The installation's secret under which keys are hashed. Lives in the store, so that all nodes share it.
#[derive(Clone)]
pub struct KeySecret([u8; 32]);

impl KeySecret {
    /// A new secret.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn random() -> Self {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).expect("the operating system gives random bytes");
        Self(bits)
    }

    /// The secret as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is kept of `key`.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn hash(&self, key: &StreamKey) -> KeyHash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(key.0.as_bytes());
        KeyHash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// HMAC-SHA256 of a key: what the store keeps and looks up. Compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_a_valid_key() {
        let key = StreamKey::random();
        assert_eq!(StreamKey::parse(key.reveal()), Ok(key));
    }

    #[test]
    fn a_key_never_prints_itself() {
        assert_eq!(format!("{:?}", StreamKey::parse("hunter2hunter2").unwrap()), "StreamKey(…)");
    }

    #[test]
    fn odd_texts_are_refused() {
        for text in ["short", "with space", "schlüssel", "a/b/c/d/e", ""] {
            assert_eq!(StreamKey::parse(text), Err(InvalidKey), "{text:?}");
        }
        assert_eq!(StreamKey::parse(&"a".repeat(129)), Err(InvalidKey));
    }

    #[test]
    fn the_hash_depends_on_key_and_secret() {
        let (one, two) = (KeySecret::random(), KeySecret::random());
        let key = StreamKey::random();
        assert_eq!(one.hash(&key), one.hash(&key));
        assert_ne!(one.hash(&key), two.hash(&key));
        assert_ne!(one.hash(&key), one.hash(&StreamKey::random()));
    }
}

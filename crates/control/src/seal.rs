//! Secrets that must be read again, kept so that a leaked table alone says nothing: ChaCha20-Poly1305 (RFC 8439) under
//! a key that is derived from the installation's secret.

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;
use weir_identity::KeySecret;

/// Seals and opens. One key for each purpose.
pub struct Seal(LessSafeKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// A seal for one `purpose`; what was sealed for another does not open.
    ///
    /// # Panics
    /// Never: the derived key has the length that the cipher takes.
    #[must_use]
    pub fn new(secret: &KeySecret, purpose: &str) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &derive(secret, purpose, b"seal")).expect("32 bytes are a key");
        Self(LessSafeKey::new(key))
    }

    /// Seals `secret`; `of` says whose it is, and must be said again to open it.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn seal(&self, secret: &[u8], of: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
        let mut sealed = secret.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(of), &mut sealed)
            .expect("a secret is far shorter than what the cipher takes");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`Self::seal`] gave; `None` when it was changed, or is somebody else's.
    #[must_use]
    pub fn open(&self, sealed: &[u8], of: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        Some(self.0.open_in_place(nonce, Aad::from(of), &mut sealed).ok()?.to_vec())
    }
}

/// HMAC-SHA256 of `data` under the installation's secret, apart for each `purpose`.
#[must_use]
pub fn derive(secret: &KeySecret, purpose: &str, data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose.as_bytes());
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_owner_and_purpose_only() {
        let secret = KeySecret::random();
        let seal = Seal::new(&secret, "totp");
        let sealed = seal.seal(b"hush", b"anna");
        assert_eq!(seal.open(&sealed, b"anna").as_deref(), Some(&b"hush"[..]));
        assert_eq!(seal.open(&sealed, b"berta"), None);
        assert_eq!(Seal::new(&secret, "other").open(&sealed, b"anna"), None);
        assert_eq!(seal.open(&sealed[1..], b"anna"), None);
        assert_eq!(seal.open(b"", b"anna"), None);
        assert_ne!(sealed, seal.seal(b"hush", b"anna"), "equal secrets do not look equal");
    }
}

//! ICE's user fragment and password.

use std::fmt;

/// The characters of both (RFC 8839 §5.4, `ice-char`).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What one side of a session signs its checks' answers with (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user fragment: by it a request finds its session.
    pub ufrag: String,
    /// The password. A secret of the two sides.
    pub pwd: String,
}

impl Credentials {
    /// New ones: a fragment of 72 random bits and a password of 192.
    #[must_use]
    pub fn random() -> Self {
        Self { ufrag: text::<12>(), pwd: text::<32>() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

fn text<const N: usize>() -> String {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}

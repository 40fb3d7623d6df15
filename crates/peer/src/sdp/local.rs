//! What our side of an answer is made of.

use crate::socket::Candidate;

/// An ICE user fragment and its password (RFC 8445 §5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

/// A certificate's fingerprint (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function, in lower case, such as `sha-256`.
    pub algorithm: String,
    /// The hash in upper-case hexadecimal, a colon between bytes.
    pub value: String,
}

/// Our side of one session.
#[derive(Debug, Clone)]
pub struct Local {
    /// Our ICE user fragment and password.
    pub credentials: Credentials,
    /// Our certificate's.
    pub fingerprint: Fingerprint,
    /// Where we can be reached, best first.
    pub candidates: Vec<Candidate>,
}

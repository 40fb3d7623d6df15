//! The keys that sign access tokens: kept in the store, so that every node of an installation verifies what any of them
//! signed.

pub(crate) mod cql;
mod sqlite;

use jiff::Timestamp;

use crate::store::Answer;

/// Generations kept: the newest signs, the others verify what they signed before.
pub const GENERATIONS_KEPT: u32 = 3;

/// One signing key: Ed25519 (RFC 8032).
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Counts up; the newest signs.
    pub generation: u32,
    /// How tokens name it (`kid`).
    pub kid: String,
    /// The private key's seed, sealed under the installation's secret.
    pub seed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Signing keys, kept.
pub trait SigningKeys: Send + Sync + 'static {
    /// The keys that count, newest first, at most [`GENERATIONS_KEPT`].
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>>;

    /// Adds a key as the newest. False when its generation is taken already: another node was first. Generations that
    /// are too old are forgotten.
    fn add_signing_key(&self, key: SigningKey) -> Answer<'_, bool>;
}

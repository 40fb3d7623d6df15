//! May this key publish, and what?

use jiff::Timestamp;
use weir_identity::{KeySecret, StreamKey};

use crate::{error::Error, keys::Grant, store::Store};

/// Why a key does not open a channel.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// Nobody made this key.
    #[error("unknown stream key")]
    Unknown,
    /// It was revoked.
    #[error("this stream key was revoked")]
    Revoked,
    /// Its time is over.
    #[error("this stream key has expired")]
    Expired,
    /// The store does not answer.
    #[error("the server cannot check stream keys now")]
    Unavailable(#[source] Error),
}

/// What `key` opens at `now`.
///
/// # Errors
/// [`Refusal`] says why it opens nothing.
pub async fn admit(store: &dyn Store, secret: &KeySecret, key: &StreamKey, now: Timestamp) -> Result<Grant, Refusal> {
    let grant = store.grant(secret.hash(key)).await.map_err(Refusal::Unavailable)?.ok_or(Refusal::Unknown)?;
    if grant.key.revoked_at.is_some() {
        return Err(Refusal::Revoked);
    }
    if grant.key.has_expired(now) {
        return Err(Refusal::Expired);
    }
    Ok(grant)
}

//! Stream keys: many a channel, named, kept as hashes only, expiring if wanted, revocable while live.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{ChannelId, ChannelName, KeyHash, KeyId};

use crate::{
    channels::{Conflict, Visibility},
    store::Answer,
};
pub(crate) use sqlite::insert;

/// Most characters of a key's name.
pub const KEY_NAME_CHARS_MAX: usize = 64;
/// Most keys of a channel that are not revoked: enough for every encoder of a studio, few enough to read through.
pub const KEYS_PER_CHANNEL_MAX: u32 = 32;
/// Revoked keys remembered a channel, so that an encoder that still has one hears "revoked" instead of "unknown".
pub const REVOKED_PER_CHANNEL_MAX: u32 = 32;

/// One stream key, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id, which may be shown and logged.
    pub id: KeyId,
    /// The channel it publishes.
    pub channel: ChannelId,
    /// What its owner calls it.
    pub name: String,
    /// The only form in which the key itself is kept.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was last used to publish.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The text cannot be a key's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to {KEY_NAME_CHARS_MAX} characters, none of them a control character")]
pub struct InvalidName;

/// Checks a name that somebody chose for a key. It is printed in lists, so it must not move a terminal's cursor.
///
/// # Errors
/// [`InvalidName`] for an empty, too long or unprintable one.
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    let length = (1..=KEY_NAME_CHARS_MAX).contains(&name.chars().count());
    if length && !name.chars().any(char::is_control) { Ok(()) } else { Err(InvalidName) }
}

impl Key {
    /// Whether it opens its channel at `now`.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && !self.has_expired(now)
    }

    /// Whether its time is over at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// A key made now that does not expire.
    #[must_use]
    pub fn new(channel: ChannelId, name: &str, hash: KeyHash) -> Self {
        Self {
            id: KeyId::new(),
            channel,
            name: name.chars().take(KEY_NAME_CHARS_MAX).collect(),
            hash,
            created_at: crate::store_time(Timestamp::now()),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }
}

/// What a key opens: the key, and what a publisher needs of its channel, in one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: Key,
    /// The channel's name.
    pub channel: ChannelName,
    /// What a second publisher gets.
    pub conflict: Conflict,
    /// Who may watch.
    pub visibility: Visibility,
}

/// Stream keys, kept.
pub trait Keys: Send + Sync + 'static {
    /// Adds a key. [`Error::Exists`](crate::Error::Exists) when the same key is known, on whichever channel;
    /// [`Error::Missing`](crate::Error::Missing) without its channel;
    /// [`Error::TooMany`](crate::Error::TooMany) past [`KEYS_PER_CHANNEL_MAX`].
    fn add_key(&self, key: Key) -> Answer<'_, ()>;

    /// What the key with this hash opens, whether or not it is still usable.
    fn grant(&self, hash: KeyHash) -> Answer<'_, Option<Grant>>;

    /// A channel's keys, oldest first, the remembered revoked ones included.
    fn keys_of(&self, channel: ChannelId) -> Answer<'_, Vec<Key>>;

    /// Revokes one key of the channel. False when it has no such one, or it was revoked before.
    fn revoke_key(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, bool>;

    /// Revokes every usable key of the channel whose name is `named` (all of them without a name) and adds `new`, all
    /// or nothing. Gives the ids that were revoked.
    fn rotate_keys(&self, new: Key, named: Option<String>, at: Timestamp) -> Answer<'_, Vec<KeyId>>;

    /// Notes that a key of the channel was used.
    fn key_used(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_printable() {
        for good in ["OBS at home", "телефон", &"n".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
        for bad in ["", "two\nlines", "\u{1b}[2J", &"n".repeat(65)] {
            assert_eq!(check_name(bad), Err(InvalidName), "{bad:?}");
        }
    }
}

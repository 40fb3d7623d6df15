//! Devices that are logged in. Each has a family of refresh tokens, of which only the newest counts: presenting an
//! older one means that two have it, and ends the family.

pub(crate) mod cql;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, FamilyId};

use crate::store::Answer;

/// Most devices of one account; the one unused for longest is logged out for a further one.
pub const FAMILIES_PER_ACCOUNT_MAX: usize = 50;
/// Most characters kept of what a device calls itself.
pub const DEVICE_CHARS_MAX: usize = 200;

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its id; stands in its tokens.
    pub id: FamilyId,
    /// Who is logged in.
    pub account: AccountId,
    /// SHA-256 of the refresh token that counts. Tokens have 256 random bits, which nobody guesses at any speed.
    pub hash: [u8; 32],
    /// What the device called itself: the `User-Agent`.
    pub device: String,
    /// From where it was used last.
    pub address: String,
    /// When it logged in.
    pub created_at: Timestamp,
    /// When it was used last.
    pub used_at: Timestamp,
    /// When it is logged out unless it is used before.
    pub expires_at: Timestamp,
}

/// What a refresh token was worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The next one counts now.
    Done(AccountId),
    /// It was used before: the family has ended.
    Reused(AccountId),
    /// No such family, or its time is over.
    Unknown,
}

/// A refresh token that is exchanged for the next.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The family it names.
    pub family: FamilyId,
    /// SHA-256 of the token that was presented.
    pub presented: [u8; 32],
    /// SHA-256 of the token that follows it.
    pub next: [u8; 32],
    /// Now.
    pub at: Timestamp,
    /// When the family ends unless it is used before.
    pub expires_at: Timestamp,
    /// From where.
    pub address: String,
}

/// Devices, kept.
pub trait Families: Send + Sync + 'static {
    /// Adds a device. Past [`FAMILIES_PER_ACCOUNT_MAX`] the one unused for longest goes.
    fn open_family(&self, family: Family) -> Answer<'_, ()>;

    /// Exchanges a refresh token for the next. Of two exchanges of the same token at most one is
    /// [`Rotation::Done`].
    fn rotate_family(&self, exchange: Exchange) -> Answer<'_, Rotation>;

    /// The device with that id, if it is logged in still.
    fn family(&self, id: FamilyId) -> Answer<'_, Option<Family>>;

    /// An account's devices, the last used first.
    fn families_of(&self, account: AccountId) -> Answer<'_, Vec<Family>>;

    /// Logs a device of the account out. False when there is none.
    fn end_family(&self, account: AccountId, id: FamilyId) -> Answer<'_, bool>;

    /// Logs all devices of the account out, but one that is kept. Gives those that were.
    fn end_families(&self, account: AccountId, keep: Option<FamilyId>) -> Answer<'_, Vec<FamilyId>>;
}

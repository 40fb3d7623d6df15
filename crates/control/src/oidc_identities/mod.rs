//! Accounts elsewhere that open an account here (OpenID Connect).

pub(crate) mod cql;
mod sqlite;

use jiff::Timestamp;
use weir_identity::AccountId;

use crate::{accounts::Account, channels::Channel, store::Answer};

/// Most identities of one account.
pub const IDENTITIES_PER_ACCOUNT_MAX: usize = 10;

/// Somebody, as a provider knows them: `iss` and `sub` of an ID token (OpenID Connect Core §2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OidcIdentity {
    /// The provider.
    pub issuer: String,
    /// The provider's name for them; never reused there.
    pub subject: String,
}

/// Identities, kept.
pub trait OidcIdentities: Send + Sync + 'static {
    /// Whose identity it is.
    fn account_of_identity(&self, identity: OidcIdentity) -> Answer<'_, Option<AccountId>>;

    /// Adds an account with its channel, opened by an identity: all or none. [`Error::Exists`](crate::Error::Exists) as for
    /// [`Accounts::register`](crate::accounts::Accounts::register), or when the identity opens another account.
    fn register_with_identity(
        &self,
        account: Account,
        channel: Channel,
        identity: OidcIdentity,
        at: Timestamp,
    ) -> Answer<'_, ()>;

    /// Links an identity to an account. [`Error::Exists`](crate::Error::Exists) when it is linked already,
    /// [`Error::TooMany`](crate::Error::TooMany) past [`IDENTITIES_PER_ACCOUNT_MAX`],
    /// [`Error::Missing`](crate::Error::Missing) without the account.
    fn link_identity(&self, identity: OidcIdentity, account: AccountId, at: Timestamp) -> Answer<'_, ()>;

    /// An account's identities, in order.
    fn identities_of(&self, account: AccountId) -> Answer<'_, Vec<OidcIdentity>>;

    /// Unlinks one of an account's identities. False when it has no such one.
    fn unlink_identity(&self, identity: OidcIdentity, account: AccountId) -> Answer<'_, bool>;
}

//! Accounts: people who log in, own channels and have roles in others.

pub(crate) mod cql;
mod display_name;
mod password;
mod sqlite;

use jiff::Timestamp;
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelName};

use crate::{channels::Channel, second_factor::SecondFactor, store::Answer};
pub use display_name::{DISPLAY_NAME_CHARS_MAX, DisplayName, InvalidDisplayName};
pub use password::{Cost, InvalidPassword, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PasswordHash};
pub(crate) use sqlite::insert;

/// Longest e-mail address (RFC 5321 §4.5.3.1.3).
pub const EMAIL_BYTES_MAX: usize = 254;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it logs in with; follows the rules of a channel's name, because a channel of that name comes with it.
    pub name: ChannelName,
    /// What others read. No two accounts have names that look the same.
    pub display_name: DisplayName,
    /// Where it can be written to, if it said so. Not verified, not unique, shown to its owner only.
    pub email: Option<String>,
    /// Argon2id of the password; none for an account that only logs in through a provider.
    pub password: Option<PasswordHash>,
    /// The second factor, once it was set up.
    pub second_factor: Option<SecondFactor>,
    /// What it may do beyond its own channel.
    pub role: Role,
    /// Since when it may not log in, publish or write, if an operator decided so.
    pub suspended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows with each change; [`Accounts::update_account`] compares it.
    pub version: u32,
}

impl Account {
    /// An account made now, displayed by its name.
    #[must_use]
    pub fn new(name: ChannelName, password: Option<PasswordHash>, role: Role) -> Self {
        Self {
            id: AccountId::new(),
            display_name: DisplayName::from_name(&name),
            name,
            email: None,
            password,
            second_factor: None,
            role,
            suspended_at: None,
            created_at: crate::store_time(Timestamp::now()),
            version: 1,
        }
    }
}

/// What an account may do beyond its own channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Role {
    /// Nothing.
    User,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name in the store, in tokens and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Accounts, kept.
pub trait Accounts: Send + Sync + 'static {
    /// Adds an account with its channel, both or none. [`Error::Exists`](crate::Error::Exists) when the account's or
    /// the channel's name is taken, or another account's display name looks the same.
    fn register(&self, account: Account, channel: Channel) -> Answer<'_, ()>;

    /// The account of that name.
    fn account_named(&self, name: &ChannelName) -> Answer<'_, Option<Account>>;

    /// The account with that id.
    fn account(&self, id: AccountId) -> Answer<'_, Option<Account>>;

    /// Accounts in order of their names, after `after`, at most `limit` of them.
    fn accounts(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Account>>;

    /// Replaces the account by `account` and counts its version up, if the kept one still has `account.version`; id,
    /// name and time of making stay. False when somebody else changed it, or it is gone.
    /// [`Error::Exists`](crate::Error::Exists) when another account's display name looks the same.
    fn update_account(&self, account: Account) -> Answer<'_, bool>;

    /// Removes an account with its channels, their keys, roles and bans, its devices, identities and roles elsewhere.
    /// False when there is none. What others wrote down about it (audit, publishes) stays.
    fn delete_account(&self, id: AccountId) -> Answer<'_, bool>;
}

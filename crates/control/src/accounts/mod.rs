//! Accounts: people who own channels. Today the one that the first start makes.

mod password;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelName};

use crate::store::Answer;
pub use password::{InvalidPassword, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PasswordHash};
pub(crate) use sqlite::insert;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it logs in with; follows the rules of a channel's name, because a channel of that name comes with it.
    pub name: ChannelName,
    /// Argon2id of the password.
    pub password: PasswordHash,
    /// What it may do beyond its own channel.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What an account may do beyond its own channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    User,
    /// Everything.
    Admin,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Accounts, kept.
pub trait Accounts: Send + Sync + 'static {
    /// The account of that name.
    fn account_named(&self, name: &ChannelName) -> Answer<'_, Option<Account>>;
}

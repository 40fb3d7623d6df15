//! The audit log: who did what, when, from where. Only ever added to.

pub(crate) mod cql;
mod deed;
pub(crate) mod routes;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, AuditId, ChannelId};

use crate::store::Answer;
pub use deed::Deed;

/// Most bytes of an entry's detail.
pub const DETAIL_BYTES_MAX: usize = 4_096;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id; sorts by time.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From which address; empty for the server itself.
    pub address: String,
    /// What, such as `channel.update` or `account.suspend`.
    pub action: String,
    /// To what: an id or a name.
    pub target: String,
    /// What changed, as JSON. At most [`DETAIL_BYTES_MAX`] bytes, and never a secret.
    pub detail: String,
}

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who was logged in.
    Account(AccountId),
    /// An operator at the command line.
    Operator,
    /// The server by itself.
    Server,
}

impl Actor {
    /// How the store and the API write it.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Account(id) => id.to_string(),
            Self::Operator => "operator".into(),
            Self::Server => "server".into(),
        }
    }

    /// Reads what [`Self::to_text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "operator" => Some(Self::Operator),
            "server" => Some(Self::Server),
            id => id.parse().ok().map(Self::Account),
        }
    }
}

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything there is.
    Installation,
    /// What happened in one channel.
    Channel(ChannelId),
    /// What one account did or what was done to it.
    Account(AccountId),
}

impl Scope {
    /// How a store names it.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Installation => "installation".into(),
            Self::Channel(id) => format!("channel:{id}"),
            Self::Account(id) => format!("account:{id}"),
        }
    }
}

/// The audit log, kept.
pub trait Audit: Send + Sync + 'static {
    /// Adds an entry to the installation's log and to those of `scopes`.
    fn note(&self, entry: Entry, scopes: Vec<Scope>) -> Answer<'_, ()>;

    /// Entries of a log, newest first, older than `before`, at most `limit`.
    fn audit(&self, scope: Scope, before: Option<AuditId>, limit: usize) -> Answer<'_, Vec<Entry>>;
}

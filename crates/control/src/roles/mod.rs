//! What an account may do in a channel that it does not own.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;

use jiff::Timestamp;
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelId};

use crate::store::Answer;

/// Most accounts with a role in one channel.
pub const ROLES_PER_CHANNEL_MAX: usize = 1_000;

/// A role in a channel. Its owner stands with the channel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ChannelRole {
    /// Marked, and free of slow mode and the like.
    Vip,
    /// May do what a VIP may, moderate, and change title and settings.
    Moderator,
}

impl ChannelRole {
    /// Its name in the store and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Moderator => "moderator",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "vip" => Some(Self::Vip),
            "moderator" => Some(Self::Moderator),
            _ => None,
        }
    }
}

/// Somebody's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub account: AccountId,
    /// Which role.
    pub role: ChannelRole,
    /// Since when.
    pub at: Timestamp,
}

/// Roles, kept.
pub trait Roles: Send + Sync + 'static {
    /// Gives a role, in place of another. [`Error::Missing`](crate::Error::Missing) without the channel or the account,
    /// [`Error::TooMany`](crate::Error::TooMany) past [`ROLES_PER_CHANNEL_MAX`].
    fn give_role(&self, channel: ChannelId, given: Given) -> Answer<'_, ()>;

    /// Takes a role away. False when there was none.
    fn take_role(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool>;

    /// The role of an account in a channel.
    fn role_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<ChannelRole>>;

    /// Who has a role in a channel, by account.
    fn roles_in(&self, channel: ChannelId) -> Answer<'_, Vec<Given>>;

    /// In which channels an account has a role, by channel.
    fn roles_elsewhere(&self, account: AccountId) -> Answer<'_, Vec<(ChannelId, ChannelRole)>>;
}

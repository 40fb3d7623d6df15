//! Who follows which channel, and since when.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId};

use crate::store::Answer;

/// Most channels that one account follows. A person follows hundreds; more is a machine that makes followers.
pub const FOLLOWS_PER_ACCOUNT_MAX: usize = 2_000;

/// Followers, kept.
pub trait Follows: Send + Sync + 'static {
    /// Follows from `at` on. Who follows already goes on doing so since then; answers since when.
    /// [`Error::Missing`](crate::Error::Missing) without the channel or the account,
    /// [`Error::TooMany`](crate::Error::TooMany) past [`FOLLOWS_PER_ACCOUNT_MAX`].
    fn follow(&self, channel: ChannelId, account: AccountId, at: Timestamp) -> Answer<'_, Timestamp>;

    /// Follows no more. False when it did not.
    fn unfollow(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool>;

    /// Since when an account follows a channel.
    fn follows_since(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Timestamp>>;

    /// How many follow a channel. What another node changed may be missing for two seconds.
    fn followers(&self, channel: ChannelId) -> Answer<'_, u64>;

    /// Which channels an account follows and since when, in order of their ids, after `after`, at most `limit`.
    fn follows_of(
        &self,
        account: AccountId,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Answer<'_, Vec<(ChannelId, Timestamp)>>;
}

//! Who may not take part in a channel.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{AccountId, ChannelId};

use crate::store::Answer;

/// Most characters of a ban's reason.
pub const REASON_CHARS_MAX: usize = 500;

/// One ban, or timeout when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub account: AccountId,
    /// HMAC-SHA256 of the address they wrote from, when that is banned too.
    pub address: Option<[u8; 32]>,
    /// Who decided.
    pub by: AccountId,
    /// Why, for other moderators. At most [`REASON_CHARS_MAX`] characters.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when; for good without it.
    pub until: Option<Timestamp>,
}

impl Ban {
    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Bans, kept. One that has ended may be gone.
pub trait Bans: Send + Sync + 'static {
    /// Bans, in place of an earlier ban of the same account. [`Error::Missing`](crate::Error::Missing) without the
    /// channel.
    fn ban(&self, channel: ChannelId, ban: Ban) -> Answer<'_, ()>;

    /// Lifts a ban. False when there was none.
    fn unban(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool>;

    /// The ban of an account.
    fn ban_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Ban>>;

    /// A ban that covers an address, the one that lasts longest.
    fn ban_of_address(&self, channel: ChannelId, address: [u8; 32]) -> Answer<'_, Option<Ban>>;

    /// A channel's bans in order of their accounts, after `after`, at most `limit`.
    fn bans_in(&self, channel: ChannelId, after: Option<AccountId>, limit: usize) -> Answer<'_, Vec<Ban>>;
}

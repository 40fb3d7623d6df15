//! Who may not take part in a channel.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use weir_identity::{AccountId, ChannelId, KeySecret};

use crate::{seal, store::Answer};

/// Most characters of a ban's reason.
pub const REASON_CHARS_MAX: usize = 500;

/// How long it is remembered from where somebody spoke.
pub const SPOKE_KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// An address as it is kept: HMAC-SHA256 under the installation's secret, another one in each channel. Whoever has an
/// IPv6 address has at least a /64 of them, which count as one.
#[must_use]
pub fn hash_address(secret: &KeySecret, channel: ChannelId, address: IpAddr) -> [u8; 32] {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    };
    let data = [&channel.as_bytes()[..], &[u8::from(address.to_canonical().is_ipv6())], &network.to_be_bytes()];
    seal::derive(secret, "banned-address", &data.concat())
}

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

    /// Notes from which address, as [`hash_address`] gives it, an account spoke in a channel. It is remembered for
    /// [`SPOKE_KEPT_FOR`]. What belongs to a channel that is gone is left out.
    fn spoke(&self, channel: ChannelId, account: AccountId, address: [u8; 32], at: Timestamp) -> Answer<'_, ()>;

    /// From which address an account last spoke in a channel.
    fn spoke_from(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<[u8; 32]>>;

    /// A channel's bans in order of their accounts, after `after`, at most `limit`.
    fn bans_in(&self, channel: ChannelId, after: Option<AccountId>, limit: usize) -> Answer<'_, Vec<Ban>>;
}

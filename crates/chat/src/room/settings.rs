//! What a channel's moderators set for its room.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest slow mode, in seconds.
pub const SLOW_SECONDS_MAX: u32 = 3_600;
/// Longest time that followers must have followed, in seconds: three months.
pub const FOLLOWERS_SECONDS_MAX: u32 = 90 * 86_400;

/// A room's settings. The default lets everybody say everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds between two messages of one viewer. 0: none. At most [`SLOW_SECONDS_MAX`].
    pub slow: u32,
    /// Only who has followed the channel for so many seconds. At most [`FOLLOWERS_SECONDS_MAX`].
    pub followers_only: Option<u32>,
    /// Only the channel's members: VIPs, moderators and the owner.
    pub members_only: bool,
    /// Only emotes.
    pub emote_only: bool,
    /// No links.
    pub links_off: bool,
    /// Nobody says again what was said in the last ten minutes.
    pub unique: bool,
}

impl Settings {
    /// Whether every value is one of those there are.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.slow <= SLOW_SECONDS_MAX && self.followers_only.is_none_or(|seconds| seconds <= FOLLOWERS_SECONDS_MAX)
    }

    /// The time between two messages of one viewer.
    #[must_use]
    pub fn slow(&self) -> Option<Duration> {
        (self.slow > 0).then(|| Duration::from_secs(self.slow.into()))
    }
}

//! Names in Redis.

use weir_identity::ChannelId;

/// A room's names. The braces keep all of a room's in one slot.
pub(super) struct Keys(String);

impl Keys {
    const BEFORE: &str = "weir:chat:{";

    pub(super) fn of(room: ChannelId) -> Self {
        Self(format!("{}{room}}}", Self::BEFORE))
    }

    /// Also the channel that it is told in.
    pub(super) fn room(&self) -> String {
        self.0.clone()
    }

    pub(super) fn log(&self) -> String {
        format!("{}:log", self.0)
    }

    pub(super) fn of_speaker(&self, what: &str, whose: &str) -> String {
        format!("{}:{what}:{whose}", self.0)
    }

    /// What an account said that its client called so.
    pub(super) fn once(&self, by: &str, called: &str) -> String {
        self.of_speaker("once", &format!("{by}:{called}"))
    }

    pub(super) fn read(channel: &str) -> Option<ChannelId> {
        channel.strip_prefix(Self::BEFORE)?.strip_suffix('}')?.parse().ok()
    }
}

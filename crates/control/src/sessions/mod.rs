//! The record of publishes: who, when, how it came, how it ended.

pub(crate) mod cql;
mod sqlite;

use jiff::Timestamp;
use weir_identity::{ChannelName, KeyId};

use crate::store::Answer;

/// Publishes remembered a channel; older ones are forgotten. A year of three a day.
pub const SESSIONS_PER_CHANNEL_MAX: u32 = 1_000;

/// One publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The publish's id, as logs name it.
    pub id: String,
    /// The channel's name at that time.
    pub channel: ChannelName,
    /// The key that opened it.
    pub key: KeyId,
    /// `rtmp`, `rtmps`, `whip`.
    pub protocol: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended; nothing while it runs, or when the server was killed in the middle of it.
    pub end: Option<End>,
}

/// How a publish ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// In words: the publisher left, or why it was told to go.
    pub reason: String,
    /// Bytes of media that came in.
    pub bytes: u64,
}

/// The record of publishes, kept.
pub trait Sessions: Send + Sync + 'static {
    /// Notes that a publish began.
    fn session_began(&self, session: Session) -> Answer<'_, ()>;

    /// Notes how it ended. One that was never noted is [`Error::Missing`](crate::Error::Missing).
    fn session_ended(&self, id: String, end: End) -> Answer<'_, ()>;

    /// A channel's publishes, newest first, at most `limit`.
    fn sessions_of(&self, channel: &ChannelName, limit: usize) -> Answer<'_, Vec<Session>>;
}

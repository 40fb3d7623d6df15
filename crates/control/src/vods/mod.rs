//! Recordings: what of a channel's streams can be watched later.
//!
//! The store knows what there is; the media lies on the disk of the node that recorded it.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use utoipa::ToSchema;
use weir_identity::{ChannelId, KeySecret, NodeId, VodId, WatchId};

use crate::{
    channels::{Channel, Visibility},
    seal::derive,
    store::Answer,
};

/// Most characters of a note.
pub const NOTE_CHARS_MAX: usize = 500;

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vod {
    /// Its id; sorts by time.
    pub id: VodId,
    /// Of which channel.
    pub channel: ChannelId,
    /// What people read above the player. At most [`TITLE_CHARS_MAX`](crate::channels::TITLE_CHARS_MAX) characters.
    pub title: String,
    /// How far it is.
    pub state: State,
    /// Why it failed, or ended before its stream did; empty when all is well. At most [`NOTE_CHARS_MAX`] characters.
    pub note: String,
    /// Who may watch, and whether it stands in the channel's list.
    pub visibility: Visibility,
    /// What stands in the addresses of its media. Another one whenever the visibility changes.
    pub watch: WatchId,
    /// On whose disk it is.
    pub node: NodeId,
    /// When its stream began.
    pub started_at: Timestamp,
    /// How long it plays, in milliseconds; 0 while it is recorded.
    pub duration_ms: u64,
    /// What it takes on the disk, in bytes; 0 while it is recorded.
    pub bytes: u64,
    /// Grows with each change that somebody makes; [`Vods::update_vod`] compares it.
    pub version: u32,
}

impl Vod {
    /// A recording of `channel` that begins now on `node`, titled and open as the channel is.
    #[must_use]
    pub fn begin(channel: &Channel, node: NodeId) -> Self {
        Self {
            id: VodId::new(),
            channel: channel.id,
            title: channel.title.clone(),
            state: State::Recording,
            note: String::new(),
            visibility: channel.visibility,
            watch: WatchId::random(),
            node,
            started_at: crate::store_time(Timestamp::now()),
            duration_ms: 0,
            bytes: 0,
            version: 1,
        }
    }
}

/// Tells an installation from others, for the folders of its recordings: their media may be removed only by the
/// installation that they are of.
#[must_use]
pub fn fingerprint(secret: &KeySecret) -> String {
    derive(secret, "recordings", b"").iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// How far a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = VodState, rename_all = "snake_case")]
pub enum State {
    /// Its stream runs.
    Recording,
    /// It can be watched.
    Ready,
    /// There is nothing to be watched.
    Failed,
}

impl State {
    /// Its name in the store and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Recording, Self::Ready, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a recording has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// [`State::Ready`] or [`State::Failed`].
    pub state: State,
    /// Why it failed, or ended before its stream did; empty when all is well.
    pub note: String,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
}

/// Recordings, kept.
pub trait Vods: Send + Sync + 'static {
    /// Notes that a recording begins. [`Error::Missing`](crate::Error::Missing) without the channel,
    /// [`Error::Exists`](crate::Error::Exists) when the id is known.
    fn begin_vod(&self, vod: Vod) -> Answer<'_, ()>;

    /// Notes how a recording ended. False when it is not being recorded any more, or is gone; then nothing changes.
    fn finish_vod(&self, id: VodId, finish: Finish) -> Answer<'_, bool>;

    /// Replaces title, visibility and `watch` by those of `vod` and counts its version up, if the kept one still has
    /// `vod.version`. False when somebody else changed it, or it is gone.
    fn update_vod(&self, vod: Vod) -> Answer<'_, bool>;

    /// Forgets a recording. False when there is none. Its media is removed by the node that has it.
    fn delete_vod(&self, id: VodId) -> Answer<'_, bool>;

    /// The recording with that id.
    fn vod(&self, id: VodId) -> Answer<'_, Option<Vod>>;

    /// A channel's recordings, newest first, older than `before`, at most `limit`.
    fn vods_of(&self, channel: ChannelId, before: Option<VodId>, limit: usize) -> Answer<'_, Vec<Vod>>;

    /// What a node has begun to record and not ended, oldest first.
    fn recording_on(&self, node: NodeId) -> Answer<'_, Vec<Vod>>;
}

//! What is live, asked of the rest of the server.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelId, ChannelName, KeyId, VodId};

use crate::{channels::Visibility, rooms::Rooms};

/// Knows what is live, and the rooms beside it. The API asks; it does not know publishers, playlists or viewers.
pub trait Presence: Rooms {
    /// The running stream of a channel.
    fn live(&self, channel: &ChannelName) -> Option<LiveInfo>;

    /// How the running publish of a channel is.
    fn health(&self, channel: &ChannelName) -> Option<HealthInfo>;

    /// Whether channels can be watched over WebRTC here.
    fn serves_whep(&self) -> bool {
        false
    }

    /// Every live channel, in no order.
    fn live_channels(&self) -> Vec<ChannelName>;

    /// Ends the running publish of a channel, on whichever node it is. Nothing happens where there is none.
    fn end(&self, channel: &ChannelName);

    /// Who may watch a running stream changes.
    fn visibility_changed(&self, channel: &ChannelName, visibility: Visibility);

    /// Cuts whoever publishes with one of these keys, on whichever node it is, now or in a moment.
    fn revoked(&self, keys: &[KeyId]);

    /// A recording was removed, or others may watch it from now on. Must not block.
    fn vod_changed(&self, id: VodId) {
        let _ = id;
    }

    /// An account follows a channel since then, or no longer. Must not block.
    fn followed(&self, channel: ChannelId, account: AccountId, since: Option<Timestamp>) {
        let _ = (channel, account, since);
    }

    /// The emotes of a channel are others, or those of all channels. Must not block.
    fn emotes_changed(&self, channel: Option<ChannelId>) {
        let _ = channel;
    }
}

/// A running stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveInfo {
    /// When it began.
    pub started_at: Timestamp,
    /// Viewers now.
    pub viewers: u64,
    /// What it comes in.
    pub renditions: Vec<RenditionInfo>,
}

/// One form in which a stream is served.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RenditionInfo {
    /// Its name in URLs.
    #[schema(example = "video")]
    pub id: String,
    /// Codecs as RFC 6381 writes them.
    #[schema(example = "avc1.64001f")]
    pub codecs: String,
    /// Pixels across; null for sound.
    pub width: Option<u32>,
    /// Pixels down; null for sound.
    pub height: Option<u32>,
    /// Frames a second; null for sound.
    pub frame_rate: Option<f64>,
}

/// How a publish is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct HealthInfo {
    /// Whether somebody publishes now.
    pub live: bool,
    /// How it comes: `rtmp`, `rtmps` or `whip`.
    #[schema(example = "rtmp")]
    pub protocol: Option<&'static str>,
    /// What comes in, in bits a second.
    pub bitrate: Option<u64>,
    /// Frames a second, as observed.
    pub frame_rate: Option<f64>,
    /// The longest of the last keyframe intervals, in seconds.
    pub keyframe_interval: Option<f64>,
    /// Whether pictures are reordered (B-frames), which costs delay.
    pub b_frames: Option<bool>,
    /// Frames that could not be used.
    pub dropped_frames: Option<u64>,
    /// How often the encoder's clock jumped.
    pub clock_jumps: Option<u64>,
    /// How often the server was too slow and skipped to the next keyframe.
    pub skips: Option<u64>,
    /// Codecs of the tracks that come in, as RFC 6381 writes them.
    pub codecs: Vec<String>,
    /// What the streamer should hear; empty when all is well.
    pub messages: Vec<HealthMessage>,
}

/// One thing that is worth telling the streamer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthMessage {
    /// What it is about: stable, for programs.
    #[schema(example = "webrtc-b-frames")]
    pub subject: String,
    /// A sentence.
    pub text: String,
}

//! A channel, as everybody may see it who may see it at all.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Channel, Conflict, Latency, Visibility};
use crate::presence::{Presence, RenditionInfo};

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChannelView {
    /// Its name, which is its address.
    #[schema(example = "anna")]
    name: String,
    /// What people read above the player.
    title: String,
    /// What people read below the player.
    description: String,
    /// What it is about.
    tags: Vec<String>,
    /// What kind of thing it shows.
    category: String,
    /// The language spoken, as BCP 47 writes it; empty when it is not said.
    language: String,
    /// Who may watch.
    #[schema(value_type = Visibility)]
    visibility: &'static str,
    /// How much safety is given away for speed.
    #[schema(value_type = Latency)]
    latency: &'static str,
    /// What a second publisher gets: the channel (`take_over`), or a refusal (`refuse`).
    #[schema(value_type = Conflict)]
    conflict: &'static str,
    /// Whether its streams are recorded.
    record: bool,
    /// Whether it is live.
    live: bool,
    /// When the running stream began, RFC 3339 in UTC; null while it is not live.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// Viewers now, an estimate.
    viewers: u64,
    /// How many follow it. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    followers: Option<u64>,
    /// What the running stream comes in; empty while it is not live.
    renditions: Vec<RenditionInfo>,
    /// Where to watch.
    playback: Playback,
}

/// Addresses of a stream or a recording, below this server; null for what this server does not serve, or not to this
/// caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Playback {
    /// Low-Latency HLS.
    #[schema(example = "/live/anna/index.m3u8")]
    hls: Option<String>,
    /// Low-latency DASH.
    dash: Option<String>,
    /// WHEP: real time, over WebRTC.
    #[schema(example = "/whep/anna")]
    whep: Option<String>,
}

/// What a caller may do with a closed channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watching {
    /// It is open to all.
    Open,
    /// It is closed to all but those with this token.
    Signed(String),
    /// It is closed to this caller.
    Closed,
}

impl Playback {
    /// Where a recording is watched; the query carries its token.
    pub(crate) fn of_vod(hls: Option<String>) -> Self {
        Self { hls, dash: None, whep: None }
    }
}

impl ChannelView {
    pub(crate) fn of(channel: &Channel, presence: &dyn Presence, watching: &Watching) -> Self {
        let live = presence.live(&channel.name);
        let query = match watching {
            Watching::Open => Some(String::new()),
            Watching::Signed(token) => Some(format!("?token={token}")),
            Watching::Closed => None,
        };
        let playback = Playback {
            hls: query.as_ref().map(|query| format!("/live/{}/index.m3u8{query}", channel.name)),
            dash: None,
            whep: query.filter(|_| presence.serves_whep()).map(|query| format!("/whep/{}{query}", channel.name)),
        };
        Self {
            name: channel.name.to_string(),
            title: channel.title.clone(),
            description: channel.description.clone(),
            tags: channel.tags.clone(),
            category: channel.category.clone(),
            language: channel.language.clone(),
            visibility: channel.visibility.as_str(),
            latency: channel.latency.as_str(),
            conflict: channel.conflict.as_str(),
            record: channel.record,
            live: live.is_some(),
            started_at: live.as_ref().map(|live| live.started_at.to_string()),
            viewers: live.as_ref().map_or(0, |live| live.viewers),
            followers: None,
            renditions: live.map(|live| live.renditions).unwrap_or_default(),
            playback,
        }
    }

    pub(crate) fn with_followers(self, followers: u64) -> Self {
        Self { followers: Some(followers), ..self }
    }
}

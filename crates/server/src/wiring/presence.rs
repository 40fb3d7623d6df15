//! What is live: the API asks, playlists and publishers know.

use std::time::SystemTime;

use jiff::Timestamp;
use weir_control::{HealthInfo, LiveInfo, Presence, RenditionInfo, Rooms, channels::Visibility};
use weir_edge::Whep;
use weir_hls::{RenditionKind, RenditionSpec};
use weir_identity::{ChannelName, KeyId};
use weir_media::Registry;

use super::{
    nodes::{News, Nodes},
    running::Running,
};

/// A channel is live while its playlist is: viewers see nothing of a publisher's absence within the grace time.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(crate) playlists: weir_hls::Store,
    pub(crate) registry: Registry,
    pub(crate) nodes: Nodes,
    pub(crate) running: Running,
    /// Viewers over WebRTC.
    pub(crate) whep: Option<Whep>,
}

/// How much there is, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) publishes: usize,
    pub(crate) streams: usize,
    pub(crate) viewers: u64,
    pub(crate) held_requests: usize,
}

impl Streams {
    /// Whether a channel can be watched now.
    pub(crate) fn is_live(&self, channel: &ChannelName) -> bool {
        self.playlists.current(channel).is_some_and(|stream| stream.ended().is_none())
    }

    /// How much there is.
    pub(crate) fn counts(&self) -> Counts {
        let live = self.playlists.live();
        Counts {
            publishes: self.registry.len(),
            streams: live.len(),
            viewers: live.iter().map(|stream| stream.viewers()).sum::<u64>()
                + self.whep.as_ref().map_or(0, Whep::all_viewers),
            held_requests: self.playlists.held_requests(),
        }
    }
}

impl Rooms for Streams {}

impl Presence for Streams {
    fn live(&self, channel: &ChannelName) -> Option<LiveInfo> {
        let stream = self.playlists.current(channel).filter(|stream| stream.ended().is_none())?;
        Some(LiveInfo {
            started_at: whole_milliseconds(stream.started())?,
            viewers: stream.viewers() + self.whep.as_ref().map_or(0, |whep| whep.viewers(channel)),
            renditions: stream.renditions().into_iter().map(rendition).collect(),
        })
    }

    fn serves_whep(&self) -> bool {
        self.whep.is_some()
    }

    fn health(&self, channel: &ChannelName) -> Option<HealthInfo> {
        Some(self.running.health(&*self.registry.get(channel)?))
    }

    fn live_channels(&self) -> Vec<ChannelName> {
        self.playlists.live().iter().map(|stream| stream.channel().clone()).collect()
    }

    fn end(&self, channel: &ChannelName) {
        self.nodes.tell(News::Ended(channel.clone()));
    }

    fn visibility_changed(&self, channel: &ChannelName, visibility: Visibility) {
        // The running playlist has the addresses of the old visibility: its publisher comes back to a new one.
        self.nodes.tell(News::Moved(channel.clone(), visibility.is_closed()));
    }

    fn revoked(&self, keys: &[KeyId]) {
        self.nodes.tell(News::Revoked(keys.to_vec()));
    }
}

/// Finer is noise to whoever reads it.
fn whole_milliseconds(time: SystemTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(Timestamp::try_from(time).ok()?.as_millisecond()).ok()
}

fn rendition(spec: RenditionSpec) -> RenditionInfo {
    let (width, height, frame_rate) = match spec.kind {
        RenditionKind::Video { width, height, frame_rate } => (Some(width), Some(height), Some(frame_rate)),
        RenditionKind::Audio { .. } => (None, None, None),
    };
    RenditionInfo { id: spec.id.to_string(), codecs: spec.codecs, width, height, frame_rate }
}

//! Carries the viewers: LL-HLS over HTTP, and WebRTC.
//!
//! Read [`hls`] (requests below `/live/` become answers from a [`weir_hls::Store`]), [`vod`] (those below `/vod/`, from
//! files), [`body`] (answers share their
//! buffers with every other viewer), then [`serve`] (sockets: accepting, limits, timeouts, draining). [`whep`] is the
//! other way to watch: frames of a [`weir_media::bus`] as RTP. [`Config`] is the manual of its settings.
//!
//! This crate knows no GStreamer, no database and no publisher. Whatever is not below these goes to a fallback
//! service that its user gives.

mod access;
pub mod body;
pub mod config;
pub mod hls;
pub mod problem;
pub mod serve;
pub mod vod;
pub mod whep;

pub use access::Access;
pub use body::Body;
pub use config::Config;
pub use hls::Edge;
pub use serve::{Listener, Peer, serve};
pub use vod::Vod;
pub use whep::Whep;

/// The service of everything below `/live/`, and below `/vod/` once it has recordings. Closed streams are for those whom `access` lets in.
#[must_use]
pub fn service(store: weir_hls::Store, access: Option<std::sync::Arc<dyn Access>>) -> Edge {
    Edge::new(store, access)
}

#[cfg(test)]
mod tests;

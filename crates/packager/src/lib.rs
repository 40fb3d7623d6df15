//! Live frames become the parts of a Low-Latency HLS playlist.
//!
//! Read [`stream`] (one channel's actor: publishes, grace time, restarts), then `packager` (one publish's actor) and
//! `package` (what it does): `measure` looks at the first frames, `timeline` rebases the publisher's timestamps,
//! [`weir_hls::cut`] says where parts end, `lane` and `mux` bring each track through GStreamer's `cmafmux`, `moof`
//! corrects what that muxer cannot know. [`spool`] keeps finished segments on disk, [`record`] for good. [`repair`] makes,
//! in processes of its own, what viewers need and a publisher does not send. [`demo`] is a publisher.
//!
//! The only crate that knows GStreamer. It knows no protocol and no viewer: frames come from a [`weir_media::bus`],
//! parts go to a [`weir_hls::StreamWriter`].

mod caps;
pub mod config;
pub mod demo;
pub mod error;
pub mod health;
mod intake;
mod lane;
mod measure;
mod moof;
mod mux;
mod package;
mod packager;
pub mod record;
pub mod repair;
mod running;
mod seat;
mod session;
mod sound;
pub mod spool;
pub mod stream;
#[cfg(test)]
mod tests;
mod timeline;
mod tracks;

pub use config::Config;
pub use error::{Error, Fault};
pub use health::Report;
pub use mux::init;
pub use spool::Spool;
pub use stream::Stream;

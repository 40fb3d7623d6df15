//! What a publish is made of, and how it travels inside the server.
//!
//! Read [`time`] and [`frame`] (one coded picture or stretch of sound), [`track`] (codec parameters of what is
//! published), [`codec`] (reads them from configuration records), [`bus`] (bounded fan-out from one publisher to whoever
//! listens), [`gop`] (what who comes late begins with), [`registry`] (who is live; one publisher a channel).
//!
//! This crate knows no protocol, no container and no viewer. It has no socket; its queues are bounded, and a slow
//! reader loses frames up to the next keyframe instead of slowing anyone.

pub mod bus;
pub mod codec;
pub mod derive;
pub mod frame;
pub mod gop;
pub mod notice;
pub mod registry;
pub mod time;
pub mod track;

pub use bus::{Event, Feed, Subscriber};
pub use frame::{Frame, TrackId};
pub use gop::Gop;
pub use notice::Notice;
pub use registry::{Busy, Conflict, EndReason, Kick, Live, Observer, Publish, Publisher, Registry};
pub use time::Timestamp;
pub use track::{AudioCodec, AudioParams, Track, TrackParams, VideoCodec, VideoParams};

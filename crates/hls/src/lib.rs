//! Low-Latency HLS without HTTP: what a stream's playlists say, what requests wait for, and what is kept for how long.
//!
//! Read [`spec`] (what a stream is made of), [`window`] (what is there of a rendition), [`reload`] (what a playlist
//! request waits for), [`playlist`] (the text), then [`store`], [`stream`] and [`writer`]: the shared state between
//! one writer and its many readers. A stream's complete segments also go to a [`sink`], if it has one, and [`recorded`]
//! is what a recording made of them says: its index, and playlists out of that.
//!
//! `window`, `reload` and `playlist` are values: they have no clock, task or lock. This crate knows no GStreamer and
//! no socket. A published part never changes, and all readers get the same buffers.

pub mod cut;
pub mod error;
#[doc(hidden)]
pub mod fuzz;
mod hold;
mod multivariant;
pub mod name;
pub mod playlist;
pub mod recorded;
pub mod reload;
mod rendition;
pub mod sink;
pub mod spec;
pub mod store;
pub mod stream;
mod viewers;
pub mod window;
pub mod writer;

pub use error::{Error, Full};
pub use name::Resource;
pub use playlist::Rendered;
pub use reload::Query;
pub use sink::{Completed, Openings, Sink};
pub use spec::{Body, Part, RenditionId, RenditionKind, RenditionSpec, Timing};
pub use store::{Limits, Store};
pub use stream::{Media, Reply, Stream};
pub use writer::StreamWriter;

#[cfg(test)]
mod tests;

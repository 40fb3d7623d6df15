//! The supervision tree. One actor a file; each tells its owner and restart policy on its first screen.
//!
//! ```text
//! root ─┬─ rtmp listener ── a session a connection          (weir_ingest)
//!       └─ streams ── a stream a channel ── its packager     (weir_packager)
//! ```
//! A failure stays below its owner: a session touches no stream, a stream no other stream.

pub(crate) mod root;
pub(crate) mod streams;

//! WHEP: viewers over WebRTC, well under a second behind.
//!
//! Read [`Whep`] (offers become viewers) and `routes` (its HTTP), then the way of a frame: `inputs` (the publish, and what
//! is made of it for browsers), `pump` (frames become packets, once for all viewers of the channel), `shard` (some
//! viewers, one after another), `viewer` (transport and sender of one). `channels` owns a `fanout` a channel, which owns
//! the pump. Frames travel over bounded rings; mailboxes carry who comes and who begins.
//!
//! ```text
//! media::bus ─▶ pump ─▶ ring ─▶ shard ─▶ viewer ─▶ Sockets
//!                          └──▶ shard ─▶ viewer ◀─ Sockets (what viewers send)
//! ```

mod channels;
mod config;
mod continuity;
mod current;
mod fanout;
mod inbox;
mod inputs;
mod meters;
mod pump;
mod rates;
mod routes;
mod service;
mod shard;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod viewer;
mod wheel;

pub use config::Config;
pub use routes::router;
pub use service::{Args, Whep};

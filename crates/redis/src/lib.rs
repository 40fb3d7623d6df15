//! A connection to Redis that comes back by itself and never keeps anyone waiting.
//!
//! Read [`target`](Target) first (what a `redis.url` names: one server, a primary that sentinels watch, a cluster), then
//! [`connection`](Connection) (the three as one) and [`link`](Link): it connects in the background, gives every call an
//! end, and while Redis is away answers so at once; then [`listener`](Listener) (what is published) and
//! [`bulletin`](Bulletin): what one node says and all hear. Whoever shares something over Redis decides what to do meanwhile.
//!
//! This crate does not know what is shared.

mod bulletin;
mod connection;
mod link;
mod listener;
mod target;
#[cfg(test)]
mod tests;

pub use bulletin::Bulletin;
pub use connection::Connection;
pub use link::{Error, Link};
pub use listener::Listener;
pub use target::{Target, TargetError};

//! What the tests share: the real server, and real clients around it.
//!
//! Read [`server`] first (it starts `weir` on free ports in a folder of its own), then the publishers ([`clock`],
//! [`tools`], and our own [`rtmp::Client`] with [`media`] to send), the players ([`hls`], [`browser`]), the cache in front ([`nginx`]),
//! a CQL server ([`cassandra`]), a login provider ([`oidc_provider`]), [`redis`] and bad networks ([`net`]).
//! A test waits for what must happen, at most [`server::PATIENCE`]; it asserts no timing.

pub mod browser;
pub mod cassandra;
pub mod chat;
pub mod clock;
pub mod hls;
pub mod http;
pub mod media;
pub mod net;
pub mod nginx;
pub mod oidc_provider;
pub mod realtime;
pub mod redis;
pub mod rtmp;
pub mod server;
mod service;
pub mod stamp;
pub mod tools;

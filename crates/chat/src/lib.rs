//! A room beside every channel: what is said in it reaches everybody there, in one order, without holes.
//!
//! Read [`room`] first: `event` (what happens in a room), `log` (offsets, and what is said once), `rules` (who may say
//! what), `history` and `order` (what a node knows of a room), then `outlet` (how one buffer reaches everybody) and
//! `actor` (the room of a node). [`wire`] is the protocol in JSON; [`socket`] carries it over WebSocket; [`fabric`] keeps
//! the rooms of several nodes one. [`Gate`] is what chat asks of the rest of the server: who somebody is, and whom a
//! channel has banned; [`Archive`] what it asks of whoever keeps what was said. [`Config`] is the manual of its settings.
//!
//! This crate knows no database, no stream and no page.

pub mod archive;
pub mod config;
pub mod fabric;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
pub mod gate;
pub mod room;
mod rooms;
pub mod socket;
pub mod wire;

pub use archive::Archive;
pub use config::Config;
pub use gate::Gate;
pub use rooms::Rooms;
pub use socket::{Chat, Remote};

//! Live streams in: RTMP and WHIP publishers become frames on a [`weir_media::bus`].
//!
//! Read [`rtmp`] first: `core` (the protocol as a value), `pump` (its socket), `session` (its actor), `listener` (who
//! owns it). [`whip`] repeats the shape over [`weir_peer`]; its offers come over HTTP. [`Gate`] is the only question
//! this crate asks of the rest of the server: may this key publish?
//!
//! This crate does not know HLS, databases or viewers, and it decodes nothing: coded frames pass through untouched.

pub mod rtmp;
pub mod whip;

mod config;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod gate;

pub use config::Config;
pub use error::{Error, Fault};
pub use gate::{Denied, Gate};
pub use rtmp::listener::{Listeners, spawn};

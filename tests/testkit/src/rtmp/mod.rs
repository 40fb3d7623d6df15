//! An RTMP publisher of our own, well behaved or not.
//!
//! [`Client::publish`] does what OBS does; [`Playout`] gives it a [`Movie`](crate::media::Movie)'s messages in order and
//! with continuing timestamps. For hostile tests there are the layers below: [`Client::send_raw`], the [`chunk`] writer
//! with its chunk streams and sizes, [`amf`] values, [`flv`] bodies.

pub mod amf;
pub mod chunk;
mod client;
pub mod flv;
pub mod handshake;
mod play;
mod playout;

pub use chunk::{Message, kind};
pub use client::{Client, Error, Options, Status, Target};
pub use handshake::Handshake;
pub use play::{Playing, play};
pub use playout::{Due, Playout};

//! RTMP and RTMPS publishers, with Enhanced RTMP v1 and v2.
//!
//! | file | is |
//! |---|---|
//! | `handshake` | the first 3073 bytes |
//! | `chunks` | the chunk stream: bytes to messages and back |
//! | `aggregate` | several messages in one |
//! | `amf0` | a guard before the AMF0 parser |
//! | `command` | commands and the answers to them |
//! | `core` | the session as a value: bytes and time in, effects out |
//! | `flv` | audio and video messages to [`weir_media::Frame`]s |
//! | `pump` | a socket and its core |
//! | `session` | the pump's actor |
//! | `listener` | the sessions' owner |
//! | `slots`, `meters` | how many connections there may be; what is counted |
//!
//! A peer can cost its own connection only: everything it can make grow has a limit in [`Config`] or a named constant.

mod aggregate;
pub(crate) mod amf0;
pub(crate) mod chunks;
pub(crate) mod command;
mod config;
pub(crate) mod core;
pub(crate) mod flv;
pub(crate) mod handshake;
pub(crate) mod listener;
mod meters;
mod pump;
mod session;
mod slots;

pub use config::Config;

pub use self::{amf0::Amf0Error, chunks::ChunkError};

//! The answers to what the crates ask of each other. Each file joins two that do not know each other.

pub(crate) mod access;
pub(crate) mod admin;
pub(crate) mod archive;
pub(crate) mod chat;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod moved;
pub(crate) mod nodes;
pub(crate) mod origin;
pub(crate) mod pictures;
pub(crate) mod presence;
pub(crate) mod recordings;
pub(crate) mod revoked;
pub(crate) mod rooms;
pub(crate) mod running;

//! The protocol: JSON objects in text frames, both ways.

pub mod inbound;
pub mod outbound;

pub use inbound::{Join, Request};

//! What sending and receiving share of RTP (RFC 3550): the header with its extensions, and numbers that wrap around.

pub mod header;
pub mod wrapping;

pub use header::{BadPacket, Elements, Header, Parsed};
pub use wrapping::{Unwrapper16, Unwrapper32};

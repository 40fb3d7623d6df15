//! The one UDP port, and the TCP port of the same number, that carry every session.

use std::time::Instant;

use crate::path::Path;

/// Who gets the datagrams of a session. Called from the sockets' own tasks: must not block.
pub trait Endpoint: Send + Sync + 'static {
    /// A datagram came. It is either a STUN request that names one of this endpoint's user fragments, or anything from a
    /// path that was [`Verdict::Ours`] before.
    fn datagram(&self, now: Instant, path: Path, datagram: &[u8]) -> Verdict;

    /// The TCP connection behind `path` is gone.
    fn closed(&self, path: Path);
}

/// Whether later datagrams of the same path belong to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The peer proved itself on this path (its STUN message integrity is right): what follows is its.
    Ours,
    /// Nothing was proven. The path stays as it is known.
    Unproven,
}

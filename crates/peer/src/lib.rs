//! One WebRTC peer, as values without IO, and the one socket that carries all peers.
//!
//! Weir is the answering, ICE-lite side. Read [`agreed`] (what offer and answer settle), then the values:
//! [`transport`] (ICE-lite, DTLS and SRTP behind one port: datagrams in, RTP and RTCP out), [`sdp`] (offer, answer,
//! trickle fragments), [`receive`] (RTP becomes frames), [`send`] (frames become RTP, once for all viewers). [`socket`]
//! is the thin shell: one UDP port, the TCP port of the same number, and who gets which datagram.

pub mod agreed;
mod config;
pub mod path;
pub mod receive;
pub mod resource;
pub mod rtp;
pub mod sdp;
pub mod send;
pub mod socket;
pub mod transport;

pub use config::{Config, IceServer, PublicAddress};

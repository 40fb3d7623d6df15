//! Offers, answers and trickle fragments (RFC 8866, RFC 9429, RFC 8843, RFC 8839, RFC 8840), as values.
//!
//! Read [`Description`] (what a peer wrote, as far as we want it), then [`publish`] (the peer sends, WHIP) and [`play`]
//! (the peer receives, WHEP): each takes an [`Offer`] and gives the answer's text and what was agreed. [`frag`] are the
//! fragments of trickle and ICE restarts.
//!
//! We are always the answering side, ICE-lite and the DTLS server (`a=setup:passive`), and everything travels in one
//! BUNDLE. Sections that are not wanted are answered with port 0. Whatever a peer may repeat is counted: an offer costs
//! at most its own length.

mod answer;
mod codec;
mod description;
pub mod frag;
#[doc(hidden)]
pub mod fuzz;
mod lines;
mod local;
mod offer;
mod play;
mod publish;
mod section;
#[cfg(test)]
mod tests;
mod transport;

pub use codec::{Profile, Source};
pub use description::Description;
pub use lines::SDP_BYTES_MAX;
pub use local::Local;
pub use offer::Offer;
pub use play::{PlayAnswer, play};
pub use publish::{PublishAnswer, publish};
pub use section::{Codec, Direction, Kind, Section};

/// Why a description cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSdp {
    /// It is longer than [`SDP_BYTES_MAX`].
    #[error("the description is longer than {SDP_BYTES_MAX} bytes")]
    TooLong,
    /// A line makes no sense.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1 on.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something without which no session can be.
    #[error("the description has no {0}")]
    Missing(&'static str),
}

/// Why a legal offer cannot be answered. `Display` is a sentence for whoever made the offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// The peer wants to be the DTLS server.
    #[error("The offer says a=setup:{0}, but this server waits for the peer to begin DTLS: offer actpass or active.")]
    Setup(String),
    /// The peer checks no paths, and neither do we (RFC 8445 §2.5).
    #[error("The offer says a=ice-lite, as this server does: nobody would check the connection. Offer full ICE.")]
    IceLite,
    /// Several sections, each with a transport of its own.
    #[error("The offer has several media sections outside of one BUNDLE group; this server needs BUNDLE.")]
    NoBundle,
    /// RTCP on a port of its own.
    #[error("The offer's first section of pictures or sound lacks a=rtcp-mux, which this server needs.")]
    NoRtcpMux,
    /// The certificate's fingerprint is made by something that is not known or not safe.
    #[error("The offer has no fingerprint by sha-256, sha-384 or sha-512.")]
    Fingerprint,
    /// No section in the direction that is wanted.
    #[error("The offer has no media section with which the peer would {0}.")]
    Direction(&'static str),
    /// No codec that both know.
    #[error("No {kind} codec fits: the offer has {offered}; this server {wanted}.")]
    Codecs {
        /// `video` or `audio`.
        kind: Kind,
        /// What the offer names.
        offered: String,
        /// What would do: `takes H.264, …` or `has H.264 …`.
        wanted: String,
    },
}

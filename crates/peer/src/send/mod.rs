//! Frames become RTP: once for all viewers, up to the last step.
//!
//! [`Packetizer`] makes [`Packets`] of a frame, one per track. They are shared; each viewer's [`Sender`] decides what of
//! them is sent and when, writes the headers and protects them straight into a [`crate::socket::Batch`].
//!
//! How a viewer is driven:
//! - at the start [`Sender::join`] with the frames since the last keyframe, or nothing, then [`Sender::send`] for every
//!   frame of every track of the publish; the sender picks the layer;
//! - [`Sender::rtcp`] for every RTCP packet that came, [`Sender::choose`] about once a second where there are layers;
//! - [`Sender::handle_timeout`] at [`Sender::poll_timeout`];
//! - after each of them: send the batch if it has something, and ask [`Sender::keyframe_wanted`].

mod clock;
mod estimate;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod history;
mod layers;
mod meter;
mod outbound;
mod pacer;
mod packetize;
mod packets;
mod protect;
mod repair;
mod report;
mod rtcp;
mod sender;
mod stream;
mod template;

pub use packetize::Packetizer;
pub use packets::{DATAGRAM_MAX, PAYLOAD_MAX, Packets};
pub use protect::Protect;
pub use sender::{Choice, Feedback, Layer, Sender, Stats};

#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod tests;

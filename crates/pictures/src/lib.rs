//! Pictures that strangers send are decoded in a process of its own, and made anew: what is kept and served is never
//! what was sent, only what it looked like.
//!
//! Read [`Workers`] (the server's side: how many at once, how long), then `wire` (what both sides say), [`worker`] (what
//! runs in the process), `decode` (what is taken, and how much of it), `encode` (what comes out) and `check` (why the
//! worker's answer is not believed).
//!
//! PNG, JPEG, GIF and WebP are taken, moving or not. What comes out is PNG, moving pictures included (PNG third edition
//! §4.9, which browsers call APNG): one format for everything, with every colour and partly transparent pixels. It has
//! no metadata, since nothing but pixels is taken over.

mod check;
mod decode;
mod encode;
mod refused;
#[cfg(test)]
mod tests;
mod wire;
pub mod worker;
mod workers;

pub use refused::{Failed, Refused};
pub use wire::{INPUT_BYTES_MAX, Made};
pub use workers::Workers;

/// Pixels across and down of what is made, at most: a line of chat, on a screen with four pixels where others have one.
pub const SIDE_MAX: u32 = 128;
/// Most bytes of what is made.
pub const IMAGE_BYTES_MAX: usize = 512 << 10;

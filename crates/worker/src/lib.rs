//! Worker processes: whatever decodes pictures or sound of strangers runs in one, not in the server.
//!
//! [`Program`] is the server's side: what a worker is started from, and the socket to it. [`confine`] is the worker's:
//! what it gives up before it looks at anything. A worker has no other way to the server than that socket, and ends with
//! it; what it says is not believed.

mod confine;
mod program;

pub use confine::{Limits, confine, step_back};
pub use program::Program;

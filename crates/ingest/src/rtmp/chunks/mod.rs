//! The chunk stream (RTMP 1.0 §5.3): messages cut into chunks, those of several chunk streams interleaved.
//!
//! `rml_rtmp` keeps one payload buffer for all chunk streams and panics when they interleave, so this is our own: read
//! [`reader`], then [`header`]; [`writer`] is the way back.

mod header;
pub(crate) mod reader;
pub(crate) mod writer;

pub(crate) use self::{
    reader::{Limits, Message, Reader},
    writer::Writer,
};

/// Longest chunk before a side says otherwise, in bytes (RTMP 1.0 §5.4.1).
pub(crate) const CHUNK_BYTES_DEFAULT: usize = 128;

/// Types of messages (RTMP 1.0 §5.4, §6.2, §7.1).
pub(crate) mod kind {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_SIZE: u8 = 5;
    pub(crate) const PEER_BANDWIDTH: u8 = 6;
    pub(crate) const AUDIO: u8 = 8;
    pub(crate) const VIDEO: u8 = 9;
    pub(crate) const DATA_AMF3: u8 = 15;
    pub(crate) const COMMAND_AMF3: u8 = 17;
    pub(crate) const DATA: u8 = 18;
    pub(crate) const COMMAND: u8 = 20;
    pub(crate) const AGGREGATE: u8 = 22;
}

/// Why a chunk stream cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A chunk continues a message that never began.
    #[error("chunk stream {0} continues a message that never began")]
    NothingToContinue(u32),
    /// A message begins before the one before it on the same chunk stream is complete.
    #[error("chunk stream {0} begins a message inside another")]
    Interrupted(u32),
    /// More chunk streams than allowed.
    #[error("more than {0} chunk streams")]
    TooManyStreams(usize),
    /// A message longer than allowed.
    #[error("a message of type {kind} and {length} bytes; at most {limit} are taken")]
    MessageTooLong {
        /// The message's type.
        kind: u8,
        /// Its declared length in bytes.
        length: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// More bytes of unfinished messages than allowed.
    #[error("more than {0} bytes in unfinished messages")]
    TooMuchUnfinished(usize),
    /// A chunk size outside 1 to 2^31-1 (RTMP 1.0 §5.4.1).
    #[error("chunk size {0} is not within 1 to 2147483647")]
    BadChunkSize(u32),
    /// A protocol control message of the wrong length.
    #[error("control message of type {0} is too short")]
    ShortControl(u8),
}

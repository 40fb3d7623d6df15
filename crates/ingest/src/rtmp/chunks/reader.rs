//! Bytes to messages.
//!
//! Every message gets a buffer of its own and of its own size, into which its chunks are copied as they come. That one
//! copy (a few hundred kB/s a publisher) lets the socket's buffer be reused for ever, and a small audio frame that
//! someone keeps never pins a large read. What an unfinished message holds grows with what has come, not with the
//! length it declares.

use bytes::Bytes;

use super::{CHUNK_BYTES_DEFAULT, ChunkError, header::Header, kind};

/// Longest message that is neither audio nor video, in bytes: commands and metadata have a few hundred.
const OTHER_BYTES_MAX: usize = 64 << 10;
/// Buffers up to this size are made whole when a message begins; larger ones grow with what comes.
const WHOLE_BYTES_MAX: usize = 16 << 10;

/// What one session may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Longest message in bytes.
    pub(crate) message_bytes_max: usize,
    /// Bytes of unfinished messages, all chunk streams together.
    pub(crate) held_bytes_max: usize,
    /// Chunk streams.
    pub(crate) streams_max: usize,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Milliseconds on the publisher's clock, modulo 2^32.
    pub(crate) timestamp: u32,
    /// What it is, see [`kind`].
    pub(crate) kind: u8,
    /// The message stream it belongs to.
    pub(crate) stream: u32,
    /// Its bytes.
    pub(crate) payload: Bytes,
}

/// Reads one peer's chunks.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    /// Longest chunk the peer sends, in bytes.
    chunk_bytes: usize,
    /// One for each chunk stream seen; a handful, so a search is quicker than a hash.
    streams: Vec<Stream>,
    /// Capacity of all unfinished messages' buffers.
    held_bytes: usize,
    /// The beginning of a header whose rest has not come.
    partial: Vec<u8>,
    /// The chunk being received.
    chunk: Option<Chunk>,
}

/// A chunk of which payload is to come.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Index of its stream.
    at: usize,
    /// Bytes to come.
    left: usize,
}

/// What later chunks of a chunk stream may leave out.
#[derive(Debug, Default)]
struct Stream {
    id: u32,
    timestamp: u32,
    /// Timestamp or delta as last sent; a message that leaves it out adds it again.
    time: u32,
    /// Whether it was sent in the extended form.
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    /// Whether a message is unfinished.
    open: bool,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_bytes: CHUNK_BYTES_DEFAULT,
            streams: Vec::new(),
            held_bytes: 0,
            partial: Vec::new(),
            chunk: None,
        }
    }

    /// Sets what the session may hold from now on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes bytes from the front of `input` up to the end of a message. `None` when `input` is used up before.
    ///
    /// Set Chunk Size and Abort are obeyed here and not returned.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        loop {
            let Chunk { at, left } = match self.chunk.take() {
                Some(chunk) => chunk,
                None => match self.header(input)? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            let (taken, rest) = input.split_at(left.min(input.len()));
            *input = rest;
            self.append(at, taken)?;
            if taken.len() < left {
                self.chunk = Some(Chunk { at, left: left - taken.len() });
                return Ok(None);
            }
            if let Some(message) = self.finish(at)? {
                return Ok(Some(message));
            }
        }
    }

    /// Takes a chunk's header. `None` when `input` is used up before its end.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Chunk>, ChunkError> {
        if self.partial.is_empty() {
            if let Some((chunk, used)) = self.begin(input)? {
                *input = &input[used..];
                return Ok(Some(chunk));
            }
            self.partial.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        }
        let before = self.partial.len();
        let mut bytes = [0; 2 * Header::BYTES_MAX];
        let more = input.len().min(Header::BYTES_MAX);
        bytes[..before].copy_from_slice(&self.partial);
        bytes[before..before + more].copy_from_slice(&input[..more]);
        match self.begin(&bytes[..before + more])? {
            Some((chunk, used)) => {
                // The header was not whole without `input`, so it ends at or after its beginning. A tolerated missing
                // extended timestamp is the exception: then what was kept back is payload.
                match used.checked_sub(before) {
                    Some(used) => {
                        self.partial.clear();
                        *input = &input[used..];
                        Ok(Some(chunk))
                    }
                    None => {
                        let payload = self.partial.split_off(used);
                        self.partial.clear();
                        self.replay(chunk, &payload).map(Some)
                    }
                }
            }
            None => {
                self.partial.extend_from_slice(&input[..more]);
                *input = &input[more..];
                Ok(None)
            }
        }
    }

    /// Appends payload that was kept back as a possible header, one to three bytes of it.
    fn replay(&mut self, chunk: Chunk, payload: &[u8]) -> Result<Chunk, ChunkError> {
        let (payload, header) = payload.split_at(chunk.left.min(payload.len()));
        self.append(chunk.at, payload)?;
        self.partial.extend_from_slice(header);
        Ok(Chunk { left: chunk.left - payload.len(), ..chunk })
    }

    /// Reads a header from the front of `bytes` and notes what it says. `None`, and nothing is noted, if it is not whole.
    /// The number is the header's length in bytes.
    fn begin(&mut self, bytes: &[u8]) -> Result<Option<(Chunk, usize)>, ChunkError> {
        let Some(header) = Header::parse(bytes) else { return Ok(None) };
        let known = self.streams.iter().position(|stream| stream.id == header.id);
        let continues = header.format == 3;
        let extended = match known {
            Some(at) if continues => self.streams[at].extended,
            None if continues => return Err(ChunkError::NothingToContinue(header.id)),
            _ => header.is_extended(),
        };
        let mut used = header.bytes;
        let mut time = header.time;
        if extended {
            let Some(field) = bytes.get(used..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            let field = u32::from_be_bytes(*field);
            // Some encoders leave it out where a message goes on. It repeats what is known, so it is told apart.
            let left_out = continues && known.is_some_and(|at| self.streams[at].time != field);
            if !left_out {
                used += 4;
                time = field;
            }
        }
        let at = match known {
            Some(at) => at,
            None => self.add(header.id)?,
        };
        self.note(at, &header, time, extended)?;
        let stream = &self.streams[at];
        let left = (stream.length - stream.buffer.len()).min(self.chunk_bytes);
        Ok(Some((Chunk { at, left }, used)))
    }

    fn add(&mut self, id: u32) -> Result<usize, ChunkError> {
        if self.streams.len() >= self.limits.streams_max {
            return Err(ChunkError::TooManyStreams(self.limits.streams_max));
        }
        self.streams.push(Stream { id, ..Stream::default() });
        Ok(self.streams.len() - 1)
    }

    fn note(&mut self, at: usize, header: &Header, time: u32, extended: bool) -> Result<(), ChunkError> {
        let stream = &mut self.streams[at];
        if header.format == 3 && stream.open {
            return Ok(());
        }
        if stream.open {
            return Err(ChunkError::Interrupted(header.id));
        }
        if header.format < 3 {
            stream.time = time;
            stream.extended = extended;
        }
        if header.format < 2 {
            stream.length = header.length;
            stream.kind = header.kind;
        }
        if header.format == 0 {
            stream.stream = header.stream;
            stream.timestamp = time;
        } else {
            stream.timestamp = stream.timestamp.wrapping_add(stream.time);
        }
        stream.open = true;
        let limit = match stream.kind {
            kind::AUDIO | kind::VIDEO | kind::AGGREGATE => self.limits.message_bytes_max,
            _ => OTHER_BYTES_MAX.min(self.limits.message_bytes_max),
        };
        if stream.length > limit {
            return Err(ChunkError::MessageTooLong { kind: stream.kind, length: stream.length, limit });
        }
        Ok(())
    }

    fn append(&mut self, at: usize, bytes: &[u8]) -> Result<(), ChunkError> {
        let stream = &mut self.streams[at];
        let (held, capacity) = (stream.buffer.len(), stream.buffer.capacity());
        if held + bytes.len() > capacity {
            let wanted = (held + bytes.len()).max(2 * held).max(WHOLE_BYTES_MAX).min(stream.length);
            self.held_bytes = self.held_bytes - capacity + wanted;
            if self.held_bytes > self.limits.held_bytes_max {
                return Err(ChunkError::TooMuchUnfinished(self.limits.held_bytes_max));
            }
            stream.buffer.reserve_exact(wanted - held);
            // What the allocator gave beyond the request is counted too.
            self.held_bytes = self.held_bytes - wanted + stream.buffer.capacity();
        }
        stream.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Gives the message of the stream if its last chunk has come, and obeys those that concern chunks.
    fn finish(&mut self, at: usize) -> Result<Option<Message>, ChunkError> {
        let stream = &mut self.streams[at];
        if stream.buffer.len() < stream.length {
            return Ok(None);
        }
        let (timestamp, kind, id) = (stream.timestamp, stream.kind, stream.stream);
        let payload = self.close(at);
        match kind {
            kind::SET_CHUNK_SIZE => {
                let size = control(kind, &payload)?;
                if !(1..=0x7fff_ffff).contains(&size) {
                    return Err(ChunkError::BadChunkSize(size));
                }
                self.chunk_bytes = size as usize;
                Ok(None)
            }
            kind::ABORT => {
                let id = control(kind, &payload)?;
                if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
                    self.close(at);
                }
                Ok(None)
            }
            _ => Ok(Some(Message { timestamp, kind, stream: id, payload: payload.into() })),
        }
    }

    fn close(&mut self, at: usize) -> Vec<u8> {
        let stream = &mut self.streams[at];
        stream.open = false;
        let buffer = std::mem::take(&mut stream.buffer);
        self.held_bytes -= buffer.capacity();
        buffer
    }
}

/// The number that a control message carries.
pub(crate) fn control(kind: u8, payload: &[u8]) -> Result<u32, ChunkError> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(ChunkError::ShortControl(kind))
}

#[cfg(test)]
mod tests;

//! Messages to chunks and back (RTMP 1.0 §5.3).

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};

/// Message types (§5.4, §7.1).
pub mod kind {
    #![allow(missing_docs)]
    pub const SET_CHUNK_SIZE: u8 = 1;
    pub const ABORT: u8 = 2;
    pub const ACKNOWLEDGEMENT: u8 = 3;
    pub const USER_CONTROL: u8 = 4;
    pub const WINDOW_SIZE: u8 = 5;
    pub const PEER_BANDWIDTH: u8 = 6;
    pub const AUDIO: u8 = 8;
    pub const VIDEO: u8 = 9;
    pub const DATA: u8 = 18;
    pub const COMMAND: u8 = 20;
}

/// Chunk size before either side says otherwise, in bytes (§5.4.1).
pub const CHUNK_BYTES_DEFAULT: usize = 128;
/// What a timestamp field holds when the timestamp follows in four bytes.
const EXTENDED: u32 = 0xff_ff_ff;
/// Largest message that a server may answer with, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One of [`kind`].
    pub kind: u8,
    /// Message stream.
    pub stream: u32,
    /// Milliseconds; wraps.
    pub timestamp: u32,
    /// What it carries.
    pub payload: Bytes,
}

impl Message {
    /// A message of message stream 0 at time 0.
    #[must_use]
    pub fn control(kind: u8, payload: impl Into<Bytes>) -> Self {
        Self { kind, stream: 0, timestamp: 0, payload: payload.into() }
    }
}

/// Writes messages as chunks. Headers are of type 0 when a chunk stream begins, changes its message stream or goes back
/// in time, else of type 1 with a delta, as most encoders do.
#[derive(Debug)]
pub struct Writer {
    chunk_bytes: usize,
    last: HashMap<u32, (u32, u32)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, last: HashMap::new() }
    }
}

impl Writer {
    /// Changes the chunk size. The message that says so ([`kind::SET_CHUNK_SIZE`]) goes out before.
    pub fn set_chunk_bytes(&mut self, bytes: usize) {
        self.chunk_bytes = bytes;
    }

    /// Appends a message to `out`.
    pub fn write(&mut self, message: &Message, out: &mut Vec<u8>) {
        let head = (message.kind, message.stream, message.timestamp);
        self.write_parts(head, &[&message.payload], out);
    }

    /// Appends a message whose payload lies in pieces. `head` is its kind, message stream and timestamp.
    pub fn write_parts(&mut self, head: (u8, u32, u32), payload: &[&[u8]], out: &mut Vec<u8>) {
        let chunk_stream = chunk_stream_of(head.0);
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let extended = self.header(chunk_stream, head, length, out);
        let mut room = self.chunk_bytes;
        for part in payload {
            let mut part = *part;
            while !part.is_empty() {
                if room == 0 {
                    continuation(chunk_stream, extended, out);
                    room = self.chunk_bytes;
                }
                let (now, later) = part.split_at(part.len().min(room));
                out.extend_from_slice(now);
                room -= now.len();
                part = later;
            }
        }
    }

    /// The chunks of a message, each by itself and on a chunk stream of choice, to send them interleaved with others.
    pub fn chunks(&mut self, chunk_stream: u32, message: &Message) -> Vec<Vec<u8>> {
        let mut first = Vec::new();
        let head = (message.kind, message.stream, message.timestamp);
        let extended = self.header(chunk_stream, head, message.payload.len(), &mut first);
        let mut chunks = vec![first];
        for (at, data) in message.payload.chunks(self.chunk_bytes).enumerate() {
            if at > 0 {
                let mut next = Vec::new();
                continuation(chunk_stream, extended, &mut next);
                chunks.push(next);
            }
            chunks[at].extend_from_slice(data);
        }
        chunks
    }

    /// Writes a chunk's basic and message header; gives the extended timestamp that every chunk of the message repeats.
    fn header(&mut self, chunk_stream: u32, head: (u8, u32, u32), length: usize, out: &mut Vec<u8>) -> Option<u32> {
        let (kind, stream, timestamp) = head;
        let delta = match self.last.insert(chunk_stream, (stream, timestamp)) {
            Some((last_stream, last)) if last_stream == stream && timestamp >= last => Some(timestamp - last),
            _ => None,
        };
        let time = delta.unwrap_or(timestamp);
        basic_header(if delta.is_some() { 1 } else { 0 }, chunk_stream, out);
        out.extend(&time.min(EXTENDED).to_be_bytes()[1..]);
        out.extend(&(length as u32).to_be_bytes()[1..]);
        out.push(kind);
        if delta.is_none() {
            out.extend(stream.to_le_bytes());
        }
        let extended = (time >= EXTENDED).then_some(time);
        if let Some(time) = extended {
            out.extend(time.to_be_bytes());
        }
        extended
    }
}

/// Where [`Writer::write`] puts messages of a kind.
fn chunk_stream_of(message: u8) -> u32 {
    match message {
        kind::AUDIO => 4,
        kind::VIDEO => 6,
        kind::DATA | kind::COMMAND => 3,
        _ => 2,
    }
}

fn basic_header(format: u8, chunk_stream: u32, out: &mut Vec<u8>) {
    let format = format << 6;
    match chunk_stream {
        0..64 => out.push(format | chunk_stream as u8),
        64..320 => out.extend([format, (chunk_stream - 64) as u8]),
        _ => out.extend([format | 1, (chunk_stream - 64) as u8, ((chunk_stream - 64) >> 8) as u8]),
    }
}

fn continuation(chunk_stream: u32, extended: Option<u32>, out: &mut Vec<u8>) {
    basic_header(3, chunk_stream, out);
    if let Some(time) = extended {
        out.extend(time.to_be_bytes());
    }
}

/// Reads a server's chunks. Sets its chunk size by itself when the server says so.
#[derive(Debug)]
pub struct Reader {
    chunk_bytes: usize,
    streams: HashMap<u32, Incoming>,
}

#[derive(Debug, Default, Clone)]
struct Incoming {
    timestamp: u32,
    delta: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    payload: BytesMut,
}

/// What a server must not send.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a message of {0} bytes")]
pub struct TooLarge(usize);

impl Default for Reader {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, streams: HashMap::new() }
    }
}

impl Reader {
    /// The next whole message in `data`, which loses what was read.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn next(&mut self, data: &mut BytesMut) -> Result<Option<Message>, TooLarge> {
        loop {
            let Some((chunk_stream, mut incoming, head)) = self.parse_head(data) else { return Ok(None) };
            if incoming.length > MESSAGE_BYTES_MAX {
                return Err(TooLarge(incoming.length));
            }
            let wanted = (incoming.length - incoming.payload.len()).min(self.chunk_bytes);
            if data.len() < head + wanted {
                return Ok(None);
            }
            data.advance(head);
            incoming.payload.extend_from_slice(&data.split_to(wanted));
            let done = incoming.payload.len() == incoming.length;
            let payload = if done { incoming.payload.split().freeze() } else { Bytes::new() };
            let message =
                Message { kind: incoming.kind, stream: incoming.stream, timestamp: incoming.timestamp, payload };
            self.streams.insert(chunk_stream, incoming);
            if done {
                if let (kind::SET_CHUNK_SIZE, Some(size)) = (message.kind, message.payload.first_chunk()) {
                    self.chunk_bytes = u32::from_be_bytes(*size).max(1) as usize;
                }
                return Ok(Some(message));
            }
        }
    }

    /// A chunk's chunk stream, what is known of its message, and the length of its headers; changes nothing yet.
    fn parse_head(&self, data: &[u8]) -> Option<(u32, Incoming, usize)> {
        let &first = data.first()?;
        let (chunk_stream, mut at) = match first & 63 {
            0 => (64 + u32::from(*data.get(1)?), 2),
            1 => (64 + u32::from(*data.get(1)?) + (u32::from(*data.get(2)?) << 8), 3),
            id => (u32::from(id), 1),
        };
        let mut incoming = self.streams.get(&chunk_stream).cloned().unwrap_or_default();
        let format = first >> 6;
        let begins = incoming.payload.is_empty();
        let three = |at: usize| Some(u32::from_be_bytes([0, *data.get(at)?, *data.get(at + 1)?, *data.get(at + 2)?]));
        let mut time = None;
        if format < 3 {
            let field = three(at)?;
            incoming.extended = field == EXTENDED;
            time = Some(field);
            at += 3;
        }
        if format < 2 {
            incoming.length = three(at)? as usize;
            incoming.kind = *data.get(at + 3)?;
            at += 4;
        }
        if format == 0 {
            incoming.stream = u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?);
            at += 4;
        }
        if incoming.extended {
            let long = u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?);
            time = time.map(|_| long);
            at += 4;
        }
        match (format, time) {
            (0, Some(time)) => (incoming.timestamp, incoming.delta) = (time, 0),
            (_, Some(delta)) => {
                incoming.delta = delta;
                incoming.timestamp = incoming.timestamp.wrapping_add(delta);
            }
            (_, None) if begins => incoming.timestamp = incoming.timestamp.wrapping_add(incoming.delta),
            (_, None) => {}
        }
        Some((chunk_stream, incoming, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, timestamp: u32, length: usize) -> Message {
        Message { kind, stream: 1, timestamp, payload: vec![kind; length].into() }
    }

    #[test]
    fn messages_survive_the_way_in_pieces() {
        let messages = [
            message(kind::VIDEO, 0, 1000),
            message(kind::AUDIO, 5, 10),
            message(kind::VIDEO, 33, 128),
            message(kind::VIDEO, 20, 129),
            message(kind::VIDEO, 0x0100_0000, 300),
            message(kind::AUDIO, 0xffff_fff0, 300),
        ];
        let (mut writer, mut out) = (Writer::default(), Vec::new());
        for message in &messages {
            writer.write(message, &mut out);
        }
        let (mut reader, mut data, mut read) = (Reader::default(), BytesMut::new(), Vec::new());
        for byte in out {
            data.extend_from_slice(&[byte]);
            read.extend(reader.next(&mut data).unwrap());
        }
        assert_eq!(read, messages);
    }

    #[test]
    fn interleaved_chunks_come_out_as_their_messages() {
        let (video, audio) = (message(kind::VIDEO, 1, 300), message(kind::AUDIO, 2, 200));
        let mut writer = Writer::default();
        let (video_chunks, audio_chunks) = (writer.chunks(70, &video), writer.chunks(700, &audio));
        assert_eq!((video_chunks.len(), audio_chunks.len()), (3, 2));
        let mut data = BytesMut::new();
        for chunk in [&video_chunks[0], &audio_chunks[0], &video_chunks[1], &audio_chunks[1], &video_chunks[2]] {
            data.extend_from_slice(chunk);
        }
        let mut reader = Reader::default();
        assert_eq!(reader.next(&mut data).unwrap(), Some(audio));
        assert_eq!(reader.next(&mut data).unwrap(), Some(video));
    }
}

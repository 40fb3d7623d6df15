//! Messages to bytes.

use super::{CHUNK_BYTES_DEFAULT, kind};

/// Writes messages as chunks. Keeps no state but the chunk size: every message begins with a whole header, which all
/// clients understand, and we say too little for shorter ones to matter.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    chunk_bytes: usize,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT }
    }

    /// Appends Set Chunk Size to `out`, and obeys it from then on.
    pub(crate) fn set_chunk_bytes(&mut self, bytes: u32, out: &mut Vec<u8>) {
        self.control(kind::SET_CHUNK_SIZE, &bytes.to_be_bytes(), out);
        self.chunk_bytes = bytes.max(1) as usize;
    }

    /// Appends a protocol control message, which travels on chunk stream 2 and message stream 0.
    pub(crate) fn control(&self, kind: u8, payload: &[u8], out: &mut Vec<u8>) {
        self.message(2, 0, kind, 0, payload, out);
    }

    /// Appends a message. `chunk_stream` is 2 to 63. Payloads are far shorter than the 2^24 that a header can say.
    pub(crate) fn message(
        &self,
        chunk_stream: u8,
        timestamp: u32,
        kind: u8,
        stream: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let basic = chunk_stream & 0x3f;
        let time = timestamp.min(0xff_ffff);
        let extended = (time == 0xff_ffff).then(|| timestamp.to_be_bytes());
        out.push(basic);
        out.extend(&time.to_be_bytes()[1..]);
        out.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        out.push(kind);
        out.extend(stream.to_le_bytes());
        out.extend(extended.iter().flatten());
        for (at, chunk) in payload.chunks(self.chunk_bytes).enumerate() {
            if at > 0 {
                out.push(0xc0 | basic);
                out.extend(extended.iter().flatten());
            }
            out.extend(chunk);
        }
    }
}

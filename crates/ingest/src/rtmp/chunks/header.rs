//! The header of one chunk (RTMP 1.0 §5.3.1).

/// Timestamp field that says: the real value follows in four more bytes.
const EXTENDED: u32 = 0xff_ffff;

/// A chunk's header as it was sent. What it leaves out is that of the chunk before it on the same chunk stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Chunk stream, 2 to 65 599.
    pub(super) id: u32,
    /// 0 to 3: how much is left out.
    pub(super) format: u8,
    /// Formats 0 to 2: milliseconds, absolute (0) or since the message before (1, 2), before any extension.
    pub(super) time: u32,
    /// Formats 0 and 1: the message's length in bytes.
    pub(super) length: usize,
    /// Formats 0 and 1: the message's type.
    pub(super) kind: u8,
    /// Format 0: the message stream.
    pub(super) stream: u32,
    /// Bytes that the header takes, without extended timestamp.
    pub(super) bytes: usize,
}

impl Header {
    /// Most bytes of a header, extended timestamp included.
    pub(super) const BYTES_MAX: usize = 3 + 11 + 4;

    /// Reads a header from the front of `bytes`, or `None` if more bytes are needed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let (id, basic) = match first & 0x3f {
            0 => (64 + u32::from(*bytes.get(1)?), 2),
            1 => (64 + u32::from(*bytes.get(1)?) + 256 * u32::from(*bytes.get(2)?), 3),
            id => (u32::from(id), 1),
        };
        let format = first >> 6;
        let rest = bytes.get(basic..)?;
        let mut header = Self { id, format, time: 0, length: 0, kind: 0, stream: 0, bytes: basic };
        if format < 3 {
            let ([a, b, c], _) = rest.split_first_chunk()?;
            header.time = u32::from_be_bytes([0, *a, *b, *c]);
            header.bytes += 3;
        }
        if format < 2 {
            let [a, b, c, kind] = *rest.get(3..)?.first_chunk()?;
            header.length = u32::from_be_bytes([0, a, b, c]) as usize;
            header.kind = kind;
            header.bytes += 4;
        }
        if format == 0 {
            header.stream = u32::from_le_bytes(*rest.get(7..)?.first_chunk()?);
            header.bytes += 4;
        }
        Some(header)
    }

    /// Whether formats 0 to 2 are followed by an extended timestamp.
    pub(super) fn is_extended(&self) -> bool {
        self.time == EXTENDED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Header) {
        assert_eq!(Header::parse(bytes), Some(expected));
        for length in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..length]), None, "{length} bytes are not enough");
        }
    }

    #[test]
    fn all_four_formats_are_read() {
        let full = Header { id: 4, format: 0, time: 10, length: 300, kind: 9, stream: 1, bytes: 12 };
        check(&[4, 0, 0, 10, 0, 1, 44, 9, 1, 0, 0, 0], full);
        check(&[0x44, 0, 0, 10, 0, 1, 44, 9], Header { format: 1, stream: 0, bytes: 8, ..full });
        check(&[0x84, 0, 0, 10], Header { format: 2, length: 0, kind: 0, stream: 0, bytes: 4, ..full });
        check(&[0xc4], Header { format: 3, time: 0, length: 0, kind: 0, stream: 0, bytes: 1, ..full });
    }

    #[test]
    fn chunk_stream_ids_take_one_to_three_bytes() {
        let empty = Header { id: 63, format: 3, time: 0, length: 0, kind: 0, stream: 0, bytes: 1 };
        check(&[0xff], empty);
        check(&[0xc0, 0], Header { id: 64, bytes: 2, ..empty });
        check(&[0xc0, 255], Header { id: 319, bytes: 2, ..empty });
        check(&[0xc1, 0, 1], Header { id: 320, bytes: 3, ..empty });
        check(&[0xc1, 255, 255], Header { id: 65_599, bytes: 3, ..empty });
    }
}

//! What the server and a worker say to each other: the picture as it was sent, up to its end; then one answer.

use bytes::Bytes;

use crate::{IMAGE_BYTES_MAX, Refused};

/// Longest picture that a worker reads, in bytes. Settings may ask for less, not for more.
pub const INPUT_BYTES_MAX: usize = 8 << 20;
/// What stands before the picture in an answer: its kind, width, height, whether it moves.
const HEADER_BYTES: usize = 10;
/// Longest answer, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = HEADER_BYTES + IMAGE_BYTES_MAX;

const MADE: u8 = 1;
const REFUSED: u8 = 2;

/// A picture that was made: PNG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its bytes: at most [`IMAGE_BYTES_MAX`].
    pub png: Bytes,
    /// Pixels across: at most [`crate::SIDE_MAX`].
    pub width: u32,
    /// Pixels down: at most [`crate::SIDE_MAX`].
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
}

/// An answer as bytes.
pub(crate) fn write(answer: &Result<Made, Refused>) -> Vec<u8> {
    match answer {
        Ok(made) => {
            let mut bytes = Vec::with_capacity(HEADER_BYTES + made.png.len());
            bytes.push(MADE);
            bytes.extend_from_slice(&made.width.to_be_bytes());
            bytes.extend_from_slice(&made.height.to_be_bytes());
            bytes.push(made.animated.into());
            bytes.extend_from_slice(&made.png);
            bytes
        }
        Err(refused) => vec![REFUSED, refused.code()],
    }
}

/// Reads an answer; nothing when it is none.
pub(crate) fn read(bytes: &Bytes) -> Option<Result<Made, Refused>> {
    match *bytes.first()? {
        MADE => {
            let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
            let [_, a, b, c, d, e, f, g, h, animated] = *header;
            let (width, height) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
            Some(Ok(Made { png: bytes.slice(HEADER_BYTES..), width, height, animated: animated == 1 }))
        }
        REFUSED => bytes.get(1).copied().and_then(Refused::of_code).map(Err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        let made = Made { png: Bytes::from_static(b"picture"), width: 128, height: 7, animated: true };
        for answer in [Ok(made), Err(Refused::NotAPicture), Err(Refused::TooMuch)] {
            assert_eq!(read(&write(&answer).into()), Some(answer));
        }
        for nonsense in [&b""[..], b"\x01", b"\x01\0\0\0\x01\0\0\0\x01", b"\x02", b"\x02\x63", b"\x07abc"] {
            assert_eq!(read(&Bytes::from_static(nonsense)), None, "{nonsense:?}");
        }
    }
}

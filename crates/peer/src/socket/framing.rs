//! Datagrams on a byte stream: two bytes of length before each (RFC 4571 §2).

use bytes::{Buf, BytesMut};

/// Longest datagram that is read from a stream, in bytes. Nobody sends more than a path's MTU, and 9000 is a large one.
const FRAME_BYTES_MAX: usize = 16 << 10;

/// Bytes that are read at once; of small datagrams, many.
const READ_BYTES: usize = 4 << 10;

/// A peer announced a datagram that is longer than any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What came of a stream so far. It holds one datagram and what was read with it, at most 20 KiB.
#[derive(Default)]
pub(super) struct Deframer(BytesMut);

impl Deframer {
    /// Where the next bytes of the stream go.
    pub(super) fn space(&mut self) -> &mut BytesMut {
        self.0.reserve(READ_BYTES);
        &mut self.0
    }

    /// The next whole datagram.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>, TooLong> {
        let Some(head) = self.0.first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*head));
        if length > FRAME_BYTES_MAX {
            return Err(TooLong);
        }
        if self.0.len() < 2 + length {
            return Ok(None);
        }
        self.0.advance(2);
        Ok(Some(self.0.split_to(length)))
    }
}

/// Appends a datagram to what a stream will carry. One of 64 KiB or more has no frame and is left out.
pub(super) fn append(out: &mut Vec<u8>, datagram: &[u8]) {
    if let Ok(length) = u16::try_from(datagram.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(datagram);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_that_is_longer_than_any_ends_the_stream() {
        let mut deframer = Deframer::default();
        deframer.space().extend_from_slice(&[0xff, 0xff]);
        assert_eq!(deframer.next(), Err(TooLong));
    }

    #[test]
    fn what_fits_no_frame_is_left_out() {
        let mut stream = Vec::new();
        append(&mut stream, &[0; 65_536]);
        assert!(stream.is_empty());
    }

    proptest! {
        #[test]
        fn datagrams_come_out_as_they_went_in_however_the_stream_is_cut(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..20),
            cut in 1..5000_usize,
        ) {
            let mut stream = Vec::new();
            datagrams.iter().for_each(|datagram| append(&mut stream, datagram));
            let (mut deframer, mut out) = (Deframer::default(), Vec::new());
            for piece in stream.chunks(cut) {
                deframer.space().extend_from_slice(piece);
                while let Some(datagram) = deframer.next().unwrap() {
                    out.push(datagram.to_vec());
                }
            }
            prop_assert_eq!(out, datagrams);
        }
    }
}

//! When a picture left its publisher, written into the picture itself: an SEI message with user data (ISO/IEC 14496-10
//! §D.1.6) that every server which does not recode passes through.

use std::time::{SystemTime, UNIX_EPOCH};

/// Marks our messages among others. No byte is zero, so nothing in it needs emulation prevention.
const UUID: [u8; 16] = *b"weir-bench/stamp";
/// Bytes of one number: groups of 7 bits with the top bit set, for the same reason.
const NUMBER_BYTES: usize = 10;
const PAYLOAD_BYTES: usize = UUID.len() + 2 * NUMBER_BYTES;
/// A length of four bytes, the NAL unit's header, the message's type and size, its payload, the stop bit.
pub const NAL_BYTES: usize = 4 + 1 + 2 + PAYLOAD_BYTES + 1;

/// What a picture says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the publisher's pictures in the order they were sent.
    pub number: u64,
    /// When it was sent, in nanoseconds since 1970 by the publisher's clock.
    pub sent_nanos: u64,
}

impl Stamp {
    /// A stamp of this moment.
    #[must_use]
    pub fn now(number: u64) -> Self {
        Self { number, sent_nanos: now_nanos() }
    }

    /// The NAL unit with a length in front, to be put before an H.264 access unit as MP4 and FLV have it.
    #[must_use]
    pub fn h264_nal(&self) -> [u8; NAL_BYTES] {
        const SEI: u8 = 6;
        const USER_DATA_UNREGISTERED: u8 = 5;
        let mut nal = [0x80; NAL_BYTES];
        nal[..4].copy_from_slice(&(NAL_BYTES as u32 - 4).to_be_bytes());
        nal[4..7].copy_from_slice(&[SEI, USER_DATA_UNREGISTERED, PAYLOAD_BYTES as u8]);
        nal[7..23].copy_from_slice(&UUID);
        for (start, number) in [(23, self.number), (23 + NUMBER_BYTES, self.sent_nanos)] {
            for at in 0..NUMBER_BYTES {
                nal[start + at] = 0x80 | (number >> (7 * at)) as u8;
            }
        }
        nal
    }
}

/// Every stamp in a stretch of a stream, in whatever container.
pub fn find(data: &[u8]) -> impl Iterator<Item = Stamp> {
    memchr::memmem::find_iter(data, &UUID).filter_map(|at| {
        let numbers = data.get(at + UUID.len()..at + PAYLOAD_BYTES)?;
        // Something else within, such as a packet's header: not whole.
        let whole = numbers.iter().all(|group| group & 0x80 != 0);
        let (number, sent) = numbers.split_at(NUMBER_BYTES);
        whole.then_some(Stamp { number: read(number), sent_nanos: read(sent) })
    })
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn read(groups: &[u8]) -> u64 {
    groups.iter().rev().fold(0, |number, &group| number << 7 | u64::from(group & 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_again() {
        let stamps = [Stamp::now(0), Stamp { number: u64::MAX, sent_nanos: 1 }];
        let data = [&[7; 99][..], &stamps[0].h264_nal(), &[0; 5], &stamps[1].h264_nal()].concat();
        assert_eq!(find(&data).collect::<Vec<_>>(), stamps);
    }

    #[test]
    fn a_stamp_needs_no_emulation_prevention() {
        assert!(!Stamp { number: 0, sent_nanos: 0 }.h264_nal()[4..].contains(&0));
    }
}

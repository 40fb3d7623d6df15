//! Reads transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1) without copying it.

/// Packets that one feedback may tell about. Browsers send one every 50 to 250 ms; this is more than leave in a second.
const STATUS_MAX: u16 = 2048;
/// The reference time's unit, in microseconds.
const REFERENCE_US: i64 = 64_000;
/// The arrival deltas' unit, in microseconds.
const DELTA_US: i64 = 250;

/// A feedback's content from its base sequence number on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feedback<'a> {
    base: u16,
    count: u16,
    /// Of 24 bits: it wraps after twelve days.
    reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It is not there, yet.
    Missing,
    /// It arrived, at this many microseconds of the viewer's clock, which wraps with the reference time.
    Arrived(i64),
    /// It arrived, nobody knows when.
    ArrivedSometime,
}

impl<'a> Feedback<'a> {
    /// `None` when it is damaged or tells about too many packets.
    pub(super) fn parse(content: &'a [u8]) -> Option<Self> {
        let (&[b0, b1, c0, c1, r0, r1, r2, _], rest) = content.split_first_chunk()?;
        let count = u16::from_be_bytes([c0, c1]);
        if count > STATUS_MAX {
            return None;
        }
        let mut told = 0;
        let mut at = 0;
        while told < count {
            let chunk = u16::from_be_bytes(*rest.get(at..)?.first_chunk()?);
            // A run of no packets tells nothing, and so is none.
            told = told.saturating_add(length(chunk).max(1));
            at += 2;
        }
        let (chunks, deltas) = rest.split_at_checked(at)?;
        let reference = u32::from_be_bytes([0, r0, r1, r2]);
        Some(Self { base: u16::from_be_bytes([b0, b1]), count, reference, chunks, deltas })
    }

    /// Calls `each` for every packet, in the order of their numbers.
    pub(super) fn each(&self, mut each: impl FnMut(u16, Status)) {
        let mut arrival = i64::from(self.reference) * REFERENCE_US;
        let mut deltas = self.deltas;
        let (mut sequence, mut left) = (self.base, self.count);
        for chunk in self.chunks.chunks_exact(2) {
            let &[high, low] = chunk else { return };
            let chunk = u16::from_be_bytes([high, low]);
            for index in 0..length(chunk).min(left) {
                let delta = match symbol(chunk, index) {
                    0 => None,
                    1 => deltas.split_first().map(|(delta, rest)| {
                        deltas = rest;
                        i64::from(*delta)
                    }),
                    2 => deltas.split_first_chunk().map(|(delta, rest)| {
                        deltas = rest;
                        i64::from(i16::from_be_bytes(*delta))
                    }),
                    _ => None,
                };
                let status = match (symbol(chunk, index), delta) {
                    (0, _) => Status::Missing,
                    (_, Some(delta)) => {
                        arrival += delta * DELTA_US;
                        Status::Arrived(arrival)
                    }
                    (_, None) => Status::ArrivedSometime,
                };
                each(sequence, status);
                sequence = sequence.wrapping_add(1);
                left -= 1;
            }
        }
    }
}

/// How many packets a chunk tells about.
fn length(chunk: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk & 0x1fff, // a run
        2 => 14,                 // a bit each
        _ => 7,                  // two bits each
    }
}

/// What a chunk tells about its packet `index`: 0 missing, 1 a small delta, 2 a large one, 3 no delta.
fn symbol(chunk: u16, index: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk >> 13 & 3,
        2 => chunk >> 13u16.saturating_sub(index) & 1,
        _ => chunk >> 12u16.saturating_sub(2 * index) & 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content: &[u8]) -> Vec<(u16, Status)> {
        let mut all = Vec::new();
        Feedback::parse(content).unwrap().each(|sequence, status| all.push((sequence, status)));
        all
    }

    #[test]
    fn runs_and_vectors_are_read_with_their_deltas() {
        use Status::{Arrived, Missing};
        // Base 65534, 6 packets, reference 2; a run of two small deltas, then two bits each: missing, large, small, missing.
        let content = [0xff, 0xfe, 0, 6, 0, 0, 2, 7, 0x20, 2, 0xc9, 0, 4, 8, 0xff, 0xfc, 1];
        let at = 128_000;
        assert_eq!(
            read(&content),
            [
                (65_534, Arrived(at + 1000)),
                (65_535, Arrived(at + 3000)),
                (0, Missing),
                (1, Arrived(at + 2000)),
                (2, Arrived(at + 2250)),
                (3, Missing),
            ]
        );
    }

    #[test]
    fn one_bit_vectors_have_fourteen_packets() {
        let all = read(&[0, 1, 0, 14, 0, 0, 0, 0, 0x80 | 0x20, 1, 4, 4]);
        let there: Vec<u16> =
            all.iter().filter(|(_, status)| *status != Status::Missing).map(|(sequence, _)| *sequence).collect();
        assert_eq!((all.len(), there), (14, vec![1, 14]));
    }

    #[test]
    fn packets_without_their_delta_arrived_sometime() {
        assert_eq!(read(&[0, 1, 0, 2, 0, 0, 0, 0, 0x20, 2, 4])[1], (2, Status::ArrivedSometime));
    }

    #[test]
    fn a_feedback_about_too_much_is_not_read() {
        assert!(Feedback::parse(&[0, 1, 0xff, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0x3f, 0xff]).is_none());
        assert!(Feedback::parse(&[0, 1, 0, 9, 0, 0, 0, 0, 0, 0]).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_tell_about_more_than_they_say(content in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(feedback) = Feedback::parse(&content) {
                let mut count = 0;
                feedback.each(|_, _| count += 1);
                prop_assert!(count <= usize::from(feedback.count));
            }
        }
    }
}

//! Datagrams on their way out, side by side in one buffer that is used again and again.

use std::ops::Range;

/// Most bytes that one call to the kernel may carry: an IP packet's 65 535 less the headers of IPv6 and UDP and its
/// options, rounded down.
const RUN_BYTES_MAX: usize = 65_000;

/// Datagrams to one peer, in order. They lie in one buffer, so that they leave without being copied again, and runs of
/// equal size leave in one call to the kernel (generic segmentation offload).
///
/// Whoever fills it empties it: sending leaves it as it is.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each datagram ends.
    ends: Vec<usize>,
}

impl Batch {
    /// An empty one, without memory of its own yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `write` append one datagram to the buffer. It must leave what is there already; nothing appended is no
    /// datagram.
    ///
    /// # Errors
    /// What `write` answered; nothing is added then.
    pub fn push<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        if written.is_err() {
            self.bytes.truncate(start);
        } else if self.bytes.len() > start {
            self.ends.push(self.bytes.len());
        }
        written
    }

    /// Appends one datagram that exists already.
    pub fn push_slice(&mut self, datagram: &[u8]) {
        if !datagram.is_empty() {
            self.bytes.extend_from_slice(datagram);
            self.ends.push(self.bytes.len());
        }
    }

    /// Forgets the datagrams, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many datagrams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all datagrams.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The datagrams in order.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges().map(|range| self.at(range))
    }

    /// The datagrams in runs that may leave together: all of one size, only the last may be shorter.
    pub(super) fn runs(&self, segments_max: usize) -> impl Iterator<Item = Run<'_>> {
        let mut ranges = self.ranges().peekable();
        std::iter::from_fn(move || {
            let first = ranges.next()?;
            let (start, size) = (first.start, first.len());
            let (mut end, mut count, mut whole) = (first.end, 1, true);
            while let Some(next) = ranges.next_if(|next| {
                whole && count < segments_max && next.len() <= size && next.end - start <= RUN_BYTES_MAX
            }) {
                whole = next.len() == size;
                end = next.end;
                count += 1;
            }
            Some(Run { bytes: self.at(start..end), size, count })
        })
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.ends.iter().scan(0, |start, end| Some(std::mem::replace(start, *end)..*end))
    }

    fn at(&self, range: Range<usize>) -> &[u8] {
        // A writer that shortened the buffer left ends beyond it: such a datagram is empty, not a panic.
        self.bytes.get(range).unwrap_or_default()
    }
}

/// Datagrams that leave in one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run<'a> {
    /// All of them, end to end.
    pub(super) bytes: &'a [u8],
    /// Bytes of each but the last, which may be shorter.
    pub(super) size: usize,
    /// How many.
    pub(super) count: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(sizes: &[usize]) -> Batch {
        let mut batch = Batch::new();
        for (index, size) in sizes.iter().enumerate() {
            batch.push_slice(&vec![u8::try_from(index % 256).unwrap(); *size]);
        }
        batch
    }

    fn check(sizes: &[usize], segments_max: usize, runs: &[(usize, usize)]) {
        let batch = batch(sizes);
        let made: Vec<_> = batch.runs(segments_max).map(|run| (run.size, run.count)).collect();
        assert_eq!(made, runs);
    }

    #[test]
    fn datagrams_of_one_size_leave_together_and_the_last_may_be_shorter() {
        check(&[], 64, &[]);
        check(&[1200], 64, &[(1200, 1)]);
        check(&[1200, 1200, 1200, 300], 64, &[(1200, 4)]);
        check(&[1200, 300, 300, 1200], 64, &[(1200, 2), (300, 1), (1200, 1)]);
        check(&[100, 1200, 1200], 64, &[(100, 1), (1200, 2)]);
    }

    #[test]
    fn a_run_keeps_to_the_kernels_limits() {
        check(&[10; 5], 2, &[(10, 2), (10, 2), (10, 1)]);
        check(&[10; 3], 1, &[(10, 1); 3]);
        check(&[1200; 60], 64, &[(1200, 54), (1200, 6)]);
    }

    #[test]
    fn a_datagram_that_could_not_be_written_leaves_no_trace() {
        let mut batch = batch(&[3]);
        assert_eq!(
            batch.push(|out| {
                out.extend_from_slice(b"half");
                Err("no key")
            }),
            Err("no key")
        );
        batch.push(|_| Ok::<(), ()>(())).unwrap();
        batch.push_slice(b"");
        assert_eq!((batch.len(), batch.size_bytes()), (1, 3));
        batch.push(|out| std::io::Write::write_all(out, b"whole")).unwrap();
        assert_eq!(batch.datagrams().collect::<Vec<_>>(), [&[0, 0, 0][..], b"whole"]);
        batch.clear();
        assert!(batch.is_empty() && batch.datagrams().next().is_none());
    }

    proptest! {
        #[test]
        fn runs_cut_as_the_kernel_does_are_the_datagrams(
            sizes in prop::collection::vec(prop_oneof![Just(1200_usize), 1..1400_usize], 0..200),
            segments_max in 1..65_usize,
        ) {
            let batch = batch(&sizes);
            let runs: Vec<_> = batch.runs(segments_max).collect();
            let cut: Vec<&[u8]> = runs.iter().flat_map(|run| run.bytes.chunks(run.size)).collect();
            prop_assert_eq!(cut, batch.datagrams().collect::<Vec<_>>());
            for run in runs {
                prop_assert!(run.count <= segments_max && (run.count == 1 || run.bytes.len() <= RUN_BYTES_MAX));
                prop_assert_eq!(run.bytes.chunks(run.size).count(), run.count);
            }
        }
    }
}

//! Which stretches of the spool's file are in use. A value: it knows no file.
//!
//! What was freed is used again before the file grows: its blocks are allocated and its pages are in memory, so writing
//! there costs the copy and nothing else.

use std::collections::BTreeMap;

/// Stretches begin and end at multiples of this, which a mapping needs anyway: at least a page, on every architecture.
pub(super) const GRAIN_BYTES: u64 = 64 << 10;

/// A stretch of the file that somebody uses.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it must be given back"]
pub(super) struct Extent {
    /// Where it begins, in bytes.
    pub(super) at: u64,
    bytes: u64,
}

/// The free stretches, and where the file ends.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// Length by where it begins; neighbours are joined.
    free: BTreeMap<u64, u64>,
    end: u64,
    /// Stretches in use.
    taken: usize,
}

impl Extents {
    /// The first stretch that `bytes` fit into; the file grows where there is none, at most to `most`.
    pub(super) fn take(&mut self, bytes: u64, most: u64) -> Option<Extent> {
        let extent = self.find(bytes, most)?;
        self.taken += 1;
        Some(extent)
    }

    fn find(&mut self, bytes: u64, most: u64) -> Option<Extent> {
        let bytes = bytes.max(1).checked_next_multiple_of(GRAIN_BYTES)?;
        if let Some((&at, &length)) = self.free.iter().find(|(_, length)| **length >= bytes) {
            self.free.remove(&at);
            if length > bytes {
                self.free.insert(at + bytes, length - bytes);
            }
            return Some(Extent { at, bytes });
        }
        let at = self.end;
        let end = at.checked_add(bytes).filter(|end| *end <= most)?;
        self.end = end;
        Some(Extent { at, bytes })
    }

    /// Gives a stretch back.
    pub(super) fn give(&mut self, extent: Extent) {
        let Extent { mut at, mut bytes } = extent;
        self.taken -= 1;
        if let Some(after) = self.free.remove(&(at + bytes)) {
            bytes += after;
        }
        if let Some((&before, &length)) = self.free.range(..at).next_back()
            && before + length == at
        {
            self.free.remove(&before);
            at = before;
            bytes += length;
        }
        self.free.insert(at, bytes);
    }

    /// Stretches in use.
    pub(super) fn count(&self) -> usize {
        self.taken
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.end - self.free.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = 16 * GRAIN_BYTES;

    #[test]
    fn what_was_given_back_is_used_again() {
        let mut extents = Extents::default();
        let first = extents.take(100, MOST).expect("room");
        let _second = extents.take(GRAIN_BYTES + 1, MOST).expect("room");
        extents.give(first);
        assert_eq!(extents.take(5, MOST).expect("room").at, 0);
        assert_eq!(extents.used(), 3 * GRAIN_BYTES);
    }

    #[test]
    fn neighbours_grow_together() {
        let mut extents = Extents::default();
        let taken: Vec<_> = (0..16).map(|_| extents.take(1, MOST).expect("room")).collect();
        assert_eq!(extents.take(1, MOST), None, "full");
        for extent in taken {
            extents.give(extent);
        }
        assert_eq!(extents.take(MOST, MOST).map(|extent| extent.at), Some(0));
    }

    #[test]
    fn absurd_lengths_are_refused() {
        assert_eq!(Extents::default().take(u64::MAX, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn nobody_shares_a_stretch(steps in proptest::collection::vec((1..5 * GRAIN_BYTES, any::<prop::sample::Index>()), 1..200)) {
            let mut extents = Extents::default();
            let mut taken: Vec<Extent> = Vec::new();
            for (bytes, which) in steps {
                match extents.take(bytes, MOST) {
                    Some(new) => {
                        prop_assert!(new.bytes >= bytes && new.at + new.bytes <= MOST);
                        prop_assert!(taken.iter().all(|old| new.at + new.bytes <= old.at || old.at + old.bytes <= new.at));
                        taken.push(new);
                    }
                    None => extents.give(taken.swap_remove(which.index(taken.len()))),
                }
                prop_assert_eq!(extents.count(), taken.len());
                prop_assert_eq!(extents.used(), taken.iter().map(|extent| extent.bytes).sum::<u64>());
            }
        }
    }
}

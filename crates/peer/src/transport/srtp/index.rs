//! Which packets of a source were seen: their 48-bit indices, and a window that a replay falls into.

/// Sources that one session remembers. A publisher with three layers, repair and sound has seven; one that makes new
/// ones all the time only makes its own oldest forgotten.
const SOURCES_MAX: usize = 32;

/// The state of each synchronisation source, in the order in which they came.
pub(super) struct Sources<T>(Vec<(u32, T)>);

impl<T: Default> Sources<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// What is known of `ssrc`. A session has few sources, so looking at each beats a map.
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut T> {
        self.0.iter_mut().find(|(known, _)| *known == ssrc).map(|(_, state)| state)
    }

    /// The same; an unknown one is made, in place of the oldest if there are too many.
    pub(super) fn get(&mut self, ssrc: u32) -> &mut T {
        let at = match self.0.iter().position(|(known, _)| *known == ssrc) {
            Some(at) => at,
            None => {
                if self.0.len() >= SOURCES_MAX {
                    self.0.remove(0);
                }
                self.0.push((ssrc, T::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }
}

/// The highest index, and which of the `64 * WORDS` up to it were seen (RFC 3711 §3.3.2).
pub(super) struct Window<const WORDS: usize> {
    highest: Option<u64>,
    /// Bit `i % (64 * WORDS)` tells of index `i`.
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Self { highest: None, seen: [0; WORDS] }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    /// The index that `sequence` most likely means: the one nearest to the highest (RFC 3711 §3.3.1).
    pub(super) fn index(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return u64::from(sequence) };
        let ahead = sequence.wrapping_sub(highest as u16);
        if ahead < 0x8000 {
            highest + u64::from(ahead)
        } else {
            // Behind; before the first wrap there is nothing behind zero, so it is far ahead instead.
            let behind = u64::from(ahead.wrapping_neg());
            highest.checked_sub(behind).unwrap_or(highest + u64::from(ahead))
        }
    }

    /// Whether `index` was not accepted yet and is not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest {
            None => true,
            Some(highest) if index > highest => true,
            Some(highest) => highest - index < Self::SIZE && !self.bit(index),
        }
    }

    /// Remembers `index`.
    pub(super) fn accept(&mut self, index: u64) {
        let highest = *self.highest.get_or_insert(index);
        if index > highest {
            if index - highest >= Self::SIZE {
                self.seen = [0; WORDS];
            } else {
                for skipped in highest + 1..index {
                    self.set(skipped, false);
                }
            }
            self.highest = Some(index);
        } else if highest - index >= Self::SIZE {
            return;
        }
        self.set(index, true);
    }

    fn bit(&self, index: u64) -> bool {
        let at = index % Self::SIZE;
        self.seen[(at / 64) as usize] >> (at % 64) & 1 == 1
    }

    fn set(&mut self, index: u64, seen: bool) {
        let at = index % Self::SIZE;
        let word = &mut self.seen[(at / 64) as usize];
        *word = *word & !(1 << (at % 64)) | u64::from(seen) << (at % 64);
    }
}

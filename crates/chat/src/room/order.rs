//! Entries as they reach a node, put in order: none twice, none left out.

use std::{collections::BTreeMap, sync::Arc};

use super::event::Entry;

/// Most entries that wait for one before them. With more, the hole is filled from the fabric's history.
const WAITING_MAX: usize = 4_096;

/// What a node has of a room.
#[derive(Debug)]
pub(crate) struct Order {
    next: u64,
    waiting: BTreeMap<u64, Arc<Entry>>,
    /// The last offset that there is, as far as is known.
    known: u64,
}

impl Order {
    /// Everything up to `head` is there.
    #[must_use]
    pub(crate) fn after(head: u64) -> Self {
        Self { next: head + 1, waiting: BTreeMap::new(), known: head }
    }

    /// The last offset of what is there without holes.
    #[must_use]
    pub(crate) fn head(&self) -> u64 {
        self.next - 1
    }

    /// An entry arrives. One that was there is left out; one that comes before another waits for it.
    pub(crate) fn feed(&mut self, entry: Arc<Entry>) {
        if entry.offset >= self.next && (self.waiting.len() < WAITING_MAX || entry.offset == self.next) {
            self.waiting.insert(entry.offset, entry);
        }
    }

    /// There are entries up to `head`.
    pub(crate) fn expect(&mut self, head: u64) {
        self.known = self.known.max(head);
    }

    /// The next entry in order, if it is there.
    pub(crate) fn take(&mut self) -> Option<Arc<Entry>> {
        let entry = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(entry)
    }

    /// Whether an entry was fed.
    pub(crate) fn has(&self, offset: u64) -> bool {
        offset < self.next || self.waiting.contains_key(&offset)
    }

    /// Entries that wait for one before them.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.waiting.values()
    }

    /// Whether an entry is missed that others came after.
    #[must_use]
    pub(crate) fn has_hole(&self) -> bool {
        !self.waiting.is_empty() || self.known >= self.next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::room::event::tests::said;

    proptest! {
        #[test]
        fn whatever_arrives_leaves_in_order_without_holes(arrivals in prop::collection::vec(1_u64..40, 0..120)) {
            let mut order = Order::after(0);
            let mut left = Vec::new();
            for offset in &arrivals {
                order.feed(Arc::new(Entry::new(*offset, said("anna", "x"))));
                left.extend(std::iter::from_fn(|| order.take()).map(|entry| entry.offset));
            }
            let whole = (1..).take_while(|offset| arrivals.contains(offset)).last().unwrap_or(0);
            prop_assert_eq!(left, (1..=whole).collect::<Vec<_>>());
            prop_assert_eq!(order.head(), whole);
            prop_assert_eq!(order.has_hole(), arrivals.iter().any(|offset| *offset > whole));
        }
    }

    #[test]
    fn what_waits_has_an_end_and_the_missed_one_still_fits() {
        let mut order = Order::after(0);
        let event = said("anna", "x");
        for offset in 2..(WAITING_MAX as u64 + 10) {
            order.feed(Arc::new(Entry::new(offset, event.clone())));
        }
        assert_eq!(order.waiting.len(), WAITING_MAX);
        order.feed(Arc::new(Entry::new(1, event)));
        assert_eq!(std::iter::from_fn(|| order.take()).count(), WAITING_MAX + 1);
    }
}

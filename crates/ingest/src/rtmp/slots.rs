//! How many connections there may be, together and from one address.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

/// Counts connections.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Addresses with at least one connection.
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    address: IpAddr,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Address,
}

impl Slots {
    pub(super) fn new(total_max: usize, per_address_max: usize) -> Self {
        Self(Arc::new(Inner { total_max, per_address_max, taken: Mutex::default() }))
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Slot, Full> {
        let address = address.to_canonical();
        let mut taken = self.0.taken.lock();
        if taken.total >= self.0.total_max {
            return Err(Full::Total);
        }
        let here = taken.by_address.entry(address).or_default();
        if *here >= self.0.per_address_max {
            return Err(Full::Address);
        }
        *here += 1;
        taken.total += 1;
        Ok(Slot { slots: self.clone(), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.taken.lock();
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let slots = Slots::new(3, 2);
        let [one, two]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let held = [slots.take(one).unwrap(), slots.take(one).unwrap()];
        assert_eq!(slots.take(one).unwrap_err(), Full::Address);
        let other = slots.take(two).unwrap();
        assert_eq!(slots.take(two).unwrap_err(), Full::Total);
        drop((held, other));
        assert!(slots.take(one).is_ok());
        assert!(slots.0.taken.lock().by_address.is_empty(), "nothing is remembered of who left");
    }

    #[test]
    fn an_address_written_in_two_ways_is_one() {
        let slots = Slots::new(9, 1);
        let _held = slots.take([192, 0, 2, 1].into()).unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(slots.take(mapped).unwrap_err(), Full::Address);
    }
}

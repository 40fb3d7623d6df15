//! How much one address, and one connection, may ask for. Time comes in.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Over how long joins are counted.
const JOINS_WITHIN: Duration = Duration::from_secs(60);
/// Most addresses that are remembered without a connection; then the count begins anew for all.
const ADDRESSES_MAX: usize = 100_000;
/// Frames that a connection may send at once.
const FRAMES_AT_ONCE: f64 = 200.0;
/// Frames a second that it may send all the time.
const FRAMES_A_SECOND: f64 = 20.0;

/// What all connections together, and those of one address, may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    /// Joins of one address within [`JOINS_WITHIN`]; any number without it.
    pub(super) joins: Option<usize>,
}

/// Connections, by address.
#[derive(Debug)]
pub(super) struct Addresses {
    bounds: Bounds,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    connections: usize,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug, Clone, Copy)]
struct Address {
    connections: usize,
    joins: usize,
    since: Instant,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMany {
    /// On this node.
    Connections,
    /// From this address.
    FromAddress,
    /// From this address, in a short time.
    Joins,
}

/// A connection that counts. Dropped, it does not.
#[derive(Debug)]
pub(super) struct Counted {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, known: Mutex::default() })
    }

    /// Takes a connection at `now`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Counted, TooMany> {
        let address = network(address);
        let mut known = self.known.lock();
        if known.connections >= self.bounds.connections {
            return Err(TooMany::Connections);
        }
        if known.addresses.len() >= ADDRESSES_MAX {
            known.addresses.retain(|_, address| address.connections > 0);
        }
        let entry = known.addresses.entry(address).or_insert(Address { connections: 0, joins: 0, since: now });
        if now.saturating_duration_since(entry.since) >= JOINS_WITHIN {
            (entry.joins, entry.since) = (0, now);
        }
        if entry.connections >= self.bounds.per_address {
            return Err(TooMany::FromAddress);
        }
        if self.bounds.joins.is_some_and(|max| entry.joins >= max) {
            return Err(TooMany::Joins);
        }
        entry.joins += 1;
        entry.connections += 1;
        known.connections += 1;
        Ok(Counted { addresses: self.clone(), address })
    }

    pub(super) fn connections(&self) -> usize {
        self.known.lock().connections
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut known = self.addresses.known.lock();
        known.connections -= 1;
        if let Some(address) = known.addresses.get_mut(&self.address) {
            address.connections = address.connections.saturating_sub(1);
        }
    }
}

/// Whoever has an IPv6 address has at least a /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How fast a connection sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: FRAMES_AT_ONCE, at: now }
    }

    /// Whether one more frame may come at `now`.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * FRAMES_A_SECOND;
        self.at = now;
        self.left = (self.left + earned).min(FRAMES_AT_ONCE);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Arc<Addresses> {
        Addresses::new(Bounds { connections: 5, per_address: 3, joins: Some(4) })
    }

    #[test]
    fn an_address_has_so_many_connections_and_joins() {
        let (addresses, now) = (addresses(), Instant::now());
        let one: IpAddr = [192, 0, 2, 1].into();
        let mut taken: Vec<_> = (0..3).map(|_| addresses.take(one, now).unwrap()).collect();
        assert_eq!(addresses.take(one, now).unwrap_err(), TooMany::FromAddress);
        taken.pop();
        taken.push(addresses.take(one, now).unwrap());
        taken.pop();
        assert_eq!(addresses.take(one, now).unwrap_err(), TooMany::Joins);
        taken.push(addresses.take(one, now + JOINS_WITHIN).unwrap());
        let other: IpAddr = [192, 0, 2, 2].into();
        taken.extend((0..2).map(|_| addresses.take(other, now).unwrap()));
        assert_eq!(addresses.take(other, now).unwrap_err(), TooMany::Connections);
        taken.clear();
        assert_eq!(addresses.connections(), 0);
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn a_connection_sends_many_frames_once_and_few_all_the_time() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!((0..1_000).filter(|_| pace.allows(now)).count(), 200);
        let later = now + Duration::from_secs(2);
        assert_eq!((0..1_000).filter(|_| pace.allows(later)).count(), 40);
    }
}

//! Wrong stream keys, counted by address: guessing gets slow, and nobody is locked out.
//!
//! A key is always checked first. Only the answer to a wrong one changes, so that a studio behind one address goes on
//! publishing while one of its encoders, or a stranger in the same network, tries wrong keys.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Wrong keys of one address within [`WINDOW`] that are answered as such: many typos, few guesses.
pub(crate) const WRONG_MAX: u32 = 50;
/// After this long, counting begins anew, for all addresses at once.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses counted within [`WINDOW`], about 1 MiB. Those beyond are not counted: keys are long enough that guessing
/// from so many addresses leads nowhere either.
const ADDRESSES_MAX: usize = 20_000;

/// The count, as a value.
#[derive(Debug)]
pub(crate) struct Attempts {
    began: Instant,
    wrong: HashMap<IpAddr, u32>,
}

/// How many wrong keys came from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Few enough to be mistakes.
    Few,
    /// The first one too many.
    FirstTooMany,
    /// One more.
    TooMany,
}

impl Attempts {
    /// Nothing was tried.
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: now, wrong: HashMap::new() }
    }

    /// Counts a wrong key.
    pub(crate) fn wrong(&mut self, from: IpAddr, now: Instant) -> Verdict {
        if now.duration_since(self.began) >= WINDOW {
            *self = Self::new(now);
        }
        let who = network(from);
        if self.wrong.len() >= ADDRESSES_MAX && !self.wrong.contains_key(&who) {
            return Verdict::Few;
        }
        let count = self.wrong.entry(who).or_default();
        *count = count.saturating_add(1);
        match *count {
            ..=WRONG_MAX => Verdict::Few,
            count if count == WRONG_MAX + 1 => Verdict::FirstTooMany,
            _ => Verdict::TooMany,
        }
    }
}

/// Who counts as one: an IPv4 address, or the /64 that a network of IPv6 has at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last of `count` wrong keys from `from` meets.
    fn last(attempts: &mut Attempts, from: &str, count: u32, now: Instant) -> Verdict {
        (0..count).map(|_| attempts.wrong(from.parse().unwrap(), now)).last().unwrap()
    }

    #[test]
    fn an_address_that_guesses_is_told_and_others_are_not() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        assert_eq!(last(&mut attempts, "192.0.2.1", WRONG_MAX, now), Verdict::Few);
        assert_eq!(last(&mut attempts, "192.0.2.1", 1, now), Verdict::FirstTooMany);
        assert_eq!(last(&mut attempts, "::ffff:192.0.2.1", 1, now), Verdict::TooMany, "the same, written otherwise");
        assert_eq!(last(&mut attempts, "192.0.2.2", 1, now), Verdict::Few);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        assert_eq!(last(&mut attempts, "2001:db8::1", WRONG_MAX, now), Verdict::Few);
        assert_eq!(last(&mut attempts, "2001:db8::ffff:2", 1, now), Verdict::FirstTooMany);
        assert_eq!(last(&mut attempts, "2001:db8:0:1::1", 1, now), Verdict::Few);
    }

    #[test]
    fn a_minute_later_it_begins_anew() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        assert_eq!(last(&mut attempts, "192.0.2.1", WRONG_MAX + 9, now), Verdict::TooMany);
        assert_eq!(last(&mut attempts, "192.0.2.1", 1, now + WINDOW), Verdict::Few);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 9 {
            attempts.wrong(std::net::Ipv4Addr::from_bits(number).into(), now);
        }
        assert_eq!(attempts.wrong.len(), ADDRESSES_MAX);
        assert_eq!(last(&mut attempts, "0.0.0.1", WRONG_MAX, now), Verdict::FirstTooMany, "who is known still counts");
        assert_eq!(last(&mut attempts, "192.0.2.1", WRONG_MAX + 9, now), Verdict::Few);
    }
}

//! Wrong passwords, counted: a value without clock or IO.
//!
//! A try is taken before the password is looked at, so that many at once are not more than one after the other, and
//! given back when the password was right: who logs in often is not slowed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Config, Wait};

/// Accounts, and addresses, that are counted; some 3 MB each. While there are more, all others are counted as one.
pub(super) const COUNTED_MAX: usize = 50_000;

/// After how long an address has one more try.
pub(super) const PER_ADDRESS_EVERY: Duration = Duration::from_secs(1);

/// Names an account, an address, or both together.
pub(super) type Key = [u8; 16];

/// All that is counted.
#[derive(Debug)]
pub(super) struct Guesses {
    accounts: Counts,
    addresses: Counts,
    /// An account at an address where it is logged in.
    known: Counts,
}

/// From what a try was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A stranger's: of the account and of the address.
    Stranger { account: Option<Key>, address: Key },
    /// Of somebody who calls from where the account is logged in.
    Known(Key),
}

impl Guesses {
    pub(super) fn new(config: &Config) -> Self {
        let counts = |most, every| Counts { most, every, counted: HashMap::new() };
        Self {
            accounts: counts(config.wrong_passwords, config.wrong_password_every),
            addresses: counts(config.wrong_passwords_per_address, PER_ADDRESS_EVERY),
            known: counts(config.wrong_passwords, config.wrong_password_every),
        }
    }

    /// Takes a try.
    pub(super) fn take(&mut self, from: From, now: Instant) -> Result<(), Wait> {
        match from {
            From::Known(key) => self.known.take(key, now),
            From::Stranger { account, address } => {
                self.addresses.take(address, now)?;
                let Some(account) = account else { return Ok(()) };
                let taken = self.accounts.take(account, now);
                if taken.is_err() {
                    self.addresses.give_back(address);
                }
                taken
            }
        }
    }

    /// The password was right, or was not looked at.
    pub(super) fn give_back(&mut self, from: From) {
        match from {
            From::Known(key) => self.known.give_back(key),
            From::Stranger { account, address } => {
                self.addresses.give_back(address);
                account.into_iter().for_each(|account| self.accounts.give_back(account));
            }
        }
    }
}

/// Leaky buckets: each try fills by one, `every` lets one out.
#[derive(Debug)]
struct Counts {
    /// 0 is without limit.
    most: u32,
    every: Duration,
    counted: HashMap<Key, Count>,
}

/// When the bucket will be empty.
#[derive(Debug, Clone, Copy)]
struct Count {
    empty_at: Instant,
}

/// Stands for all who are not counted apart.
const OTHERS: Key = [0; 16];

impl Counts {
    fn take(&mut self, key: Key, now: Instant) -> Result<(), Wait> {
        if self.most == 0 {
            return Ok(());
        }
        let key = self.place(key, now);
        let count = self.counted.entry(key).or_insert(Count { empty_at: now });
        let empty_at = count.empty_at.max(now) + self.every;
        let full = self.every * self.most;
        match empty_at.duration_since(now).checked_sub(full) {
            Some(wait) if !wait.is_zero() => Err(Wait(wait)),
            _ => {
                count.empty_at = empty_at;
                Ok(())
            }
        }
    }

    fn give_back(&mut self, key: Key) {
        let key = if self.counted.contains_key(&key) { key } else { OTHERS };
        if let Some(count) = self.counted.get_mut(&key) {
            count.empty_at = count.empty_at.checked_sub(self.every).unwrap_or(count.empty_at);
        }
    }

    /// The key under which it is counted.
    fn place(&mut self, key: Key, now: Instant) -> Key {
        if self.counted.contains_key(&key) || self.counted.len() < COUNTED_MAX {
            return key;
        }
        // A scan of all, and only while a flood lasts: those whom it brought in are gone within a few minutes.
        self.counted.retain(|_, count| count.empty_at > now);
        if self.counted.len() < COUNTED_MAX { key } else { OTHERS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(account: u8, address: u8) -> From {
        From::Stranger { account: Some([account; 16]), address: [address; 16] }
    }

    fn taken(guesses: &mut Guesses, from: From, count: u32, now: Instant) -> u32 {
        (0..count).map(|_| u32::from(guesses.take(from, now).is_ok())).sum()
    }

    #[test]
    fn an_account_takes_few_wrong_passwords_from_wherever_they_come() {
        let (now, config) = (Instant::now(), Config::default());
        let mut guesses = Guesses::new(&config);
        let from_everywhere: u32 = (1..=40).map(|address| taken(&mut guesses, stranger(1, address), 1, now)).sum();
        assert_eq!(from_everywhere, config.wrong_passwords);
        assert_eq!(guesses.take(stranger(1, 99), now), Err(Wait(config.wrong_password_every)));
        assert_eq!(taken(&mut guesses, stranger(2, 1), 3, now), 3, "another account");
        let later = now + config.wrong_password_every;
        assert_eq!(taken(&mut guesses, stranger(1, 99), 5, later), 1);
    }

    #[test]
    fn where_the_account_is_logged_in_it_has_tries_of_its_own() {
        let (now, config) = (Instant::now(), Config::default());
        let mut guesses = Guesses::new(&config);
        taken(&mut guesses, stranger(1, 1), 40, now);
        assert_eq!(taken(&mut guesses, From::Known([7; 16]), 40, now), config.wrong_passwords);
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_slowed() {
        let (now, config) = (Instant::now(), Config::default());
        let mut guesses = Guesses::new(&config);
        let tried: u32 = (0..=200).map(|account| taken(&mut guesses, stranger(account, 1), 1, now)).sum();
        assert_eq!(tried, config.wrong_passwords_per_address);
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let now = Instant::now();
        let mut guesses = Guesses::new(&Config::default());
        for from in [stranger(1, 1), From::Known([7; 16])] {
            for _ in 0..500 {
                guesses.take(from, now).unwrap();
                guesses.give_back(from);
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (now, config) = (Instant::now(), Config::default());
        let mut counts = Guesses::new(&config).accounts;
        for number in 1..=COUNTED_MAX as u128 {
            counts.take(number.to_be_bytes(), now).unwrap();
        }
        let beyond: Vec<_> = (1..=40_u128).map(|number| counts.take((number << 64).to_be_bytes(), now)).collect();
        assert_eq!(beyond.iter().filter(|taken| taken.is_ok()).count(), config.wrong_passwords as usize);
        assert_eq!(counts.counted.len(), COUNTED_MAX + 1);
        let later = now + Duration::from_secs(3_600);
        counts.take([9; 16], later).unwrap();
        assert_eq!(counts.counted.len(), 1);
    }
}

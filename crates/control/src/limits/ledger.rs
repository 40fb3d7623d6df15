//! Counting requests.

use std::{
    future::Future, num::NonZeroU32, pin::Pin, sync::atomic::AtomicU64, sync::atomic::Ordering::Relaxed, time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};

use super::{Class, Config, Wait, who::Hashed};

/// Callers of one class that are counted one by one, some 6 MB for each class. Those who used nothing of late are
/// forgotten first; if there are still more, all of the class share [`SHARED_FACTOR`] budgets: a flood from so many
/// addresses is one caller.
const CALLERS_MAX: usize = 50_000;
/// Budgets that all callers share while there are too many to tell apart.
const SHARED_FACTOR: u32 = 100;
/// Looking for those to forget takes a millisecond or two: not more often than this.
const SWEEP_EVERY_REQUESTS: u64 = 1_000;

/// What a [`Ledger`] answers.
pub type Taken<'a> = Pin<Box<dyn Future<Output = Result<(), Wait>> + Send + 'a>>;

/// Counts what callers use. One that several nodes share answers from the node's own count while it cannot be reached: a
/// limit is not worth an outage.
pub trait Ledger: Send + Sync + 'static {
    /// Takes one request of `class` from what `who` may have.
    fn take(&self, class: Class, who: Hashed) -> Taken<'_>;
}

/// Counts in this process.
pub struct InMemory<C: Clock = MonotonicClock> {
    accounts: Vec<Option<Budgets<C>>>,
    addresses: Vec<Option<Budgets<C>>>,
}

impl InMemory {
    /// Nothing is used yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with_clock(config, MonotonicClock)
    }
}

impl<C: Clock + Clone> InMemory<C> {
    /// Nothing is used yet, by `clock`.
    pub(super) fn with_clock(config: &Config, clock: C) -> Self {
        let budgets = |per_minute: u32| NonZeroU32::new(per_minute).map(|most| Budgets::new(most, clock.clone()));
        Self {
            accounts: Class::ALL.iter().map(|class| budgets(config.per_account(*class))).collect(),
            addresses: Class::ALL.iter().map(|class| budgets(config.per_address(*class))).collect(),
        }
    }
}

impl<C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static> Ledger for InMemory<C> {
    fn take(&self, class: Class, who: Hashed) -> Taken<'_> {
        let (all, key) = match who {
            Hashed::Account(key) => (&self.accounts, key),
            Hashed::Address(key) => (&self.addresses, key),
        };
        let taken = all.get(class as usize).and_then(Option::as_ref).map_or(Ok(()), |budgets| budgets.take(key));
        Box::pin(std::future::ready(taken))
    }
}

impl<C: Clock> std::fmt::Debug for InMemory<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InMemory")
    }
}

type Each<C> = RateLimiter<[u8; 16], HashMapStateStore<[u8; 16]>, C, NoOpMiddleware<<C as Clock>::Instant>>;
type Shared<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The budgets of one class.
struct Budgets<C: Clock> {
    clock: C,
    each: Each<C>,
    shared: Shared<C>,
    taken: AtomicU64,
}

impl<C: Clock + Clone> Budgets<C> {
    fn new(per_minute: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_minute(per_minute);
        let all = Quota::per_minute(per_minute.saturating_mul(NonZeroU32::new(SHARED_FACTOR).expect("it is not 0")));
        Self {
            each: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            shared: RateLimiter::direct_with_clock(all, clock.clone()),
            clock,
            taken: AtomicU64::new(0),
        }
    }

    fn take(&self, key: [u8; 16]) -> Result<(), Wait> {
        if self.taken.fetch_add(1, Relaxed) % SWEEP_EVERY_REQUESTS == SWEEP_EVERY_REQUESTS - 1 {
            self.each.retain_recent();
            self.each.shrink_to_fit();
        }
        let taken = if self.each.len() < CALLERS_MAX { self.each.check_key(&key) } else { self.shared.check() };
        taken.map_err(|until| Wait(until.wait_time_from(self.clock.now()).max(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    async fn many(ledger: &InMemory<FakeRelativeClock>, class: Class, who: Hashed, count: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..count {
            admitted += u32::from(ledger.take(class, who).await.is_ok());
        }
        admitted
    }

    #[tokio::test]
    async fn a_budget_is_used_up_and_comes_back_while_others_have_theirs() {
        let clock = FakeRelativeClock::default();
        let config = Config { registrations_per_minute: 20, writes_per_minute: 0, ..Config::default() };
        let ledger = InMemory::with_clock(&config, clock.clone());
        let (one, other) = (Hashed::Address([1; 16]), Hashed::Address([2; 16]));
        assert_eq!(many(&ledger, Class::Register, one, 25).await, 20);
        let wait = ledger.take(Class::Register, one).await.unwrap_err();
        assert_eq!(wait.seconds(), 3);
        assert_eq!(many(&ledger, Class::Register, other, 20).await, 20);
        assert_eq!(many(&ledger, Class::Login, one, 20).await, 20, "another class");
        clock.advance(Duration::from_secs(60));
        assert_eq!(many(&ledger, Class::Register, one, 25).await, 20);
        assert_eq!(many(&ledger, Class::Write, Hashed::Account([1; 16]), 5_000).await, 5_000, "0 is without limit");
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_a_flood_is_one_caller() {
        let clock = FakeRelativeClock::default();
        let config = Config { registrations_per_minute: 1, ..Config::default() };
        let ledger = InMemory::with_clock(&config, clock.clone());
        let mut admitted = 0;
        for number in 0..CALLERS_MAX as u128 + 5_000 {
            let who = Hashed::Address(number.to_be_bytes());
            admitted += u32::from(ledger.take(Class::Register, who).await.is_ok());
        }
        assert_eq!(admitted, CALLERS_MAX as u32 + SHARED_FACTOR);
        clock.advance(Duration::from_secs(200));
        assert_eq!(
            many(&ledger, Class::Register, Hashed::Address([9; 16]), 2_000).await,
            101,
            "those before the sweep share"
        );
        let held = ledger.addresses[0].as_ref().unwrap().each.len();
        assert!(held < 10, "{held}");
    }
}

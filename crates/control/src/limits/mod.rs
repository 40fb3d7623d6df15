//! How much of the API one caller may use, and how slow guessing a password is.
//!
//! Read [`class`](self) first: every request is of one class, counted by account or, without one, by address. The
//! [`Ledger`] counts: in this process (`ledger`), and in a cluster also over Redis (`shared`, whose script is in
//! `buckets`). Wrong passwords are counted apart (`guesses`), because only those cost. `layer` is the HTTP of it.
//!
//! Media routes (playlists, segments, WHIP, WHEP) are not asked here: an audience behind one address is one address.

mod buckets;
mod class;
mod config;
mod guesses;
mod guessing;
mod layer;
mod ledger;
mod shared;
#[cfg(test)]
mod tests;
mod who;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use weir_identity::KeySecret;
use weir_redis::Link;

use self::{
    buckets::Buckets,
    guesses::Guesses,
    shared::{Shared, SharedGuesses},
};
pub use self::{
    class::Class,
    config::Config,
    guessing::Guess,
    ledger::{InMemory, Ledger, Taken},
    who::{Hashed, Who},
};
pub(crate) use layer::limited;

/// Come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; come back in {}", said(*.0))]
pub struct Wait(pub Duration);

impl Wait {
    /// In whole seconds, rounded up, at least one: what `Retry-After` takes.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
    }
}

/// Asked before a request is answered.
pub struct Limits {
    secret: KeySecret,
    ledger: Arc<dyn Ledger>,
    guesses: Mutex<Guesses>,
    /// What all nodes count together.
    shared_guesses: Option<SharedGuesses>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Limits that this process counts by itself.
    #[must_use]
    pub fn new(config: &Config, secret: KeySecret) -> Arc<Self> {
        Self::with(config, secret, Arc::new(InMemory::new(config)), None)
    }

    /// Limits that all nodes with this Redis share. While it is away each counts by itself.
    #[must_use]
    pub fn shared(config: &Config, secret: KeySecret, redis: Link) -> Arc<Self> {
        let buckets = Arc::new(Buckets::new(redis));
        let guesses = SharedGuesses::new(config, buckets.clone());
        Self::with(config, secret, Arc::new(Shared::new(config, buckets)), Some(guesses))
    }

    fn with(config: &Config, secret: KeySecret, ledger: Arc<dyn Ledger>, guesses: Option<SharedGuesses>) -> Arc<Self> {
        Arc::new(Self { secret, ledger, guesses: Mutex::new(Guesses::new(config)), shared_guesses: guesses })
    }

    /// Takes one request from what `who` may have of `class`.
    ///
    /// # Errors
    /// [`Wait`] when it is used up.
    pub async fn take(&self, class: Class, who: Who) -> Result<(), Wait> {
        self.ledger.take(class, who.hash(&self.secret)).await
    }
}

fn said(wait: Duration) -> String {
    match Wait(wait).seconds() {
        1 => "a second".into(),
        seconds @ 2..=120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

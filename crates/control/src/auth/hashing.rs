//! Hashing passwords off the runtime, a few at a time: each takes tens of milliseconds and megabytes.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Config;
use crate::accounts::{Cost, InvalidPassword, PasswordHash};

/// Hashes and compares passwords in turn.
#[derive(Debug, Clone)]
pub(super) struct Hashing {
    cost: Cost,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Compared with when there is no account, so that its absence cannot be told by time.
    nobody: Arc<PasswordHash>,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people log in at this moment")]
pub struct Crowded;

impl Hashing {
    /// As `config` says, which must have passed [`Config::validate`].
    ///
    /// # Panics
    /// When the configuration is impossible.
    #[must_use]
    pub(super) fn new(config: &Config) -> Self {
        let cost = Cost { memory_kib: config.argon2_memory_kib, passes: config.argon2_passes };
        let nobody = PasswordHash::of("a password that nobody has", cost).expect("it is long enough");
        Self {
            cost,
            turns: Arc::new(Semaphore::new(config.hashing_at_once)),
            waiting: Arc::new(Semaphore::new(config.hashing_at_once + config.hashing_waiting_max)),
            nobody: Arc::new(nobody),
        }
    }

    /// The hash of a password.
    ///
    /// # Errors
    /// [`Crowded`], or an [`InvalidPassword`] inside.
    pub(super) async fn hash(&self, password: String) -> Result<Result<PasswordHash, InvalidPassword>, Crowded> {
        let cost = self.cost;
        self.in_turn(move || PasswordHash::of(&password, cost)).await
    }

    /// Whether `password` is the one of `hash`; without a hash it is not, which takes as long.
    ///
    /// # Errors
    /// [`Crowded`].
    pub(super) async fn matches(&self, hash: Option<PasswordHash>, password: String) -> Result<bool, Crowded> {
        let nobody = self.nobody.clone();
        self.in_turn(move || match hash {
            Some(hash) => hash.matches(&password),
            None => {
                std::hint::black_box(nobody.matches(&password));
                false
            }
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Crowded> {
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| Crowded)?;
        let turn = self.turns.clone().acquire_owned().await.expect("turns are never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            job()
        });
        done.await.map_err(|_| Crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_limit_nobody_waits() {
        let config = Config { hashing_at_once: 1, hashing_waiting_max: 1, ..Config::default() };
        let hashing = Hashing::new(&config);
        let first = hashing.matches(None, "x".into());
        let second = hashing.matches(None, "x".into());
        let third = hashing.matches(None, "x".into());
        let results = tokio::join!(first, second, third);
        assert_eq!(results, (Ok(false), Ok(false), Err(Crowded)));
        let hash = hashing.hash("correct horse".into()).await.unwrap().unwrap();
        assert!(hashing.matches(Some(hash), "correct horse".into()).await.unwrap());
        assert!(!hashing.matches(None, "a password that nobody has".into()).await.unwrap());
    }
}

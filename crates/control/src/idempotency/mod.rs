//! Requests that come twice and are done once (draft-ietf-httpapi-idempotency-key-header).

pub(crate) mod cql;
mod sqlite;

use jiff::{SignedDuration, Timestamp};

use crate::store::Answer;

/// How long an answer is remembered.
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long a request may run before another may try the same: its server has died.
pub const RUNS_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What became of an earlier request with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// There was none: go on.
    First,
    /// It runs still.
    Running,
    /// It was answered so.
    Answered {
        /// HTTP status.
        status: u16,
        /// JSON, sealed under the installation's secret where it has one: answers may carry a key that is shown once.
        body: Vec<u8>,
    },
}

/// Answered requests, kept for a day.
pub trait Idempotency: Send + Sync + 'static {
    /// Claims `key`, a hash of who asks, what for and the key they gave. Exactly one of many at once is
    /// [`Begun::First`].
    fn begin_once(&self, key: [u8; 32], at: Timestamp) -> Answer<'_, Begun>;

    /// Remembers the answer.
    fn answered(&self, key: [u8; 32], status: u16, body: Vec<u8>) -> Answer<'_, ()>;

    /// Forgets a claim, so that the request may be tried again: it failed for a reason that passes.
    fn give_up(&self, key: [u8; 32]) -> Answer<'_, ()>;
}

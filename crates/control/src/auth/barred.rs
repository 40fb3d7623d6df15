//! Accounts that were logged out everywhere a moment ago: an access token asks nobody, and would count for minutes.

use std::collections::HashMap;

use parking_lot::RwLock;
use weir_identity::{
    AccountId,
    token::{Claims, LIFETIME_SECONDS},
};

/// Remembers them for as long as a token lives. Operators suspend few accounts in ten minutes.
#[derive(Debug, Default)]
pub(super) struct Barred(RwLock<HashMap<AccountId, u64>>);

impl Barred {
    /// What was signed until `now`, in seconds since 1970, counts no more.
    pub(super) fn bar(&self, account: AccountId, now: u64) {
        let mut barred = self.0.write();
        barred.retain(|_, at| *at + LIFETIME_SECONDS >= now);
        barred.insert(account, now);
    }

    /// Whether it was signed before its account was logged out.
    pub(super) fn covers(&self, claims: &Claims) -> bool {
        self.0.read().get(&claims.sub).is_some_and(|at| claims.iat <= *at)
    }
}

//! What operators do to accounts, over the API and at the command line.

pub(crate) mod routes;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use weir_identity::ChannelName;

use crate::{
    accounts::Account,
    audit::{Deed, Scope},
    auth::{Auth, Refused},
    presence::Presence,
    problem::Problem,
    rooms::Changed,
    store::Store,
};

/// A publisher whose key was checked just before begins within this long, and is then ended as well.
const ENDED_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Edits of others that may come in between.
const EDITS_MAX: u32 = 5;

/// Suspends accounts. Cheap to clone.
#[derive(Clone)]
pub struct Operators {
    store: Arc<dyn Store>,
    auth: Arc<Auth>,
    presence: Arc<dyn Presence>,
}

impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operators")
    }
}

impl Operators {
    /// What operators act on.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, auth: Arc<Auth>, presence: Arc<dyn Presence>) -> Self {
        Self { store, auth, presence }
    }

    /// What is kept.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Suspends an account: it is logged out everywhere, its streams end, and it may neither log in nor publish until
    /// the suspension is lifted. Once more changes nothing.
    ///
    /// # Errors
    /// A problem: there is no such account, or the store's.
    pub async fn suspend(&self, name: &ChannelName, deed: Deed) -> Result<(), Problem> {
        let now = crate::store_time(Timestamp::now());
        let account = self.change(name, |account| account.suspended_at = account.suspended_at.or(Some(now))).await?;
        self.auth.bar(account.id);
        self.presence.rights_changed(Changed::Account(account.id));
        self.store.end_families(account.id, None).await?;
        let channels = self.store.channels_of(account.id).await?;
        let names: Vec<ChannelName> = channels.into_iter().map(|channel| channel.name).collect();
        let presence = self.presence.clone();
        names.iter().for_each(|name| presence.end(name));
        tokio::spawn(async move {
            tokio::time::sleep(ENDED_AGAIN_AFTER).await;
            names.iter().for_each(|name| presence.end(name));
        });
        deed.target(name).also(Scope::Account(account.id)).note(&*self.store).await;
        Ok(())
    }

    /// Lifts a suspension. Once more changes nothing.
    ///
    /// # Errors
    /// A problem: there is no such account, or the store's.
    pub async fn lift(&self, name: &ChannelName, deed: Deed) -> Result<(), Problem> {
        let account = self.change(name, |account| account.suspended_at = None).await?;
        self.presence.rights_changed(Changed::Account(account.id));
        deed.target(name).also(Scope::Account(account.id)).note(&*self.store).await;
        Ok(())
    }

    async fn change(&self, name: &ChannelName, change: impl Fn(&mut Account)) -> Result<Account, Problem> {
        // Once more for each edit that came in between; an account is not edited all the time.
        for _ in 0..EDITS_MAX {
            let account = self.store.account_named(name).await?;
            let mut account = account.ok_or_else(|| Problem::account_not_found(name.as_str()))?;
            let before = account.suspended_at;
            change(&mut account);
            if account.suspended_at == before || self.store.update_account(account.clone()).await? {
                return Ok(account);
            }
        }
        Err(Refused::Changed.into())
    }
}

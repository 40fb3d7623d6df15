//! Trying a password: taken before it is looked at, given back when it was right. Stream keys are looked at first: only
//! the wrong ones are taken.

use std::{net::IpAddr, time::Instant};

use weir_identity::ChannelName;

use super::{Limits, Wait, guesses::From, who::half, who::network};
use crate::store::Store;

/// A try that was taken. Dropped, it counts as wrong.
#[derive(Debug)]
#[must_use]
pub struct Guess<'a> {
    limits: &'a Limits,
    from: From,
}

impl Guess<'_> {
    /// The password was right, or nobody looked at it: the try does not count.
    pub async fn does_not_count(self) {
        self.limits.give_guess_back(self.from).await;
    }
}

impl Limits {
    /// Takes a try at the password of the account called `name`, if it could be somebody's name, from `address`.
    ///
    /// Strangers share the account's tries. When those are used up, addresses where the account is logged in go on:
    /// somebody who guesses does not lock the owner out.
    ///
    /// # Errors
    /// [`Wait`] when too many were wrong.
    pub async fn guess(
        &self,
        store: &dyn Store,
        name: Option<&ChannelName>,
        address: IpAddr,
    ) -> Result<Guess<'_>, Wait> {
        let network = network(address);
        let key = |of: &str| half(&self.secret, format!("{of} {network}").as_bytes());
        let account = name.map(|name| half(&self.secret, format!("account {name}").as_bytes()));
        let from = From::Stranger { account, address: key("guesses from") };
        let refused = match self.take_guess(from).await {
            Ok(()) => return Ok(Guess { limits: self, from }),
            Err(wait) => wait,
        };
        let slowed = |wait| {
            metrics::counter!("weir_login_guesses_slowed_total").increment(1);
            wait
        };
        let Some(name) = name else { return Err(slowed(refused)) };
        if !is_logged_in_at(store, name, network).await {
            return Err(slowed(refused));
        }
        let from = From::Known(key(name.as_str()));
        self.take_guess(from).await.map_err(slowed)?;
        Ok(Guess { limits: self, from })
    }

    /// Counts a wrong stream key from `address`.
    ///
    /// # Errors
    /// [`Wait`] when too many were wrong.
    pub async fn wrong_key(&self, address: IpAddr) -> Result<(), Wait> {
        let address = half(&self.secret, format!("keys from {}", network(address)).as_bytes());
        let counted = self.take_guess(From::Stranger { account: None, address }).await;
        if counted.is_err() {
            metrics::counter!("weir_key_guesses_slowed_total").increment(1);
        }
        counted
    }

    /// Takes a try here, and of what the nodes share.
    pub(super) async fn take_guess(&self, from: From) -> Result<(), Wait> {
        self.guesses.lock().take(from, Instant::now())?;
        let Some(shared) = &self.shared_guesses else { return Ok(()) };
        let taken = shared.take(from).await;
        if taken.is_err() {
            self.guesses.lock().give_back(from);
        }
        taken
    }

    pub(super) async fn give_guess_back(&self, from: From) {
        self.guesses.lock().give_back(from);
        if let Some(shared) = &self.shared_guesses {
            shared.give_back(from).await;
        }
    }
}

/// Whether the account has a device in that network. A store that does not answer knows none.
async fn is_logged_in_at(store: &dyn Store, name: &ChannelName, at: IpAddr) -> bool {
    let Ok(Some(account)) = store.account_named(name).await else { return false };
    let Ok(devices) = store.families_of(account.id).await else { return false };
    devices.iter().filter_map(|device| device.address.parse().ok()).any(|address| network(address) == at)
}

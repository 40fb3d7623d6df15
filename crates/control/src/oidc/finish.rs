//! The last step of those whom a provider vouched for: a code of the second factor, or a name for the new account.

use jiff::Timestamp;
use weir_identity::AccountId;

use super::{Oidc, Refused, ReturnTo, Ticket, Wants};
use crate::{
    accounts::Account,
    auth::{self, Device, LoggedIn},
};

/// What somebody is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The code of the account's second factor.
    Code,
    /// A name, perhaps this one.
    Username(String),
}

/// A ticket that a browser carries.
pub(crate) struct Waiting(Ticket);

impl Waiting {
    /// What is asked for.
    pub(crate) fn asked(&self) -> Asked {
        match &self.0.wants {
            Wants::Code(_) => Asked::Code,
            Wants::Username { suggested, .. } => Asked::Username(suggested.clone()),
        }
    }

    /// Where the browser goes then.
    pub(crate) fn return_to(&self) -> &ReturnTo {
        &self.0.return_to
    }
}

impl Oidc {
    /// The ticket of a browser.
    pub(crate) fn waiting(&self, ticket: Option<&str>) -> Result<Waiting, Refused> {
        let ticket = ticket.and_then(|sealed| self.steps.open::<Ticket>(sealed, Timestamp::now()));
        // A provider that is no longer in the settings vouches for nobody.
        let ticket = ticket.filter(|ticket| {
            self.providers.get(&ticket.provider).is_some_and(|provider| provider.issuer() == ticket.issuer)
        });
        ticket.map(Waiting).ok_or(Refused::Attempt)
    }

    /// What people read of the provider that vouched.
    pub(crate) fn vouching(&self, waiting: &Waiting) -> &str {
        self.providers.get(&waiting.0.provider).map_or("", |provider| provider.shown())
    }

    /// The account whose code is asked for, if it is still the identity's.
    pub(crate) async fn account_waiting(&self, waiting: &Waiting) -> Result<Option<Account>, Refused> {
        let Wants::Code(account) = waiting.0.wants else { return Ok(None) };
        if self.owner(waiting).await? != Some(account) {
            return Err(Refused::Attempt);
        }
        Ok(Some(self.store.account(account).await?.ok_or(auth::Refused::Gone)?))
    }

    /// Logs `account` in with the code.
    pub(crate) async fn with_code(&self, account: Account, code: &str, device: Device) -> Result<LoggedIn, Refused> {
        Ok(self.auth.vouched(account, Some(code), device).await?)
    }

    /// Makes the account, opened by the identity, and logs it in.
    pub(crate) async fn with_username(
        &self,
        waiting: &Waiting,
        username: &str,
        device: Device,
    ) -> Result<LoggedIn, Refused> {
        let Wants::Username { email, .. } = &waiting.0.wants else { return Err(Refused::Attempt) };
        if self.owner(waiting).await?.is_some() {
            return Err(Refused::Attempt);
        }
        let done = self.auth.register_elsewhere(username, email.clone(), waiting.0.identity(), device).await?;
        done.ok_or(Refused::Attempt)
    }

    async fn owner(&self, waiting: &Waiting) -> Result<Option<AccountId>, Refused> {
        Ok(self.store.account_of_identity(waiting.0.identity()).await?)
    }
}

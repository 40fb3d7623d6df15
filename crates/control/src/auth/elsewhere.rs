//! Logging in whom a provider vouched for.

use jiff::Timestamp;
use weir_identity::ChannelName;

use super::{Auth, Device, LoggedIn, Refused};
use crate::{
    accounts::{Account, Role},
    channels::Channel,
    error::Error,
    oidc_identities::OidcIdentity,
};

impl Auth {
    /// Whether anyone may register.
    ///
    /// # Errors
    /// [`Refused::RegistrationClosed`].
    pub(crate) fn is_open(&self) -> Result<(), Refused> {
        if self.config.registration { Ok(()) } else { Err(Refused::RegistrationClosed) }
    }

    /// Logs in whom a provider vouched for, with a code where there is a second factor.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn vouched(
        &self,
        account: Account,
        code: Option<&str>,
        device: Device,
    ) -> Result<LoggedIn, Refused> {
        if account.suspended_at.is_some() {
            return Err(Refused::Suspended);
        }
        let account = self.second_factor(account, code).await?;
        self.open_device(account, device).await
    }

    /// Makes an account without a password, with its channel, that `identity` opens, and logs it in. `None` when the
    /// identity opens another one in this moment.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn register_elsewhere(
        &self,
        username: &str,
        email: Option<String>,
        identity: OidcIdentity,
        device: Device,
    ) -> Result<Option<LoggedIn>, Refused> {
        self.is_open()?;
        let name = ChannelName::parse(username).map_err(Refused::InvalidName)?;
        let account = Account { email, ..Account::new(name.clone(), None, Role::User) };
        let channel = Channel::new(name, Some(account.id));
        let at = crate::store_time(Timestamp::now());
        match self.store.register_with_identity(account.clone(), channel, identity.clone(), at).await {
            Ok(()) => {}
            Err(Error::Exists) if self.store.account_of_identity(identity).await?.is_some() => return Ok(None),
            Err(Error::Exists) => return Err(Refused::NameTaken),
            Err(other) => return Err(other.into()),
        }
        self.open_device(account, device).await.map(Some)
    }
}

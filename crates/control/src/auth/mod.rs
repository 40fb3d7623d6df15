//! Logging in, and who it is that calls.
//!
//! Read [`Auth`] first: register, log in, refresh, log out, as calls on the store. [`caller`] turns a request's bearer
//! token into a [`Caller`], [`Sender`] keeps other sites' pages out; `routes` is the HTTP of it; `signing` keeps the keys
//! that sign; `hashing` gives passwords their turn; `refresh` is what a refresh token is made of; `elsewhere` is for those
//! whom a provider vouched for.

mod barred;
pub mod caller;
mod config;
mod elsewhere;
#[cfg(test)]
mod forged;
mod hashing;
mod refresh;
mod refused;
pub(crate) mod routes;
mod sender;
mod signing;
#[cfg(test)]
mod tests;
mod verified;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use weir_identity::{
    AccountId, ChannelName, FamilyId, KeySecret,
    token::{Claims, InvalidToken, LIFETIME_SECONDS, Subject, TokenKeys},
};

use self::{barred::Barred, hashing::Hashing, refresh::RefreshToken, verified::Verified};
use crate::{
    accounts::{Account, EMAIL_BYTES_MAX, InvalidPassword, Role},
    channels::Channel,
    error::Error,
    families::{DEVICE_CHARS_MAX, Exchange, Family, Rotation},
    second_factor::Codes,
    store::Store,
};
pub use caller::{Caller, Origin};
pub use config::Config;
pub use refused::Refused;
pub use sender::{CrossSite, Sender};

/// Logs people in. One for each server; cheap to share.
pub struct Auth {
    store: Arc<dyn Store>,
    hashing: Hashing,
    codes: Codes,
    issuer: String,
    keys: ArcSwap<TokenKeys>,
    verified: Verified,
    barred: Barred,
    config: Config,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a device is given when its owner logs in.
pub struct LoggedIn {
    /// Who it is.
    pub account: Account,
    /// For the `Authorization` header.
    pub access_token: String,
    /// How long it counts, in seconds.
    pub expires_in: u64,
    /// For the next access token; counts once.
    pub refresh_token: String,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("account", &self.account.name).finish_non_exhaustive()
    }
}

/// Who wants an account.
pub struct Registration {
    /// What it is to be called.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Where it can be written to.
    pub email: Option<String>,
}

/// The device that somebody logs in on.
#[derive(Debug, Clone)]
pub struct Device {
    /// What it calls itself.
    pub agent: String,
    /// From where it calls.
    pub address: String,
}

impl Auth {
    /// Takes the signing keys from the store; the first server of an installation makes one.
    ///
    /// # Errors
    /// [`Error`] of the store.
    pub async fn open(store: Arc<dyn Store>, secret: &KeySecret, config: Config) -> Result<Arc<Self>, Error> {
        let issuer = signing::issuer(secret);
        let keys = signing::keys(&*store, secret, &issuer, config.signing_key_lifetime, Timestamp::now()).await?;
        Ok(Arc::new(Self {
            hashing: Hashing::new(&config),
            codes: Codes::new(secret),
            keys: ArcSwap::from_pointee(keys),
            verified: Verified::default(),
            barred: Barred::default(),
            store,
            issuer,
            config,
        }))
    }

    /// Takes over keys that other servers made, and makes the next one in its time; for ever.
    pub async fn rotate_keys(self: Arc<Self>, secret: KeySecret) {
        let lifetime = self.config.signing_key_lifetime;
        loop {
            tokio::time::sleep(signing::LOOKED_AT_EVERY).await;
            match signing::keys(&*self.store, &secret, &self.issuer, lifetime, Timestamp::now()).await {
                Ok(keys) => self.keys.store(Arc::new(keys)),
                Err(error) => tracing::warn!(%error, "the store does not give the signing keys: those known count on"),
            }
        }
    }

    /// Who presents `token`. Asks nobody.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, InvalidToken> {
        let now = seconds(Timestamp::now());
        let claims = self.verified.claims(token, now, |token| self.keys.load().verify(token, now))?;
        if self.barred.covers(&claims) {
            return Err(InvalidToken::Expired);
        }
        Ok(claims)
    }

    /// Access tokens of the account that were signed until now count no more on this server. On others they do until
    /// they expire.
    pub fn bar(&self, account: AccountId) {
        self.barred.bar(account, seconds(Timestamp::now()));
    }

    /// Makes an account with its channel, and logs it in.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn register(&self, wanted: Registration, device: Device) -> Result<LoggedIn, Refused> {
        self.is_open()?;
        let name = ChannelName::parse(&wanted.username).map_err(Refused::InvalidName)?;
        let email = wanted.email.filter(|email| !email.is_empty());
        if !email.as_deref().is_none_or(is_email) {
            return Err(Refused::InvalidEmail);
        }
        // A taken name is told before the password is hashed, which is dear. `register` decides.
        if self.store.account_named(&name).await?.is_some() {
            return Err(Refused::NameTaken);
        }
        let password = self.hashing.hash(wanted.password).await?.map_err(Refused::InvalidPassword)?;
        let account = Account { email, ..Account::new(name.clone(), Some(password), Role::User) };
        let channel = Channel::new(name, Some(account.id));
        self.store.register(account.clone(), channel).await.map_err(|error| match error {
            Error::Exists => Refused::NameTaken,
            other => other.into(),
        })?;
        self.open_device(account, device).await
    }

    /// Logs in with name and password, and a code where there is a second factor.
    ///
    /// # Errors
    /// [`Refused`]; a wrong name and a wrong password are the same to it, and take the same time.
    pub async fn login(
        &self,
        username: &str,
        password: String,
        code: Option<&str>,
        device: Device,
    ) -> Result<LoggedIn, Refused> {
        let account = match ChannelName::parse(username) {
            Ok(name) => self.store.account_named(&name).await?,
            Err(_) => None,
        };
        let hash = account.as_ref().and_then(|account| account.password.clone());
        let right = self.hashing.matches(hash, password).await?;
        let account = account.filter(|_| right).ok_or(Refused::WrongCredentials)?;
        if account.suspended_at.is_some() {
            return Err(Refused::Suspended);
        }
        let account = self.second_factor(account, code).await?;
        self.open_device(account, device).await
    }

    /// The next pair of tokens for one that was not used yet.
    ///
    /// # Errors
    /// [`Refused::WrongRefreshToken`] for one that is unknown, expired, or was used before, which logs its device out.
    pub async fn refresh(&self, token: &str, device: Device) -> Result<LoggedIn, Refused> {
        let presented = RefreshToken::parse(token).ok_or(Refused::WrongRefreshToken)?;
        let next = RefreshToken::new(presented.family);
        let at = crate::store_time(Timestamp::now());
        let exchange = Exchange {
            family: presented.family,
            presented: presented.hash(),
            next: next.hash(),
            at,
            expires_at: after(at, self.config.device_idle_max),
            address: device.address,
        };
        let account = match self.store.rotate_family(exchange).await? {
            Rotation::Done(account) => account,
            Rotation::Reused(account) => {
                tracing::warn!(%account, "a refresh token came twice: its device is logged out");
                return Err(Refused::WrongRefreshToken);
            }
            Rotation::Unknown => return Err(Refused::WrongRefreshToken),
        };
        let account = self.store.account(account).await?.ok_or(Refused::WrongRefreshToken)?;
        if account.suspended_at.is_some() {
            return Err(Refused::Suspended);
        }
        Ok(self.tokens(account, &next))
    }

    /// Logs the device of a refresh token out. A token that is not known is logged out already.
    ///
    /// # Errors
    /// [`Refused::Store`] only.
    pub async fn logout(&self, token: &str) -> Result<(), Refused> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(()) };
        // Whoever has an older token of the device may log it out too: presenting it would have the same effect.
        if let Some(family) = self.store.family(token.family).await? {
            self.store.end_family(family.account, family.id).await?;
        }
        Ok(())
    }

    /// Whether `password` is the account's.
    ///
    /// # Errors
    /// [`Refused::Crowded`].
    pub async fn is_password(&self, account: &Account, password: String) -> Result<bool, Refused> {
        Ok(self.hashing.matches(account.password.clone(), password).await?)
    }

    /// Sets a password and logs every other device out.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn set_password(&self, account: AccountId, password: String, keep: FamilyId) -> Result<(), Refused> {
        let hash = self.hashing.hash(password).await?.map_err(Refused::InvalidPassword)?;
        let account = self.store.account(account).await?.ok_or(Refused::Gone)?;
        let id = account.id;
        if !self.store.update_account(Account { password: Some(hash), ..account }).await? {
            return Err(Refused::Changed);
        }
        self.store.end_families(id, Some(keep)).await?;
        Ok(())
    }

    /// Second factors.
    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Asks for the second factor if there is one, and notes that its code was used.
    async fn second_factor(&self, account: Account, code: Option<&str>) -> Result<Account, Refused> {
        let Some(factor) = account.second_factor.as_ref().filter(|factor| factor.confirmed) else { return Ok(account) };
        let code = code.filter(|code| !code.is_empty()).ok_or(Refused::SecondFactorNeeded)?;
        let now = seconds(Timestamp::now());
        let spent = self.codes.spend(account.id.as_bytes(), factor, code, now).ok_or(Refused::WrongSecondFactor)?;
        let account = Account { second_factor: Some(spent), ..account };
        if !self.store.update_account(account.clone()).await? {
            // Somebody else used it in this moment.
            return Err(Refused::WrongSecondFactor);
        }
        Ok(Account { version: account.version + 1, ..account })
    }

    async fn open_device(&self, account: Account, device: Device) -> Result<LoggedIn, Refused> {
        let token = RefreshToken::new(FamilyId::new());
        let now = crate::store_time(Timestamp::now());
        let family = Family {
            id: token.family,
            account: account.id,
            hash: token.hash(),
            device: device.agent.chars().filter(|c| !c.is_control()).take(DEVICE_CHARS_MAX).collect(),
            address: device.address,
            created_at: now,
            used_at: now,
            expires_at: after(now, self.config.device_idle_max),
        };
        self.store.open_family(family).await?;
        Ok(self.tokens(account, &token))
    }

    fn tokens(&self, account: Account, refresh: &RefreshToken) -> LoggedIn {
        let subject = Subject {
            account: account.id,
            family: refresh.family,
            name: account.name.clone(),
            role: account.role.as_str().to_owned(),
        };
        let access_token = self.keys.load().sign(&subject, seconds(Timestamp::now()));
        LoggedIn { account, access_token, expires_in: LIFETIME_SECONDS, refresh_token: refresh.reveal() }
    }
}

/// Whether it could be an e-mail address. Only a message that arrives says more.
pub(crate) fn is_email(text: &str) -> bool {
    let whole = text.len() <= EMAIL_BYTES_MAX && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    whole && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.ends_with('.'))
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

impl From<InvalidPassword> for Refused {
    fn from(error: InvalidPassword) -> Self {
        Self::InvalidPassword(error)
    }
}

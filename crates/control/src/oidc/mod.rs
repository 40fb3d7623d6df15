//! Logging in with an account elsewhere (OpenID Connect Core 1.0, authorization code flow with PKCE).
//!
//! Read [`Oidc`] first. [`Oidc::begin`] sends a browser to a provider, [`Oidc::arrive`] takes it back: whom the provider
//! names is logged in, linked, or asked for one more thing (`finish`). `attempt` is what the browser carries meanwhile,
//! sealed, so that any node goes on; `provider` speaks with a provider over `http` and remembers in `cache` what it said
//! of itself; `username` finds a name for somebody new; `return_to` keeps browsers here; `routes` is the HTTP of it.

mod attempt;
mod cache;
mod config;
mod finish;
mod http;
mod identities;
mod provider;
mod refused;
mod return_to;
pub(crate) mod routes;
#[cfg(test)]
mod tests;
mod username;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use weir_identity::KeySecret;

pub(crate) use self::{attempt::Link, identities::Linked, return_to::ReturnTo};
use self::{
    attempt::{Attempt, Steps, Ticket, Wants},
    http::Http,
    provider::{Person, Provider, same},
};
pub use self::{
    config::{ClientSecret, PROVIDERS_MAX, Provider as ProviderConfig, Providers, validate},
    refused::Refused,
};
use crate::{
    accounts::Account,
    auth::{self, Auth, Device, LoggedIn},
    error::Error,
    idempotency::Begun,
    seal::derive,
    store::Store,
};

/// Logs people in through providers. One for each server.
pub struct Oidc {
    store: Arc<dyn Store>,
    auth: Arc<Auth>,
    secret: KeySecret,
    steps: Steps,
    providers: BTreeMap<String, Provider>,
    public_url: Option<String>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("providers", &self.providers.keys()).finish_non_exhaustive()
    }
}

/// A browser that is sent to a provider.
pub(crate) struct Begin {
    /// Where it goes.
    pub(crate) url: String,
    /// What it carries.
    pub(crate) attempt: String,
}

/// What a browser brings back (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) issuer: Option<String>,
    /// What it carried.
    pub(crate) attempt: Option<String>,
}

/// What became of somebody who came back.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Logged in.
    In(Box<LoggedIn>, ReturnTo),
    /// The identity opens the account now.
    Linked(ReturnTo),
    /// The account has a second factor.
    AskedForCode(String),
    /// The account is to be made.
    AskedForUsername(String),
}

impl Oidc {
    /// With the providers of `config`, which must have passed its check. Asks none of them yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, auth: Arc<Auth>, secret: KeySecret, config: &auth::Config) -> Arc<Self> {
        let http = Arc::new(Http::default());
        let provider = |(name, config): (&String, &ProviderConfig)| {
            (name.clone(), Provider::new(name, config.clone(), http.clone()))
        };
        let providers = config.oidc.iter().map(provider).collect();
        Arc::new(Self {
            store,
            auth,
            steps: Steps::new(&secret),
            secret,
            providers,
            public_url: config.public_origin(),
        })
    }

    /// Names and display names of the providers.
    pub(crate) fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.providers.values().map(|provider| (provider.name.as_str(), provider.shown()))
    }

    /// The address under which browsers reach this server, if the operator says it.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    fn provider(&self, name: &str) -> Result<&Provider, Refused> {
        self.providers.get(name).ok_or(Refused::UnknownProvider)
    }

    /// Sends a browser to a provider. `base` is the address under which it reaches this server, without a path.
    pub(crate) async fn begin(
        &self,
        provider: &str,
        base: &str,
        return_to: ReturnTo,
        link: Option<Link>,
    ) -> Result<Begin, Refused> {
        let provider = self.provider(provider)?;
        let redirect_uri = format!("{base}/api/v1/auth/oidc/{}/callback", provider.name);
        let departure = provider.depart(&redirect_uri).await?;
        let attempt = Attempt {
            provider: provider.name.clone(),
            state: departure.state,
            nonce: departure.nonce,
            verifier: departure.verifier,
            redirect_uri,
            return_to,
            link,
        };
        Ok(Begin { url: departure.url, attempt: self.steps.seal(attempt, Timestamp::now()) })
    }

    /// Whether what a browser carries was begun to link an identity.
    pub(crate) fn is_link(&self, attempt: Option<&str>) -> bool {
        let attempt = attempt.and_then(|sealed| self.steps.open::<Attempt>(sealed, Timestamp::now()));
        attempt.is_some_and(|attempt| attempt.link.is_some())
    }

    /// Takes a browser back.
    pub(crate) async fn arrive(&self, provider: &str, brought: Brought, device: Device) -> Result<Arrived, Refused> {
        let provider = self.provider(provider)?;
        let now = Timestamp::now();
        let carried = brought.attempt.as_deref().and_then(|sealed| self.steps.open::<Attempt>(sealed, now));
        let attempt = carried.filter(|attempt| attempt.provider == provider.name).ok_or(Refused::Attempt)?;
        if !brought.state.is_some_and(|state| same(&state, &attempt.state)) {
            return Err(Refused::Attempt);
        }
        if brought.issuer.is_some_and(|issuer| issuer != provider.issuer()) {
            return Err(Refused::Attempt);
        }
        self.spend(&attempt.state, now).await?;
        if let Some(error) = brought.error {
            let error: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
            tracing::debug!(provider = provider.name, error, "a provider does not vouch for somebody");
            return Err(Refused::Denied(provider.shown().to_owned()));
        }
        let person = provider.arrive(brought.code.ok_or(Refused::Attempt)?, &attempt).await?;
        match attempt.link {
            Some(link) => {
                self.link(&person, link).await?;
                Ok(Arrived::Linked(attempt.return_to))
            }
            None => self.enter(provider, person, attempt.return_to, device).await,
        }
    }

    /// Logs somebody in whom the provider vouched for, or asks for what is missing.
    async fn enter(
        &self,
        provider: &Provider,
        mut person: Person,
        return_to: ReturnTo,
        device: Device,
    ) -> Result<Arrived, Refused> {
        let ticket = |person: &Person, wants| Ticket {
            provider: provider.name.clone(),
            issuer: person.identity.issuer.clone(),
            subject: person.identity.subject.clone(),
            return_to: return_to.clone(),
            wants,
        };
        let now = Timestamp::now();
        let Some(account) = self.account_of(&person).await? else {
            self.auth.is_open()?;
            provider.ask_more(&mut person).await;
            let suggested = username::suggest(&*self.store, &person.names).await?.to_string();
            let email = person.email.take().filter(|email| auth::is_email(email));
            let ticket = ticket(&person, Wants::Username { suggested, email });
            return Ok(Arrived::AskedForUsername(self.steps.seal(ticket, now)));
        };
        let id = account.id;
        match self.auth.vouched(account, None, device).await {
            Ok(done) => Ok(Arrived::In(Box::new(done), return_to)),
            Err(auth::Refused::SecondFactorNeeded) => {
                Ok(Arrived::AskedForCode(self.steps.seal(ticket(&person, Wants::Code(id)), now)))
            }
            Err(refused) => Err(refused.into()),
        }
    }

    async fn account_of(&self, person: &Person) -> Result<Option<Account>, Error> {
        match self.store.account_of_identity(person.identity.clone()).await? {
            Some(account) => self.store.account(account).await,
            None => Ok(None),
        }
    }

    /// An attempt counts once, whichever node it comes back to.
    async fn spend(&self, state: &str, now: Timestamp) -> Result<(), Refused> {
        let key = derive(&self.secret, "oidc attempt", state.as_bytes());
        if self.store.begin_once(key, crate::store_time(now)).await? != Begun::First {
            return Err(Refused::Attempt);
        }
        // A claim alone is forgotten before the attempt's time is over; an answer is not.
        Ok(self.store.answered(key, 204, Vec::new()).await?)
    }
}

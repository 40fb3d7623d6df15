//! Identities of an account: linking one more, and unlinking all but the last way in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Link, Oidc, Person, Refused};
use crate::{accounts::Account, auth, error::Error, idempotency::Begun, oidc_identities::OidcIdentity, seal::derive};

/// An identity that opens an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Linked {
    /// Names it in addresses.
    pub(crate) id: String,
    /// Whose it is, if that provider is still in the settings: its name and display name.
    pub(crate) provider: Option<(String, String)>,
    /// The provider's address.
    pub(crate) issuer: String,
}

impl Oidc {
    /// The identities of an account, in order.
    pub(crate) async fn identities(&self, account: &Account) -> Result<Vec<Linked>, Error> {
        let identities = self.store.identities_of(account.id).await?;
        let linked = |identity: OidcIdentity| Linked {
            id: id(&identity),
            provider: self
                .providers
                .values()
                .find(|provider| provider.issuer() == identity.issuer)
                .map(|provider| (provider.name.clone(), provider.shown().to_owned())),
            issuer: identity.issuer,
        };
        Ok(identities.into_iter().map(linked).collect())
    }

    /// Whoever it is opens the account of `link` from now on, if its owner is still logged in where they asked.
    pub(super) async fn link(&self, person: &Person, link: Link) -> Result<(), Refused> {
        let device = self.store.family(link.device).await?;
        if device.is_none_or(|device| device.account != link.account) {
            return Err(Refused::Attempt);
        }
        let account = self.store.account(link.account).await?.ok_or(auth::Refused::Gone)?;
        if account.suspended_at.is_some() {
            return Err(auth::Refused::Suspended.into());
        }
        let (identity, now) = (person.identity.clone(), crate::store_time(Timestamp::now()));
        match self.store.link_identity(identity.clone(), account.id, now).await {
            Ok(()) => Ok(()),
            Err(Error::Exists) if self.store.account_of_identity(identity).await? == Some(account.id) => Ok(()),
            Err(Error::Exists) => Err(Refused::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Unlinks an identity. False when the account has none with that id.
    pub(crate) async fn unlink(&self, account: &Account, wanted: &str) -> Result<bool, Refused> {
        if account.password.is_some() {
            // A password is never taken away again: it stays a way in.
            return self.unlink_if(account, wanted, |_| true).await;
        }
        // Of two requests at once each would leave the identity that the other takes.
        let turn = derive(&self.secret, "oidc unlink", account.id.as_bytes());
        if self.store.begin_once(turn, crate::store_time(Timestamp::now())).await? != Begun::First {
            return Err(Refused::Changing);
        }
        let opens = |identity: &OidcIdentity| self.providers.values().any(|it| it.issuer() == identity.issuer);
        let done = self.unlink_if(account, wanted, |others| others.iter().any(opens)).await;
        self.store.give_up(turn).await?;
        done
    }

    async fn unlink_if(
        &self,
        account: &Account,
        wanted: &str,
        may: impl FnOnce(&[OidcIdentity]) -> bool,
    ) -> Result<bool, Refused> {
        let identities = self.store.identities_of(account.id).await?;
        let (this, others): (Vec<_>, Vec<_>) = identities.into_iter().partition(|identity| id(identity) == wanted);
        let Some(this) = this.into_iter().next() else { return Ok(false) };
        if !may(&others) {
            return Err(Refused::LastWayIn);
        }
        Ok(self.store.unlink_identity(this, account.id).await?)
    }
}

/// Names an identity in addresses. What a provider calls somebody is nobody else's business.
fn id(identity: &OidcIdentity) -> String {
    let mut hash = Sha256::new();
    for part in [&identity.issuer, &identity.subject] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])
}

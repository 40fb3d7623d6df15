//! Identities in CQL.
//!
//! An identity's row is taken by a conditional insert. An account's identities are pointers, written before it and kept;
//! the row decides. One that leads to an account that is not there may be taken over: an account that an identity opens is
//! there after its identity, so that nothing is left of one whose making was broken off.

use jiff::Timestamp;
use uuid::Uuid;
use weir_identity::AccountId;

use super::{IDENTITIES_PER_ACCOUNT_MAX, OidcIdentities, OidcIdentity};
use crate::{
    accounts::Account,
    channels::Channel,
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

statements! { Statements {
    find: Read = "SELECT account FROM identities WHERE issuer = ? AND subject = ?";
    link: Decide = "INSERT INTO identities (issuer, subject, account, linked_at) VALUES (?, ?, ?, ?) IF NOT EXISTS";
    take_over: Decide = "UPDATE identities SET account = ?, linked_at = ? WHERE issuer = ? AND subject = ? \
        IF account = ?";
    unlink: Decide = "DELETE FROM identities WHERE issuer = ? AND subject = ? IF account = ?";
    of_account: Read = "SELECT issuer, subject FROM identities_by_account WHERE account = ?";
    point: Write = "INSERT INTO identities_by_account (account, issuer, subject) VALUES (?, ?, ?)";
    unpoint_all: Write = "DELETE FROM identities_by_account WHERE account = ?";
} }

impl OidcIdentities for Cql {
    fn account_of_identity(&self, identity: OidcIdentity) -> Answer<'_, Option<AccountId>> {
        Box::pin(async move {
            let key = (identity.issuer.as_str(), identity.subject.as_str());
            let row: Option<(Uuid,)> = self.one(&self.identities.find, key).await?;
            Ok(row.map(|(account,)| AccountId::of(account)))
        })
    }

    fn register_with_identity(
        &self,
        account: Account,
        channel: Channel,
        identity: OidcIdentity,
        at: Timestamp,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            if !self.claim_identity(&identity, account.id, at).await? {
                return Err(Error::Exists);
            }
            let entered = self.enter(&account, &channel, None).await;
            // While the account was not there, somebody else may have taken its identity over.
            if entered.is_ok() && self.linked(&identity).await? != Some(account.id) {
                self.remove_account(account.id).await?;
                return Err(Error::Exists);
            }
            if entered.is_err() {
                // What is not unlinked now leads nowhere.
                let _ = self.unlink_identity(identity, account.id).await;
            }
            entered
        })
    }

    fn link_identity(&self, identity: OidcIdentity, account: AccountId, at: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.live_account(account).await?.is_none() {
                return Err(Error::Missing);
            }
            if self.identities_of(account).await?.len() >= IDENTITIES_PER_ACCOUNT_MAX {
                return Err(Error::TooMany);
            }
            if !self.claim_identity(&identity, account, at).await? {
                return Err(Error::Exists);
            }
            // The account's deletion looks for identities after it is gone: it has seen this one, or we see it.
            if self.live_account(account).await?.is_none() {
                self.unlink_identity(identity, account).await?;
                return Err(Error::Missing);
            }
            Ok(())
        })
    }

    fn identities_of(&self, account: AccountId) -> Answer<'_, Vec<OidcIdentity>> {
        Box::pin(async move {
            let rows: Vec<(String, String)> = self.rows(&self.identities.of_account, (account.column(),)).await?;
            let identities: Vec<OidcIdentity> =
                rows.into_iter().map(|(issuer, subject)| OidcIdentity { issuer, subject }).collect();
            let accounts = self.each(&identities, |identity| self.account_of_identity(identity.clone())).await?;
            let mine = identities.into_iter().zip(accounts).filter(|(_, of)| *of == Some(account));
            Ok(mine.map(|(identity, _)| identity).collect())
        })
    }

    fn unlink_identity(&self, identity: OidcIdentity, account: AccountId) -> Answer<'_, bool> {
        Box::pin(async move {
            let values = (identity.issuer.as_str(), identity.subject.as_str(), account.column());
            let gone = || async { Ok(self.linked(&identity).await? != Some(account)) };
            self.decide(&self.identities.unlink, values, gone).await
        })
    }
}

impl Cql {
    async fn linked(&self, identity: &OidcIdentity) -> Result<Option<AccountId>, Error> {
        let key = (identity.issuer.as_str(), identity.subject.as_str());
        let row: Option<(Uuid,)> = self.settled(&self.identities.find, key).await?;
        Ok(row.map(|(account,)| AccountId::of(account)))
    }

    /// Links an identity, unless it leads to another account that is there.
    async fn claim_identity(&self, identity: &OidcIdentity, account: AccountId, at: Timestamp) -> Result<bool, Error> {
        let (issuer, subject) = (identity.issuer.as_str(), identity.subject.as_str());
        self.put(&self.identities.point, (account.column(), issuer, subject)).await?;
        let took = || async { Ok(self.linked(identity).await? == Some(account)) };
        let values = (issuer, subject, account.column(), column::at(at));
        if self.decide(&self.identities.link, values, &took).await? {
            return Ok(true);
        }
        let Some(other) = self.linked(identity).await? else { return Err(Error::Busy) };
        if self.live_account(other).await?.is_some() {
            return Ok(false);
        }
        let values = (account.column(), column::at(at), issuer, subject, other.column());
        self.decide(&self.identities.take_over, values, &took).await
    }

    /// Unlinks every identity of an account that is gone.
    pub(crate) async fn unlink_identities_of(&self, account: AccountId) -> Result<(), Error> {
        for identity in self.identities_of(account).await? {
            self.unlink_identity(identity, account).await?;
        }
        self.put(&self.identities.unpoint_all, (account.column(),)).await
    }
}

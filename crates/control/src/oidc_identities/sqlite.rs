//! Identities in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use weir_identity::AccountId;

use super::{IDENTITIES_PER_ACCOUNT_MAX, OidcIdentities, OidcIdentity};
use crate::{
    accounts::{self, Account},
    channels::{self, Channel},
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

impl OidcIdentities for Sqlite {
    fn account_of_identity(&self, identity: OidcIdentity) -> Answer<'_, Option<AccountId>> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT account FROM identities WHERE issuer = ?1 AND subject = ?2")?;
            Ok(query.query_row([&identity.issuer, &identity.subject], |row| column::parsed(row, 0)).optional()?)
        })
    }

    fn register_with_identity(
        &self,
        account: Account,
        channel: Channel,
        identity: OidcIdentity,
        at: Timestamp,
    ) -> Answer<'_, ()> {
        self.write(move |db| {
            accounts::insert(db, &account)?;
            channels::insert(db, &channel)?;
            insert(db, &identity, account.id, at)
        })
    }

    fn link_identity(&self, identity: OidcIdentity, account: AccountId, at: Timestamp) -> Answer<'_, ()> {
        self.write(move |db| {
            let count: u32 =
                db.query_row("SELECT count(*) FROM identities WHERE account = ?1", [account.to_string()], |row| {
                    row.get(0)
                })?;
            if count as usize >= IDENTITIES_PER_ACCOUNT_MAX {
                return Err(Error::TooMany);
            }
            insert(db, &identity, account, at)
        })
    }

    fn identities_of(&self, account: AccountId) -> Answer<'_, Vec<OidcIdentity>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached("SELECT issuer, subject FROM identities WHERE account = ?1 ORDER BY issuer, subject")?;
            let identities = query.query_map([account.to_string()], |row| {
                Ok(OidcIdentity { issuer: row.get(0)?, subject: row.get(1)? })
            })?;
            Ok(identities.collect::<Result<_, _>>()?)
        })
    }

    fn unlink_identity(&self, identity: OidcIdentity, account: AccountId) -> Answer<'_, bool> {
        self.write(move |db| {
            let unlinked = db.execute(
                "DELETE FROM identities WHERE issuer = ?1 AND subject = ?2 AND account = ?3",
                params![identity.issuer, identity.subject, account.to_string()],
            )?;
            Ok(unlinked == 1)
        })
    }
}

fn insert(db: &Connection, identity: &OidcIdentity, account: AccountId, at: Timestamp) -> Result<(), Error> {
    db.execute(
        "INSERT INTO identities (issuer, subject, account, linked_at_ms) VALUES (?1, ?2, ?3, ?4)",
        params![identity.issuer, identity.subject, account.to_string(), at.as_millisecond()],
    )?;
    Ok(())
}

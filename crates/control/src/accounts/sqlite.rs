//! Accounts in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::ChannelName;

use super::{Account, Accounts, PasswordHash, Role};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

impl Accounts for Sqlite {
    fn account_named(&self, name: &ChannelName) -> Answer<'_, Option<Account>> {
        let name = name.clone();
        self.read(move |db| {
            let mut query =
                db.prepare_cached("SELECT id, name, password_hash, role, created_at_ms FROM accounts WHERE name = ?1")?;
            Ok(query.query_row([name.as_str()], account).optional()?)
        })
    }
}

pub(crate) fn insert(db: &Connection, account: &Account) -> Result<(), Error> {
    db.execute(
        "INSERT INTO accounts (id, name, password_hash, role, created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            account.id.to_string(),
            account.name.as_str(),
            account.password.as_str(),
            account.role.as_str(),
            account.created_at.as_millisecond(),
        ],
    )?;
    Ok(())
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: column::parsed(row, 0)?,
        name: column::parsed(row, 1)?,
        password: PasswordHash::from_stored(row.get(2)?),
        role: column::read(row, 3, Role::parse)?,
        created_at: column::time(row, 4)?,
    })
}

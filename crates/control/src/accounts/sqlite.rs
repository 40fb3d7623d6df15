//! Accounts in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use weir_identity::{AccountId, ChannelName};

use super::{Account, Accounts, DisplayName, PasswordHash, Role};
use crate::{
    channels::{self, Channel},
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str =
    "id, name, password_hash, role, created_at_ms, display_name, email, suspended_at_ms, second_factor, version";

impl Accounts for Sqlite {
    fn register(&self, account: Account, channel: Channel) -> Answer<'_, ()> {
        self.write(move |db| {
            insert(db, &account)?;
            channels::insert(db, &channel)
        })
    }

    fn account_named(&self, name: &ChannelName) -> Answer<'_, Option<Account>> {
        let name = name.clone();
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE name = ?1"))?;
            Ok(query.query_row([name.as_str()], account).optional()?)
        })
    }

    fn account(&self, id: AccountId) -> Answer<'_, Option<Account>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE id = ?1"))?;
            Ok(query.query_row([id.to_string()], account).optional()?)
        })
    }

    fn accounts(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Account>> {
        self.read(move |db| {
            // Every name sorts after the empty text.
            let after = after.as_ref().map_or("", ChannelName::as_str);
            let mut query =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE name > ?1 ORDER BY name LIMIT ?2"))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![after, limit], account)?.collect::<Result<_, _>>()?)
        })
    }

    fn update_account(&self, account: Account) -> Answer<'_, bool> {
        self.write(move |db| {
            let changed = db.execute(
                "UPDATE accounts SET password_hash = ?3, role = ?4, display_name = ?5, looks_like = ?6, email = ?7,
                     suspended_at_ms = ?8, second_factor = ?9, version = version + 1
                 WHERE id = ?1 AND version = ?2",
                params![
                    account.id.to_string(),
                    account.version,
                    password(&account),
                    account.role.as_str(),
                    account.display_name.as_str(),
                    account.display_name.looks_like(),
                    account.email,
                    account.suspended_at.map(|at| at.as_millisecond()),
                    second_factor(&account),
                ],
            )?;
            Ok(changed == 1)
        })
    }

    fn delete_account(&self, id: AccountId) -> Answer<'_, bool> {
        self.write(move |db| {
            let id = id.to_string();
            db.execute("DELETE FROM keys WHERE channel IN (SELECT id FROM channels WHERE owner = ?1)", [&id])?;
            db.execute("DELETE FROM channels WHERE owner = ?1", [&id])?;
            // Devices, identities and roles follow by their foreign keys.
            Ok(db.execute("DELETE FROM accounts WHERE id = ?1", [&id])? == 1)
        })
    }
}

pub(crate) fn insert(db: &Connection, account: &Account) -> Result<(), Error> {
    db.execute(
        &format!("INSERT INTO accounts ({COLUMNS}, looks_like) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
        params![
            account.id.to_string(),
            account.name.as_str(),
            password(account),
            account.role.as_str(),
            account.created_at.as_millisecond(),
            account.display_name.as_str(),
            account.email,
            account.suspended_at.map(|at| at.as_millisecond()),
            second_factor(account),
            account.version,
            account.display_name.looks_like(),
        ],
    )?;
    Ok(())
}

/// The column takes no NULL; the empty text is no hash.
fn password(account: &Account) -> &str {
    account.password.as_ref().map_or("", PasswordHash::as_str)
}

fn second_factor(account: &Account) -> Option<String> {
    account.second_factor.as_ref().map(|factor| serde_json::to_string(factor).expect("bytes and numbers are JSON"))
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let password: String = row.get(2)?;
    let factor: Option<String> = row.get(8)?;
    let factor = factor.as_deref().map(serde_json::from_str).transpose();
    Ok(Account {
        id: column::parsed(row, 0)?,
        name: column::parsed(row, 1)?,
        password: (!password.is_empty()).then(|| PasswordHash::from_stored(password)),
        role: column::read(row, 3, Role::parse)?,
        created_at: column::time(row, 4)?,
        display_name: DisplayName::from_stored(row.get(5)?),
        email: row.get(6)?,
        suspended_at: column::time_or_null(row, 7)?,
        second_factor: factor
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(8, Type::Text, Box::new(error)))?,
        version: row.get(9)?,
    })
}

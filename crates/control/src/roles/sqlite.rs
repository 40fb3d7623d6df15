//! Roles in SQLite.

use rusqlite::{OptionalExtension, params};
use weir_identity::{AccountId, ChannelId};

use super::{ChannelRole, Given, ROLES_PER_CHANNEL_MAX, Roles};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

impl Roles for Sqlite {
    fn give_role(&self, channel: ChannelId, given: Given) -> Answer<'_, ()> {
        self.write(move |db| {
            let (channel, account) = (channel.to_string(), given.account.to_string());
            let others: u32 = db.query_row(
                "SELECT count(*) FROM roles WHERE channel = ?1 AND account <> ?2",
                [&channel, &account],
                |row| row.get(0),
            )?;
            if others as usize >= ROLES_PER_CHANNEL_MAX {
                return Err(Error::TooMany);
            }
            db.execute(
                "INSERT INTO roles (channel, account, role, given_at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (channel, account) DO UPDATE SET role = excluded.role, given_at_ms = excluded.given_at_ms",
                params![channel, account, given.role.as_str(), given.at.as_millisecond()],
            )?;
            Ok(())
        })
    }

    fn take_role(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        self.write(move |db| {
            let taken = db.execute(
                "DELETE FROM roles WHERE channel = ?1 AND account = ?2",
                [channel.to_string(), account.to_string()],
            )?;
            Ok(taken == 1)
        })
    }

    fn role_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<ChannelRole>> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT role FROM roles WHERE channel = ?1 AND account = ?2")?;
            let role = query
                .query_row([channel.to_string(), account.to_string()], |row| column::read(row, 0, ChannelRole::parse));
            Ok(role.optional()?)
        })
    }

    fn roles_in(&self, channel: ChannelId) -> Answer<'_, Vec<Given>> {
        self.read(move |db| {
            let mut query =
                db.prepare_cached("SELECT account, role, given_at_ms FROM roles WHERE channel = ?1 ORDER BY account")?;
            let given = query.query_map([channel.to_string()], |row| {
                Ok(Given {
                    account: column::parsed(row, 0)?,
                    role: column::read(row, 1, ChannelRole::parse)?,
                    at: column::time(row, 2)?,
                })
            })?;
            Ok(given.collect::<Result<_, _>>()?)
        })
    }

    fn roles_elsewhere(&self, account: AccountId) -> Answer<'_, Vec<(ChannelId, ChannelRole)>> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT channel, role FROM roles WHERE account = ?1 ORDER BY channel")?;
            let roles = query.query_map([account.to_string()], |row| {
                Ok((column::parsed(row, 0)?, column::read(row, 1, ChannelRole::parse)?))
            })?;
            Ok(roles.collect::<Result<_, _>>()?)
        })
    }
}

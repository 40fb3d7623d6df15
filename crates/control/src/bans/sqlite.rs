//! Bans in SQLite.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use weir_identity::{AccountId, ChannelId};

use super::{Ban, Bans, SPOKE_KEPT_FOR};
use crate::{
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "account, address, by_account, reason, at_ms, until_ms";

impl Bans for Sqlite {
    fn ban(&self, channel: ChannelId, ban: Ban) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                &format!("INSERT OR REPLACE INTO bans (channel, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
                params![
                    channel.to_string(),
                    ban.account.to_string(),
                    ban.address,
                    ban.by.to_string(),
                    ban.reason,
                    ban.at.as_millisecond(),
                    ban.until.map(|until| until.as_millisecond()),
                ],
            )?;
            Ok(())
        })
    }

    fn unban(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        self.write(move |db| {
            let lifted = db.execute(
                "DELETE FROM bans WHERE channel = ?1 AND account = ?2",
                [channel.to_string(), account.to_string()],
            )?;
            Ok(lifted == 1)
        })
    }

    fn ban_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Ban>> {
        self.read(move |db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM bans WHERE channel = ?1 AND account = ?2"))?;
            Ok(query.query_row([channel.to_string(), account.to_string()], ban).optional()?)
        })
    }

    fn ban_of_address(&self, channel: ChannelId, address: [u8; 32]) -> Answer<'_, Option<Ban>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM bans WHERE channel = ?1 AND address = ?2
                 ORDER BY until_ms IS NOT NULL, until_ms DESC LIMIT 1"
            ))?;
            Ok(query.query_row(params![channel.to_string(), address], ban).optional()?)
        })
    }

    fn spoke(&self, channel: ChannelId, account: AccountId, address: [u8; 32], at: Timestamp) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute("DELETE FROM spoke_from WHERE at_ms <= ?1", [(at - SPOKE_KEPT_FOR).as_millisecond()])?;
            db.execute(
                "INSERT INTO spoke_from (channel, account, address, at_ms)
                 SELECT id, ?2, ?3, ?4 FROM channels WHERE id = ?1
                 ON CONFLICT (channel, account) DO UPDATE SET address = excluded.address, at_ms = excluded.at_ms",
                params![channel.to_string(), account.to_string(), address, at.as_millisecond()],
            )?;
            Ok(())
        })
    }

    fn spoke_from(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<[u8; 32]>> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT address FROM spoke_from WHERE channel = ?1 AND account = ?2")?;
            Ok(query.query_row([channel.to_string(), account.to_string()], |row| row.get(0)).optional()?)
        })
    }

    fn bans_in(&self, channel: ChannelId, after: Option<AccountId>, limit: usize) -> Answer<'_, Vec<Ban>> {
        self.read(move |db| {
            // Every id sorts after the empty text.
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM bans WHERE channel = ?1 AND account > ?2 ORDER BY account LIMIT ?3"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![channel.to_string(), after, limit], ban)?.collect::<Result<_, _>>()?)
        })
    }
}

fn ban(row: &Row<'_>) -> rusqlite::Result<Ban> {
    Ok(Ban {
        account: column::parsed(row, 0)?,
        address: row.get(1)?,
        by: column::parsed(row, 2)?,
        reason: row.get(3)?,
        at: column::time(row, 4)?,
        until: column::time_or_null(row, 5)?,
    })
}

//! Followers in SQLite. Triggers count them, also when they go with their account.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use weir_identity::{AccountId, ChannelId};

use super::{FOLLOWS_PER_ACCOUNT_MAX, Follows};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const SINCE: &str = "SELECT since_ms FROM follows WHERE channel = ?1 AND account = ?2";

impl Follows for Sqlite {
    fn follow(&self, channel: ChannelId, account: AccountId, at: Timestamp) -> Answer<'_, Timestamp> {
        self.write(move |db| {
            let (channel, account) = (channel.to_string(), account.to_string());
            let since = db.query_row(SINCE, [&channel, &account], |row| column::time(row, 0)).optional()?;
            if let Some(since) = since {
                return Ok(since);
            }
            let others: u32 =
                db.query_row("SELECT count(*) FROM follows WHERE account = ?1", [&account], |row| row.get(0))?;
            if others as usize >= FOLLOWS_PER_ACCOUNT_MAX {
                return Err(Error::TooMany);
            }
            db.execute(
                "INSERT INTO follows (channel, account, since_ms) VALUES (?1, ?2, ?3)",
                params![channel, account, at.as_millisecond()],
            )?;
            Ok(at)
        })
    }

    fn unfollow(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        self.write(move |db| {
            let key = [channel.to_string(), account.to_string()];
            Ok(db.execute("DELETE FROM follows WHERE channel = ?1 AND account = ?2", key)? == 1)
        })
    }

    fn follows_since(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Timestamp>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(SINCE)?;
            let key = [channel.to_string(), account.to_string()];
            Ok(query.query_row(key, |row| column::time(row, 0)).optional()?)
        })
    }

    fn followers(&self, channel: ChannelId) -> Answer<'_, u64> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT followers FROM follower_counts WHERE channel = ?1")?;
            let count: Option<i64> = query.query_row([channel.to_string()], |row| row.get(0)).optional()?;
            Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        })
    }

    fn follows_of(
        &self,
        account: AccountId,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Answer<'_, Vec<(ChannelId, Timestamp)>> {
        self.read(move |db| {
            // Every id sorts after the empty text.
            let after = after.map_or_else(String::new, |after| after.to_string());
            let mut query = db.prepare_cached(
                "SELECT channel, since_ms FROM follows WHERE account = ?1 AND channel > ?2 ORDER BY channel LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let follows = query.query_map(params![account.to_string(), after, limit], |row| {
                Ok((column::parsed(row, 0)?, column::time(row, 1)?))
            })?;
            Ok(follows.collect::<Result<_, _>>()?)
        })
    }
}

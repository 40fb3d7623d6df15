//! Messages that wait, in SQLite.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params, types::Type};
use weir_identity::{ChannelId, HeldId};

use super::{DECIDED_WITHIN, HELD_PER_AUTHOR_MAX, HELD_PER_CHANNEL_MAX, Held, HeldMessages, KEPT_FOR};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, author, author_name, text, reply_to, at_ms";

impl HeldMessages for Sqlite {
    fn hold(&self, channel: ChannelId, held: Held) -> Answer<'_, ()> {
        self.write(move |db| {
            let channel = channel.to_string();
            db.execute("DELETE FROM held WHERE at_ms <= ?1", [oldest()])?;
            let (all, own): (u32, u32) = db.query_row(
                "SELECT count(*), count(*) FILTER (WHERE author = ?2) FROM held WHERE channel = ?1",
                params![channel, held.author.to_string()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if all as usize >= HELD_PER_CHANNEL_MAX || own as usize >= HELD_PER_AUTHOR_MAX {
                return Err(Error::TooMany);
            }
            let reply_to = held.reply_to.map(|to| serde_json::to_string(&to).expect("an id and a name are JSON"));
            db.execute(
                &format!("INSERT INTO held ({COLUMNS}, channel, free_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)"),
                params![
                    held.id.to_string(),
                    held.author.to_string(),
                    held.author_name.as_str(),
                    held.text,
                    reply_to,
                    held.at.as_millisecond(),
                    channel,
                ],
            )?;
            Ok(())
        })
    }

    fn held_in(&self, channel: ChannelId, after: Option<HeldId>, limit: usize) -> Answer<'_, Vec<Held>> {
        self.read(move |db| {
            // Every id sorts after the empty text.
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM held WHERE channel = ?1 AND id > ?2 AND at_ms > ?3 ORDER BY id LIMIT ?4"
            ))?;
            let rows = query.query_map(params![channel.to_string(), after, oldest(), limit], held)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn held_count(&self, channel: ChannelId) -> Answer<'_, u64> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT count(*) FROM held WHERE channel = ?1 AND at_ms > ?2")?;
            Ok(query.query_row(params![channel.to_string(), oldest()], |row| row.get::<_, u32>(0))?.into())
        })
    }

    fn take_held(&self, channel: ChannelId, id: HeldId, now: Timestamp) -> Answer<'_, Option<Held>> {
        self.write(move |db| {
            let until = (now + DECIDED_WITHIN).as_millisecond();
            let mut query = db.prepare_cached(&format!(
                "UPDATE held SET free_at_ms = ?4
                 WHERE id = ?2 AND channel = ?1 AND free_at_ms <= ?3 AND at_ms > ?5 RETURNING {COLUMNS}"
            ))?;
            let values = params![channel.to_string(), id.to_string(), now.as_millisecond(), until, oldest()];
            Ok(query.query_row(values, held).optional()?)
        })
    }

    fn return_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                "UPDATE held SET free_at_ms = 0 WHERE id = ?2 AND channel = ?1",
                [channel.to_string(), id.to_string()],
            )?;
            Ok(())
        })
    }

    fn drop_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, bool> {
        self.write(move |db| {
            let values = [channel.to_string(), id.to_string()];
            Ok(db.execute("DELETE FROM held WHERE id = ?2 AND channel = ?1", values)? == 1)
        })
    }
}

/// What came before has waited for too long, in milliseconds.
fn oldest() -> i64 {
    (Timestamp::now() - KEPT_FOR).as_millisecond()
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let reply_to: Option<String> = row.get(4)?;
    let reply_to = reply_to.as_deref().map(serde_json::from_str).transpose();
    Ok(Held {
        id: column::parsed(row, 0)?,
        author: column::parsed(row, 1)?,
        author_name: column::parsed(row, 2)?,
        text: row.get(3)?,
        reply_to: reply_to
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))?,
        at: column::time(row, 5)?,
    })
}

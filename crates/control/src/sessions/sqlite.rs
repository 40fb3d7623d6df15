//! The record of publishes in SQLite.

use rusqlite::{Row, params};
use weir_identity::ChannelName;

use super::{End, SESSIONS_PER_CHANNEL_MAX, Session, Sessions};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, channel, key, protocol, started_at_ms, ended_at_ms, end_reason, bytes";

impl Sessions for Sqlite {
    fn session_began(&self, session: Session) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                "INSERT INTO sessions (id, channel, key, protocol, started_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    session.id,
                    session.channel.as_str(),
                    session.key.to_string(),
                    session.protocol,
                    session.started_at.as_millisecond(),
                ],
            )?;
            db.execute(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE channel = ?1 \
                 ORDER BY started_at_ms DESC LIMIT -1 OFFSET ?2)",
                params![session.channel.as_str(), SESSIONS_PER_CHANNEL_MAX],
            )?;
            Ok(())
        })
    }

    fn session_ended(&self, id: String, end: End) -> Answer<'_, ()> {
        self.write(move |db| {
            let bytes = i64::try_from(end.bytes).unwrap_or(i64::MAX);
            let changed = db.execute(
                "UPDATE sessions SET ended_at_ms = ?2, end_reason = ?3, bytes = ?4 WHERE id = ?1",
                params![id, end.at.as_millisecond(), end.reason, bytes],
            )?;
            if changed == 1 { Ok(()) } else { Err(Error::Missing) }
        })
    }

    fn sessions_of(&self, channel: &ChannelName, limit: usize) -> Answer<'_, Vec<Session>> {
        let channel = channel.clone();
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM sessions WHERE channel = ?1 ORDER BY started_at_ms DESC LIMIT ?2"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![channel.as_str(), limit], session)?.collect::<Result<_, _>>()?)
        })
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let end = match column::time_or_null(row, 5)? {
        Some(at) => {
            let bytes: i64 = row.get(7)?;
            Some(End { at, reason: row.get(6)?, bytes: u64::try_from(bytes).unwrap_or(0) })
        }
        None => None,
    };
    Ok(Session {
        id: row.get(0)?,
        channel: column::parsed(row, 1)?,
        key: column::parsed(row, 2)?,
        protocol: row.get(3)?,
        started_at: column::time(row, 4)?,
        end,
    })
}

//! Reports in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::{ChannelId, MessageId};

use super::{KEPT_FOR, Message, REPORTED_PER_CHANNEL_MAX, REPORTS_PER_MESSAGE_MAX, Report, Reported, Reports};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

impl Reports for Sqlite {
    fn report(&self, channel: ChannelId, message: Message, report: Report) -> Answer<'_, bool> {
        self.write(move |db| {
            let (channel, id) = (channel.to_string(), message.id.to_string());
            db.execute("DELETE FROM reported WHERE at_ms <= ?1", [oldest()])?;
            let settled: Option<bool> = db
                .query_row("SELECT settled FROM reported WHERE channel = ?1 AND message = ?2", [&channel, &id], |row| {
                    row.get(0)
                })
                .optional()?;
            if settled == Some(true) {
                return Ok(false);
            }
            if settled.is_none() {
                if open(db, &channel)? >= REPORTED_PER_CHANNEL_MAX as u64 {
                    return Err(Error::TooMany);
                }
                db.execute(
                    "INSERT INTO reported (channel, message, author, author_name, text, said_at_ms, at_ms, settled)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
                    params![
                        channel,
                        id,
                        message.author.to_string(),
                        message.author_name.as_str(),
                        message.text,
                        message.at.as_millisecond(),
                        report.at.as_millisecond(),
                    ],
                )?;
            }
            let there: u32 = db.query_row(
                "SELECT count(*) FROM reports WHERE channel = ?1 AND message = ?2",
                [&channel, &id],
                |row| row.get(0),
            )?;
            if there as usize >= REPORTS_PER_MESSAGE_MAX {
                return Ok(false);
            }
            let added = db.execute(
                "INSERT INTO reports (channel, message, by_account, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
                params![channel, id, report.by.to_string(), report.reason, report.at.as_millisecond()],
            )?;
            Ok(added == 1)
        })
    }

    fn reported_in(&self, channel: ChannelId, after: Option<MessageId>, limit: usize) -> Answer<'_, Vec<Reported>> {
        self.read(move |db| {
            // Every id sorts after the empty text.
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let (channel, limit) = (channel.to_string(), i64::try_from(limit).unwrap_or(i64::MAX));
            let mut query = db.prepare_cached(
                "SELECT message, author, author_name, text, said_at_ms FROM reported
                 WHERE channel = ?1 AND message > ?2 AND NOT settled AND at_ms > ?3 ORDER BY message LIMIT ?4",
            )?;
            let messages: Vec<Message> =
                query.query_map(params![channel, after, oldest(), limit], message)?.collect::<Result<_, _>>()?;
            let mut query = db.prepare_cached(
                "SELECT by_account, reason, at_ms FROM reports WHERE channel = ?1 AND message = ?2 ORDER BY by_account",
            )?;
            let mut all = Vec::with_capacity(messages.len());
            for message in messages {
                let reports = query.query_map([&channel, &message.id.to_string()], report)?;
                all.push(Reported { reports: reports.collect::<Result<_, _>>()?, message });
            }
            Ok(all)
        })
    }

    fn reported_count(&self, channel: ChannelId) -> Answer<'_, u64> {
        self.read(move |db| open(db, &channel.to_string()))
    }

    fn settle(&self, channel: ChannelId, message: MessageId) -> Answer<'_, bool> {
        self.write(move |db| {
            let settled = db.execute(
                "UPDATE reported SET settled = 1 WHERE channel = ?1 AND message = ?2 AND NOT settled AND at_ms > ?3",
                params![channel.to_string(), message.to_string(), oldest()],
            )?;
            Ok(settled == 1)
        })
    }
}

fn open(db: &Connection, channel: &str) -> Result<u64, Error> {
    let mut query =
        db.prepare_cached("SELECT count(*) FROM reported WHERE channel = ?1 AND NOT settled AND at_ms > ?2")?;
    Ok(query.query_row(params![channel, oldest()], |row| row.get::<_, u32>(0))?.into())
}

/// What came before is kept no longer, in milliseconds.
fn oldest() -> i64 {
    (Timestamp::now() - KEPT_FOR).as_millisecond()
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: column::parsed(row, 0)?,
        author: column::parsed(row, 1)?,
        author_name: column::parsed(row, 2)?,
        text: row.get(3)?,
        at: column::time(row, 4)?,
    })
}

fn report(row: &Row<'_>) -> rusqlite::Result<Report> {
    Ok(Report { by: column::parsed(row, 0)?, reason: row.get(1)?, at: column::time(row, 2)? })
}

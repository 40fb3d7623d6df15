//! Answered requests in SQLite.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{Begun, Idempotency, REMEMBERED_FOR, RUNS_FOR};
use crate::{sqlite::Sqlite, store::Answer};

impl Idempotency for Sqlite {
    fn begin_once(&self, key: [u8; 32], at: Timestamp) -> Answer<'_, Begun> {
        self.write(move |db| {
            let (old, dead) = (at - REMEMBERED_FOR, at - RUNS_FOR);
            db.execute(
                "DELETE FROM idempotency WHERE began_at_ms <= ?1 OR (status IS NULL AND began_at_ms <= ?2)",
                params![old.as_millisecond(), dead.as_millisecond()],
            )?;
            let earlier = db
                .query_row("SELECT status, body FROM idempotency WHERE key = ?1", [key], |row| {
                    Ok((row.get::<_, Option<u16>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
                })
                .optional()?;
            match earlier {
                Some((Some(status), Some(body))) => return Ok(Begun::Answered { status, body }),
                Some(_) => return Ok(Begun::Running),
                None => {}
            }
            db.execute(
                "INSERT INTO idempotency (key, began_at_ms) VALUES (?1, ?2)",
                params![key, at.as_millisecond()],
            )?;
            Ok(Begun::First)
        })
    }

    fn answered(&self, key: [u8; 32], status: u16, body: Vec<u8>) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute("UPDATE idempotency SET status = ?2, body = ?3 WHERE key = ?1", params![key, status, body])?;
            Ok(())
        })
    }

    fn give_up(&self, key: [u8; 32]) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute("DELETE FROM idempotency WHERE key = ?1 AND status IS NULL", [key])?;
            Ok(())
        })
    }
}

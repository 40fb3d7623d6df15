//! Removing what channels and accounts said that are gone, in SQLite: a little at a time.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;

/// Rows of what is gone that each batch removes.
const SWEPT: u32 = 500;

/// Removes a little of what gone channels and accounts left.
pub(super) fn sweep(db: &Connection) -> Result<(), Error> {
    let gone = |ask: &str| db.prepare_cached(ask)?.query_row([], |row| row.get::<_, i64>(0)).optional();
    if let Some(room) = gone("SELECT number FROM rooms WHERE channel IS NULL LIMIT 1")?
        && remove(db, "SELECT place FROM messages WHERE room = ?1 LIMIT ?2", room)?
    {
        db.execute("DELETE FROM message_clears WHERE room = ?1", [room])?;
        db.execute("DELETE FROM rooms WHERE number = ?1", [room])?;
    }
    if let Some(speaker) = gone("SELECT number FROM speakers WHERE account IS NULL LIMIT 1")?
        && remove(db, "SELECT place FROM messages WHERE speaker = ?1 LIMIT ?2", speaker)?
    {
        db.execute("DELETE FROM message_clears WHERE speaker = ?1", [speaker])?;
        db.execute("DELETE FROM speakers WHERE number = ?1", [speaker])?;
    }
    Ok(())
}

/// Removes some messages. Whether there are none left.
fn remove(db: &Connection, which: &str, of: i64) -> Result<bool, Error> {
    let places: Vec<i64> =
        db.prepare_cached(which)?.query_map(params![of, SWEPT], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for place in &places {
        db.prepare_cached("DELETE FROM message_words WHERE rowid = ?1")?.execute([place])?;
        db.prepare_cached("DELETE FROM messages WHERE place = ?1")?.execute([place])?;
    }
    Ok(places.len() < SWEPT as usize)
}

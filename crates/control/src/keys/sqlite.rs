//! Stream keys in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::{ChannelId, KeyHash, KeyId};

use super::{Grant, KEYS_PER_CHANNEL_MAX, Key, Keys, REVOKED_PER_CHANNEL_MAX};
use crate::{
    channels::{Conflict, Visibility},
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "keys.id, keys.channel, keys.name, keys.hash, keys.created_at_ms, keys.expires_at_ms, keys.last_used_at_ms, \
     keys.revoked_at_ms";

impl Keys for Sqlite {
    fn add_key(&self, key: Key) -> Answer<'_, ()> {
        self.write(move |db| insert(db, &key))
    }

    fn grant(&self, hash: KeyHash) -> Answer<'_, Option<Grant>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS}, channels.name, channels.conflict, channels.visibility \
                 FROM keys JOIN channels ON channels.id = keys.channel WHERE keys.hash = ?1"
            ))?;
            Ok(query.query_row([hash.as_bytes()], grant).optional()?)
        })
    }

    fn keys_of(&self, channel: ChannelId) -> Answer<'_, Vec<Key>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE channel = ?1 ORDER BY id"))?;
            Ok(query.query_map([channel.to_string()], key)?.collect::<Result<_, _>>()?)
        })
    }

    fn revoke_key(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, bool> {
        self.write(move |db| {
            let revoked = db.execute(
                "UPDATE keys SET revoked_at_ms = ?3 WHERE id = ?1 AND channel = ?2 AND revoked_at_ms IS NULL",
                params![key.to_string(), channel.to_string(), at.as_millisecond()],
            )?;
            if revoked == 1 {
                forget_old_revoked(db, channel)?;
            }
            Ok(revoked == 1)
        })
    }

    fn rotate_keys(&self, new: Key, named: Option<String>, at: Timestamp) -> Answer<'_, Vec<KeyId>> {
        self.write(move |db| {
            let revoked = {
                let mut query = db.prepare_cached(
                    "UPDATE keys SET revoked_at_ms = ?3 \
                     WHERE channel = ?1 AND revoked_at_ms IS NULL AND (?2 IS NULL OR name = ?2) RETURNING id",
                )?;
                let ids = query.query_map(params![new.channel.to_string(), named, at.as_millisecond()], |row| {
                    column::parsed(row, 0)
                })?;
                ids.collect::<Result<Vec<KeyId>, _>>()?
            };
            forget_old_revoked(db, new.channel)?;
            insert(db, &new)?;
            Ok(revoked)
        })
    }

    fn key_used(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                "UPDATE keys SET last_used_at_ms = ?3 WHERE id = ?1 AND channel = ?2",
                params![key.to_string(), channel.to_string(), at.as_millisecond()],
            )?;
            Ok(())
        })
    }
}

pub(crate) fn insert(db: &Connection, key: &Key) -> Result<(), Error> {
    let usable: u32 = db.query_row(
        "SELECT count(*) FROM keys WHERE channel = ?1 AND revoked_at_ms IS NULL",
        [key.channel.to_string()],
        |row| row.get(0),
    )?;
    if usable >= KEYS_PER_CHANNEL_MAX {
        return Err(Error::TooMany);
    }
    db.execute(
        "INSERT INTO keys (id, channel, name, hash, created_at_ms, expires_at_ms, last_used_at_ms, revoked_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            key.id.to_string(),
            key.channel.to_string(),
            key.name,
            key.hash.as_bytes(),
            key.created_at.as_millisecond(),
            key.expires_at.map(Timestamp::as_millisecond),
            key.last_used_at.map(Timestamp::as_millisecond),
            key.revoked_at.map(Timestamp::as_millisecond),
        ],
    )?;
    Ok(())
}

fn forget_old_revoked(db: &Connection, channel: ChannelId) -> Result<(), Error> {
    db.execute(
        "DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE channel = ?1 AND revoked_at_ms IS NOT NULL \
         ORDER BY revoked_at_ms DESC, id DESC LIMIT -1 OFFSET ?2)",
        params![channel.to_string(), REVOKED_PER_CHANNEL_MAX],
    )?;
    Ok(())
}

fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        key: key(row)?,
        channel: column::parsed(row, 8)?,
        conflict: column::read(row, 9, Conflict::parse)?,
        visibility: column::read(row, 10, Visibility::parse)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: column::parsed(row, 0)?,
        channel: column::parsed(row, 1)?,
        name: row.get(2)?,
        hash: KeyHash::from_bytes(row.get(3)?),
        created_at: column::time(row, 4)?,
        expires_at: column::time_or_null(row, 5)?,
        last_used_at: column::time_or_null(row, 6)?,
        revoked_at: column::time_or_null(row, 7)?,
    })
}

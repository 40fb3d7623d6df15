//! Channels in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::{ChannelId, ChannelName};

use super::{Channel, Channels, Conflict};
use crate::{
    error::Error,
    keys::{self, Key},
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, name, owner, title, conflict, created_at_ms";

impl Channels for Sqlite {
    fn add_channel(&self, channel: Channel) -> Answer<'_, ()> {
        self.write(move |db| insert(db, &channel))
    }

    fn open_channel(&self, channel: Channel, key: Key) -> Answer<'_, ()> {
        self.write(move |db| {
            insert(db, &channel)?;
            keys::insert(db, &key)
        })
    }

    fn channel_named(&self, name: &ChannelName) -> Answer<'_, Option<Channel>> {
        let name = name.clone();
        self.read(move |db| one(db, &name))
    }

    fn channels(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Channel>> {
        self.read(move |db| {
            // Every name sorts after the empty text.
            let after = after.as_ref().map_or("", ChannelName::as_str);
            let mut query =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE name > ?1 ORDER BY name LIMIT ?2"))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![after, limit], channel)?.collect::<Result<_, _>>()?)
        })
    }

    fn channels_named(&self, names: Vec<ChannelName>) -> Answer<'_, Vec<Channel>> {
        self.read(move |db| {
            let found = names.iter().map(|name| one(db, name).transpose());
            found.flatten().collect()
        })
    }

    fn set_conflict(&self, channel: ChannelId, conflict: Conflict) -> Answer<'_, ()> {
        self.write(move |db| {
            let changed = db.execute(
                "UPDATE channels SET conflict = ?2 WHERE id = ?1",
                params![channel.to_string(), conflict.as_str()],
            )?;
            if changed == 1 { Ok(()) } else { Err(Error::Missing) }
        })
    }
}

pub(crate) fn insert(db: &Connection, channel: &Channel) -> Result<(), Error> {
    db.execute(
        &format!("INSERT INTO channels ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
        params![
            channel.id.to_string(),
            channel.name.as_str(),
            channel.owner.map(|id| id.to_string()),
            channel.title,
            channel.conflict.as_str(),
            channel.created_at.as_millisecond(),
        ],
    )?;
    Ok(())
}

fn one(db: &Connection, name: &ChannelName) -> Result<Option<Channel>, Error> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE name = ?1"))?;
    Ok(query.query_row([name.as_str()], channel).optional()?)
}

fn channel(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        id: column::parsed(row, 0)?,
        name: column::parsed(row, 1)?,
        owner: column::parsed_or_null(row, 2)?,
        title: row.get(3)?,
        conflict: column::read(row, 4, Conflict::parse)?,
        created_at: column::time(row, 5)?,
    })
}

//! Channels in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::{AccountId, ChannelId, ChannelName};

use super::{Channel, Channels, Conflict, Latency, Visibility};
use crate::{
    error::Error,
    keys::{self, Key},
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, name, owner, title, conflict, created_at_ms, description, tags, category, language, visibility, \
     latency, version, record";

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

    fn channel(&self, id: ChannelId) -> Answer<'_, Option<Channel>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE id = ?1"))?;
            Ok(query.query_row([id.to_string()], channel).optional()?)
        })
    }

    fn channels_of(&self, owner: AccountId) -> Answer<'_, Vec<Channel>> {
        self.read(move |db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM channels WHERE owner = ?1 ORDER BY name"))?;
            Ok(query.query_map([owner.to_string()], channel)?.collect::<Result<_, _>>()?)
        })
    }

    fn update_channel(&self, channel: Channel) -> Answer<'_, bool> {
        self.write(move |db| {
            let changed = db.execute(
                "UPDATE channels SET title = ?3, conflict = ?4, description = ?5, tags = ?6, category = ?7,
                     language = ?8, visibility = ?9, latency = ?10, record = ?11, version = version + 1
                 WHERE id = ?1 AND version = ?2",
                params![
                    channel.id.to_string(),
                    channel.version,
                    channel.title,
                    channel.conflict.as_str(),
                    channel.description,
                    tags(&channel),
                    channel.category,
                    channel.language,
                    channel.visibility.as_str(),
                    channel.latency.as_str(),
                    channel.record,
                ],
            )?;
            Ok(changed == 1)
        })
    }
}

pub(crate) fn insert(db: &Connection, channel: &Channel) -> Result<(), Error> {
    db.execute(
        &format!(
            "INSERT INTO channels ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        ),
        params![
            channel.id.to_string(),
            channel.name.as_str(),
            channel.owner.map(|id| id.to_string()),
            channel.title,
            channel.conflict.as_str(),
            channel.created_at.as_millisecond(),
            channel.description,
            tags(channel),
            channel.category,
            channel.language,
            channel.visibility.as_str(),
            channel.latency.as_str(),
            channel.version,
            channel.record,
        ],
    )?;
    Ok(())
}

/// A list of texts, as JSON.
fn tags(channel: &Channel) -> String {
    serde_json::to_string(&channel.tags).expect("a list of texts is JSON")
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
        description: row.get(6)?,
        tags: column::json(row, 7)?,
        category: row.get(8)?,
        language: row.get(9)?,
        visibility: column::read(row, 10, Visibility::parse)?,
        latency: column::read(row, 11, Latency::parse)?,
        version: row.get(12)?,
        record: row.get(13)?,
    })
}

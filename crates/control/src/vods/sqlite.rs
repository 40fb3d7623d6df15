//! Recordings in SQLite.

use rusqlite::{OptionalExtension, Row, params};
use weir_identity::{ChannelId, NodeId, VodId};

use super::{Finish, State, Vod, Vods};
use crate::{
    channels::Visibility,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str =
    "id, channel, title, state, note, visibility, watch, node, started_at_ms, duration_ms, bytes, version";

impl Vods for Sqlite {
    fn begin_vod(&self, vod: Vod) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                &format!("INSERT INTO vods ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"),
                params![
                    vod.id.to_string(),
                    vod.channel.to_string(),
                    vod.title,
                    vod.state.as_str(),
                    vod.note,
                    vod.visibility.as_str(),
                    vod.watch.to_string(),
                    vod.node.to_string(),
                    vod.started_at.as_millisecond(),
                    count(vod.duration_ms),
                    count(vod.bytes),
                    vod.version,
                ],
            )?;
            Ok(())
        })
    }

    fn finish_vod(&self, id: VodId, finish: Finish) -> Answer<'_, bool> {
        self.write(move |db| {
            let finished = db.execute(
                "UPDATE vods SET state = ?2, note = ?3, duration_ms = ?4, bytes = ?5
                 WHERE id = ?1 AND state = 'recording'",
                params![
                    id.to_string(),
                    finish.state.as_str(),
                    finish.note,
                    count(finish.duration_ms),
                    count(finish.bytes)
                ],
            )?;
            Ok(finished == 1)
        })
    }

    fn update_vod(&self, vod: Vod) -> Answer<'_, bool> {
        self.write(move |db| {
            let changed = db.execute(
                "UPDATE vods SET title = ?3, visibility = ?4, watch = ?5, version = version + 1
                 WHERE id = ?1 AND version = ?2",
                params![vod.id.to_string(), vod.version, vod.title, vod.visibility.as_str(), vod.watch.to_string()],
            )?;
            Ok(changed == 1)
        })
    }

    fn delete_vod(&self, id: VodId) -> Answer<'_, bool> {
        self.write(move |db| Ok(db.execute("DELETE FROM vods WHERE id = ?1", [id.to_string()])? == 1))
    }

    fn vod(&self, id: VodId) -> Answer<'_, Option<Vod>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM vods WHERE id = ?1"))?;
            Ok(query.query_row([id.to_string()], vod).optional()?)
        })
    }

    fn vods_of(&self, channel: ChannelId, before: Option<VodId>, limit: usize) -> Answer<'_, Vec<Vod>> {
        self.read(move |db| {
            // Every id sorts before this text.
            let before = before.map_or_else(|| "g".to_owned(), |id| id.to_string());
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM vods WHERE channel = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![channel.to_string(), before, limit], vod)?.collect::<Result<_, _>>()?)
        })
    }

    fn recording_on(&self, node: NodeId) -> Answer<'_, Vec<Vod>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM vods WHERE node = ?1 AND state = 'recording' ORDER BY id"
            ))?;
            Ok(query.query_map([node.to_string()], vod)?.collect::<Result<_, _>>()?)
        })
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn vod(row: &Row<'_>) -> rusqlite::Result<Vod> {
    Ok(Vod {
        id: column::parsed(row, 0)?,
        channel: column::parsed(row, 1)?,
        title: row.get(2)?,
        state: column::read(row, 3, State::parse)?,
        note: row.get(4)?,
        visibility: column::read(row, 5, Visibility::parse)?,
        watch: column::read(row, 6, weir_identity::WatchId::parse)?,
        node: column::parsed(row, 7)?,
        started_at: column::time(row, 8)?,
        duration_ms: u64::try_from(row.get::<_, i64>(9)?).unwrap_or_default(),
        bytes: u64::try_from(row.get::<_, i64>(10)?).unwrap_or_default(),
        version: row.get(11)?,
    })
}

//! Recordings in CQL.
//!
//! Pointers (from the channel, and from the node while it records) are written first and removed last; the recording's
//! row decides what it is.

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{ChannelId, NodeId, VodId, WatchId};

use super::{Finish, State, Vod, Vods};
use crate::{
    channels::Visibility,
    cql::{
        Cql, Id, column,
        statement::{Values, statements},
    },
    error::Error,
    store::Answer,
};

/// Pointers read at once when a channel's recordings are removed.
const REMOVED_AT_ONCE: i32 = 1_000;

statements! { Statements {
    find: Read = "SELECT id, channel, title, state, note, visibility, watch, node, started_at, duration_ms, byte_count, \
        version FROM vods WHERE id = ?";
    add: Decide = "INSERT INTO vods (id, channel, title, state, note, visibility, watch, node, started_at, duration_ms, \
        byte_count, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
    finish: Decide = "UPDATE vods SET state = ?, note = ?, duration_ms = ?, byte_count = ? \
        WHERE id = ? IF state = 'recording'";
    change: Decide = "UPDATE vods SET title = ?, visibility = ?, watch = ?, version = ? WHERE id = ? IF version = ?";
    drop: Decide = "DELETE FROM vods WHERE id = ? IF EXISTS";
    page: Read = "SELECT id FROM vods_by_channel WHERE channel = ? AND id < ? LIMIT ?";
    point: Write = "INSERT INTO vods_by_channel (channel, id) VALUES (?, ?)";
    unpoint: Write = "DELETE FROM vods_by_channel WHERE channel = ? AND id = ?";
    recording: Read = "SELECT id FROM vods_recording WHERE node = ?";
    note: Write = "INSERT INTO vods_recording (node, id) VALUES (?, ?)";
    forget: Write = "DELETE FROM vods_recording WHERE node = ? AND id = ?";
} }

#[derive(Debug, DeserializeRow)]
struct VodRow {
    id: Uuid,
    channel: Option<Uuid>,
    title: Option<String>,
    state: Option<String>,
    note: Option<String>,
    visibility: Option<String>,
    watch: Option<String>,
    node: Option<Uuid>,
    started_at: Option<CqlTimestamp>,
    duration_ms: Option<i64>,
    byte_count: Option<i64>,
    version: Option<i32>,
}

impl VodRow {
    fn vod(self) -> Result<Vod, Error> {
        Ok(Vod {
            id: VodId::of(self.id),
            channel: ChannelId::of(column::there(self.channel)?),
            title: column::there(self.title)?,
            state: column::read(&column::there(self.state)?, State::parse)?,
            note: column::there(self.note)?,
            visibility: column::read(&column::there(self.visibility)?, Visibility::parse)?,
            watch: column::read(&column::there(self.watch)?, WatchId::parse)?,
            node: NodeId::of(column::there(self.node)?),
            started_at: column::time(column::there(self.started_at)?)?,
            duration_ms: u64::try_from(column::there(self.duration_ms)?).unwrap_or_default(),
            bytes: u64::try_from(column::there(self.byte_count)?).unwrap_or_default(),
            version: u32::try_from(column::there(self.version)?).unwrap_or_default(),
        })
    }
}

impl Vods for Cql {
    fn begin_vod(&self, vod: Vod) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.live_channel(vod.channel).await?.is_none() {
                return Err(Error::Missing);
            }
            let (id, channel) = (vod.id.column(), vod.channel.column());
            let pointer: Values = Box::new((channel, id));
            let mut pointers = vec![(&self.vods.point, pointer)];
            if vod.state == State::Recording {
                let noted: Values = Box::new((vod.node.column(), id));
                pointers.push((&self.vods.note, noted));
            }
            self.put_all(pointers).await?;
            let values = (
                id,
                channel,
                vod.title.as_str(),
                vod.state.as_str(),
                vod.note.as_str(),
                vod.visibility.as_str(),
                vod.watch.to_string(),
                vod.node.column(),
                column::at(vod.started_at),
                bigint(vod.duration_ms),
                bigint(vod.bytes),
                int(vod.version),
            );
            let took = || async { Ok(self.settled_vod(vod.id).await?.as_ref() == Some(&vod)) };
            if !self.decide(&self.vods.add, values, took).await? {
                return Err(Error::Exists);
            }
            // The channel's removal looks for recordings after the channel is gone: it has seen this one, or we see it.
            if self.live_channel(vod.channel).await?.is_none() {
                self.remove_vod(vod.id).await?;
                return Err(Error::Missing);
            }
            Ok(())
        })
    }

    fn finish_vod(&self, id: VodId, finish: Finish) -> Answer<'_, bool> {
        Box::pin(async move {
            let (duration, bytes) = (bigint(finish.duration_ms), bigint(finish.bytes));
            let values = (finish.state.as_str(), finish.note.as_str(), duration, bytes, id.column());
            let took = || async {
                let kept = self.settled_vod(id).await?;
                Ok(kept.is_some_and(|kept| kept.state == finish.state && kept.duration_ms == finish.duration_ms))
            };
            let finished = self.decide(&self.vods.finish, values, took).await?;
            if let Some(kept) = self.kept_vod(id).await? {
                self.put(&self.vods.forget, (kept.node.column(), id.column())).await?;
            }
            Ok(finished)
        })
    }

    fn update_vod(&self, vod: Vod) -> Answer<'_, bool> {
        Box::pin(async move {
            let after = vod.version + 1;
            let (title, visibility, watch) = (vod.title.as_str(), vod.visibility.as_str(), vod.watch.to_string());
            let values = (title, visibility, watch, int(after), vod.id.column(), int(vod.version));
            let took = || async {
                let kept = self.settled_vod(vod.id).await?;
                Ok(kept.is_some_and(|kept| kept.version == after && kept.title == vod.title && kept.watch == vod.watch))
            };
            self.decide(&self.vods.change, values, took).await
        })
    }

    fn delete_vod(&self, id: VodId) -> Answer<'_, bool> {
        Box::pin(self.remove_vod(id))
    }

    fn vod(&self, id: VodId) -> Answer<'_, Option<Vod>> {
        Box::pin(self.kept_vod(id))
    }

    fn vods_of(&self, channel: ChannelId, before: Option<VodId>, limit: usize) -> Answer<'_, Vec<Vod>> {
        Box::pin(async move {
            let (mut found, mut before) = (Vec::new(), before.map_or(Uuid::max(), Id::column));
            while found.len() < limit {
                let wanted = limit - found.len();
                let most = i32::try_from(wanted).unwrap_or(i32::MAX);
                let ids: Vec<(Uuid,)> = self.rows(&self.vods.page, (channel.column(), before, most)).await?;
                let vods = self.each(&ids, |(id,)| self.kept_vod(VodId::of(*id))).await?;
                found.extend(vods.into_iter().flatten());
                match ids.last() {
                    Some((last,)) if ids.len() == wanted => before = *last,
                    _ => break,
                }
            }
            Ok(found)
        })
    }

    fn recording_on(&self, node: NodeId) -> Answer<'_, Vec<Vod>> {
        Box::pin(async move {
            let ids: Vec<(Uuid,)> = self.rows(&self.vods.recording, (node.column(),)).await?;
            let found = self.each(&ids, |(id,)| self.kept_vod(VodId::of(*id))).await?;
            Ok(found.into_iter().flatten().filter(|vod| vod.state == State::Recording).collect())
        })
    }
}

impl Cql {
    async fn kept_vod(&self, id: VodId) -> Result<Option<Vod>, Error> {
        let row: Option<VodRow> = self.one(&self.vods.find, (id.column(),)).await?;
        row.map(VodRow::vod).transpose()
    }

    async fn settled_vod(&self, id: VodId) -> Result<Option<Vod>, Error> {
        let row: Option<VodRow> = self.settled(&self.vods.find, (id.column(),)).await?;
        row.map(VodRow::vod).transpose()
    }

    async fn remove_vod(&self, id: VodId) -> Result<bool, Error> {
        let Some(vod) = self.settled_vod(id).await? else { return Ok(false) };
        let gone = || async { Ok(self.settled_vod(id).await?.is_none()) };
        let removed = self.decide(&self.vods.drop, (id.column(),), gone).await?;
        let (of_channel, of_node): (Values, Values) =
            (Box::new((vod.channel.column(), id.column())), Box::new((vod.node.column(), id.column())));
        self.put_all(vec![(&self.vods.forget, of_node), (&self.vods.unpoint, of_channel)]).await?;
        Ok(removed)
    }

    /// Removes the recordings of a channel that is gone.
    pub(crate) async fn remove_vods_in(&self, channel: ChannelId) -> Result<(), Error> {
        loop {
            let all = (channel.column(), Uuid::max(), REMOVED_AT_ONCE);
            let ids: Vec<(Uuid,)> = self.rows(&self.vods.page, all).await?;
            self.each(&ids, |(id,)| async {
                if !self.remove_vod(VodId::of(*id)).await? {
                    // A pointer that leads nowhere.
                    self.put(&self.vods.unpoint, (channel.column(), *id)).await?;
                }
                Ok(())
            })
            .await?;
            if ids.len() < REMOVED_AT_ONCE as usize {
                return Ok(());
            }
        }
    }
}

fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn int(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

//! The record of publishes in CQL.
//!
//! A channel's publishes are one partition, newest first; one in a few of those that begin looks whether there are too
//! many, so that the partition stays near its limit. What a publish's end is written beside is found by its id.

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{ChannelName, KeyId};

use super::{End, SESSIONS_PER_CHANNEL_MAX, Session, Sessions};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

/// One in how many beginnings pays for forgetting old ones.
const TRIMMED_EACH: u8 = 16;
/// Publishes looked at when old ones are forgotten: far more than come between two looks.
const TRIM_MAX: u32 = SESSIONS_PER_CHANNEL_MAX + 1_000;

statements! { Statements {
    begin: Write = "INSERT INTO publishes (channel, started_at, id, key, protocol) VALUES (?, ?, ?, ?, ?)";
    begin_by_id: Write = "INSERT INTO publishes_by_id (id, channel, started_at, key, protocol) VALUES (?, ?, ?, ?, ?)";
    find: Read = "SELECT channel, started_at, key, protocol FROM publishes_by_id WHERE id = ?";
    end: Write = "INSERT INTO publishes (channel, started_at, id, key, protocol, ended_at, end_reason, byte_count) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    newest: Read = "SELECT id, key, protocol, started_at, ended_at, end_reason, byte_count FROM publishes \
        WHERE channel = ? LIMIT ?";
    ids: Read = "SELECT started_at, id FROM publishes WHERE channel = ? LIMIT ?";
    forget: Write = "DELETE FROM publishes WHERE channel = ? AND started_at = ? AND id = ?";
    forget_by_id: Write = "DELETE FROM publishes_by_id WHERE id = ?";
} }

#[derive(Debug, DeserializeRow)]
struct PublishRow {
    id: String,
    key: Uuid,
    protocol: String,
    started_at: CqlTimestamp,
    ended_at: Option<CqlTimestamp>,
    end_reason: Option<String>,
    byte_count: Option<i64>,
}

impl PublishRow {
    fn session(self, channel: &ChannelName) -> Result<Session, Error> {
        let end = match self.ended_at {
            Some(at) => {
                let bytes = u64::try_from(self.byte_count.unwrap_or_default()).unwrap_or(0);
                Some(End { at: column::time(at)?, reason: self.end_reason.unwrap_or_default(), bytes })
            }
            None => None,
        };
        Ok(Session {
            id: self.id,
            channel: channel.clone(),
            key: KeyId::of(self.key),
            protocol: self.protocol,
            started_at: column::time(self.started_at)?,
            end,
        })
    }
}

impl Sessions for Cql {
    fn session_began(&self, session: Session) -> Answer<'_, ()> {
        Box::pin(async move {
            let (channel, id, key) = (session.channel.to_string(), session.id, session.key.column());
            let (started_at, protocol) = (column::at(session.started_at), session.protocol);
            // What the end is written beside comes first.
            let by_id = (id.as_str(), channel.as_str(), started_at, key, protocol.as_str());
            self.put(&self.sessions.begin_by_id, by_id).await?;
            let values = (channel.as_str(), started_at, id.as_str(), key, protocol.as_str());
            self.put(&self.sessions.begin, values).await?;
            let mut chance = [0];
            // Without chance nobody looks now; the next one may.
            if getrandom::fill(&mut chance).is_ok() && chance[0] % TRIMMED_EACH == 0 {
                self.forget_old_publishes(&channel).await?;
            }
            Ok(())
        })
    }

    fn session_ended(&self, id: String, end: End) -> Answer<'_, ()> {
        Box::pin(async move {
            let row: Option<(String, CqlTimestamp, Uuid, String)> =
                self.one(&self.sessions.find, (id.as_str(),)).await?;
            let (channel, started_at, key, protocol) = row.ok_or(Error::Missing)?;
            let bytes = i64::try_from(end.bytes).unwrap_or(i64::MAX);
            let at = column::at(end.at);
            self.put(&self.sessions.end, (channel, started_at, id, key, protocol, at, end.reason, bytes)).await
        })
    }

    fn sessions_of(&self, channel: &ChannelName, limit: usize) -> Answer<'_, Vec<Session>> {
        let channel = channel.clone();
        Box::pin(async move {
            let limit = i32::try_from(limit.min(SESSIONS_PER_CHANNEL_MAX as usize)).unwrap_or(i32::MAX);
            let rows: Vec<PublishRow> = self.rows(&self.sessions.newest, (channel.as_str(), limit)).await?;
            rows.into_iter().map(|row| row.session(&channel)).collect()
        })
    }
}

impl Cql {
    async fn forget_old_publishes(&self, channel: &str) -> Result<(), Error> {
        let most = i32::try_from(TRIM_MAX).unwrap_or(i32::MAX);
        let rows: Vec<(CqlTimestamp, String)> = self.rows(&self.sessions.ids, (channel, most)).await?;
        let old = rows.get(SESSIONS_PER_CHANNEL_MAX as usize..).unwrap_or_default();
        self.each(old, |(started_at, id)| {
            let (started_at, id) = (*started_at, id.clone());
            async move {
                self.put(&self.sessions.forget, (channel, started_at, id.as_str())).await?;
                self.put(&self.sessions.forget_by_id, (id.as_str(),)).await
            }
        })
        .await
        .map(drop)
    }
}

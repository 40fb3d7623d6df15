//! Reports in CQL.
//!
//! A channel's reported messages are one partition, in the order of their ids, settled ones among them until they go by
//! themselves. Who reported a message stands in a partition of its own; the same account's second report lies over the
//! first.

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, MessageId};

use super::{KEPT_FOR, Message, REPORTED_PER_CHANNEL_MAX, REPORTS_PER_MESSAGE_MAX, Report, Reported, Reports};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

statements! { Statements {
    page: Read = "SELECT message, author, author_name, text, said_at FROM reported \
        WHERE channel = ? AND message > ? LIMIT ?";
    one: Read = "SELECT message, author, author_name, text, said_at FROM reported WHERE channel = ? AND message = ?";
    ids: Read = "SELECT message FROM reported WHERE channel = ? LIMIT ?";
    add: Decide = "INSERT INTO reported (channel, message, author, author_name, text, said_at, at) \
        VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?";
    remove: Decide = "DELETE FROM reported WHERE channel = ? AND message = ? IF EXISTS";
    is_settled: Read = "SELECT at FROM settled_reports WHERE channel = ? AND message = ?";
    settle: Write = "INSERT INTO settled_reports (channel, message, at) VALUES (?, ?, ?)";
    of: Read = "SELECT by_account, reason, at FROM reports WHERE channel = ? AND message = ? LIMIT ?";
    by: Read = "SELECT at FROM reports WHERE channel = ? AND message = ? AND by_account = ?";
    note: Write = "INSERT INTO reports (channel, message, by_account, reason, at) VALUES (?, ?, ?, ?, ?) USING TTL ?";
    forget: Write = "DELETE FROM reports WHERE channel = ? AND message = ?";
} }

#[derive(Debug, DeserializeRow)]
struct ReportedRow {
    message: Uuid,
    author: Uuid,
    author_name: String,
    text: String,
    said_at: CqlTimestamp,
}

impl ReportedRow {
    fn message(self) -> Result<Message, Error> {
        Ok(Message {
            id: MessageId::of(self.message),
            author: AccountId::of(self.author),
            author_name: column::parsed(&self.author_name)?,
            text: self.text,
            at: column::time(self.said_at)?,
        })
    }
}

#[derive(Debug, DeserializeRow)]
struct ReportRow {
    by_account: Uuid,
    reason: String,
    at: CqlTimestamp,
}

impl Reports for Cql {
    fn report(&self, channel: ChannelId, message: Message, report: Report) -> Answer<'_, bool> {
        Box::pin(async move {
            if self.live_channel(channel).await?.is_none() {
                return Err(Error::Missing);
            }
            let (of, id, lives) = (channel.column(), message.id.column(), lives(report.at));
            let settled: Option<(CqlTimestamp,)> = self.one(&self.reports.is_settled, (of, id)).await?;
            if settled.is_some() {
                return Ok(false);
            }
            let known: Option<ReportedRow> = self.one(&self.reports.one, (of, id)).await?;
            if known.is_none() {
                // Two at once may make one too many, which harms nobody.
                if self.reported_count(channel).await? >= REPORTED_PER_CHANNEL_MAX as u64 {
                    return Err(Error::TooMany);
                }
                let (author, name, text) = (message.author.column(), message.author_name.as_str(), &message.text);
                let (said_at, at) = (column::at(message.at), column::at(report.at));
                let values = (of, id, author, name, text.as_str(), said_at, at, lives);
                // Whoever was first copied the same message.
                let took = || async { Ok(true) };
                self.decide(&self.reports.add, values, took).await?;
            }
            let there = self.reports_of(channel, message.id).await?;
            let by = report.by.column();
            let again: Option<(CqlTimestamp,)> = self.one(&self.reports.by, (of, id, by)).await?;
            if again.is_some() || there.len() >= REPORTS_PER_MESSAGE_MAX {
                return Ok(false);
            }
            let values = (of, id, by, report.reason.as_str(), column::at(report.at), lives);
            self.put(&self.reports.note, values).await?;
            Ok(true)
        })
    }

    fn reported_in(&self, channel: ChannelId, after: Option<MessageId>, limit: usize) -> Answer<'_, Vec<Reported>> {
        Box::pin(async move {
            let after = after.map_or(Uuid::nil(), Id::column);
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let rows: Vec<ReportedRow> = self.rows(&self.reports.page, (channel.column(), after, limit)).await?;
            let messages = rows.into_iter().map(ReportedRow::message).collect::<Result<Vec<_>, _>>()?;
            self.each(&messages, |message| {
                let message = message.clone();
                async move { Ok(Reported { reports: self.reports_of(channel, message.id).await?, message }) }
            })
            .await
        })
    }

    fn reported_count(&self, channel: ChannelId) -> Answer<'_, u64> {
        Box::pin(async move {
            let ids: Vec<(Uuid,)> = self.rows(&self.reports.ids, (channel.column(), COUNTED_MAX)).await?;
            Ok(ids.len() as u64)
        })
    }

    fn settle(&self, channel: ChannelId, message: MessageId) -> Answer<'_, bool> {
        Box::pin(async move {
            let (of, id) = (channel.column(), message.column());
            let gone = || async { Ok(self.settled_reported(channel, message).await?.is_none()) };
            if gone().await? {
                return Ok(false);
            }
            // First, so that nobody reports it anew in between.
            self.put(&self.reports.settle, (of, id, column::at(Timestamp::now()))).await?;
            self.decide(&self.reports.remove, (of, id), gone).await
        })
    }
}

/// Most rows that are counted: a few more than there may be.
const COUNTED_MAX: i32 = 1_100;

impl Cql {
    async fn reports_of(&self, channel: ChannelId, message: MessageId) -> Result<Vec<Report>, Error> {
        let limit = i32::try_from(REPORTS_PER_MESSAGE_MAX).unwrap_or(i32::MAX);
        let key = (channel.column(), message.column(), limit);
        let rows: Vec<ReportRow> = self.rows(&self.reports.of, key).await?;
        let report = |row: ReportRow| {
            Ok(Report { by: AccountId::of(row.by_account), reason: row.reason, at: column::time(row.at)? })
        };
        rows.into_iter().map(report).collect()
    }

    async fn settled_reported(&self, channel: ChannelId, message: MessageId) -> Result<Option<ReportedRow>, Error> {
        self.settled(&self.reports.one, (channel.column(), message.column())).await
    }

    /// Removes the reports of a channel that is gone.
    pub(crate) async fn remove_reports_in(&self, channel: ChannelId) -> Result<(), Error> {
        let ids: Vec<(Uuid,)> = self.rows(&self.reports.ids, (channel.column(), COUNTED_MAX)).await?;
        for (id,) in ids {
            self.put(&self.reports.forget, (channel.column(), id)).await?;
            let gone = || async { Ok(self.settled_reported(channel, MessageId::of(id)).await?.is_none()) };
            self.decide(&self.reports.remove, (channel.column(), id), gone).await?;
        }
        Ok(())
    }
}

/// How long a row that was made at `at` lives, in seconds.
pub(crate) fn lives(at: Timestamp) -> i32 {
    let left = (at + KEPT_FOR).duration_since(Timestamp::now()).as_secs();
    i32::try_from(left.max(1)).unwrap_or(i32::MAX)
}

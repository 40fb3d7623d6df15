//! Messages that wait, in CQL.
//!
//! A channel's are one partition, in the order in which they came; what nobody decided about goes by itself. Taking one
//! moves its `free_at` under a condition: of several nodes that saw it free, one gets it.

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, HeldId};

use super::{DECIDED_WITHIN, HELD_PER_AUTHOR_MAX, HELD_PER_CHANNEL_MAX, Held, HeldMessages, KEPT_FOR};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

statements! { Statements {
    page: Read = "SELECT id, author, author_name, text, reply_to, at, free_at FROM held \
        WHERE channel = ? AND id > ? LIMIT ?";
    one: Read = "SELECT id, author, author_name, text, reply_to, at, free_at FROM held WHERE channel = ? AND id = ?";
    authors: Read = "SELECT author FROM held WHERE channel = ? LIMIT ?";
    add: Decide = "UPDATE held USING TTL ? SET author = ?, author_name = ?, text = ?, reply_to = ?, at = ?, \
        free_at = ? WHERE channel = ? AND id = ? IF author = null";
    free: Decide = "UPDATE held USING TTL ? SET free_at = ? WHERE channel = ? AND id = ? IF free_at = ?";
    drop: Decide = "DELETE FROM held WHERE channel = ? AND id = ? IF EXISTS";
} }

#[derive(Debug, DeserializeRow)]
struct HeldRow {
    id: Uuid,
    author: Option<Uuid>,
    author_name: Option<String>,
    text: Option<String>,
    reply_to: Option<String>,
    at: Option<CqlTimestamp>,
    free_at: Option<CqlTimestamp>,
}

impl HeldRow {
    /// Nothing for one of which only what a claim wrote is left.
    fn held(self) -> Result<Option<Held>, Error> {
        let (Some(author), Some(author_name), Some(text), Some(at)) =
            (self.author, self.author_name, self.text, self.at)
        else {
            return Ok(None);
        };
        Ok(Some(Held {
            id: HeldId::of(self.id),
            author: AccountId::of(author),
            author_name: column::parsed(&author_name)?,
            text,
            reply_to: self.reply_to.as_deref().map(column::json).transpose()?,
            at: column::time(at)?,
        }))
    }
}

impl HeldMessages for Cql {
    fn hold(&self, channel: ChannelId, held: Held) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.live_channel(channel).await?.is_none() {
                return Err(Error::Missing);
            }
            // Two at once may make one too many, which harms nobody.
            let there = self.held_authors(channel).await?;
            let own = there.iter().filter(|author| **author == held.author.column()).count();
            if there.len() >= HELD_PER_CHANNEL_MAX || own >= HELD_PER_AUTHOR_MAX {
                return Err(Error::TooMany);
            }
            let reply_to = held.reply_to.map(|to| serde_json::to_string(&to).expect("an id and a name are JSON"));
            let (of, id) = (channel.column(), held.id.column());
            let (name, text, reply_to) = (held.author_name.as_str(), held.text.as_str(), reply_to.as_deref());
            let lives = lives(held.at);
            let values = (lives, held.author.column(), name, text, reply_to, column::at(held.at), FREE, of, id);
            let took = || async { Ok(self.settled_held(channel, held.id).await?.is_some()) };
            if self.decide(&self.held.add, values, took).await? { Ok(()) } else { Err(Error::Exists) }
        })
    }

    fn held_in(&self, channel: ChannelId, after: Option<HeldId>, limit: usize) -> Answer<'_, Vec<Held>> {
        Box::pin(async move {
            let after = after.map_or(Uuid::nil(), Id::column);
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let rows: Vec<HeldRow> = self.rows(&self.held.page, (channel.column(), after, limit)).await?;
            rows.into_iter().filter_map(|row| row.held().transpose()).collect()
        })
    }

    fn held_count(&self, channel: ChannelId) -> Answer<'_, u64> {
        Box::pin(async move { Ok(self.held_authors(channel).await?.len() as u64) })
    }

    fn take_held(&self, channel: ChannelId, id: HeldId, now: Timestamp) -> Answer<'_, Option<Held>> {
        Box::pin(async move {
            let Some((held, free_at)) = self.settled_held(channel, id).await? else { return Ok(None) };
            if column::time(free_at)? > now {
                return Ok(None);
            }
            let until = column::at(now + DECIDED_WITHIN);
            let values = (lives(held.at), until, channel.column(), id.column(), free_at);
            // When the answer is lost nobody knows who has it: it is free again in a while.
            let took = || async { Ok(false) };
            Ok(self.decide(&self.held.free, values, took).await?.then_some(held))
        })
    }

    fn return_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, ()> {
        Box::pin(async move {
            let Some((held, free_at)) = self.settled_held(channel, id).await? else { return Ok(()) };
            let values = (lives(held.at), FREE, channel.column(), id.column(), free_at);
            // Whether it took or somebody else was first: it waits, or is being said.
            let took = || async { Ok(true) };
            self.decide(&self.held.free, values, took).await.map(drop)
        })
    }

    fn drop_held(&self, channel: ChannelId, id: HeldId) -> Answer<'_, bool> {
        Box::pin(async move {
            // What only a claim wrote is nothing that anybody sees.
            if self.settled_held(channel, id).await?.is_none() {
                return Ok(false);
            }
            let gone = || async { Ok(self.settled_held(channel, id).await?.is_none()) };
            self.decide(&self.held.drop, (channel.column(), id.column()), gone).await
        })
    }
}

/// When a message is free that nobody decides about.
const FREE: CqlTimestamp = CqlTimestamp(0);

impl Cql {
    /// The authors of what waits in a channel.
    async fn held_authors(&self, channel: ChannelId) -> Result<Vec<Uuid>, Error> {
        let limit = i32::try_from(HELD_PER_CHANNEL_MAX).unwrap_or(i32::MAX);
        let rows: Vec<(Option<Uuid>,)> = self.rows(&self.held.authors, (channel.column(), limit)).await?;
        Ok(rows.into_iter().filter_map(|(author,)| author).collect())
    }

    async fn settled_held(&self, channel: ChannelId, id: HeldId) -> Result<Option<(Held, CqlTimestamp)>, Error> {
        let row: Option<HeldRow> = self.settled(&self.held.one, (channel.column(), id.column())).await?;
        let Some(row) = row else { return Ok(None) };
        let free_at = row.free_at.unwrap_or(FREE);
        Ok(row.held()?.map(|held| (held, free_at)))
    }

    /// Removes what waits in a channel that is gone.
    pub(crate) async fn remove_held_in(&self, channel: ChannelId) -> Result<(), Error> {
        for held in self.held_in(channel, None, HELD_PER_CHANNEL_MAX).await? {
            self.drop_held(channel, held.id).await?;
        }
        Ok(())
    }
}

/// How long a row that was made at `at` still lives, in seconds.
pub(crate) fn lives(at: Timestamp) -> i32 {
    let left = (at + KEPT_FOR).duration_since(Timestamp::now()).as_secs();
    i32::try_from(left.max(1)).unwrap_or(i32::MAX)
}

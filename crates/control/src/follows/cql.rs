//! Followers in CQL.
//!
//! A channel's followers lie in [`BUCKETS`] partitions, so that many may come at once. Each has a gate, as a channel's
//! roles have, and beside it how many there are: row and count change in one conditional step, so that whoever follows
//! twice counts once, and an answer that was lost changes nothing. A partition that was moved here has no count yet: it
//! is counted until the next change writes it.
//!
//! Whom an account follows is a pointer, written before and after the row, and removed after it; the row decides.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId};

use super::{FOLLOWS_PER_ACCOUNT_MAX, Follows};
use crate::{
    cql::{
        Cql, Id, column, gate,
        statement::{Values, Within, statements, step_aside},
    },
    error::Error,
    store::Answer,
};

/// Partitions of a channel's followers. Each takes some hundred changes a second.
const BUCKETS: i32 = 16;
/// How long a count is believed, so that a channel that many look at costs few reads.
const COUNT_BELIEVED: Duration = Duration::from_secs(2);
/// Most counts that are remembered; with more, all are forgotten.
const COUNTS_MAX: usize = 10_000;

statements! { Rows {
    gate: Read = "SELECT gate, followers FROM follows WHERE channel = ? AND bucket = ? LIMIT 1";
    count: Read = "SELECT count(account) FROM follows WHERE channel = ? AND bucket = ?";
    one: Read = "SELECT since FROM follows WHERE channel = ? AND bucket = ? AND account = ?";
    pass: Decide = "UPDATE follows SET gate = ?, followers = ? WHERE channel = ? AND bucket = ? IF gate = ?";
    close: Decide = "UPDATE follows USING TTL ? SET gate = ?, followers = 0 WHERE channel = ? AND bucket = ? IF gate = ?";
    add: Within = "INSERT INTO follows (channel, bucket, account, since) VALUES (?, ?, ?, ?)";
    remove: Within = "DELETE FROM follows WHERE channel = ? AND bucket = ? AND account = ?";
    remove_all: Within = "DELETE FROM follows WHERE channel = ? AND bucket = ? AND account > ?";
    of_account: Read = "SELECT channel FROM follows_by_account WHERE account = ? AND channel > ? LIMIT ?";
    point: Write = "INSERT INTO follows_by_account (account, channel) VALUES (?, ?)";
    unpoint: Write = "DELETE FROM follows_by_account WHERE account = ? AND channel = ?";
    unpoint_all: Write = "DELETE FROM follows_by_account WHERE account = ?";
} }

/// The statements about followers, and what was counted a moment ago.
#[derive(Debug)]
pub(crate) struct Statements {
    rows: Rows,
    counts: Mutex<HashMap<ChannelId, (Instant, u64)>>,
}

impl Statements {
    pub(crate) async fn prepare(session: &scylla::client::session::Session) -> Result<Self, Error> {
        Ok(Self { rows: Rows::prepare(session).await?, counts: Mutex::default() })
    }

    fn counted(&self, channel: ChannelId) -> Option<u64> {
        let counts = self.counts.lock();
        counts.get(&channel).filter(|(at, _)| at.elapsed() < COUNT_BELIEVED).map(|(_, count)| *count)
    }

    fn remember(&self, channel: ChannelId, count: u64) {
        let mut counts = self.counts.lock();
        if counts.len() >= COUNTS_MAX {
            counts.clear();
        }
        counts.insert(channel, (Instant::now(), count));
    }
}

/// What a partition says of itself.
#[derive(Debug, Clone, Copy, Default, DeserializeRow)]
struct Head {
    gate: Option<i64>,
    followers: Option<i32>,
}

/// The partition of an account.
pub(crate) fn bucket(account: Uuid) -> i32 {
    // The end of an id is random.
    i32::from(account.as_bytes()[15]) % BUCKETS
}

impl Follows for Cql {
    fn follow(&self, channel: ChannelId, account: AccountId, at: Timestamp) -> Answer<'_, Timestamp> {
        Box::pin(async move {
            let (of, who) = (channel.column(), account.column());
            for _ in 0..gate::TRIES {
                let there = tokio::try_join!(self.live_channel(channel), self.live_account(account))?;
                let (Some(_), Some(_)) = there else { return Err(Error::Missing) };
                // The gate first: a row that changes after it was read has another gate.
                let head = self.follow_head(channel, bucket(who)).await?;
                if gate::is_closed(head.gate) {
                    return Err(Error::Missing);
                }
                if let Some(since) = self.follow_of(channel, account).await? {
                    return Ok(since);
                }
                let most = i32::try_from(FOLLOWS_PER_ACCOUNT_MAX).unwrap_or(i32::MAX);
                let others: Vec<(Uuid,)> =
                    self.rows(&self.follows.rows.of_account, (who, Uuid::nil(), most + 1)).await?;
                let others = others.iter().filter(|(other,)| *other != of).count();
                // Pointers may lead nowhere: those that do not are counted only when there are many.
                let follows_of = || self.follows_of(account, None, FOLLOWS_PER_ACCOUNT_MAX);
                if others >= FOLLOWS_PER_ACCOUNT_MAX && follows_of().await?.len() >= FOLLOWS_PER_ACCOUNT_MAX {
                    return Err(Error::TooMany);
                }
                self.put(&self.follows.rows.point, (who, of)).await?;
                let row: Values = Box::new((of, bucket(who), who, column::at(at)));
                if self.pass_follow_gate(channel, bucket(who), head, 1, (&self.follows.rows.add, row)).await? {
                    // Somebody who followed no more in this moment may have taken the pointer away.
                    self.put(&self.follows.rows.point, (who, of)).await?;
                    // The account's deletion looks for whom it follows after it is gone: it has seen this, or we see it.
                    if self.live_account(account).await?.is_none() {
                        self.remove_follow(channel, account).await?;
                        return Err(Error::Missing);
                    }
                    return Ok(at);
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn unfollow(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        Box::pin(self.remove_follow(channel, account))
    }

    fn follows_since(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Timestamp>> {
        Box::pin(self.follow_of(channel, account))
    }

    fn followers(&self, channel: ChannelId) -> Answer<'_, u64> {
        Box::pin(async move {
            if let Some(count) = self.follows.counted(channel) {
                return Ok(count);
            }
            let buckets: Vec<i32> = (0..BUCKETS).collect();
            let counts = self
                .each(&buckets, |bucket| async move {
                    let head = self.follow_head(channel, *bucket).await?;
                    self.count_of(channel, *bucket, head).await
                })
                .await?;
            let count = counts.into_iter().filter_map(|count| u64::try_from(count).ok()).sum();
            self.follows.remember(channel, count);
            Ok(count)
        })
    }

    fn follows_of(
        &self,
        account: AccountId,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Answer<'_, Vec<(ChannelId, Timestamp)>> {
        Box::pin(async move {
            let (mut found, mut after) = (Vec::new(), after.map_or(Uuid::nil(), Id::column));
            while found.len() < limit {
                let wanted = limit - found.len();
                let values = (account.column(), after, i32::try_from(wanted).unwrap_or(i32::MAX));
                let listed: Vec<(Uuid,)> = self.rows(&self.follows.rows.of_account, values).await?;
                let followed = self.each(&listed, |(channel,)| self.pointed(account, ChannelId::of(*channel))).await?;
                found.extend(followed.into_iter().flatten());
                match listed.last() {
                    Some((last,)) if listed.len() == wanted => after = *last,
                    _ => break,
                }
            }
            Ok(found)
        })
    }
}

impl Cql {
    async fn follow_head(&self, channel: ChannelId, bucket: i32) -> Result<Head, Error> {
        Ok(self.one(&self.follows.rows.gate, (channel.column(), bucket)).await?.unwrap_or_default())
    }

    async fn count_of(&self, channel: ChannelId, bucket: i32, head: Head) -> Result<i32, Error> {
        if let Some(count) = head.followers {
            return Ok(count);
        }
        let counted: Option<(i64,)> = self.one(&self.follows.rows.count, (channel.column(), bucket)).await?;
        Ok(counted.and_then(|(count,)| i32::try_from(count).ok()).unwrap_or(0))
    }

    async fn follow_of(&self, channel: ChannelId, account: AccountId) -> Result<Option<Timestamp>, Error> {
        let key = (channel.column(), bucket(account.column()), account.column());
        let row: Option<(Option<CqlTimestamp>,)> = self.one(&self.follows.rows.one, key).await?;
        column::time_or_none(row.and_then(|(since,)| since))
    }

    /// A channel behind a pointer. A pointer to one that is gone is removed.
    async fn pointed(&self, account: AccountId, channel: ChannelId) -> Result<Option<(ChannelId, Timestamp)>, Error> {
        let since = self.follow_of(channel, account).await?;
        // Somebody may be about to follow one that is there.
        if since.is_none() && self.live_channel(channel).await?.is_none() {
            self.put(&self.follows.rows.unpoint, (account.column(), channel.column())).await?;
        }
        Ok(since.map(|since| (channel, since)))
    }

    async fn remove_follow(&self, channel: ChannelId, account: AccountId) -> Result<bool, Error> {
        let (of, who) = (channel.column(), account.column());
        for _ in 0..gate::TRIES {
            let head = self.follow_head(channel, bucket(who)).await?;
            let key = (of, bucket(who), who);
            let row: Option<(Option<CqlTimestamp>,)> = self.settled(&self.follows.rows.one, key).await?;
            if row.is_none() || gate::is_closed(head.gate) {
                self.put(&self.follows.rows.unpoint, (who, of)).await?;
                return Ok(false);
            }
            let part: (&Within, Values) = (&self.follows.rows.remove, Box::new(key));
            if self.pass_follow_gate(channel, bucket(who), head, -1, part).await? {
                self.put(&self.follows.rows.unpoint, (who, of)).await?;
                return Ok(true);
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }

    /// Changes a row, and the count by `more`, if nothing else of the partition changed since `seen`.
    async fn pass_follow_gate(
        &self,
        channel: ChannelId,
        bucket: i32,
        seen: Head,
        more: i32,
        part: (&Within, Values),
    ) -> Result<bool, Error> {
        let next = gate::next();
        let count = self.count_of(channel, bucket, seen).await?.saturating_add(more).max(0);
        let took = || async {
            let head: Option<Head> = self.settled(&self.follows.rows.gate, (channel.column(), bucket)).await?;
            Ok(head.and_then(|head| head.gate) == Some(next))
        };
        let values: Values = Box::new((next, count, channel.column(), bucket, seen.gate));
        let passed = self.decide_with(&self.follows.rows.pass, values, vec![part], took).await?;
        self.follows.counts.lock().remove(&channel);
        Ok(passed)
    }

    /// Ends everything that an account which is gone follows.
    pub(crate) async fn end_follows_of(&self, account: AccountId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let some = self.follows_of(account, after, FOLLOWS_PER_ACCOUNT_MAX).await?;
            let Some((last, _)) = some.last() else { break };
            after = Some(*last);
            for (channel, _) in some {
                self.remove_follow(channel, account).await?;
            }
        }
        self.put(&self.follows.rows.unpoint_all, (account.column(),)).await
    }

    /// Removes the followers of a channel that is gone, and closes its gates. Pointers are removed by whoever comes
    /// across them.
    pub(crate) async fn remove_followers_of(&self, channel: ChannelId) -> Result<(), Error> {
        let buckets: Vec<i32> = (0..BUCKETS).collect();
        self.each(&buckets, |bucket| self.close_followers(channel, *bucket)).await.map(drop)
    }

    async fn close_followers(&self, channel: ChannelId, bucket: i32) -> Result<(), Error> {
        let of = channel.column();
        for _ in 0..gate::TRIES {
            let seen = self.follow_head(channel, bucket).await?.gate;
            if gate::is_closed(seen) {
                return Ok(());
            }
            let took = || async { Ok(gate::is_closed(self.follow_head(channel, bucket).await?.gate)) };
            let close: Values = Box::new((gate::CLOSED_FOR_S, gate::CLOSED, of, bucket, seen));
            let all: Values = Box::new((of, bucket, Uuid::nil()));
            let parts = vec![(&self.follows.rows.remove_all, all)];
            if self.decide_with(&self.follows.rows.close, close, parts, took).await? {
                return Ok(());
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }
}

//! Bans in CQL.
//!
//! A channel's bans are one partition, in order of accounts; one that ends goes by itself. Which accounts an address is
//! banned with is a pointer, written first; the account's ban decides whether it still covers the address.

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId};

use super::{Ban, Bans};
use crate::{
    cql::{
        Cql, Id, column,
        statement::{statements, step_aside},
    },
    error::Error,
    store::Answer,
};

/// Tries to replace a ban that others replace too.
const TRIES: usize = 16;
/// Longest that CQL lets a row live, in seconds; a ban that ends later stays until it is lifted.
const LIVES_MAX_S: i64 = 630_720_000;
/// How long an ended ban is kept, in seconds: clocks differ.
const KEPT_S: i64 = 3_600;

statements! { Statements {
    one: Read = "SELECT account, address, by_account, reason, at, until FROM bans WHERE channel = ? AND account = ?";
    page: Read = "SELECT account, address, by_account, reason, at, until FROM bans \
        WHERE channel = ? AND account > ? LIMIT ?";
    put: Decide = "UPDATE bans USING TTL ? SET address = ?, by_account = ?, reason = ?, at = ?, until = ? \
        WHERE channel = ? AND account = ? IF at = ? AND by_account = ?";
    lift: Decide = "DELETE FROM bans WHERE channel = ? AND account = ? IF at = ? AND by_account = ?";
    remove_all: Write = "DELETE FROM bans WHERE channel = ?";
    with_address: Read = "SELECT account FROM bans_by_address WHERE channel = ? AND address = ?";
    point: Write = "INSERT INTO bans_by_address (channel, address, account) VALUES (?, ?, ?) USING TTL ?";
    spoke: Write = "INSERT INTO spoke_from (channel, account, address, at) VALUES (?, ?, ?, ?)";
    spoke_from: Read = "SELECT address FROM spoke_from WHERE channel = ? AND account = ?";
    forget_speakers: Write = "DELETE FROM spoke_from WHERE channel = ?";
    unpoint_all: Write = "DELETE FROM bans_by_address WHERE channel = ?";
} }

#[derive(Debug, DeserializeRow)]
struct BanRow {
    account: Uuid,
    address: Option<Vec<u8>>,
    by_account: Option<Uuid>,
    reason: Option<String>,
    at: Option<CqlTimestamp>,
    until: Option<CqlTimestamp>,
}

impl BanRow {
    fn ban(self) -> Result<Ban, Error> {
        Ok(Ban {
            account: AccountId::of(self.account),
            address: self.address.map(column::hash).transpose()?,
            by: AccountId::of(column::there(self.by_account)?),
            reason: column::there(self.reason)?,
            at: column::time(column::there(self.at)?)?,
            until: column::time_or_none(self.until)?,
        })
    }
}

impl Bans for Cql {
    fn ban(&self, channel: ChannelId, ban: Ban) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.live_channel(channel).await?.is_none() {
                return Err(Error::Missing);
            }
            let (of, account, lives) = (channel.column(), ban.account.column(), lives(&ban));
            if let Some(address) = ban.address {
                self.put(&self.bans.point, (of, address.as_slice(), account, lives)).await?;
            }
            for _ in 0..TRIES {
                let kept = self.settled_ban(channel, ban.account).await?;
                let new = (ban.address.as_ref().map(<[u8; 32]>::as_slice), ban.by.column(), ban.reason.as_str());
                let (at, until) = (column::at(ban.at), ban.until.map(column::at));
                let (seen_at, seen_by) = seen(kept.as_ref());
                let values = (lives, new.0, new.1, new.2, at, until, of, account, seen_at, seen_by);
                let took = || async { Ok(self.settled_ban(channel, ban.account).await?.as_ref() == Some(&ban)) };
                if self.decide(&self.bans.put, values, took).await? {
                    return Ok(());
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn unban(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        Box::pin(async move {
            for _ in 0..TRIES {
                let Some(kept) = self.settled_ban(channel, account).await? else { return Ok(false) };
                let (seen_at, seen_by) = seen(Some(&kept));
                let gone = || async { Ok(self.settled_ban(channel, account).await?.is_none()) };
                let values = (channel.column(), account.column(), seen_at, seen_by);
                if self.decide(&self.bans.lift, values, gone).await? {
                    return Ok(true);
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn ban_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<Ban>> {
        Box::pin(self.kept_ban(channel, account))
    }

    fn ban_of_address(&self, channel: ChannelId, address: [u8; 32]) -> Answer<'_, Option<Ban>> {
        Box::pin(async move {
            let key = (channel.column(), address.as_slice());
            let accounts: Vec<(Uuid,)> = self.rows(&self.bans.with_address, key).await?;
            let bans = self.each(&accounts, |(account,)| self.kept_ban(channel, AccountId::of(*account))).await?;
            let covering = bans.into_iter().flatten().filter(|ban| ban.address == Some(address));
            Ok(covering.max_by_key(|ban| (ban.until.is_none(), ban.until)))
        })
    }

    fn spoke(&self, channel: ChannelId, account: AccountId, address: [u8; 32], at: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let values = (channel.column(), account.column(), address.as_slice(), column::at(at));
            self.put(&self.bans.spoke, values).await
        })
    }

    fn spoke_from(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<[u8; 32]>> {
        Box::pin(async move {
            let row: Option<(Vec<u8>,)> = self.one(&self.bans.spoke_from, (channel.column(), account.column())).await?;
            row.map(|(address,)| column::hash(address)).transpose()
        })
    }

    fn bans_in(&self, channel: ChannelId, after: Option<AccountId>, limit: usize) -> Answer<'_, Vec<Ban>> {
        Box::pin(async move {
            let after = after.map_or(Uuid::nil(), Id::column);
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let rows: Vec<BanRow> = self.rows(&self.bans.page, (channel.column(), after, limit)).await?;
            rows.into_iter().map(BanRow::ban).collect()
        })
    }
}

impl Cql {
    async fn kept_ban(&self, channel: ChannelId, account: AccountId) -> Result<Option<Ban>, Error> {
        let row: Option<BanRow> = self.one(&self.bans.one, (channel.column(), account.column())).await?;
        row.map(BanRow::ban).transpose()
    }

    async fn settled_ban(&self, channel: ChannelId, account: AccountId) -> Result<Option<Ban>, Error> {
        let row: Option<BanRow> = self.settled(&self.bans.one, (channel.column(), account.column())).await?;
        row.map(BanRow::ban).transpose()
    }

    /// Removes the bans of a channel that is gone. One that is written at this moment stays, and matters to nobody.
    pub(crate) async fn remove_bans_in(&self, channel: ChannelId) -> Result<(), Error> {
        self.put(&self.bans.forget_speakers, (channel.column(),)).await?;
        self.put(&self.bans.unpoint_all, (channel.column(),)).await?;
        self.put(&self.bans.remove_all, (channel.column(),)).await
    }
}

/// What a change of a ban compares: nothing when there was none.
fn seen(ban: Option<&Ban>) -> (Option<CqlTimestamp>, Option<Uuid>) {
    (ban.map(|ban| column::at(ban.at)), ban.map(|ban| ban.by.column()))
}

/// How long a ban's row lives, in seconds; 0 is for good.
fn lives(ban: &Ban) -> i32 {
    let left = ban.until.map(|until| until.as_second().saturating_sub(Timestamp::now().as_second()) + KEPT_S);
    left.filter(|left| *left < LIVES_MAX_S).map_or(0, |left| i32::try_from(left.max(1)).unwrap_or(0))
}

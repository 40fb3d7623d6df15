//! Removing what channels and accounts said that are gone, in CQL.

use uuid::Uuid;
use weir_identity::{AccountId, ChannelId};

use super::{ROWS_AT_ONCE, begin};
use crate::{
    cql::{Cql, Id},
    error::Error,
    messages::first_of,
};

impl Cql {
    /// Removes what was said in a channel that is gone.
    pub(crate) async fn remove_messages_in(&self, channel: ChannelId) -> Result<(), Error> {
        let (rows, of) = (&self.messages.rows, channel.column());
        let mut before = Uuid::max();
        loop {
            let buckets = self.buckets(channel, None, before, ROWS_AT_ONCE).await?;
            self.each(&buckets, |bucket| self.put(&rows.remove_bucket, (of, *bucket))).await?;
            let Some(last) = buckets.last().filter(|_| buckets.len() == ROWS_AT_ONCE) else { break };
            before = first_of(begin(*last)).column();
        }
        self.put(&rows.unpoint_all, (of,)).await?;
        self.put(&rows.unclear_all, (of,)).await?;
        self.put(&rows.remove_room, (of,)).await
    }

    /// Removes what an account said that is gone.
    pub(crate) async fn remove_messages_of(&self, account: AccountId) -> Result<(), Error> {
        let limit = i32::try_from(ROWS_AT_ONCE).unwrap_or(i32::MAX);
        loop {
            let spoke: Vec<(Uuid, i32)> = self.rows(&self.messages.rows.spoke, (account.column(), limit)).await?;
            self.each(&spoke, |(channel, bucket)| self.remove_messages_of_in(account, *channel, *bucket)).await?;
            if spoke.len() < ROWS_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn remove_messages_of_in(&self, account: AccountId, channel: Uuid, bucket: i32) -> Result<(), Error> {
        let rows = &self.messages.rows;
        let mut before = Uuid::max();
        loop {
            let part = self.rows_of(ChannelId::of(channel), bucket, before, ROWS_AT_ONCE).await?;
            let theirs = part.messages.iter().filter(|message| message.account == account);
            let theirs: Vec<Uuid> = theirs.map(|message| message.id.column()).collect();
            self.each(&theirs, |id| self.put(&rows.remove, (channel, bucket, *id))).await?;
            let Some(rest) = part.rest else { break };
            before = rest;
        }
        self.put(&rows.forget_speaker, (account.column(), channel, bucket)).await
    }
}

//! Roles in CQL.
//!
//! A channel's roles are one partition with a gate, as its keys are: the limit holds, and none comes to a channel that
//! is being removed. Where an account has roles is a pointer that is written first and stays; the channel's partition
//! decides what it is worth.

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId};

use super::{ChannelRole, Given, ROLES_PER_CHANNEL_MAX, Roles};
use crate::{
    cql::{
        Cql, Id, column, gate,
        statement::{Values, Within, statements, step_aside},
    },
    error::Error,
    store::Answer,
};

statements! { Statements {
    all: Read = "SELECT account, gate, role, given_at FROM channel_roles WHERE channel = ?";
    one: Read = "SELECT account, gate, role, given_at FROM channel_roles WHERE channel = ? AND account = ?";
    gate: Decide = "UPDATE channel_roles SET gate = ? WHERE channel = ? IF gate = ?";
    close: Decide = "UPDATE channel_roles USING TTL ? SET gate = ? WHERE channel = ? IF gate = ?";
    give: Within = "INSERT INTO channel_roles (channel, account, role, given_at) VALUES (?, ?, ?, ?)";
    take: Within = "DELETE FROM channel_roles WHERE channel = ? AND account = ?";
    elsewhere: Read = "SELECT channel FROM channel_roles_by_account WHERE account = ?";
    point: Write = "INSERT INTO channel_roles_by_account (account, channel) VALUES (?, ?)";
    unpoint: Write = "DELETE FROM channel_roles_by_account WHERE account = ? AND channel = ?";
    unpoint_all: Write = "DELETE FROM channel_roles_by_account WHERE account = ?";
} }

/// A row. One without an account says only the partition's gate.
#[derive(Debug, DeserializeRow)]
struct RoleRow {
    account: Option<Uuid>,
    gate: Option<i64>,
    role: Option<String>,
    given_at: Option<CqlTimestamp>,
}

impl RoleRow {
    fn counts(&self) -> bool {
        self.account.is_some() && !gate::is_closed(self.gate)
    }

    fn role(&self) -> Result<ChannelRole, Error> {
        column::read(self.role.as_deref().unwrap_or_default(), ChannelRole::parse)
    }

    fn given(self) -> Result<Given, Error> {
        let role = self.role()?;
        let account = AccountId::of(column::there(self.account)?);
        Ok(Given { account, role, at: column::time(column::there(self.given_at)?)? })
    }
}

impl Roles for Cql {
    fn give_role(&self, channel: ChannelId, given: Given) -> Answer<'_, ()> {
        Box::pin(async move {
            let (of, account) = (channel.column(), given.account.column());
            for _ in 0..gate::TRIES {
                let there = tokio::try_join!(self.live_channel(channel), self.live_account(given.account))?;
                let (Some(_), Some(_)) = there else { return Err(Error::Missing) };
                let rows: Vec<RoleRow> = self.rows(&self.roles.all, (of,)).await?;
                let seen = rows.first().and_then(|row| row.gate);
                if gate::is_closed(seen) {
                    return Err(Error::Missing);
                }
                let others = rows.iter().filter(|row| row.counts() && row.account != Some(account));
                if others.count() >= ROLES_PER_CHANNEL_MAX {
                    return Err(Error::TooMany);
                }
                self.put(&self.roles.point, (account, of)).await?;
                let values: Values = Box::new((of, account, given.role.as_str(), column::at(given.at)));
                if self.pass_role_gate(channel, seen, vec![(&self.roles.give, values)]).await? {
                    // The account's deletion looks for roles after it is gone: it has seen this one, or we see it.
                    if self.live_account(given.account).await?.is_none() {
                        self.remove_role(channel, given.account).await?;
                        return Err(Error::Missing);
                    }
                    return Ok(());
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn take_role(&self, channel: ChannelId, account: AccountId) -> Answer<'_, bool> {
        Box::pin(self.remove_role(channel, account))
    }

    fn role_of(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Option<ChannelRole>> {
        Box::pin(async move {
            let row: Option<RoleRow> = self.one(&self.roles.one, (channel.column(), account.column())).await?;
            row.filter(RoleRow::counts).map(|row| row.role()).transpose()
        })
    }

    fn roles_in(&self, channel: ChannelId) -> Answer<'_, Vec<Given>> {
        Box::pin(async move {
            let rows: Vec<RoleRow> = self.rows(&self.roles.all, (channel.column(),)).await?;
            rows.into_iter().filter(RoleRow::counts).map(RoleRow::given).collect()
        })
    }

    fn roles_elsewhere(&self, account: AccountId) -> Answer<'_, Vec<(ChannelId, ChannelRole)>> {
        Box::pin(async move {
            let channels: Vec<(Uuid,)> = self.rows(&self.roles.elsewhere, (account.column(),)).await?;
            let found = self
                .each(&channels, |(channel,)| {
                    let channel = ChannelId::of(*channel);
                    async move { Ok(self.role_of(channel, account).await?.map(|role| (channel, role))) }
                })
                .await?;
            Ok(found.into_iter().flatten().collect())
        })
    }
}

impl Cql {
    async fn remove_role(&self, channel: ChannelId, account: AccountId) -> Result<bool, Error> {
        for _ in 0..gate::TRIES {
            let key = (channel.column(), account.column());
            let row: Option<RoleRow> = self.settled(&self.roles.one, key).await?;
            let Some(row) = row.filter(RoleRow::counts) else { return Ok(false) };
            let parts: Vec<(&Within, Values)> = vec![(&self.roles.take, Box::new(key))];
            if self.pass_role_gate(channel, row.gate, parts).await? {
                return Ok(true);
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }

    async fn pass_role_gate(
        &self,
        channel: ChannelId,
        seen: Option<i64>,
        parts: Vec<(&Within, Values)>,
    ) -> Result<bool, Error> {
        let next = gate::next();
        let took = || async { Ok(self.role_gate(channel).await? == Some(next)) };
        self.decide_with(&self.roles.gate, Box::new((next, channel.column(), seen)), parts, took).await
    }

    async fn role_gate(&self, channel: ChannelId) -> Result<Option<i64>, Error> {
        let row: Option<RoleRow> = self.settled(&self.roles.all, (channel.column(),)).await?;
        Ok(row.and_then(|row| row.gate))
    }

    /// Takes every role of an account that is gone.
    pub(crate) async fn take_roles_of(&self, account: AccountId) -> Result<(), Error> {
        for (channel, _) in self.roles_elsewhere(account).await? {
            self.remove_role(channel, account).await?;
        }
        self.put(&self.roles.unpoint_all, (account.column(),)).await
    }

    /// Takes every role in a channel that is gone, and closes its gate.
    pub(crate) async fn remove_roles_in(&self, channel: ChannelId) -> Result<(), Error> {
        for _ in 0..gate::TRIES {
            let rows: Vec<RoleRow> = self.rows(&self.roles.all, (channel.column(),)).await?;
            let seen = rows.first().and_then(|row| row.gate);
            if gate::is_closed(seen) {
                return Ok(());
            }
            let accounts: Vec<Uuid> = rows.iter().filter_map(|row| row.account).collect();
            let taking = |account: &Uuid| (&self.roles.take, Box::new((channel.column(), *account)) as Values);
            let took = || async { Ok(gate::is_closed(self.role_gate(channel).await?)) };
            let close = (gate::CLOSED_FOR_S, gate::CLOSED, channel.column(), seen);
            let parts = accounts.iter().map(taking).collect();
            if self.decide_with(&self.roles.close, Box::new(close), parts, took).await? {
                self.each(&accounts, |account| self.put(&self.roles.unpoint, (*account, channel.column()))).await?;
                return Ok(());
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }
}

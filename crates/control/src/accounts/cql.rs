//! Accounts in CQL.
//!
//! Registering: names of account and channel and the look of the display name are taken; the channel is written as
//! pending on the account, and the pointers of lists; then the account's row is inserted, and all of it is there at
//! once: a pending channel counts as soon as its account does. Removing: see [`removal`].

pub(crate) mod removal;

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelName};

use super::{Account, Accounts, DisplayName, PasswordHash, Role};
use crate::{
    channels::Channel,
    cql::{
        Cql, Id, column,
        listing::{List, Place},
        names::{Claim, Holder, Kind},
        statement::statements,
    },
    error::Error,
    keys::Key,
    store::Answer,
};

/// How long the bar stands in the way of a slow registration, in seconds. No call lives as long.
const BARRED_S: i32 = 86_400;

statements! { Rows {
    find: Read = "SELECT id, state, name, display_name, looks_like, email, password_hash, second_factor, role, \
        suspended_at, created_at, version FROM accounts WHERE id = ?";
    add: Decide = "INSERT INTO accounts (id, state, name, display_name, looks_like, email, password_hash, \
        second_factor, role, suspended_at, created_at, version) VALUES (?, 'live', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
        IF NOT EXISTS";
    bar: Decide = "INSERT INTO accounts (id, state) VALUES (?, 'void') IF NOT EXISTS USING TTL ?";
    change: Decide = "UPDATE accounts SET display_name = ?, looks_like = ?, email = ?, password_hash = ?, \
        second_factor = ?, role = ?, suspended_at = ?, version = ? WHERE id = ? IF version = ? AND state = 'live'";
    count_up: Decide = "UPDATE accounts SET version = ? WHERE id = ? IF version = ? AND state = 'live'";
} }

/// The statements about accounts.
#[derive(Debug)]
pub(crate) struct Statements {
    rows: Rows,
    list: List,
    removal: removal::Statements,
}

impl Statements {
    pub(crate) async fn prepare(session: &scylla::client::session::Session) -> Result<Self, Error> {
        Ok(Self {
            rows: Rows::prepare(session).await?,
            list: List::prepare(session, "accounts_by_name").await?,
            removal: removal::Statements::prepare(session).await?,
        })
    }
}

/// A row. All but the id are empty in one that is void.
#[derive(Debug, DeserializeRow)]
pub(crate) struct AccountRow {
    pub(crate) id: Uuid,
    state: Option<String>,
    pub(crate) name: Option<String>,
    display_name: Option<String>,
    pub(crate) looks_like: Option<String>,
    email: Option<String>,
    password_hash: Option<String>,
    second_factor: Option<String>,
    role: Option<String>,
    suspended_at: Option<CqlTimestamp>,
    created_at: Option<CqlTimestamp>,
    version: Option<i32>,
}

/// What a row of an account or a channel says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is there.
    Live,
    /// It is gone, and what belongs to it follows.
    Deleting,
    /// It was given up before it was there.
    Void,
}

impl State {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Error> {
        match text {
            Some("live") => Ok(Self::Live),
            Some("deleting") => Ok(Self::Deleting),
            Some("void") => Ok(Self::Void),
            other => Err(Error::Other(format!("a row of the store is damaged: unknown state {other:?}"))),
        }
    }
}

impl AccountRow {
    pub(crate) fn state(&self) -> Result<State, Error> {
        State::parse(self.state.as_deref())
    }

    /// The account, if it is there.
    pub(crate) fn live(self) -> Result<Option<Account>, Error> {
        if self.state()? != State::Live {
            return Ok(None);
        }
        Ok(Some(Account {
            id: AccountId::of(self.id),
            name: column::parsed(&column::there(self.name)?)?,
            display_name: DisplayName::from_stored(column::there(self.display_name)?),
            email: self.email,
            password: self.password_hash.map(PasswordHash::from_stored),
            second_factor: self.second_factor.as_deref().map(column::json).transpose()?,
            role: column::read(&column::there(self.role)?, Role::parse)?,
            suspended_at: column::time_or_none(self.suspended_at)?,
            created_at: column::time(column::there(self.created_at)?)?,
            version: u32::try_from(column::there(self.version)?).unwrap_or_default(),
        }))
    }
}

impl Accounts for Cql {
    fn register(&self, account: Account, channel: Channel) -> Answer<'_, ()> {
        Box::pin(async move { self.enter(&account, &channel, None).await })
    }

    fn account_named(&self, name: &ChannelName) -> Answer<'_, Option<Account>> {
        let name = name.clone();
        Box::pin(async move {
            let Some(holder) = self.holder(Kind::Account, name.as_str()).await? else { return Ok(None) };
            let account = self.live_account(AccountId::of(holder.owner)).await?;
            Ok(account.filter(|account| account.name == name))
        })
    }

    fn account(&self, id: AccountId) -> Answer<'_, Option<Account>> {
        Box::pin(self.live_account(id))
    }

    fn accounts(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Account>> {
        Box::pin(async move {
            let (mut found, mut place) = (Vec::new(), Place::after(after.as_ref()));
            while found.len() < limit {
                let wanted = limit - found.len();
                let listed = self.listed(&self.accounts.list, &place, wanted).await?;
                let accounts = self.each(&listed, |(_, id)| self.live_account(AccountId::of(*id))).await?;
                found.extend(accounts.into_iter().flatten());
                match listed.last() {
                    Some(last) if listed.len() == wanted => place = Place::at(last),
                    _ => break,
                }
            }
            Ok(found)
        })
    }

    fn update_account(&self, account: Account) -> Answer<'_, bool> {
        Box::pin(async move {
            let Some(kept) = self.live_account(account.id).await? else { return Ok(false) };
            if kept.version != account.version {
                return Ok(false);
            }
            let (old, new) = (Claim::look(&kept.display_name, kept.id), Claim::look(&account.display_name, kept.id));
            if old != new {
                self.take(&new).await?;
            }
            let changed = self.change(&account).await?;
            if old != new {
                // Which look counts, the row says: another change may have had the same wish.
                let kept = self.settled_account(account.id).await?.and_then(|row| row.looks_like);
                for look in [&old, &new].into_iter().filter(|look| kept.as_ref() != Some(&look.name)) {
                    // What is not released now lapses.
                    let _ = self.release(look).await;
                }
            }
            Ok(changed)
        })
    }

    fn delete_account(&self, id: AccountId) -> Answer<'_, bool> {
        Box::pin(self.remove_account(id))
    }
}

impl Cql {
    /// Adds an account with its channel, and perhaps its key. All or none.
    pub(crate) async fn enter(&self, account: &Account, channel: &Channel, key: Option<&Key>) -> Result<(), Error> {
        let mut claims = vec![
            Claim::account(&account.name, account.id),
            Claim::look(&account.display_name, account.id),
            Claim::channel(&channel.name, channel.id),
        ];
        claims.extend(key.map(|key| Claim::key(key.hash, key.channel, key.id)));
        self.take_all(&claims).await?;
        self.write_channel(channel, Some(account.id)).await?;
        if let Some(key) = key {
            self.write_first_key(key).await?;
        }
        self.put_all(vec![self.accounts.list.adding(&account.name, account.id.column())]).await?;
        if !self.write_account(account).await? {
            // It took so long that somebody barred the way; the names may be theirs by now.
            for claim in &claims {
                let _ = self.release(claim).await;
            }
            return Err(Error::Busy);
        }
        // A pending channel of an account that is there is as good; this only spares its readers a question.
        if let Err(error) = self.settle_channel(channel.id, account.id).await {
            tracing::debug!(%error, "a new account's channel stays pending");
        }
        Ok(())
    }

    pub(crate) async fn write_account(&self, account: &Account) -> Result<bool, Error> {
        let values = (
            account.id.column(),
            account.name.as_str(),
            account.display_name.as_str(),
            account.display_name.looks_like(),
            account.email.as_deref(),
            account.password.as_ref().map(PasswordHash::as_str),
            second_factor(account),
            account.role.as_str(),
            account.suspended_at.map(column::at),
            column::at(account.created_at),
            version(account.version),
        );
        let took = || async { Ok(self.settled_state(account.id).await? == Some(State::Live)) };
        self.decide(&self.accounts.rows.add, values, took).await
    }

    pub(crate) async fn change(&self, account: &Account) -> Result<bool, Error> {
        let after = Account { version: account.version + 1, ..account.clone() };
        let values = (
            after.display_name.as_str(),
            after.display_name.looks_like(),
            after.email.as_deref(),
            after.password.as_ref().map(PasswordHash::as_str),
            second_factor(&after),
            after.role.as_str(),
            after.suspended_at.map(column::at),
            version(after.version),
            after.id.column(),
            version(account.version),
        );
        let took = || async {
            let row = self.settled_account(account.id).await?;
            Ok(row.map(AccountRow::live).transpose()?.flatten().as_ref() == Some(&after))
        };
        self.decide(&self.accounts.rows.change, values, took).await
    }

    pub(crate) async fn live_account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        let row: Option<AccountRow> = self.one(&self.accounts.rows.find, (id.column(),)).await?;
        Ok(row.map(AccountRow::live).transpose()?.flatten())
    }

    pub(crate) async fn settled_account(&self, id: AccountId) -> Result<Option<AccountRow>, Error> {
        self.settled(&self.accounts.rows.find, (id.column(),)).await
    }

    async fn settled_state(&self, id: AccountId) -> Result<Option<State>, Error> {
        self.settled_account(id).await?.map(|row| row.state()).transpose()
    }

    /// Whether an account for which a name was taken is not there and can no longer come.
    pub(crate) async fn account_has_lapsed(&self, id: AccountId, holder: &Holder) -> Result<bool, Error> {
        match self.settled_state(id).await? {
            Some(State::Live) => Ok(false),
            Some(State::Void) => Ok(true),
            Some(State::Deleting) => self.finish_deletion(id).await.map(|()| true),
            None if holder.is_young() => Ok(false),
            None => {
                let is_void = || async { Ok(self.settled_state(id).await? == Some(State::Void)) };
                let barred = self.decide(&self.accounts.rows.bar, (id.column(), BARRED_S), &is_void).await?;
                // Somebody else may have barred it a moment ago.
                if barred { Ok(true) } else { is_void().await }
            }
        }
    }

    /// Whether an account is being deleted, or was; finishes what somebody began.
    pub(crate) async fn account_is_going(&self, id: AccountId) -> Result<bool, Error> {
        match self.settled_state(id).await? {
            Some(State::Live) => Ok(false),
            Some(State::Deleting) => self.finish_deletion(id).await.map(|()| true),
            Some(State::Void) | None => Ok(true),
        }
    }

    /// As [`Self::account_has_lapsed`], for the look that an account wanted to have.
    pub(crate) async fn look_has_lapsed(&self, id: AccountId, look: &str, holder: &Holder) -> Result<bool, Error> {
        let row = self.settled_account(id).await?;
        let Some(row) = row.filter(|row| matches!(row.state(), Ok(State::Live))) else {
            return self.account_has_lapsed(id, holder).await;
        };
        if row.looks_like.as_deref() == Some(look) || holder.is_young() {
            return Ok(false);
        }
        // A change that wants it saw this version.
        let seen = column::there(row.version)?;
        let took = || async { Ok(self.settled_account(id).await?.is_none_or(|row| row.version != Some(seen))) };
        self.decide(&self.accounts.rows.count_up, (seen + 1, id.column(), seen), took).await
    }
}

fn version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

fn second_factor(account: &Account) -> Option<String> {
    account.second_factor.as_ref().map(|factor| serde_json::to_string(factor).expect("bytes and numbers are JSON"))
}

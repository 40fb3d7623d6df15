//! Channels in CQL.
//!
//! Opening: the name (and the first key) is taken, the key and the pointers of lists are written, and the channel's row
//! last, which makes all of it there. One that comes with an account is written as pending on it and counts once the
//! account does. Removing: the row first, which makes it gone, then what belongs to it, its name, and last the pointer
//! by which its account's deletion would find it again.

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, ChannelName};

use super::{Channel, Channels, Conflict, Latency, Visibility};
use crate::{
    accounts::cql::State,
    cql::{
        Cql, Id, column,
        listing::{List, Place},
        names::{Claim, Holder, Kind},
        statement::{Values, statements},
    },
    error::Error,
    keys::Key,
    store::Answer,
};

/// How long the bar stands in the way of a slow opening, in seconds. No call lives as long.
const BARRED_S: i32 = 86_400;

statements! { Rows {
    find: Read = "SELECT id, state, pending, name, owner, title, description, tags, category, language, visibility, \
        latency, conflict, created_at, version, record FROM channels WHERE id = ?";
    add: Decide = "INSERT INTO channels (id, state, pending, name, owner, title, description, tags, category, \
        language, visibility, latency, conflict, created_at, version, record) \
        VALUES (?, 'live', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
    bar: Decide = "INSERT INTO channels (id, state) VALUES (?, 'void') IF NOT EXISTS USING TTL ?";
    settle: Decide = "UPDATE channels SET pending = null WHERE id = ? IF pending = ?";
    change: Decide = "UPDATE channels SET title = ?, description = ?, tags = ?, category = ?, language = ?, \
        visibility = ?, latency = ?, conflict = ?, record = ?, version = ? WHERE id = ? IF version = ? AND state = 'live'";
    drop: Decide = "DELETE FROM channels WHERE id = ? IF EXISTS";
    of_owner: Read = "SELECT id, name FROM channels_by_owner WHERE owner = ?";
    own: Write = "INSERT INTO channels_by_owner (owner, id, name) VALUES (?, ?, ?)";
    disown: Write = "DELETE FROM channels_by_owner WHERE owner = ? AND id = ?";
} }

/// The statements about channels.
#[derive(Debug)]
pub(crate) struct Statements {
    rows: Rows,
    list: List,
}

impl Statements {
    pub(crate) async fn prepare(session: &scylla::client::session::Session) -> Result<Self, Error> {
        Ok(Self { rows: Rows::prepare(session).await?, list: List::prepare(session, "channels_by_name").await? })
    }
}

/// A row. All but the id are empty in one that is void.
#[derive(Debug, DeserializeRow)]
struct ChannelRow {
    id: Uuid,
    state: Option<String>,
    pending: Option<Uuid>,
    name: Option<String>,
    owner: Option<Uuid>,
    title: Option<String>,
    description: Option<String>,
    tags: Option<String>,
    category: Option<String>,
    language: Option<String>,
    visibility: Option<String>,
    latency: Option<String>,
    conflict: Option<String>,
    created_at: Option<CqlTimestamp>,
    version: Option<i32>,
    /// Empty in rows of a release that did not record.
    record: Option<bool>,
}

impl ChannelRow {
    fn channel(self) -> Result<Channel, Error> {
        Ok(Channel {
            id: ChannelId::of(self.id),
            name: column::parsed(&column::there(self.name)?)?,
            owner: self.owner.map(AccountId::of),
            title: column::there(self.title)?,
            description: column::there(self.description)?,
            tags: column::json(&column::there(self.tags)?)?,
            category: column::there(self.category)?,
            language: column::there(self.language)?,
            visibility: column::read(&column::there(self.visibility)?, Visibility::parse)?,
            latency: column::read(&column::there(self.latency)?, Latency::parse)?,
            conflict: column::read(&column::there(self.conflict)?, Conflict::parse)?,
            created_at: column::time(column::there(self.created_at)?)?,
            version: u32::try_from(column::there(self.version)?).unwrap_or_default(),
            record: self.record.unwrap_or_default(),
        })
    }
}

impl Channels for Cql {
    fn add_channel(&self, channel: Channel) -> Answer<'_, ()> {
        Box::pin(async move { self.open_with(&channel, None).await })
    }

    fn open_channel(&self, channel: Channel, key: Key) -> Answer<'_, ()> {
        Box::pin(async move { self.open_with(&channel, Some(&key)).await })
    }

    fn channel_named(&self, name: &ChannelName) -> Answer<'_, Option<Channel>> {
        let name = name.clone();
        Box::pin(async move { self.live_channel_named(&name).await })
    }

    fn channels(&self, after: Option<ChannelName>, limit: usize) -> Answer<'_, Vec<Channel>> {
        Box::pin(async move {
            let (mut found, mut place) = (Vec::new(), Place::after(after.as_ref()));
            while found.len() < limit {
                let wanted = limit - found.len();
                let listed = self.listed(&self.channels.list, &place, wanted).await?;
                let channels = self.each(&listed, |(_, id)| self.live_channel(ChannelId::of(*id))).await?;
                found.extend(channels.into_iter().flatten());
                match listed.last() {
                    Some(last) if listed.len() == wanted => place = Place::at(last),
                    _ => break,
                }
            }
            Ok(found)
        })
    }

    fn channels_named(&self, names: Vec<ChannelName>) -> Answer<'_, Vec<Channel>> {
        Box::pin(async move {
            let found = self
                .each(&names, |name| {
                    let name = name.clone();
                    async move { self.live_channel_named(&name).await }
                })
                .await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    fn channel(&self, id: ChannelId) -> Answer<'_, Option<Channel>> {
        Box::pin(self.live_channel(id))
    }

    fn channels_of(&self, owner: AccountId) -> Answer<'_, Vec<Channel>> {
        Box::pin(async move {
            let rows: Vec<(Uuid, String)> = self.rows(&self.channels.rows.of_owner, (owner.column(),)).await?;
            let found = self.each(&rows, |(id, _)| self.live_channel(ChannelId::of(*id))).await?;
            let mut channels: Vec<Channel> = found.into_iter().flatten().collect();
            channels.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(channels)
        })
    }

    fn update_channel(&self, channel: Channel) -> Answer<'_, bool> {
        Box::pin(async move {
            let after = Channel { version: channel.version + 1, ..channel };
            let values = (
                after.title.as_str(),
                after.description.as_str(),
                tags(&after),
                after.category.as_str(),
                after.language.as_str(),
                after.visibility.as_str(),
                after.latency.as_str(),
                after.conflict.as_str(),
                after.record,
                version(after.version),
                after.id.column(),
                version(channel.version),
            );
            let took = || async {
                let row = self.settled_channel(after.id).await?;
                let kept = row.map(ChannelRow::channel).transpose()?;
                Ok(kept.is_some_and(|kept| kept.version == after.version && kept.title == after.title))
            };
            self.decide(&self.channels.rows.change, values, took).await
        })
    }
}

impl Cql {
    async fn open_with(&self, channel: &Channel, key: Option<&Key>) -> Result<(), Error> {
        if let Some(owner) = channel.owner
            && self.live_account(owner).await?.is_none()
        {
            return Err(Error::Missing);
        }
        let mut claims = vec![Claim::channel(&channel.name, channel.id)];
        claims.extend(key.map(|key| Claim::key(key.hash, key.channel, key.id)));
        self.take_all(&claims).await?;
        if let Some(key) = key {
            self.write_first_key(key).await?;
        }
        match self.write_channel(channel, None).await {
            Err(Error::Busy) => {
                // It took so long that somebody barred the way; the names may be theirs by now.
                for claim in &claims {
                    let _ = self.release(claim).await;
                }
                return Err(Error::Busy);
            }
            done => done?,
        }
        // Its owner's deletion looks for channels after the owner is gone: it has seen this one, or we see it.
        match channel.owner {
            Some(owner) if self.live_account(owner).await?.is_none() => {
                self.remove_channels_of(owner).await?;
                Err(Error::Missing)
            }
            _ => Ok(()),
        }
    }

    /// Writes the pointers of lists and the row. [`Error::Busy`] when somebody barred the way.
    pub(crate) async fn write_channel(&self, channel: &Channel, pending: Option<AccountId>) -> Result<(), Error> {
        let id = channel.id.column();
        let mut pointers = vec![self.channels.list.adding(&channel.name, id)];
        if let Some(owner) = channel.owner {
            let values: Values = Box::new((owner.column(), id, channel.name.to_string()));
            pointers.push((&self.channels.rows.own, values));
        }
        self.put_all(pointers).await?;
        let values = (
            id,
            pending.map(Id::column),
            channel.name.as_str(),
            channel.owner.map(Id::column),
            channel.title.as_str(),
            channel.description.as_str(),
            tags(channel),
            channel.category.as_str(),
            channel.language.as_str(),
            channel.visibility.as_str(),
            channel.latency.as_str(),
            channel.conflict.as_str(),
            column::at(channel.created_at),
            version(channel.version),
            channel.record,
        );
        let took = || async {
            let row = self.settled_channel(channel.id).await?;
            Ok(row.is_some_and(|row| row.state.as_deref() == Some("live")))
        };
        if self.decide(&self.channels.rows.add, values, took).await? { Ok(()) } else { Err(Error::Busy) }
    }

    /// Makes a channel that came with an account stand by itself.
    pub(crate) async fn settle_channel(&self, id: ChannelId, account: AccountId) -> Result<(), Error> {
        let took = || async { Ok(self.settled_channel(id).await?.is_none_or(|row| row.pending.is_none())) };
        self.decide(&self.channels.rows.settle, (id.column(), account.column()), took).await.map(drop)
    }

    pub(crate) async fn live_channel(&self, id: ChannelId) -> Result<Option<Channel>, Error> {
        let row: Option<ChannelRow> = self.one(&self.channels.rows.find, (id.column(),)).await?;
        let Some(row) = row else { return Ok(None) };
        if State::parse(row.state.as_deref())? != State::Live {
            return Ok(None);
        }
        if let Some(account) = row.pending
            && self.live_account(AccountId::of(account)).await?.is_none()
        {
            return Ok(None);
        }
        row.channel().map(Some)
    }

    async fn live_channel_named(&self, name: &ChannelName) -> Result<Option<Channel>, Error> {
        let Some(holder) = self.holder(Kind::Channel, name.as_str()).await? else { return Ok(None) };
        let channel = self.live_channel(ChannelId::of(holder.owner)).await?;
        Ok(channel.filter(|channel| channel.name == *name))
    }

    async fn settled_channel(&self, id: ChannelId) -> Result<Option<ChannelRow>, Error> {
        self.settled(&self.channels.rows.find, (id.column(),)).await
    }

    /// Whether a channel for which a name was taken is not there and can no longer come.
    pub(crate) async fn channel_has_lapsed(&self, id: ChannelId, holder: &Holder) -> Result<bool, Error> {
        let Some(row) = self.settled_channel(id).await? else {
            if holder.is_young() {
                return Ok(false);
            }
            let is_void = || async {
                let row = self.settled_channel(id).await?;
                Ok(row.is_some_and(|row| row.state.as_deref() == Some("void")))
            };
            let barred = self.decide(&self.channels.rows.bar, (id.column(), BARRED_S), &is_void).await?;
            // Somebody else may have barred it a moment ago.
            return if barred { Ok(true) } else { is_void().await };
        };
        match (State::parse(row.state.as_deref())?, row.pending) {
            (State::Void, _) => Ok(true),
            // It is there when its account is, and gone with it.
            (_, Some(account)) => self.account_has_lapsed(AccountId::of(account), holder).await,
            (_, None) => match row.owner {
                // An account whose deletion somebody did not finish.
                Some(owner) => self.account_is_going(AccountId::of(owner)).await,
                None => Ok(false),
            },
        }
    }

    /// Removes an account's channels with what belongs to them.
    pub(crate) async fn remove_channels_of(&self, owner: AccountId) -> Result<(), Error> {
        let rows: Vec<(Uuid, String)> = self.rows(&self.channels.rows.of_owner, (owner.column(),)).await?;
        for (id, name) in rows {
            let channel = ChannelId::of(id);
            let gone = || async { Ok(self.settled_channel(channel).await?.is_none()) };
            self.decide(&self.channels.rows.drop, (id,), gone).await?;
            self.remove_keys_of(channel).await?;
            self.remove_roles_in(channel).await?;
            self.remove_bans_in(channel).await?;
            self.remove_hooks_in(channel).await?;
            self.remove_held_in(channel).await?;
            self.remove_reports_in(channel).await?;
            self.remove_words_of(channel).await?;
            self.remove_messages_in(channel).await?;
            self.remove_followers_of(channel).await?;
            self.remove_emotes_in(channel).await?;
            self.remove_vods_in(channel).await?;
            self.release_of(Kind::Channel, &name, id).await?;
            let disown: Values = Box::new((owner.column(), id));
            self.put_all(vec![self.channels.list.removing(&name, id), (&self.channels.rows.disown, disown)]).await?;
        }
        Ok(())
    }
}

/// A list of texts, as JSON.
fn tags(channel: &Channel) -> String {
    serde_json::to_string(&channel.tags).expect("a list of texts is JSON")
}

fn version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

//! Stream keys in CQL.
//!
//! A channel's keys are one partition and change together: a change reads them and the partition's gate, and writes in
//! one batch that holds only if the gate is still the same. So the limit holds, a rotation is done whole or not at all,
//! and no key comes to a channel that is being removed (its gate is closed for good). The key's hash is a name that is
//! taken first; it opens the channel once the key is in the partition. When a key was used stands apart: it is written
//! at each publish and needs no condition.

use std::cmp::Reverse;

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{ChannelId, KeyHash, KeyId};

use super::{Grant, KEYS_PER_CHANNEL_MAX, Key, Keys, REVOKED_PER_CHANNEL_MAX};
use crate::{
    cql::{
        Cql, Id, column, gate,
        names::{self, Claim, Holder, Kind},
        statement::{Values, Within, statements, step_aside},
    },
    error::Error,
    store::Answer,
};

statements! { Statements {
    all: Read = "SELECT id, gate, name, hash, created_at, expires_at, revoked_at FROM stream_keys WHERE channel = ?";
    one: Read = "SELECT id, gate, name, hash, created_at, expires_at, revoked_at FROM stream_keys \
        WHERE channel = ? AND id = ?";
    gate: Decide = "UPDATE stream_keys SET gate = ? WHERE channel = ? IF gate = ?";
    close: Decide = "UPDATE stream_keys USING TTL ? SET gate = ? WHERE channel = ? IF gate = ?";
    insert: Within = "INSERT INTO stream_keys (channel, id, name, hash, created_at, expires_at, revoked_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    revoke: Within = "UPDATE stream_keys SET revoked_at = ? WHERE channel = ? AND id = ?";
    forget: Within = "DELETE FROM stream_keys WHERE channel = ? AND id = ?";
    uses: Read = "SELECT id, at FROM stream_key_uses WHERE channel = ?";
    use_of: Read = "SELECT at FROM stream_key_uses WHERE channel = ? AND id = ?";
    used: Write = "INSERT INTO stream_key_uses (channel, id, at) VALUES (?, ?, ?)";
    forget_use: Write = "DELETE FROM stream_key_uses WHERE channel = ? AND id = ?";
    forget_uses: Write = "DELETE FROM stream_key_uses WHERE channel = ?";
} }

/// A row. One without an id says only the partition's gate.
#[derive(Debug, DeserializeRow)]
struct KeyRow {
    id: Option<Uuid>,
    gate: Option<i64>,
    name: Option<String>,
    hash: Option<Vec<u8>>,
    created_at: Option<CqlTimestamp>,
    expires_at: Option<CqlTimestamp>,
    revoked_at: Option<CqlTimestamp>,
}

impl KeyRow {
    fn key(self, channel: ChannelId, last_used_at: Option<CqlTimestamp>) -> Result<Key, Error> {
        Ok(Key {
            id: KeyId::of(column::there(self.id)?),
            channel,
            name: column::there(self.name)?,
            hash: KeyHash::from_bytes(column::hash(column::there(self.hash)?)?),
            created_at: column::time(column::there(self.created_at)?)?,
            expires_at: column::time_or_none(self.expires_at)?,
            last_used_at: column::time_or_none(last_used_at)?,
            revoked_at: column::time_or_none(self.revoked_at)?,
        })
    }
}

/// A channel's keys as one change sees them.
struct Partition {
    gate: Option<i64>,
    keys: Vec<Key>,
}

impl Partition {
    fn usable(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.revoked_at.is_none())
    }

    /// Which revoked keys there is no room for, once `now` are revoked too: the oldest.
    fn forgotten(&self, now: &[KeyId], at: Timestamp) -> Vec<&Key> {
        let when = |key: &Key| if now.contains(&key.id) { Some(at) } else { key.revoked_at };
        let mut revoked: Vec<&Key> = self.keys.iter().filter(|key| when(key).is_some()).collect();
        revoked.sort_by_key(|key| Reverse((when(key), key.id)));
        revoked.split_off(revoked.len().min(REVOKED_PER_CHANNEL_MAX as usize))
    }
}

impl Keys for Cql {
    fn add_key(&self, key: Key) -> Answer<'_, ()> {
        Box::pin(async move { self.change_keys(&key, &Change::Add).await.map(drop) })
    }

    fn grant(&self, hash: KeyHash) -> Answer<'_, Option<Grant>> {
        Box::pin(async move {
            let Some(holder) = self.holder(Kind::Key, &names::hex(hash)).await? else { return Ok(None) };
            let (channel, id) = (ChannelId::of(holder.parent), holder.owner);
            let row = self.one::<KeyRow>(&self.keys.one, (channel.column(), id));
            let used = self.one::<(Option<CqlTimestamp>,)>(&self.keys.use_of, (channel.column(), id));
            let (row, used, channel) = tokio::try_join!(row, used, self.live_channel(channel))?;
            let (Some(row), Some(channel)) = (row, channel) else { return Ok(None) };
            if gate::is_closed(row.gate) {
                return Ok(None);
            }
            let key = row.key(channel.id, used.and_then(|(at,)| at))?;
            let Some(key) = Some(key).filter(|key| key.hash == hash) else { return Ok(None) };
            let (conflict, visibility) = (channel.conflict, channel.visibility);
            Ok(Some(Grant { key, channel: channel.name, conflict, visibility }))
        })
    }

    fn keys_of(&self, channel: ChannelId) -> Answer<'_, Vec<Key>> {
        Box::pin(async move {
            let rows = self.rows::<KeyRow>(&self.keys.all, (channel.column(),));
            let uses = self.rows::<(Uuid, CqlTimestamp)>(&self.keys.uses, (channel.column(),));
            let (rows, uses) = tokio::try_join!(rows, uses)?;
            let used = |id| uses.iter().find(|(of, _)| Some(*of) == id).map(|(_, at)| *at);
            let keys = rows.into_iter().filter(|row| row.id.is_some() && !gate::is_closed(row.gate));
            keys.map(|row| {
                let at = used(row.id);
                row.key(channel, at)
            })
            .collect()
        })
    }

    fn revoke_key(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, bool> {
        Box::pin(async move {
            for _ in 0..gate::TRIES {
                let Some(partition) = self.key_partition(channel).await? else { return Ok(false) };
                if !partition.usable().any(|kept| kept.id == key) {
                    return Ok(false);
                }
                let forgotten = partition.forgotten(&[key], at);
                let mut parts = vec![self.revoking(channel, key, at)];
                parts.extend(forgotten.iter().map(|key| self.forgetting(key)));
                if self.pass_key_gate(channel, partition.gate, parts).await? {
                    self.forget_hashes(&forgotten).await;
                    return Ok(true);
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn rotate_keys(&self, new: Key, named: Option<String>, at: Timestamp) -> Answer<'_, Vec<KeyId>> {
        Box::pin(async move { self.change_keys(&new, &Change::Rotate { named, at }).await })
    }

    fn key_used(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.put(&self.keys.used, (channel.column(), key.column(), column::at(at))))
    }
}

/// What happens to the others when a key is added.
enum Change {
    Add,
    Rotate { named: Option<String>, at: Timestamp },
}

impl Cql {
    /// Adds a key, and revokes others with it; gives those.
    async fn change_keys(&self, new: &Key, change: &Change) -> Result<Vec<KeyId>, Error> {
        let claim = Claim::key(new.hash, new.channel, new.id);
        let changed = self.try_change_keys(new, change, &claim).await;
        // After any other error it may be there all the same; a name that leads nowhere lapses.
        if matches!(changed, Err(Error::Missing | Error::TooMany)) {
            let _ = self.release(&claim).await;
        }
        changed
    }

    async fn try_change_keys(&self, new: &Key, change: &Change, claim: &Claim) -> Result<Vec<KeyId>, Error> {
        for _ in 0..gate::TRIES {
            if self.live_channel(new.channel).await?.is_none() {
                return Err(Error::Missing);
            }
            let partition = self.key_partition(new.channel).await?.ok_or(Error::Missing)?;
            let (revoked, at): (Vec<KeyId>, Timestamp) = match change {
                Change::Add => (Vec::new(), new.created_at),
                Change::Rotate { named, at } => {
                    let named = |key: &&Key| named.as_ref().is_none_or(|name| key.name == *name);
                    (partition.usable().filter(named).map(|key| key.id).collect(), *at)
                }
            };
            if partition.usable().count() - revoked.len() >= KEYS_PER_CHANNEL_MAX as usize {
                return Err(Error::TooMany);
            }
            // After the gate was read, so that whoever takes this name over can bar the way by changing the gate.
            self.take(claim).await?;
            let forgotten = partition.forgotten(&revoked, at);
            let mut parts: Vec<_> = revoked.iter().map(|key| self.revoking(new.channel, *key, at)).collect();
            parts.extend(forgotten.iter().map(|key| self.forgetting(key)));
            parts.push(self.inserting(new));
            if self.pass_key_gate(new.channel, partition.gate, parts).await? {
                self.forget_hashes(&forgotten).await;
                return Ok(revoked);
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }

    /// Writes the key of a channel that is not there yet; its name was taken.
    pub(crate) async fn write_first_key(&self, key: &Key) -> Result<(), Error> {
        let written = self.pass_key_gate(key.channel, None, vec![self.inserting(key)]).await?;
        if written { Ok(()) } else { Err(Error::Busy) }
    }

    /// The keys of a channel; none when its gate is closed.
    async fn key_partition(&self, channel: ChannelId) -> Result<Option<Partition>, Error> {
        let rows: Vec<KeyRow> = self.rows(&self.keys.all, (channel.column(),)).await?;
        let gate = rows.first().and_then(|row| row.gate);
        if gate::is_closed(gate) {
            return Ok(None);
        }
        let keys = rows.into_iter().filter(|row| row.id.is_some()).map(|row| row.key(channel, None));
        Ok(Some(Partition { gate, keys: keys.collect::<Result<_, _>>()? }))
    }

    async fn key_gate(&self, channel: ChannelId) -> Result<Option<i64>, Error> {
        let row: Option<KeyRow> = self.settled(&self.keys.all, (channel.column(),)).await?;
        Ok(row.and_then(|row| row.gate))
    }

    async fn pass_key_gate(
        &self,
        channel: ChannelId,
        seen: Option<i64>,
        parts: Vec<(&Within, Values)>,
    ) -> Result<bool, Error> {
        let next = gate::next();
        let took = || async { Ok(self.key_gate(channel).await? == Some(next)) };
        self.decide_with(&self.keys.gate, Box::new((next, channel.column(), seen)), parts, took).await
    }

    fn inserting(&self, key: &Key) -> (&Within, Values) {
        let values = (
            key.channel.column(),
            key.id.column(),
            key.name.clone(),
            key.hash.as_bytes().to_vec(),
            column::at(key.created_at),
            key.expires_at.map(column::at),
            key.revoked_at.map(column::at),
        );
        (&self.keys.insert, Box::new(values))
    }

    fn revoking(&self, channel: ChannelId, key: KeyId, at: Timestamp) -> (&Within, Values) {
        (&self.keys.revoke, Box::new((column::at(at), channel.column(), key.column())))
    }

    fn forgetting(&self, key: &Key) -> (&Within, Values) {
        (&self.keys.forget, Box::new((key.channel.column(), key.id.column())))
    }

    /// Gives back the names of keys that are gone. What fails lapses.
    async fn forget_hashes(&self, keys: &[&Key]) {
        for key in keys {
            let _ = self.release_of(Kind::Key, &names::hex(key.hash), key.id.column()).await;
            let _ = self.put(&self.keys.forget_use, (key.channel.column(), key.id.column())).await;
        }
    }

    /// Whether a key for which a name was taken is not there and can no longer come.
    pub(crate) async fn key_has_lapsed(&self, channel: ChannelId, key: KeyId, holder: &Holder) -> Result<bool, Error> {
        if self.channel_has_lapsed(channel, holder).await? {
            return Ok(true);
        }
        if self.live_channel(channel).await?.is_none() {
            // Young, and about to come.
            return Ok(false);
        }
        let rows: Vec<KeyRow> = self.settled_rows(&self.keys.all, (channel.column(),)).await?;
        let gate = rows.first().and_then(|row| row.gate);
        if gate::is_closed(gate) {
            return Ok(true);
        }
        if rows.iter().any(|row| row.id == Some(key.column())) || holder.is_young() {
            return Ok(false);
        }
        self.pass_key_gate(channel, gate, Vec::new()).await
    }

    /// Removes the keys of a channel that is gone, and closes its gate.
    pub(crate) async fn remove_keys_of(&self, channel: ChannelId) -> Result<(), Error> {
        for _ in 0..gate::TRIES {
            let Some(partition) = self.key_partition(channel).await? else { break };
            let parts = partition.keys.iter().map(|key| self.forgetting(key)).collect();
            let took = || async { Ok(gate::is_closed(self.key_gate(channel).await?)) };
            let close = (gate::CLOSED_FOR_S, gate::CLOSED, channel.column(), partition.gate);
            if self.decide_with(&self.keys.close, Box::new(close), parts, took).await? {
                for key in &partition.keys {
                    self.release_of(Kind::Key, &names::hex(key.hash), key.id.column()).await?;
                }
                break;
            }
            step_aside().await;
        }
        self.put(&self.keys.forget_uses, (channel.column(),)).await
    }
}

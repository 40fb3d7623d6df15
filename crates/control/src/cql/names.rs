//! What there may be only one of: a conditional insert takes it.
//!
//! A name counts while what it points to says so: the account or channel of that id is there and has it, the key is in
//! its channel. Whoever finds one that is taken looks. Taken for nothing, and young: somebody is about to use it.
//! Taken for nothing for longer than [`YOUNG_FOR`]: whoever took it has died, or is very slow. The slow one must not
//! come back and find two with one name, so first its way is barred: what it would write last, conditionally, is given
//! up in its place. Then the name is taken over, if nobody refreshed it meanwhile.

use jiff::{SignedDuration, Timestamp};
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, ChannelName, KeyHash, KeyId};

use super::{
    Cql, Id, column,
    statement::{statements, step_aside},
};
use crate::{accounts::DisplayName, error::Error};

/// How long a name that leads nowhere is left to whoever took it. What takes names is done in well under a second.
pub(crate) const YOUNG_FOR: SignedDuration = SignedDuration::from_secs(10);
/// Tries to take a name that changes hands meanwhile.
const TRIES: usize = 8;

statements! { Statements {
    take: Decide = "INSERT INTO names (kind, name, owner, parent, at) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
    find: Read = "SELECT owner, parent, at FROM names WHERE kind = ? AND name = ?";
    take_over: Decide = "UPDATE names SET owner = ?, parent = ?, at = ? WHERE kind = ? AND name = ? \
        IF owner = ? AND at = ?";
    refresh: Decide = "UPDATE names SET at = ? WHERE kind = ? AND name = ? IF owner = ?";
    release: Decide = "DELETE FROM names WHERE kind = ? AND name = ? IF owner = ?";
} }

/// What kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Account,
    Look,
    Channel,
    Key,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Look => "look",
            Self::Channel => "channel",
            Self::Key => "key",
        }
    }
}

/// A name, and for whom it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The account, channel or key that has it.
    pub(crate) owner: Uuid,
    /// The channel of a key; else the owner.
    pub(crate) parent: Uuid,
}

impl Claim {
    pub(crate) fn account(name: &ChannelName, account: AccountId) -> Self {
        Self { kind: Kind::Account, name: name.to_string(), owner: account.column(), parent: account.column() }
    }

    pub(crate) fn look(name: &DisplayName, account: AccountId) -> Self {
        Self { kind: Kind::Look, name: name.looks_like(), owner: account.column(), parent: account.column() }
    }

    pub(crate) fn channel(name: &ChannelName, channel: ChannelId) -> Self {
        Self { kind: Kind::Channel, name: name.to_string(), owner: channel.column(), parent: channel.column() }
    }

    pub(crate) fn key(hash: KeyHash, channel: ChannelId, key: KeyId) -> Self {
        Self { kind: Kind::Key, name: hex(hash), owner: key.column(), parent: channel.column() }
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(hash: KeyHash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who has a name.
#[derive(Debug, Clone, DeserializeRow)]
pub(crate) struct Holder {
    pub(crate) owner: Uuid,
    pub(crate) parent: Uuid,
    at: CqlTimestamp,
}

impl Holder {
    /// Whether it was taken a moment ago, by the clocks of two nodes.
    pub(crate) fn is_young(&self) -> bool {
        let age = Timestamp::now().as_millisecond().saturating_sub(self.at.0);
        i128::from(age) < YOUNG_FOR.as_millis()
    }
}

impl Cql {
    /// Who has a name; whether they have it rightly, the caller sees by what it points to.
    pub(crate) async fn holder(&self, kind: Kind, name: &str) -> Result<Option<Holder>, Error> {
        self.one(&self.names.find, (kind.as_str(), name)).await
    }

    /// Takes all of `claims`, or none. [`Error::Exists`] when somebody has one of them. The first is taken before the
    /// others, so that of several who want the same all, one gets them.
    pub(crate) async fn take_all(&self, claims: &[Claim]) -> Result<(), Error> {
        let Some((first, others)) = claims.split_first() else { return Ok(()) };
        self.take(first).await?;
        let mut taken = futures::future::join_all(others.iter().map(|claim| self.take(claim))).await;
        let Some(refusal) = taken.iter().position(|taken| matches!(taken, Err(Error::Exists))) else {
            // Without a refusal, what failed and what was taken is left as it is: it lapses.
            return taken.into_iter().collect();
        };
        let refusal = taken.swap_remove(refusal);
        for claim in claims {
            // Gives back only what is the claim's own. What is not given back now lapses.
            let _ = self.release(claim).await;
        }
        refusal
    }

    /// Takes a name. [`Error::Exists`] when somebody else has it.
    pub(crate) async fn take(&self, claim: &Claim) -> Result<(), Error> {
        let (kind, name) = (claim.kind.as_str(), claim.name.as_str());
        let now = || column::at(Timestamp::now());
        let ours = || async { Ok(self.settled_holder(claim).await?.is_some_and(|holder| holder.owner == claim.owner)) };
        for _ in 0..TRIES {
            if self.decide(&self.names.take, (kind, name, claim.owner, claim.parent, now()), &ours).await? {
                return Ok(());
            }
            // Released meanwhile, or not.
            let Some(holder) = self.settled_holder(claim).await? else { continue };
            if holder.owner == claim.owner {
                // Young again: so nobody takes it over who saw it old.
                if self.decide(&self.names.refresh, (now(), kind, name, claim.owner), &ours).await? {
                    return Ok(());
                }
                continue;
            }
            if !self.has_lapsed(claim, &holder).await? {
                return Err(Error::Exists);
            }
            let values = (claim.owner, claim.parent, now(), kind, name, holder.owner, holder.at);
            if self.decide(&self.names.take_over, values, &ours).await? {
                tracing::info!(kind, "a name that led nowhere was taken over");
                return Ok(());
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }

    /// Gives a name back, if it is still the claim's.
    pub(crate) async fn release(&self, claim: &Claim) -> Result<(), Error> {
        self.release_of(claim.kind, &claim.name, claim.owner).await
    }

    /// Gives a name back, if it is still `owner`'s.
    pub(crate) async fn release_of(&self, kind: Kind, name: &str, owner: Uuid) -> Result<(), Error> {
        let kind = kind.as_str();
        let gone = || async {
            let holder = self.settled::<Holder>(&self.names.find, (kind, name)).await?;
            Ok(holder.is_none_or(|holder| holder.owner != owner))
        };
        self.decide(&self.names.release, (kind, name, owner), gone).await.map(drop)
    }

    async fn settled_holder(&self, claim: &Claim) -> Result<Option<Holder>, Error> {
        self.settled(&self.names.find, (claim.kind.as_str(), claim.name.as_str())).await
    }

    /// Whether what `holder` took the name for is not there and can no longer come.
    async fn has_lapsed(&self, claim: &Claim, holder: &Holder) -> Result<bool, Error> {
        match claim.kind {
            Kind::Account => self.account_has_lapsed(AccountId::of(holder.owner), holder).await,
            Kind::Look => self.look_has_lapsed(AccountId::of(holder.owner), &claim.name, holder).await,
            Kind::Channel => self.channel_has_lapsed(ChannelId::of(holder.owner), holder).await,
            Kind::Key => self.key_has_lapsed(ChannelId::of(holder.parent), KeyId::of(holder.owner), holder).await,
        }
    }
}

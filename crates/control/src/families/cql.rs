//! Devices in CQL.
//!
//! A device is one row that goes by itself once it has expired; exchanging its token compares the hash. An account's
//! devices are pointers, written after the row: one whose row is gone points to nothing for good, and a row without a
//! pointer is a login that failed, whose token nobody was given.

use std::cmp::Reverse;

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, FamilyId};

use super::{Exchange, FAMILIES_PER_ACCOUNT_MAX, Families, Family, Rotation};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

/// How long an expired device is kept, in seconds: clocks differ, and its owner may still see it in the list.
const KEPT_S: i64 = 86_400;
/// Longest that CQL lets a row live, in seconds.
const LIVES_MAX_S: i64 = 630_720_000;

statements! { Statements {
    find: Read = "SELECT id, account, hash, device, address, created_at, used_at, expires_at FROM families \
        WHERE id = ?";
    open: Decide = "UPDATE families USING TTL ? SET account = ?, hash = ?, device = ?, address = ?, created_at = ?, \
        used_at = ?, expires_at = ? WHERE id = ? IF hash = ?";
    end: Decide = "DELETE FROM families WHERE id = ? IF account = ?";
    of_account: Read = "SELECT id FROM families_by_account WHERE account = ?";
    point: Write = "INSERT INTO families_by_account (account, id) VALUES (?, ?)";
    unpoint: Write = "DELETE FROM families_by_account WHERE account = ? AND id = ?";
} }

#[derive(Debug, DeserializeRow)]
struct FamilyRow {
    id: Uuid,
    account: Option<Uuid>,
    hash: Option<Vec<u8>>,
    device: Option<String>,
    address: Option<String>,
    created_at: Option<CqlTimestamp>,
    used_at: Option<CqlTimestamp>,
    expires_at: Option<CqlTimestamp>,
}

impl FamilyRow {
    fn family(self) -> Result<Family, Error> {
        Ok(Family {
            id: FamilyId::of(self.id),
            account: AccountId::of(column::there(self.account)?),
            hash: column::hash(column::there(self.hash)?)?,
            device: column::there(self.device)?,
            address: column::there(self.address)?,
            created_at: column::time(column::there(self.created_at)?)?,
            used_at: column::time(column::there(self.used_at)?)?,
            expires_at: column::time(column::there(self.expires_at)?)?,
        })
    }
}

impl Families for Cql {
    fn open_family(&self, family: Family) -> Answer<'_, ()> {
        Box::pin(async move {
            let others = self.listed_families(family.account).await?;
            for unused in others.iter().skip(FAMILIES_PER_ACCOUNT_MAX - 1) {
                self.drop_family(family.account, unused.id).await?;
            }
            if !self.write_family(&family, None).await? {
                return Err(Error::Exists);
            }
            self.put(&self.families.point, (family.account.column(), family.id.column())).await?;
            // The account's deletion looks for devices after it is gone: it has seen this one, or we see it.
            if self.live_account(family.account).await?.is_none() {
                self.drop_family(family.account, family.id).await?;
                return Err(Error::Missing);
            }
            Ok(())
        })
    }

    fn rotate_family(&self, exchange: Exchange) -> Answer<'_, Rotation> {
        Box::pin(async move {
            let Some(family) = self.settled_family(exchange.family).await? else { return Ok(Rotation::Unknown) };
            let account = family.account;
            if family.expires_at <= exchange.at {
                self.drop_family(account, family.id).await?;
                return Ok(Rotation::Unknown);
            }
            if family.hash == exchange.presented {
                let next = Family {
                    hash: exchange.next,
                    used_at: exchange.at,
                    expires_at: exchange.expires_at,
                    address: exchange.address,
                    ..family.clone()
                };
                if self.write_family(&next, Some(exchange.presented)).await? {
                    return Ok(Rotation::Done(account));
                }
                if self.settled_family(family.id).await?.is_none() {
                    return Ok(Rotation::Unknown);
                }
                // Somebody else presented the same token a moment ago.
            }
            self.drop_family(account, family.id).await?;
            Ok(Rotation::Reused(account))
        })
    }

    fn family(&self, id: FamilyId) -> Answer<'_, Option<Family>> {
        Box::pin(self.kept_family(id))
    }

    fn families_of(&self, account: AccountId) -> Answer<'_, Vec<Family>> {
        Box::pin(self.listed_families(account))
    }

    fn end_family(&self, account: AccountId, id: FamilyId) -> Answer<'_, bool> {
        Box::pin(self.drop_family(account, id))
    }

    fn end_families(&self, account: AccountId, keep: Option<FamilyId>) -> Answer<'_, Vec<FamilyId>> {
        Box::pin(async move {
            let families = self.listed_families(account).await?;
            let others: Vec<FamilyId> =
                families.iter().map(|family| family.id).filter(|id| Some(*id) != keep).collect();
            let ended = self.each(&others, |id| self.drop_family(account, *id)).await?;
            Ok(others.into_iter().zip(ended).filter_map(|(id, ended)| ended.then_some(id)).collect())
        })
    }
}

impl Cql {
    async fn kept_family(&self, id: FamilyId) -> Result<Option<Family>, Error> {
        self.one::<FamilyRow>(&self.families.find, (id.column(),)).await?.map(FamilyRow::family).transpose()
    }

    async fn settled_family(&self, id: FamilyId) -> Result<Option<Family>, Error> {
        self.settled::<FamilyRow>(&self.families.find, (id.column(),)).await?.map(FamilyRow::family).transpose()
    }

    /// The account's devices, the last used first. Forgets pointers to those that are gone.
    async fn listed_families(&self, account: AccountId) -> Result<Vec<Family>, Error> {
        let ids: Vec<(Uuid,)> = self.rows(&self.families.of_account, (account.column(),)).await?;
        let found = self.each(&ids, |(id,)| self.kept_family(FamilyId::of(*id))).await?;
        for ((id,), _) in ids.iter().zip(&found).filter(|(_, family)| family.is_none()) {
            self.put(&self.families.unpoint, (account.column(), *id)).await?;
        }
        let mut families: Vec<Family> = found.into_iter().flatten().collect();
        families.sort_by_key(|family| Reverse((family.used_at, family.id)));
        Ok(families)
    }

    /// Writes a device if its token is still `seen`; all columns, so that they live equally long.
    async fn write_family(&self, family: &Family, seen: Option<[u8; 32]>) -> Result<bool, Error> {
        let values = (
            lives(family),
            family.account.column(),
            family.hash.as_slice(),
            family.device.as_str(),
            family.address.as_str(),
            column::at(family.created_at),
            column::at(family.used_at),
            column::at(family.expires_at),
            family.id.column(),
            seen.as_ref().map(<[u8; 32]>::as_slice),
        );
        let took = || async {
            let kept = self.settled_family(family.id).await?;
            Ok(kept.is_some_and(|kept| kept.hash == family.hash))
        };
        self.decide(&self.families.open, values, took).await
    }

    async fn drop_family(&self, account: AccountId, id: FamilyId) -> Result<bool, Error> {
        let gone = || async { Ok(self.settled_family(id).await?.is_none()) };
        let ended = self.decide(&self.families.end, (id.column(), account.column()), gone).await?;
        if ended {
            self.put(&self.families.unpoint, (account.column(), id.column())).await?;
        }
        Ok(ended)
    }
}

/// How long a device's row lives, in seconds.
fn lives(family: &Family) -> i32 {
    let left = family.expires_at.as_second().saturating_sub(Timestamp::now().as_second()).saturating_add(KEPT_S);
    i32::try_from(left.clamp(1, LIVES_MAX_S)).unwrap_or(i32::MAX)
}

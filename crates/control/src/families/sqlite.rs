//! Devices in SQLite.

use rusqlite::{OptionalExtension, Row, params};
use weir_identity::{AccountId, FamilyId};

use super::{Exchange, FAMILIES_PER_ACCOUNT_MAX, Families, Family, Rotation};
use crate::{
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, account, hash, device, address, created_at_ms, used_at_ms, expires_at_ms";

impl Families for Sqlite {
    fn open_family(&self, family: Family) -> Answer<'_, ()> {
        self.write(move |db| {
            let account = family.account.to_string();
            db.execute(
                "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE account = ?1
                     ORDER BY used_at_ms DESC, id DESC LIMIT -1 OFFSET ?2)",
                params![account, FAMILIES_PER_ACCOUNT_MAX as i64 - 1],
            )?;
            db.execute(
                &format!("INSERT INTO families ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
                params![
                    family.id.to_string(),
                    account,
                    family.hash,
                    family.device,
                    family.address,
                    family.created_at.as_millisecond(),
                    family.used_at.as_millisecond(),
                    family.expires_at.as_millisecond(),
                ],
            )?;
            Ok(())
        })
    }

    fn rotate_family(&self, exchange: Exchange) -> Answer<'_, Rotation> {
        self.write(move |db| {
            let id = exchange.family.to_string();
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM families WHERE id = ?1"))?;
            let Some(family) = query.query_row([&id], family).optional()? else { return Ok(Rotation::Unknown) };
            if family.expires_at <= exchange.at {
                db.execute("DELETE FROM families WHERE id = ?1", [&id])?;
                return Ok(Rotation::Unknown);
            }
            if family.hash != exchange.presented {
                db.execute("DELETE FROM families WHERE id = ?1", [&id])?;
                return Ok(Rotation::Reused(family.account));
            }
            db.execute(
                "UPDATE families SET hash = ?2, used_at_ms = ?3, expires_at_ms = ?4, address = ?5 WHERE id = ?1",
                params![
                    id,
                    exchange.next,
                    exchange.at.as_millisecond(),
                    exchange.expires_at.as_millisecond(),
                    exchange.address
                ],
            )?;
            Ok(Rotation::Done(family.account))
        })
    }

    fn family(&self, id: FamilyId) -> Answer<'_, Option<Family>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM families WHERE id = ?1"))?;
            Ok(query.query_row([id.to_string()], family).optional()?)
        })
    }

    fn families_of(&self, account: AccountId) -> Answer<'_, Vec<Family>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM families WHERE account = ?1 ORDER BY used_at_ms DESC, id DESC"
            ))?;
            Ok(query.query_map([account.to_string()], family)?.collect::<Result<_, _>>()?)
        })
    }

    fn end_family(&self, account: AccountId, id: FamilyId) -> Answer<'_, bool> {
        self.write(move |db| {
            let ended = db.execute(
                "DELETE FROM families WHERE id = ?1 AND account = ?2",
                params![id.to_string(), account.to_string()],
            )?;
            Ok(ended == 1)
        })
    }

    fn end_families(&self, account: AccountId, keep: Option<FamilyId>) -> Answer<'_, Vec<FamilyId>> {
        self.write(move |db| {
            let mut query = db.prepare_cached("DELETE FROM families WHERE account = ?1 AND id <> ?2 RETURNING id")?;
            // No id is the empty text.
            let keep = keep.map(|id| id.to_string()).unwrap_or_default();
            let ended = query.query_map(params![account.to_string(), keep], |row| column::parsed(row, 0))?;
            Ok(ended.collect::<Result<_, _>>()?)
        })
    }
}

fn family(row: &Row<'_>) -> rusqlite::Result<Family> {
    Ok(Family {
        id: column::parsed(row, 0)?,
        account: column::parsed(row, 1)?,
        hash: row.get(2)?,
        device: row.get(3)?,
        address: row.get(4)?,
        created_at: column::time(row, 5)?,
        used_at: column::time(row, 6)?,
        expires_at: column::time(row, 7)?,
    })
}

//! The audit log in SQLite.

use rusqlite::{Row, params};
use weir_identity::AuditId;

use super::{Actor, Audit, Entry, Scope};
use crate::{
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, at_ms, actor, address, action, target, detail";
/// Sorts after every id.
const LAST: &str = "~";

impl Audit for Sqlite {
    fn note(&self, entry: Entry, scopes: Vec<Scope>) -> Answer<'_, ()> {
        self.write(move |db| {
            let mut insert = db.prepare_cached(&format!(
                "INSERT OR IGNORE INTO audit (scope, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?;
            for scope in [Scope::Installation].into_iter().chain(scopes) {
                insert.execute(params![
                    scope.to_text(),
                    entry.id.to_string(),
                    entry.at.as_millisecond(),
                    entry.actor.to_text(),
                    entry.address,
                    entry.action,
                    entry.target,
                    entry.detail,
                ])?;
            }
            Ok(())
        })
    }

    fn audit(&self, scope: Scope, before: Option<AuditId>, limit: usize) -> Answer<'_, Vec<Entry>> {
        self.read(move |db| {
            let before = before.map_or(LAST.to_owned(), |id| id.to_string());
            let mut query = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM audit WHERE scope = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(query.query_map(params![scope.to_text(), before, limit], entry)?.collect::<Result<_, _>>()?)
        })
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: column::parsed(row, 0)?,
        at: column::time(row, 1)?,
        actor: column::read(row, 2, Actor::parse)?,
        address: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
        detail: row.get(6)?,
    })
}

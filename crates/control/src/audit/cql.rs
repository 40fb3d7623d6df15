//! The audit log in CQL: a partition for each log and week, and for each log the weeks it has.
//!
//! Once an entry is acknowledged it is in all of its logs. That a log has a week is written before its first entry.

use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::AuditId;

use super::{Actor, Audit, Entry, Scope};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

/// A partition's span, in milliseconds.
const WEEK_MS: i64 = 7 * 86_400_000;

statements! { Statements {
    add: Write = "INSERT INTO audit (scope, bucket, id, at, actor, address, action, target, detail) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    add_bucket: Write = "INSERT INTO audit_buckets (scope, bucket) VALUES (?, ?)";
    buckets: Read = "SELECT bucket FROM audit_buckets WHERE scope = ? AND bucket <= ?";
    page: Read = "SELECT id, at, actor, address, action, target, detail FROM audit \
        WHERE scope = ? AND bucket = ? AND id < ? LIMIT ?";
} }

#[derive(Debug, DeserializeRow)]
struct EntryRow {
    id: Uuid,
    at: CqlTimestamp,
    actor: String,
    address: String,
    action: String,
    target: String,
    detail: String,
}

impl EntryRow {
    fn entry(self) -> Result<Entry, Error> {
        Ok(Entry {
            id: AuditId::of(self.id),
            at: column::time(self.at)?,
            actor: column::read(&self.actor, Actor::parse)?,
            address: self.address,
            action: self.action,
            target: self.target,
            detail: self.detail,
        })
    }
}

impl Audit for Cql {
    fn note(&self, entry: Entry, scopes: Vec<Scope>) -> Answer<'_, ()> {
        Box::pin(async move {
            let scopes: Vec<String> = [Scope::Installation].into_iter().chain(scopes).map(Scope::to_text).collect();
            let bucket = bucket(entry.id.column());
            self.each(&scopes, |scope| {
                let scope = scope.as_str();
                let entry = &entry;
                async move {
                    self.put(&self.audit.add_bucket, (scope, bucket)).await?;
                    let (at, actor) = (column::at(entry.at), entry.actor.to_text());
                    let (address, action, target) =
                        (entry.address.as_str(), entry.action.as_str(), entry.target.as_str());
                    let id = entry.id.column();
                    let values = (scope, bucket, id, at, actor, address, action, target, entry.detail.as_str());
                    self.put(&self.audit.add, values).await
                }
            })
            .await
            .map(drop)
        })
    }

    fn audit(&self, scope: Scope, before: Option<AuditId>, limit: usize) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let (scope, before) = (scope.to_text(), before.map_or(Uuid::max(), Id::column));
            let buckets: Vec<(i32,)> = self.rows(&self.audit.buckets, (scope.as_str(), bucket(before))).await?;
            let mut entries = Vec::new();
            for (bucket,) in buckets {
                let left = limit - entries.len();
                if left == 0 {
                    break;
                }
                let left = i32::try_from(left).unwrap_or(i32::MAX);
                let rows: Vec<EntryRow> = self.rows(&self.audit.page, (scope.as_str(), bucket, before, left)).await?;
                for row in rows {
                    entries.push(row.entry()?);
                }
            }
            Ok(entries)
        })
    }
}

/// The week of an id, counted from the Unix epoch. The first 48 bits are milliseconds (RFC 9562 §5.7).
pub(crate) fn bucket(id: Uuid) -> i32 {
    let milliseconds = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
    i32::try_from(milliseconds / WEEK_MS).unwrap_or(i32::MAX)
}

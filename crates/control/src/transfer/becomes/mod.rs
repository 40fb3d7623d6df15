//! What a row of the file becomes in CQL, one function a table.

pub(super) mod deeds;
pub(super) mod people;
pub(super) mod rooms;

use jiff::Timestamp;
use rusqlite::{Row, types::Type};
use scylla::value::{CqlTimestamp, CqlValue};
use uuid::Uuid;

/// Longest that a row with an end outlives it: a move may take days. In seconds.
const OUTLIVES_S: i64 = 7 * 86_400;

/// A row of the target.
#[derive(Debug)]
pub(in crate::transfer) struct Written {
    pub(in crate::transfer) table: &'static str,
    pub(in crate::transfer) values: Vec<Option<CqlValue>>,
    /// How long it lives, in seconds; 0 is for good.
    pub(in crate::transfer) lives_s: i32,
}

/// What a row becomes.
pub(in crate::transfer) type Becomes = rusqlite::Result<Vec<Written>>;

fn for_good(table: &'static str, values: Vec<Option<CqlValue>>) -> Written {
    Written { table, values, lives_s: 0 }
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    let text: Option<String> = row.get(column)?;
    let id = text.map(|text| Uuid::parse_str(&text)).transpose();
    let id = id.map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))?;
    Ok(id.map(CqlValue::Uuid))
}

/// An id of 16 bytes.
fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|id| CqlValue::Uuid(Uuid::from_bytes(id))))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<String>>(column)?.map(CqlValue::Text))
}

fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.map(CqlValue::Blob))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(at))
}

fn int(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<i32>>(column)?.map(CqlValue::Int))
}

fn bigint(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CqlValue>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(CqlValue::BigInt))
}

fn at(milliseconds: i64) -> CqlValue {
    CqlValue::Timestamp(CqlTimestamp(milliseconds))
}

fn word(text: impl Into<String>) -> Option<CqlValue> {
    Some(CqlValue::Text(text.into()))
}

/// What is kept unique: see `cql/names.rs`.
fn name(kind: &str, name: Option<CqlValue>, owner: &Option<CqlValue>, parent: &Option<CqlValue>, ms: i64) -> Written {
    for_good("names", vec![word(kind), name, owner.clone(), parent.clone(), Some(at(ms))])
}

/// A row of a list in order of names: see `cql/listing.rs`.
fn listed(table: &'static str, name: &str, id: &Option<CqlValue>) -> Written {
    for_good(table, vec![word(name.get(..1).unwrap_or_default()), word(name), id.clone()])
}

/// How long a row that ends then lives, in seconds; none when it had ended before the move began.
fn lives(end_ms: Option<i64>, began_ms: i64) -> Option<i32> {
    let Some(end_ms) = end_ms else { return Some(0) };
    if end_ms <= began_ms {
        return None;
    }
    let left = (end_ms - Timestamp::now().as_millisecond()).max(0) / 1_000;
    // 20 years are the longest that CQL knows; what lasts longer stays.
    Some(i32::try_from(left + OUTLIVES_S).ok().filter(|lives| *lives <= 630_720_000).unwrap_or(0))
}

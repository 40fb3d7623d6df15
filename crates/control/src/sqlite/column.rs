//! Reading columns into the domain's types. A value that does not parse is a damaged row, and said so.

use std::{error::Error, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Row, types::Type};

/// A text that is parsed.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: String = row.get(index)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

/// A text that is parsed, or NULL.
pub(crate) fn parsed_or_null<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: Option<String> = row.get(index)?;
    text.map(|_| parsed(row, index)).transpose()
}

/// A text that `read` understands.
pub(crate) fn read<T>(row: &Row<'_>, index: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    read(&text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, format!("unknown value {text:?}").into())
    })
}

/// As [`read`], of a column that may have none.
pub(crate) fn read_or_null<T>(
    row: &Row<'_>,
    index: usize,
    reader: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(index)?;
    text.map(|_| read(row, index, reader)).transpose()
}

/// A text that is JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

/// A time, kept in milliseconds.
pub(crate) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    let milliseconds = row.get(index)?;
    Timestamp::from_millisecond(milliseconds)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Integer, Box::new(error)))
}

/// A time, or NULL.
pub(crate) fn time_or_null(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = row.get(index)?;
    milliseconds.map(|_| time(row, index)).transpose()
}

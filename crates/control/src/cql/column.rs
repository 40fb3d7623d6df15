//! Columns from and into the domain's types. A value that does not parse is a damaged row, and said so.

use std::str::FromStr;

use jiff::Timestamp;
use scylla::value::CqlTimestamp;
use uuid::Uuid;
use weir_identity::{
    AccountId, AuditId, ChannelId, DeliveryId, EmoteId, FamilyId, HeldId, HookId, KeyId, MessageId, NodeId, VodId,
};

use crate::error::Error;

/// A row's id as a column.
pub(crate) trait Id: Copy {
    /// Into the column.
    fn column(self) -> Uuid;
    /// Out of it.
    fn of(column: Uuid) -> Self;
}

macro_rules! id {
    ($($name:ident),+) => {$(
        impl Id for $name {
            fn column(self) -> Uuid {
                Uuid::from_bytes(*self.as_bytes())
            }

            fn of(column: Uuid) -> Self {
                Self::from_bytes(*column.as_bytes())
            }
        }
    )+};
}
id!(AccountId, AuditId, ChannelId, DeliveryId, EmoteId, FamilyId, HeldId, HookId, KeyId, MessageId, NodeId, VodId);

/// A time, in milliseconds.
pub(crate) fn at(time: Timestamp) -> CqlTimestamp {
    CqlTimestamp(time.as_millisecond())
}

/// A column that every row has.
pub(crate) fn there<T>(column: Option<T>) -> Result<T, Error> {
    column.ok_or_else(|| damaged("a column is empty"))
}

/// A time out of a column.
pub(crate) fn time(column: CqlTimestamp) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(column.0).map_err(damaged)
}

/// A time, or none.
pub(crate) fn time_or_none(column: Option<CqlTimestamp>) -> Result<Option<Timestamp>, Error> {
    column.map(time).transpose()
}

/// A text that is parsed.
pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(column: &str) -> Result<T, Error> {
    column.parse().map_err(damaged)
}

/// A text that `read` understands.
pub(crate) fn read<T>(column: &str, read: fn(&str) -> Option<T>) -> Result<T, Error> {
    read(column).ok_or_else(|| damaged(format!("unknown value {column:?}")))
}

/// A text that is JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(column: &str) -> Result<T, Error> {
    serde_json::from_str(column).map_err(damaged)
}

/// A hash of 32 bytes.
pub(crate) fn hash(column: Vec<u8>) -> Result<[u8; 32], Error> {
    column.try_into().map_err(|_| damaged("a hash has another length"))
}

fn damaged(reason: impl std::fmt::Display) -> Error {
    Error::Other(format!("a row of the store is damaged: {reason}"))
}

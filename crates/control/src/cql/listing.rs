//! Lists in order of names: pointers in a partition for each first character.

use scylla::client::session::Session;
use uuid::Uuid;
use weir_identity::ChannelName;

use super::{
    Cql,
    statement::{Read, Values, Write},
};
use crate::error::Error;

/// First characters of names, in order. Each has its partition.
const BUCKETS: &[u8] = b"0123456789_abcdefghijklmnopqrstuvwxyz";
/// Partitions read side by side. Most installations are small, and their first page spans many.
const BUCKETS_ABREAST: usize = 13;

/// A place in a list: after this name and id.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    name: String,
    id: Uuid,
}

impl Place {
    /// After every row of that name; the beginning without one.
    pub(crate) fn after(name: Option<&ChannelName>) -> Self {
        match name {
            // Its version nibble makes it the last of all ids.
            Some(name) => Self { name: name.to_string(), id: Uuid::max() },
            None => Self { name: String::new(), id: Uuid::nil() },
        }
    }

    /// After this row.
    pub(crate) fn at((name, id): &(String, Uuid)) -> Self {
        Self { name: name.clone(), id: *id }
    }
}

/// The partition of a name.
fn bucket(name: &str) -> &str {
    name.get(..1).unwrap_or_default()
}

/// The statements of one list.
#[derive(Debug)]
pub(crate) struct List {
    page: Read,
    add: Write,
    remove: Write,
}

impl List {
    pub(crate) async fn prepare(session: &Session, table: &str) -> Result<Self, Error> {
        let page = format!("SELECT name, id FROM {table} WHERE bucket = ? AND (name, id) > (?, ?) LIMIT ?");
        Ok(Self {
            page: Read::prepare(session, &page).await?,
            add: Write::prepare(session, &format!("INSERT INTO {table} (bucket, name, id) VALUES (?, ?, ?)")).await?,
            remove: Write::prepare(session, &format!("DELETE FROM {table} WHERE bucket = ? AND name = ? AND id = ?"))
                .await?,
        })
    }

    /// The write that adds a row.
    pub(crate) fn adding(&self, name: &ChannelName, id: Uuid) -> (&Write, Values) {
        (&self.add, Box::new((bucket(name.as_str()).to_owned(), name.to_string(), id)))
    }

    /// The write that removes a row.
    pub(crate) fn removing(&self, name: &str, id: Uuid) -> (&Write, Values) {
        (&self.remove, Box::new((bucket(name).to_owned(), name.to_owned(), id)))
    }
}

impl Cql {
    /// Names and ids after `place`, at most `limit`; fewer only at the list's end. What a row points to may be gone.
    pub(crate) async fn listed(&self, list: &List, place: &Place, limit: usize) -> Result<Vec<(String, Uuid)>, Error> {
        let most = i32::try_from(limit).unwrap_or(i32::MAX);
        let first = place.name.bytes().next().unwrap_or(0);
        let buckets: Vec<u8> = BUCKETS.iter().copied().filter(|bucket| *bucket >= first).collect();
        let mut found = Vec::new();
        for some in buckets.chunks(BUCKETS_ABREAST) {
            let pages = self
                .each(some, |bucket| {
                    let bucket = char::from(*bucket).to_string();
                    self.rows::<(String, Uuid)>(&list.page, (bucket, place.name.clone(), place.id, most))
                })
                .await?;
            found.extend(pages.into_iter().flatten());
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

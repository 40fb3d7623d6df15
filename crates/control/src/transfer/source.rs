//! The file's tables, and which of them are moved.

use std::path::Path;

use rusqlite::{Connection, Row};

use super::becomes::{Becomes, Written, deeds, people, rooms};
use crate::{
    error::Error,
    sqlite::{self, worker::Worker},
};

/// Kept in the file, not moved: answers to requests that may come twice, which are remembered for a day, and what is
/// counted anew.
#[cfg(test)]
pub(super) const LEFT_BEHIND: &[&str] = &[
    "follower_counts",
    "idempotency",
    "schema_versions",
    // Numbers of accounts, and the index of words: the messages have what they say.
    "speakers",
    "message_words",
    "message_words_config",
    "message_words_content",
    "message_words_data",
    "message_words_docsize",
    "message_words_idx",
];

/// Some rows of the source.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) written: Vec<Written>,
    pub(super) rows: u64,
    /// The last of them; none when there are no more.
    pub(super) last: Option<i64>,
}

/// A table of the file. Its first column is the row's number.
pub(super) struct Table {
    pub(super) name: &'static str,
    columns: &'static str,
    becomes: fn(&Row<'_>, i64) -> Becomes,
}

/// Every table that is moved. What others point to comes first.
pub(super) const SOURCES: &[Table] = &[
    Table { name: "installation", columns: "name, value", becomes: people::installation },
    Table {
        name: "accounts",
        columns: "id, name, display_name, looks_like, email, password_hash, second_factor, role, suspended_at_ms, \
                  created_at_ms, version",
        becomes: people::account,
    },
    Table {
        name: "channels",
        columns: "id, name, owner, title, description, tags, category, language, visibility, latency, conflict, \
                  created_at_ms, version, record",
        becomes: people::channel,
    },
    Table {
        name: "keys",
        columns: "id, channel, name, hash, created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms",
        becomes: people::key,
    },
    Table { name: "roles", columns: "channel, account, role, given_at_ms", becomes: people::role },
    Table {
        name: "emotes",
        columns: "id, whose, code, width, height, animated, by_account, at_ms, image",
        becomes: rooms::emote,
    },
    Table {
        name: "bans",
        columns: "channel, account, address, by_account, reason, at_ms, until_ms",
        becomes: people::ban,
    },
    Table {
        name: "held",
        columns: "channel, id, author, author_name, text, reply_to, at_ms, free_at_ms",
        becomes: rooms::held,
    },
    Table {
        name: "reported",
        columns: "channel, message, author, author_name, text, said_at_ms, at_ms, settled",
        becomes: rooms::reported,
    },
    Table { name: "reports", columns: "channel, message, by_account, reason, at_ms", becomes: rooms::report },
    Table { name: "words", columns: "channel, version, list", becomes: rooms::word_list },
    Table { name: "spoke_from", columns: "channel, account, address, at_ms", becomes: people::spoke_from },
    Table { name: "follows", columns: "channel, account, since_ms", becomes: people::follow },
    Table {
        name: "families",
        columns: "id, account, hash, device, address, created_at_ms, used_at_ms, expires_at_ms",
        becomes: people::family,
    },
    Table { name: "identities", columns: "issuer, subject, account, linked_at_ms", becomes: people::identity },
    Table { name: "signing_keys", columns: "generation, kid, seed, created_at_ms", becomes: people::signing_key },
    Table {
        name: "sessions",
        columns: "channel, started_at_ms, id, key, protocol, ended_at_ms, end_reason, bytes",
        becomes: deeds::session,
    },
    Table {
        name: "vods",
        columns: "id, channel, title, state, note, visibility, watch, node, started_at_ms, duration_ms, bytes, version",
        becomes: deeds::vod,
    },
    Table {
        name: "hooks",
        columns: "whose, id, url, events, secret, by_account, created_at_ms, last_at_ms, last_ok, last_note",
        becomes: deeds::hook,
    },
    Table {
        name: "deliveries",
        columns: "id, hook, whose, body, created_at_ms, tries, due_at_ms",
        becomes: deeds::delivery,
    },
    Table { name: "rooms", columns: "channel, settings, pinned", becomes: rooms::room },
    Table {
        name: "messages",
        columns: "(SELECT channel FROM rooms WHERE number = room), id, \
                  (SELECT account FROM speakers WHERE number = speaker), \
                  (SELECT a.name FROM speakers s JOIN accounts a ON a.id = s.account WHERE s.number = speaker), \
                  display_name, role, said, at_ms, reply_to, reply_name, called, deleted, speaker, way, color",
        becomes: rooms::message,
    },
    Table {
        name: "message_clears",
        columns: "(SELECT channel FROM rooms WHERE number = room), \
                  (SELECT account FROM speakers WHERE number = speaker), until, speaker",
        becomes: rooms::message_clear,
    },
    Table {
        name: "audit",
        columns: "scope, id, at_ms, actor, address, action, target, detail",
        becomes: deeds::audit_entry,
    },
];

/// The file, held by this process alone.
pub(super) struct Source(Worker);

impl Source {
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let db = sqlite::open_alone(&path)?;
            Worker::start("weir-move", db, 1)
        });
        opening.await.map_err(|panic| Error::Other(panic.to_string()))?.map(Self)
    }

    /// The installation's secret.
    pub(super) async fn secret(&self) -> Result<Vec<u8>, Error> {
        let ask = "SELECT value FROM installation WHERE name = 'key_secret'";
        let secret = self.0.call(move |db| Ok(db.query_row(ask, [], |row| row.get(0))?)).await;
        secret.map_err(|_| Error::Url("the file is no store that a server has run on".into()))
    }

    /// Rows after number `last`, at most `limit`, as they become at `began_ms`.
    pub(super) async fn read(&self, table: &Table, last: i64, limit: usize, began_ms: i64) -> Result<Batch, Error> {
        let ask =
            format!("SELECT rowid, {} FROM {} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2", table.columns, table.name);
        let becomes = table.becomes;
        self.0.call(move |db: &mut Connection| read(db, &ask, last, limit, becomes, began_ms)).await
    }

    /// Every table of the file.
    #[cfg(test)]
    pub(super) async fn tables(&self) -> Vec<String> {
        let ask = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let tables = self.0.call(move |db| {
            let mut query = db.prepare(ask)?;
            let names = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(names)
        });
        tables.await.unwrap()
    }
}

fn read(
    db: &Connection,
    ask: &str,
    last: i64,
    limit: usize,
    becomes: fn(&Row<'_>, i64) -> Becomes,
    began_ms: i64,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let mut query = db.prepare_cached(ask)?;
    let mut rows = query.query((last, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    while let Some(row) = rows.next()? {
        batch.written.extend(becomes(row, began_ms)?);
        batch.rows += 1;
        batch.last = Some(row.get(0)?);
    }
    Ok(batch)
}

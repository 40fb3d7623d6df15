//! The keyspace's tables: written with a time stamp of before the move, read back whole.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use scylla::{
    client::session::Session,
    statement::{Consistency, prepared::PreparedStatement},
    value::{CqlValue, Row},
};
use sha2::{Digest, Sha256};

use super::becomes::Written;
use crate::{
    cql::{self, Cluster, fault, statement::qualified},
    error::Error,
    store::Config,
};

/// Rows written side by side.
const ABREAST: usize = 64;
/// How often a row is written that a server did not acknowledge in time, as a busy one does: what it is and when it was
/// written stay the same.
const TRIES_MAX: u32 = 6;
/// How long it is waited before the second try; twice as long before each further one.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// How far before the move's beginning its rows are dated, in microseconds: more than clocks differ.
const DATED_BEFORE_US: i64 = 3_600_000_000;

/// A table of the keyspace.
pub(super) struct Table {
    pub(super) name: &'static str,
    columns: &'static [&'static str],
    /// Columns of the primary key of a table whose rows are written by UPDATE, so that they leave nothing behind when
    /// they expire; 0 for the others.
    key: usize,
    /// Whether several rows of the file become the same one.
    repeats: bool,
}

const fn table(name: &'static str, columns: &'static [&'static str]) -> Table {
    Table { name, columns, key: 0, repeats: false }
}

/// Every table that a move fills.
pub(super) const TARGETS: &[Table] = &[
    table("installation", &["name", "value"]),
    table("names", &["kind", "name", "owner", "parent", "at"]),
    table(
        "accounts",
        &[
            "id",
            "state",
            "name",
            "display_name",
            "looks_like",
            "email",
            "password_hash",
            "second_factor",
            "role",
            "suspended_at",
            "created_at",
            "version",
        ],
    ),
    table("accounts_by_name", &["bucket", "name", "id"]),
    table(
        "channels",
        &[
            "id",
            "state",
            "name",
            "owner",
            "title",
            "description",
            "tags",
            "category",
            "language",
            "visibility",
            "latency",
            "conflict",
            "created_at",
            "version",
            "record",
        ],
    ),
    table("channels_by_name", &["bucket", "name", "id"]),
    table("channels_by_owner", &["owner", "id", "name"]),
    table("stream_keys", &["channel", "id", "name", "hash", "created_at", "expires_at", "revoked_at"]),
    table("stream_key_uses", &["channel", "id", "at"]),
    table("channel_roles", &["channel", "account", "role", "given_at"]),
    table("channel_roles_by_account", &["account", "channel"]),
    Table {
        name: "bans",
        columns: &["channel", "account", "address", "by_account", "reason", "at", "until"],
        key: 2,
        repeats: false,
    },
    Table {
        name: "held",
        columns: &["channel", "id", "author", "author_name", "text", "reply_to", "at", "free_at"],
        key: 2,
        repeats: false,
    },
    table("reported", &["channel", "message", "author", "author_name", "text", "said_at", "at"]),
    table("settled_reports", &["channel", "message", "at"]),
    table("reports", &["channel", "message", "by_account", "reason", "at"]),
    table("words", &["channel", "version", "list"]),
    table("spoke_from", &["channel", "account", "address", "at"]),
    table("bans_by_address", &["channel", "address", "account"]),
    Table {
        name: "families",
        columns: &["id", "account", "hash", "device", "address", "created_at", "used_at", "expires_at"],
        key: 1,
        repeats: false,
    },
    table("families_by_account", &["account", "id"]),
    table("follows", &["channel", "bucket", "account", "since"]),
    table("follows_by_account", &["account", "channel"]),
    table("emotes", &["whose", "code", "id", "width", "height", "animated", "by_account", "at"]),
    table("emote_images", &["id", "image"]),
    table("identities", &["issuer", "subject", "account", "linked_at"]),
    table("identities_by_account", &["account", "issuer", "subject"]),
    table("signing_keys", &["ring", "generation", "kid", "seed", "created_at"]),
    table("publishes", &["channel", "started_at", "id", "key", "protocol", "ended_at", "end_reason", "byte_count"]),
    table("publishes_by_id", &["id", "channel", "started_at", "key", "protocol"]),
    table(
        "vods",
        &[
            "id",
            "channel",
            "title",
            "state",
            "note",
            "visibility",
            "watch",
            "node",
            "started_at",
            "duration_ms",
            "byte_count",
            "version",
        ],
    ),
    table("vods_by_channel", &["channel", "id"]),
    table("vods_recording", &["node", "id"]),
    table("hooks", &["whose", "id", "url", "events", "secret", "by_account", "created_at"]),
    table("hook_outcomes", &["whose", "id", "at", "ok", "note"]),
    table("deliveries", &["shard", "id", "hook", "whose", "body", "created_at", "tries", "due_at"]),
    table("rooms", &["channel", "settings", "pinned"]),
    table(
        "messages",
        &[
            "channel",
            "bucket",
            "id",
            "account",
            "name",
            "display_name",
            "role",
            "said",
            "at",
            "reply_to",
            "reply_name",
            "called",
            "deleted",
            "way",
            "color",
        ],
    ),
    Table { name: "message_buckets", columns: &["channel", "bucket"], key: 0, repeats: true },
    Table { name: "message_speakers", columns: &["account", "channel", "bucket"], key: 0, repeats: true },
    table("message_clears", &["channel", "account", "until"]),
    table("audit", &["scope", "bucket", "id", "at", "actor", "address", "action", "target", "detail"]),
    Table { name: "audit_buckets", columns: &["scope", "bucket"], key: 0, repeats: true },
];

impl Table {
    fn writing(&self) -> String {
        if self.key == 0 {
            let marks = vec!["?"; self.columns.len()].join(", ");
            let columns = self.columns.join(", ");
            return format!("INSERT INTO {} ({columns}) VALUES ({marks}) USING TTL ? AND TIMESTAMP ?", self.name);
        }
        let (key, rest) = self.columns.split_at(self.key);
        let rest = rest.iter().map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(", ");
        let key = key.iter().map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(" AND ");
        format!("UPDATE {} USING TTL ? AND TIMESTAMP ? SET {rest} WHERE {key}", self.name)
    }

    /// The statement's values, in its order.
    fn values(&self, written: Written, timestamp: i64) -> Vec<Option<CqlValue>> {
        let using = [Some(CqlValue::Int(written.lives_s)), Some(CqlValue::BigInt(timestamp))];
        let mut key = written.values;
        if self.key == 0 {
            key.extend(using);
            return key;
        }
        let rest = key.split_off(self.key);
        using.into_iter().chain(rest).chain(key).collect()
    }
}

/// Count and checksum of a table's rows, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    checksum: [u8; 32],
}

impl Sum {
    fn add(&mut self, hash: [u8; 32]) {
        self.rows += 1;
        for (sum, byte) in self.checksum.iter_mut().zip(hash) {
            *sum ^= byte;
        }
    }
}

fn hash(values: &[Option<CqlValue>]) -> [u8; 32] {
    Sha256::digest(format!("{values:?}")).into()
}

/// What tables should hold.
#[derive(Debug, Default)]
pub(super) struct Sums {
    sums: BTreeMap<&'static str, Sum>,
    seen: HashSet<[u8; 32]>,
}

impl Sums {
    pub(super) fn add(&mut self, name: &'static str, values: &[Option<CqlValue>]) {
        let hash = hash(values);
        let repeats = TARGETS.iter().any(|table| table.name == name && table.repeats);
        if !repeats || self.seen.insert(hash) {
            self.sums.entry(name).or_default().add(hash);
        }
    }

    pub(super) fn of(&self, name: &str) -> Sum {
        self.sums.get(name).copied().unwrap_or_default()
    }
}

/// The keyspace, with its newest schema.
pub(super) struct Target {
    session: Session,
    writing: BTreeMap<&'static str, PreparedStatement>,
}

impl Target {
    pub(super) async fn open(cluster: &Cluster, config: &Config) -> Result<Self, Error> {
        let session = cql::connect_migrated(cluster, config).await?;
        let mut writing = BTreeMap::new();
        for table in TARGETS {
            let mut statement =
                session.prepare(qualified(&session, &table.writing())).await.map_err(|error| fault::prepare(&error))?;
            statement.set_is_idempotent(true);
            statement.set_consistency(Consistency::Quorum);
            writing.insert(table.name, statement);
        }
        Ok(Self { session, writing })
    }

    /// Whether no server has run on it, and nothing is in it.
    pub(super) async fn is_empty(&self) -> Result<bool, Error> {
        for table in TARGETS {
            let ask = format!("SELECT {} FROM {} LIMIT 1", table.columns.join(", "), table.name);
            let answer = self.session.query_unpaged(ask, ()).await.map_err(|error| fault::execution(&error))?;
            if answer.into_rows_result().map_err(fault::odd)?.rows_num() > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How far a move has come, as it was kept.
    pub(super) async fn kept(&self) -> Result<Option<String>, Error> {
        cql::kept_transfer(&self.session).await
    }

    pub(super) async fn keep(&self, state: &str) -> Result<(), Error> {
        let keep = "INSERT INTO transfers (name, state) VALUES ('sqlite', ?)";
        self.session
            .query_unpaged(qualified(&self.session, keep), (state,))
            .await
            .map(drop)
            .map_err(|error| fault::execution(&error))
    }

    /// Writes rows; all of them are kept when this returns.
    pub(super) async fn write(&self, rows: Vec<Written>, began_ms: i64) -> Result<(), Error> {
        let timestamp = began_ms * 1_000 - DATED_BEFORE_US;
        let writes = rows.into_iter().map(|row| self.put(row, timestamp));
        stream::iter(writes).buffer_unordered(ABREAST).try_collect::<()>().await
    }

    async fn put(&self, row: Written, timestamp: i64) -> Result<(), Error> {
        let unknown = || Error::Other(format!("the move knows no table {}", row.table));
        let statement = self.writing.get(row.table).ok_or_else(unknown)?;
        let table = TARGETS.iter().find(|table| table.name == row.table).ok_or_else(unknown)?;
        let values = table.values(row, timestamp);
        let mut pause = TRY_AGAIN;
        for _ in 1..TRIES_MAX {
            match self.session.execute_unpaged(statement, &values).await.map_err(|error| fault::execution(&error)) {
                Err(Error::Unreachable(_) | Error::Busy) => tokio::time::sleep(pause).await,
                answer => return answer.map(drop),
            }
            pause *= 2;
        }
        self.session.execute_unpaged(statement, &values).await.map(drop).map_err(|error| fault::execution(&error))
    }

    /// Reads a table whole.
    pub(super) async fn sums(&self, table: &Table) -> Result<Sum, Error> {
        let ask = format!("SELECT {} FROM {}", table.columns.join(", "), table.name);
        let pager = self.session.query_iter(ask, ()).await.map_err(fault::odd)?;
        let mut rows = pager.rows_stream::<Row>().map_err(fault::odd)?;
        let mut sum = Sum::default();
        while let Some(row) = rows.next().await {
            sum.add(hash(&row.map_err(fault::odd)?.columns));
        }
        Ok(sum)
    }
}

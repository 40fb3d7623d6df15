//! The file's tables, and what their rows become.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row, types::Type};
use scylla::value::{CqlTimestamp, CqlValue};
use uuid::Uuid;
use weir_identity::MessageId;

use crate::{
    audit, bans,
    error::Error,
    follows, held, messages, reports,
    sqlite::{self, worker::Worker},
    webhooks,
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

/// A row of the target.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) table: &'static str,
    pub(super) values: Vec<Option<CqlValue>>,
    /// How long it lives, in seconds; 0 is for good.
    pub(super) lives_s: i32,
}

/// Some rows of the source.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) written: Vec<Written>,
    pub(super) rows: u64,
    /// The last of them; none when there are no more.
    pub(super) last: Option<i64>,
}

type Becomes = rusqlite::Result<Vec<Written>>;

/// A table of the file. Its first column is the row's number.
pub(super) struct Table {
    pub(super) name: &'static str,
    columns: &'static str,
    becomes: fn(&Row<'_>, i64) -> Becomes,
}

/// Longest that a row with an end outlives it: a move may take days. In seconds.
const OUTLIVES_S: i64 = 7 * 86_400;

/// How long publishes and the outcomes of hooks live, in seconds, as their tables say.
const PUBLISH_LIVES_S: i32 = 34_560_000;
const OUTCOME_LIVES_S: i32 = 2_592_000;

/// Every table that is moved. What others point to comes first.
pub(super) const SOURCES: &[Table] = &[
    Table { name: "installation", columns: "name, value", becomes: installation },
    Table {
        name: "accounts",
        columns: "id, name, display_name, looks_like, email, password_hash, second_factor, role, suspended_at_ms, \
                  created_at_ms, version",
        becomes: account,
    },
    Table {
        name: "channels",
        columns: "id, name, owner, title, description, tags, category, language, visibility, latency, conflict, \
                  created_at_ms, version, record",
        becomes: channel,
    },
    Table {
        name: "keys",
        columns: "id, channel, name, hash, created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms",
        becomes: key,
    },
    Table { name: "roles", columns: "channel, account, role, given_at_ms", becomes: role },
    Table {
        name: "emotes",
        columns: "id, whose, code, width, height, animated, by_account, at_ms, image",
        becomes: emote,
    },
    Table { name: "bans", columns: "channel, account, address, by_account, reason, at_ms, until_ms", becomes: ban },
    Table {
        name: "held",
        columns: "channel, id, author, author_name, text, reply_to, at_ms, free_at_ms",
        becomes: held,
    },
    Table {
        name: "reported",
        columns: "channel, message, author, author_name, text, said_at_ms, at_ms, settled",
        becomes: reported,
    },
    Table { name: "reports", columns: "channel, message, by_account, reason, at_ms", becomes: report },
    Table { name: "words", columns: "channel, version, list", becomes: word_list },
    Table { name: "spoke_from", columns: "channel, account, address, at_ms", becomes: spoke_from },
    Table { name: "follows", columns: "channel, account, since_ms", becomes: follow },
    Table {
        name: "families",
        columns: "id, account, hash, device, address, created_at_ms, used_at_ms, expires_at_ms",
        becomes: family,
    },
    Table { name: "identities", columns: "issuer, subject, account, linked_at_ms", becomes: identity },
    Table { name: "signing_keys", columns: "generation, kid, seed, created_at_ms", becomes: signing_key },
    Table {
        name: "sessions",
        columns: "channel, started_at_ms, id, key, protocol, ended_at_ms, end_reason, bytes",
        becomes: session,
    },
    Table {
        name: "vods",
        columns: "id, channel, title, state, note, visibility, watch, node, started_at_ms, duration_ms, bytes, version",
        becomes: vod,
    },
    Table {
        name: "hooks",
        columns: "whose, id, url, events, secret, by_account, created_at_ms, last_at_ms, last_ok, last_note",
        becomes: hook,
    },
    Table { name: "deliveries", columns: "id, hook, whose, body, created_at_ms, tries, due_at_ms", becomes: delivery },
    Table { name: "rooms", columns: "channel, settings, pinned", becomes: room },
    Table {
        name: "messages",
        columns: "(SELECT channel FROM rooms WHERE number = room), id, \
                  (SELECT account FROM speakers WHERE number = speaker), \
                  (SELECT a.name FROM speakers s JOIN accounts a ON a.id = s.account WHERE s.number = speaker), \
                  display_name, role, said, at_ms, reply_to, reply_name, called, deleted, speaker",
        becomes: message,
    },
    Table {
        name: "message_clears",
        columns: "(SELECT channel FROM rooms WHERE number = room), \
                  (SELECT account FROM speakers WHERE number = speaker), until, speaker",
        becomes: message_clear,
    },
    Table { name: "audit", columns: "scope, id, at_ms, actor, address, action, target, detail", becomes: audit_entry },
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

fn installation(row: &Row<'_>, _: i64) -> Becomes {
    let name: String = row.get(1)?;
    // What a ping left says nothing.
    if name == "ping" {
        return Ok(Vec::new());
    }
    Ok(vec![for_good("installation", vec![word(name), blob(row, 2)?])])
}

fn account(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, own_name) = (uuid(row, 1)?, row.get::<_, String>(2)?);
    let look = text(row, 4)?;
    // In the file the empty text stands for no password.
    let password = row.get::<_, Option<String>>(6)?.filter(|hash| !hash.is_empty()).map(CqlValue::Text);
    let rest = vec![
        text(row, 3)?,
        look.clone(),
        text(row, 5)?,
        password,
        text(row, 7)?,
        text(row, 8)?,
        time(row, 9)?,
        time(row, 10)?,
        int(row, 11)?,
    ];
    let values = [id.clone(), word("live"), word(own_name.as_str())].into_iter().chain(rest).collect();
    Ok(vec![
        name("account", word(own_name.as_str()), &id, &id, began_ms),
        name("look", look, &id, &id, began_ms),
        listed("accounts_by_name", &own_name, &id),
        for_good("accounts", values),
    ])
}

fn channel(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, own_name, owner) = (uuid(row, 1)?, row.get::<_, String>(2)?, uuid(row, 3)?);
    let mut values = vec![id.clone(), word("live"), word(own_name.as_str()), owner.clone()];
    for column in 4..=11 {
        values.push(text(row, column)?);
    }
    values.extend([time(row, 12)?, int(row, 13)?, Some(CqlValue::Boolean(row.get(14)?))]);
    let mut written = vec![
        name("channel", word(own_name.as_str()), &id, &id, began_ms),
        listed("channels_by_name", &own_name, &id),
        for_good("channels", values),
    ];
    if owner.is_some() {
        written.push(for_good("channels_by_owner", vec![owner, id, word(own_name)]));
    }
    Ok(written)
}

fn key(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, channel) = (uuid(row, 1)?, uuid(row, 2)?);
    let hash: Vec<u8> = row.get(4)?;
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let values = vec![
        channel.clone(),
        id.clone(),
        text(row, 3)?,
        Some(CqlValue::Blob(hash)),
        time(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
    ];
    let mut written = vec![name("key", word(hex), &id, &channel, began_ms), for_good("stream_keys", values)];
    if let Some(used) = time(row, 8)? {
        written.push(for_good("stream_key_uses", vec![channel, id, Some(used)]));
    }
    Ok(written)
}

fn role(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let values = vec![channel.clone(), account.clone(), text(row, 3)?, time(row, 4)?];
    Ok(vec![for_good("channel_roles_by_account", vec![account, channel]), for_good("channel_roles", values)])
}

fn ban(row: &Row<'_>, began_ms: i64) -> Becomes {
    let Some(lives_s) = lives(row.get(7)?, began_ms) else { return Ok(Vec::new()) };
    let (channel, account, address) = (uuid(row, 1)?, uuid(row, 2)?, blob(row, 3)?);
    let values = vec![
        channel.clone(),
        account.clone(),
        address.clone(),
        uuid(row, 4)?,
        text(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
    ];
    let mut written = vec![Written { table: "bans", values, lives_s }];
    if address.is_some() {
        written.push(Written { table: "bans_by_address", values: vec![channel, address, account], lives_s });
    }
    Ok(written)
}

fn held(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(7)? + held::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let mut values = vec![uuid(row, 1)?, uuid(row, 2)?, uuid(row, 3)?];
    for column in 4..=6 {
        values.push(text(row, column)?);
    }
    values.extend([time(row, 7)?, time(row, 8)?]);
    Ok(vec![Written { table: "held", values, lives_s }])
}

fn reported(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(7)? + reports::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let (channel, message, at) = (uuid(row, 1)?, uuid(row, 2)?, time(row, 7)?);
    if row.get(8)? {
        return Ok(vec![Written { table: "settled_reports", values: vec![channel, message, at], lives_s }]);
    }
    let values = vec![channel, message, uuid(row, 3)?, text(row, 4)?, text(row, 5)?, time(row, 6)?, at];
    Ok(vec![Written { table: "reported", values, lives_s }])
}

fn report(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(5)? + reports::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let values = vec![uuid(row, 1)?, uuid(row, 2)?, uuid(row, 3)?, text(row, 4)?, time(row, 5)?];
    Ok(vec![Written { table: "reports", values, lives_s }])
}

fn word_list(row: &Row<'_>, _: i64) -> Becomes {
    Ok(vec![for_good("words", vec![uuid(row, 1)?, int(row, 2)?, text(row, 3)?])])
}

fn spoke_from(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(4)? + bans::SPOKE_KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let values = vec![uuid(row, 1)?, uuid(row, 2)?, blob(row, 3)?, time(row, 4)?];
    Ok(vec![Written { table: "spoke_from", values, lives_s }])
}

fn follow(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let bucket = account.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(follows::cql::bucket(id)));
    let values = vec![channel.clone(), bucket, account.clone(), time(row, 3)?];
    Ok(vec![for_good("follows_by_account", vec![account, channel]), for_good("follows", values)])
}

fn emote(row: &Row<'_>, _: i64) -> Becomes {
    let (id, animated) = (uuid(row, 1)?, CqlValue::Boolean(row.get(6)?));
    let values = vec![
        text(row, 2)?,
        text(row, 3)?,
        id.clone(),
        int(row, 4)?,
        int(row, 5)?,
        Some(animated),
        uuid(row, 7)?,
        time(row, 8)?,
    ];
    Ok(vec![for_good("emote_images", vec![id, blob(row, 9)?]), for_good("emotes", values)])
}

fn family(row: &Row<'_>, began_ms: i64) -> Becomes {
    let Some(lives_s) = lives(row.get(8)?, began_ms) else { return Ok(Vec::new()) };
    let (id, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let values = vec![
        id.clone(),
        account.clone(),
        blob(row, 3)?,
        text(row, 4)?,
        text(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
        time(row, 8)?,
    ];
    Ok(vec![Written { table: "families", values, lives_s }, for_good("families_by_account", vec![account, id])])
}

fn identity(row: &Row<'_>, _: i64) -> Becomes {
    let (issuer, subject, account) = (text(row, 1)?, text(row, 2)?, uuid(row, 3)?);
    let values = vec![issuer.clone(), subject.clone(), account.clone(), time(row, 4)?];
    Ok(vec![for_good("identities_by_account", vec![account, issuer, subject]), for_good("identities", values)])
}

fn signing_key(row: &Row<'_>, _: i64) -> Becomes {
    let values = vec![word("tokens"), int(row, 1)?, text(row, 2)?, blob(row, 3)?, time(row, 4)?];
    Ok(vec![for_good("signing_keys", values)])
}

fn session(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, started_at, id) = (text(row, 1)?, time(row, 2)?, text(row, 3)?);
    let (key, protocol) = (uuid(row, 4)?, text(row, 5)?);
    let by_id = vec![id.clone(), channel.clone(), started_at.clone(), key.clone(), protocol.clone()];
    let values = vec![channel, started_at, id, key, protocol, time(row, 6)?, text(row, 7)?, bigint(row, 8)?];
    let publish = |table, values| Written { table, values, lives_s: PUBLISH_LIVES_S };
    Ok(vec![publish("publishes_by_id", by_id), publish("publishes", values)])
}

fn vod(row: &Row<'_>, _: i64) -> Becomes {
    let (id, channel, node) = (uuid(row, 1)?, uuid(row, 2)?, uuid(row, 8)?);
    let mut values = vec![id.clone(), channel.clone()];
    for column in 3..=7 {
        values.push(text(row, column)?);
    }
    let rest = [node.clone(), time(row, 9)?, bigint(row, 10)?, bigint(row, 11)?, int(row, 12)?];
    values.extend(rest);
    let mut written = vec![for_good("vods_by_channel", vec![channel, id.clone()]), for_good("vods", values)];
    if row.get::<_, String>(4)? == "recording" {
        written.push(for_good("vods_recording", vec![node, id]));
    }
    Ok(written)
}

fn hook(row: &Row<'_>, _: i64) -> Becomes {
    let (whose, id) = (text(row, 1)?, uuid(row, 2)?);
    let values =
        vec![whose.clone(), id.clone(), text(row, 3)?, text(row, 4)?, blob(row, 5)?, uuid(row, 6)?, time(row, 7)?];
    let mut written = vec![for_good("hooks", values)];
    if let Some(last_at) = time(row, 8)? {
        let ok = row.get::<_, Option<bool>>(9)?.map(CqlValue::Boolean);
        let values = vec![whose, id, Some(last_at), ok, text(row, 10)?];
        written.push(Written { table: "hook_outcomes", values, lives_s: OUTCOME_LIVES_S });
    }
    Ok(written)
}

fn delivery(row: &Row<'_>, _: i64) -> Becomes {
    let id = uuid(row, 1)?;
    let shard = id.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(webhooks::cql::shard(id)));
    let values =
        vec![shard, id, uuid(row, 2)?, text(row, 3)?, text(row, 4)?, time(row, 5)?, int(row, 6)?, time(row, 7)?];
    Ok(vec![Written { table: "deliveries", values, lives_s: i32::try_from(OUTLIVES_S).unwrap_or(0) }])
}

fn audit_entry(row: &Row<'_>, _: i64) -> Becomes {
    let (scope, id) = (text(row, 1)?, uuid(row, 2)?);
    let bucket = id.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(audit::cql::bucket(id)));
    let mut values = vec![scope.clone(), bucket.clone(), id, time(row, 3)?];
    for column in 4..=8 {
        values.push(text(row, column)?);
    }
    Ok(vec![for_good("audit", values), for_good("audit_buckets", vec![scope, bucket])])
}

fn room(row: &Row<'_>, _: i64) -> Becomes {
    let channel = uuid(row, 1)?;
    if channel.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![for_good("rooms", vec![channel, text(row, 2)?, id(row, 3)?])])
}

fn message(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, id_of, account) = (uuid(row, 1)?, id(row, 2)?, uuid(row, 3)?);
    let speaker: Option<i64> = row.get(13)?;
    let Some(message) = row.get::<_, Option<[u8; 16]>>(2)?.map(MessageId::from_bytes) else { return Ok(Vec::new()) };
    // What a channel or an account left that is gone stays behind.
    if channel.is_none() || (speaker.is_some() && account.is_none()) {
        return Ok(Vec::new());
    }
    let bucket = Some(CqlValue::Int(messages::cql::bucket(message)));
    let filled = |column| Ok::<_, rusqlite::Error>(text(row, column)?.filter(|_| speaker.is_some()));
    let display_name = filled(5)?.filter(|name| *name != CqlValue::Text(String::new()));
    let deleted: bool = row.get(12)?;
    let values = vec![
        channel.clone(),
        bucket.clone(),
        id_of,
        account.clone(),
        text(row, 4)?,
        display_name,
        filled(6)?,
        filled(7)?.filter(|_| !deleted),
        time(row, 8)?.filter(|_| speaker.is_some()),
        id(row, 9)?,
        text(row, 10)?,
        text(row, 11)?,
        deleted.then_some(CqlValue::Boolean(true)),
    ];
    let mut written = vec![for_good("messages", values)];
    if account.is_some() {
        written.push(for_good("message_buckets", vec![channel.clone(), bucket.clone()]));
        written.push(for_good("message_speakers", vec![account, channel, bucket]));
    }
    Ok(written)
}

fn message_clear(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account, of_all) = (uuid(row, 1)?, uuid(row, 2)?, row.get::<_, i64>(4)? == 0);
    let account = account.or(of_all.then_some(CqlValue::Uuid(Uuid::nil())));
    if channel.is_none() || account.is_none() {
        return Ok(Vec::new());
    }
    let until = at(messages::sqlite::last_ms_before(row.get(3)?));
    Ok(vec![for_good("message_clears", vec![channel, account, Some(until)])])
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

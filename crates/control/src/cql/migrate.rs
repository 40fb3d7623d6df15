//! The schema's versions: forward only, by one node at a time, while others of this and the next release run.
//!
//! A migration only adds: tables, and columns that older releases do not name. So a node of release N goes on while one
//! of N+1 migrates, and may even start afterwards; a migration that asks for newer readers says so. Each statement may
//! run twice, since a node can die between a statement and the note that it ran.
//!
//! The lock is a row with a lease. Its own table cannot be made under a lock: two nodes that make the same table at
//! once, through different servers, would make two with one name. It gets an id that follows from the keyspace's name,
//! so that both make the same.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use scylla::{
    client::session::Session,
    errors::{DbError, ExecutionError, RequestAttemptError, SchemaAgreementError},
    policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy},
    statement::{Consistency, SerialConsistency, unprepared::Statement},
    value::Row,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    column, fault,
    statement::{qualified, step_aside},
};
use crate::error::Error;

/// A migration.
pub(super) struct Migration {
    name: &'static str,
    statements: &'static str,
    /// The oldest schema version whose release can still work with the store afterwards.
    readable_from: i32,
}

impl Migration {
    /// Its statements.
    #[cfg(test)]
    pub(super) fn text(&self) -> &'static str {
        self.statements
    }
}

/// Every migration, oldest first. A store's schema version is how many of them it has. One that was released is never
/// edited.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { name: "begin", statements: include_str!("0001_begin.cql"), readable_from: 1 },
    Migration { name: "webhooks", statements: include_str!("0002_webhooks.cql"), readable_from: 1 },
    Migration { name: "messages", statements: include_str!("0003_messages.cql"), readable_from: 1 },
    Migration { name: "moderation", statements: include_str!("0004_moderation.cql"), readable_from: 1 },
    Migration { name: "community", statements: include_str!("0005_community.cql"), readable_from: 1 },
    Migration { name: "vods", statements: include_str!("0006_vods.cql"), readable_from: 1 },
];

/// How long a node that died in the middle holds the others up, in seconds. Longer than any statement may take.
const LEASE_S: i32 = 30;
/// Longest that one statement of a migration may take.
const STATEMENT_MAX: Duration = Duration::from_secs(20);
/// Longest wait until all servers know a change of the schema. They tell each other within a second or two.
pub(super) const SPREAD_MAX: Duration = Duration::from_secs(5);
/// Longest wait for connections to all servers, some of which may be down.
const CONNECTED_MAX: Duration = Duration::from_secs(2);
/// How old the lease may become before it is renewed.
const RENEWED_AFTER: Duration = Duration::from_secs(5);
/// Longest wait for other nodes that migrate.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Makes the keyspace if it is missing, and makes every connection use it.
pub(super) async fn keyspace(session: &Session, name: &str, replication: u8, options: &str) -> Result<(), Error> {
    let known = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    if ask(session, known, (name,)).await?.is_empty() {
        let options = if options.is_empty() { String::new() } else { format!(" AND {options}") };
        let make = format!(
            "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replication}}}{options}"
        );
        change(session, &make).await?;
        spread(session).await?;
        tracing::info!(keyspace = name, replication, "keyspace made");
    }
    // Another node may have made it a moment ago: a server lists it before it can use it, and others hear of it later.
    let begin = Instant::now();
    while let Err(error) = session.use_keyspace(name, false).await {
        if begin.elapsed() > STATEMENT_MAX {
            return Err(Error::Unreachable(error.to_string()));
        }
        spread(session).await?;
        step_aside().await;
    }
    Ok(())
}

/// Brings the keyspace in use to the newest schema.
pub(super) async fn migrate(session: &Session, keyspace: &str, migrations: &[Migration]) -> Result<(), Error> {
    let (me, begin) = (Uuid::now_v7(), Instant::now());
    let mut failing = None;
    loop {
        match step(session, keyspace, migrations, me).await {
            Ok(true) => return Ok(()),
            Ok(false) if begin.elapsed() > WAIT_MAX => {
                return Err(Error::Unreachable("another node has been migrating the schema for too long".into()));
            }
            Ok(false) => failing = None,
            // A server that has not heard of a table yet fails to answer about it.
            Err(Error::Unreachable(_)) if failing.get_or_insert_with(Instant::now).elapsed() < SPREAD_MAX => {}
            Err(error) => return Err(error),
        }
        step_aside().await;
    }
}

/// Looks, and migrates if it is this node's turn. Says whether the schema was up to date.
async fn step(session: &Session, keyspace: &str, all: &[Migration], me: Uuid) -> Result<bool, Error> {
    let known = i32::try_from(all.len()).expect("few migrations");
    let (found, readable_from) = version(session).await?;
    if found >= known {
        return if readable_from <= known { Ok(true) } else { Err(newer(found, known)) };
    }
    if !lock(session, keyspace, me).await? {
        return Ok(false);
    }
    // Whoever had it before may have gone further.
    let (found, _) = version(session).await?;
    let missing = all.get(usize::try_from(found).unwrap_or(0)..).unwrap_or_default();
    let done = run(session, keyspace, missing, found, me).await;
    // Without this the next one waits for the end of the lease.
    let _ = decide(session, "DELETE FROM schema_lock WHERE name = 'schema' IF owner = ?", (me,)).await;
    done.map(|()| false)
}

async fn run(session: &Session, keyspace: &str, missing: &[Migration], found: i32, me: Uuid) -> Result<(), Error> {
    // It was taken a moment ago.
    let mut renewed = Instant::now();
    for (migration, version) in missing.iter().zip(found + 1..) {
        for statement in statements(migration.statements) {
            if renewed.elapsed() > RENEWED_AFTER {
                let held = "UPDATE schema_lock USING TTL ? SET owner = ? WHERE name = 'schema' IF owner = ?";
                if !decide(session, held, (LEASE_S, me, me)).await? {
                    return Err(Error::Unreachable("another node took the migration over".into()));
                }
                renewed = Instant::now();
            }
            if !has_column(session, keyspace, &statement).await? {
                change(session, &statement).await?;
            }
        }
        spread(session).await?;
        let note = "INSERT INTO schema_versions (part, version, name, readable_from, applied_at) \
                    VALUES ('schema', ?, ?, ?, ?) IF NOT EXISTS";
        let values = (version, migration.name, migration.readable_from, column::at(Timestamp::now()));
        decide(session, note, values).await?;
        tracing::info!(version, name = migration.name, "store migrated");
    }
    Ok(())
}

/// The schema's version, and the oldest one that can work with it. 0 is an empty keyspace.
async fn version(session: &Session) -> Result<(i32, i32), Error> {
    let ask = "SELECT version, readable_from FROM schema_versions WHERE part = 'schema'";
    let answer = match session.query_unpaged(ask, ()).await {
        // There is no such table yet, or the server that was asked has not heard of it.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))) => return Ok((0, 0)),
        answer => answer.map_err(|error| fault::execution(&error))?,
    };
    let rows = answer.into_rows_result().map_err(fault::odd)?;
    let rows: Vec<Row> = rows.rows().map_err(fault::odd)?.collect::<Result<_, _>>().map_err(fault::odd)?;
    let number = |row: &Row, index: usize| row.columns.get(index)?.as_ref()?.as_int();
    let newest = rows.iter().filter_map(|row| number(row, 0)).max().unwrap_or(0);
    let readable_from = rows.iter().filter_map(|row| number(row, 1)).max().unwrap_or(0);
    Ok((newest, readable_from))
}

/// Takes the lock. Makes the tables that are needed for it, the first time.
async fn lock(session: &Session, keyspace: &str, me: Uuid) -> Result<bool, Error> {
    for (table, columns) in [
        ("schema_lock", "name text PRIMARY KEY, owner uuid"),
        (
            "schema_versions",
            "part text, version int, name text, readable_from int, applied_at timestamp, PRIMARY KEY (part, version)",
        ),
    ] {
        let hash: [u8; 32] = Sha256::digest(format!("weir {keyspace}.{table}")).into();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        let id = uuid::Builder::from_custom_bytes(id).into_uuid();
        change(session, &format!("CREATE TABLE IF NOT EXISTS {table} ({columns}) WITH ID = {id}")).await?;
    }
    spread(session).await?;
    let take = "INSERT INTO schema_lock (name, owner) VALUES ('schema', ?) IF NOT EXISTS USING TTL ?";
    decide(session, take, (me, LEASE_S)).await
}

/// Whether a statement that adds a column need not run: the column is there.
async fn has_column(session: &Session, keyspace: &str, statement: &str) -> Result<bool, Error> {
    let mut words = statement.split_whitespace();
    let (Some("ALTER"), Some("TABLE"), Some(table), Some("ADD"), Some(column)) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Ok(false);
    };
    let known = "SELECT column_name FROM system_schema.columns \
                 WHERE keyspace_name = ? AND table_name = ? AND column_name = ?";
    Ok(!ask(session, known, (keyspace, table, column)).await?.is_empty())
}

/// Waits until every server knows the same schema. Not for ever: one that is down learns it when it comes back.
async fn spread(session: &Session) -> Result<(), Error> {
    let begin = Instant::now();
    // Only those to which there is a connection are asked.
    while begin.elapsed() < CONNECTED_MAX {
        if session.get_cluster_state().get_nodes_info().iter().all(|server| server.is_connected()) {
            break;
        }
        step_aside().await;
    }
    match session.await_schema_agreement().await {
        Ok(_) | Err(SchemaAgreementError::Timeout(_)) => Ok(()),
        Err(error) => Err(Error::Unreachable(error.to_string())),
    }
}

/// The statements of a file, without its comments.
pub(super) fn statements(text: &str) -> Vec<String> {
    let without: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let all = without.join("\n");
    all.split(';')
        .map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|one| !one.is_empty())
        .collect()
}

fn newer(found: i32, known: i32) -> Error {
    let number = |of: i32| u32::try_from(of).unwrap_or_default();
    Error::Newer { found: number(found), known: number(known) }
}

async fn ask(
    session: &Session,
    text: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<Vec<Row>, Error> {
    let mut statement = Statement::new(qualified(session, text));
    statement.set_is_idempotent(true);
    let answer = session.query_unpaged(statement, values).await.map_err(|error| fault::execution(&error))?;
    let rows = answer.into_rows_result().map_err(fault::odd)?;
    rows.rows::<Row>().map_err(fault::odd)?.collect::<Result<_, _>>().map_err(fault::odd)
}

async fn decide(
    session: &Session,
    text: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<bool, Error> {
    let mut statement = Statement::new(qualified(session, text));
    statement.set_consistency(Consistency::Quorum);
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    let answer = session.query_unpaged(statement, values).await.map_err(|error| fault::execution(&error))?;
    let rows = answer.into_rows_result().map_err(fault::odd)?;
    let first = rows.first_row::<Row>().map_err(fault::odd)?;
    Ok(first.columns.first().and_then(Option::as_ref).and_then(|column| column.as_boolean()).unwrap_or(false))
}

/// Changes the schema. All changes go to one server, so that each finds the one before it; the others hear of them.
async fn change(session: &Session, text: &str) -> Result<(), Error> {
    let mut statement = Statement::new(qualified(session, text));
    statement.set_request_timeout(Some(STATEMENT_MAX));
    let state = session.get_cluster_state();
    let up = state.get_nodes_info().iter().filter(|server| server.is_connected());
    if let Some(first) = up.min_by_key(|server| server.host_id) {
        let target = NodeIdentifier::HostId(first.host_id);
        statement.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
    }
    session.query_unpaged(statement, ()).await.map(drop).map_err(|error| fault::execution(&error))
}

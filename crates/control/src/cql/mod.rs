//! The cluster's store: Apache Cassandra or ScyllaDB, shared by every node of an installation.
//!
//! [`statement`] runs statements and says what each kind promises; [`names`] keeps unique what may be there once;
//! [`migrate`] keeps the schema; [`fault`] reads errors. The statements stand in the domain folders, beside SQLite's.
//!
//! There are no transactions over partitions. A call that writes several begins with what only it can have (names, by
//! a conditional insert), goes on with rows that nobody finds yet, and ends with the one conditional write that makes
//! all of it visible. A node that dies on the way leaves names that lead nowhere; they are young for
//! [`names::YOUNG_FOR`], and afterwards whoever wants one may take it, once it has made sure that the first can no
//! longer finish.

pub(crate) mod column;
pub(crate) mod fault;
pub(crate) mod gate;
mod installation;
pub(crate) mod listing;
mod migrate;
pub(crate) mod names;
pub(crate) mod statement;
#[cfg(test)]
pub(crate) mod tests;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use scylla::{
    client::{execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
    policies::timestamp_generator::MonotonicTimestampGenerator,
    statement::{Consistency, SerialConsistency},
};
use uuid::Uuid;

use crate::{
    accounts, audit, bans,
    breaker::Breaker,
    channels, emotes,
    error::Error,
    families, follows, held, idempotency, keys, messages, oidc_identities, reports, roles, sessions, signing,
    store::{Answer, Config, Store},
    vods, webhooks, words,
};
pub(crate) use column::Id;

/// Longest that one statement may take, its retries included. Shorter than the time in which an encoder gives up its
/// connection.
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a server's connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How often servers are asked whether they all know a change of the schema. Only asked while one is made.
const AGREEMENT_EACH: Duration = Duration::from_millis(20);
/// The port of CQL.
pub(crate) const PORT: u16 = 9042;

/// The store in a cluster.
#[derive(Debug)]
pub struct Cql {
    session: Session,
    breaker: Breaker,
    /// This process, in what nodes write each for itself.
    node: Uuid,
    installation: installation::Statements,
    names: names::Statements,
    pub(crate) accounts: accounts::cql::Statements,
    pub(crate) audit: audit::cql::Statements,
    pub(crate) bans: bans::cql::Statements,
    pub(crate) channels: channels::cql::Statements,
    pub(crate) emotes: emotes::cql::Statements,
    pub(crate) families: families::cql::Statements,
    pub(crate) follows: follows::cql::Statements,
    pub(crate) held: held::cql::Statements,
    pub(crate) idempotency: idempotency::cql::Statements,
    pub(crate) identities: oidc_identities::cql::Statements,
    pub(crate) keys: keys::cql::Statements,
    pub(crate) messages: messages::cql::Statements,
    pub(crate) reports: reports::cql::Statements,
    pub(crate) roles: roles::cql::Statements,
    pub(crate) sessions: sessions::cql::Statements,
    pub(crate) signing: signing::cql::Statements,
    pub(crate) vods: vods::cql::Statements,
    pub(crate) webhooks: webhooks::cql::Statements,
    pub(crate) words: words::cql::Statements,
}

/// Where a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// `HOST:PORT` of servers to begin with; the others are learned from them.
    pub(crate) servers: Vec<String>,
    /// The keyspace.
    pub(crate) keyspace: String,
}

impl Cql {
    /// Connects, makes the keyspace if it is missing, and brings its schema up to date. Nodes that start at once wait
    /// for the one that does it.
    pub(crate) async fn open(cluster: &Cluster, config: &Config) -> Result<Self, Error> {
        let session = connect_migrated(cluster, config).await?;
        let state =
            kept_transfer(&session).await?.map(|state| column::json::<serde_json::Value>(&state)).transpose()?;
        if state.is_some_and(|state| state["finished"] == false) {
            return Err(Error::Url(
                "the move of an SQLite store into this keyspace has not finished: run `weir migrate` once more".into(),
            ));
        }
        let store = Box::pin(Self::prepare(session)).await?;
        store.finish_deletions().await?;
        Ok(store)
    }

    async fn prepare(session: Session) -> Result<Self, Error> {
        Ok(Self {
            installation: installation::Statements::prepare(&session).await?,
            names: names::Statements::prepare(&session).await?,
            accounts: accounts::cql::Statements::prepare(&session).await?,
            audit: audit::cql::Statements::prepare(&session).await?,
            bans: bans::cql::Statements::prepare(&session).await?,
            channels: channels::cql::Statements::prepare(&session).await?,
            emotes: emotes::cql::Statements::prepare(&session).await?,
            families: families::cql::Statements::prepare(&session).await?,
            follows: follows::cql::Statements::prepare(&session).await?,
            held: held::cql::Statements::prepare(&session).await?,
            idempotency: idempotency::cql::Statements::prepare(&session).await?,
            identities: oidc_identities::cql::Statements::prepare(&session).await?,
            keys: keys::cql::Statements::prepare(&session).await?,
            messages: messages::cql::Statements::prepare(&session).await?,
            reports: reports::cql::Statements::prepare(&session).await?,
            roles: roles::cql::Statements::prepare(&session).await?,
            sessions: sessions::cql::Statements::prepare(&session).await?,
            signing: signing::cql::Statements::prepare(&session).await?,
            vods: vods::cql::Statements::prepare(&session).await?,
            webhooks: webhooks::cql::Statements::prepare(&session).await?,
            words: words::cql::Statements::prepare(&session).await?,
            node: Uuid::now_v7(),
            breaker: Breaker::new("cluster"),
            session,
        })
    }
}

/// Connects to a keyspace, with its newest schema; makes it if it is missing.
pub(crate) async fn connect_migrated(cluster: &Cluster, config: &Config) -> Result<Session, Error> {
    let session = connect(cluster, config).await?;
    migrate::keyspace(&session, &cluster.keyspace, config.replication_factor, &config.keyspace_options).await?;
    migrate::migrate(&session, &cluster.keyspace, migrate::MIGRATIONS).await?;
    Ok(session)
}

/// How far a move from SQLite into this keyspace has come; nothing when there was none.
pub(crate) async fn kept_transfer(session: &Session) -> Result<Option<String>, Error> {
    let ask = "SELECT state FROM transfers WHERE name = 'sqlite'";
    let answer = session.query_unpaged(ask, ()).await.map_err(|error| fault::execution(&error))?;
    let row = answer.into_rows_result().map_err(fault::odd)?.maybe_first_row::<(String,)>().map_err(fault::odd)?;
    Ok(row.map(|(state,)| state))
}

async fn connect(cluster: &Cluster, config: &Config) -> Result<Session, Error> {
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::Quorum)
        .serial_consistency(Some(SerialConsistency::Serial))
        .request_timeout(Some(STATEMENT_MAX))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&cluster.servers)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECT_MAX)
        .schema_agreement_interval(AGREEMENT_EACH)
        .schema_agreement_timeout(migrate::SPREAD_MAX)
        // The migration waits once for all of its changes.
        .auto_await_schema_agreement(false)
        .refresh_metadata_on_auto_schema_agreement(false)
        // Of two plain writes of this process the later one counts, whichever servers they go through.
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()));
    if !config.username.is_empty() {
        builder = builder.user(&config.username, config.password.reveal());
    }
    builder.build().await.map_err(|error| fault::connection(&error))
}

impl Store for Cql {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(self.put(&self.installation.ping, (self.node, column::at(Timestamp::now()))))
    }
}

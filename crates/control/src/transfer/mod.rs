//! Moving a store that has outgrown one machine: everything from an SQLite file into a CQL keyspace.
//!
//! [`source`] reads the file's tables and [`becomes`] says what each row becomes; [`target`] writes that and reads it back. The
//! file is held alone meanwhile, so no server runs on it. The target must be empty; how far the move has come is kept
//! in it, and the same move goes on from there. At the end every table of the target is read and compared with what
//! the file makes of it, by count and by checksum; until then no server starts on the target.
//!
//! Rows are written with a time stamp of before the move, so that whatever the cluster's nodes write later is later.

mod becomes;
mod source;
mod target;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    store::{Config, Place},
};
use source::{SOURCES, Source};
use target::{Sums, TARGETS, Target};

/// Rows of the source between two notes of how far it is.
const BATCH: usize = 200;

/// How far a move is, for whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many rows of a table have been copied, over all runs of the move.
    Copied {
        /// The table's name in the file.
        table: &'a str,
        /// Rows.
        rows: u64,
    },
    /// A table of the target holds what it should.
    Verified {
        /// The table's name in the keyspace.
        table: &'a str,
        /// Rows.
        rows: u64,
    },
}

/// How far a move is, as the target keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Which store is moved: a hash of its secret.
    source: String,
    /// When it began, in milliseconds since the Unix epoch.
    began_ms: i64,
    /// The last row of each table that was copied, and how many were.
    copied: BTreeMap<String, (i64, u64)>,
    /// Whether everything was copied and compared.
    finished: bool,
}

/// Moves the SQLite store at `from` into the CQL store of `to`. Goes on with a move that was cut short. `heard` is told
/// about progress; what it refuses ends the move, which may be taken up again.
///
/// # Errors
/// [`Error`], as a sentence for the operator: the file is in use or no store, the target is not empty or does not
/// answer, or what arrived is not what was sent.
pub async fn sqlite_to_cql(
    from: &Path,
    to: &Config,
    heard: &mut (dyn FnMut(Progress<'_>) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    let Place::Cql(cluster) = Place::parse(&to.url, Path::new(""))? else {
        return Err(Error::Url("the target of the move must be `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE`".into()));
    };
    let source = Source::open(from).await?;
    let secret = Sha256::digest(source.secret().await?);
    let fingerprint: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let target = Target::open(&cluster, to).await?;
    let mut state = begin(&target, fingerprint).await?;
    for table in SOURCES {
        let (mut last, mut rows) = state.copied.get(table.name).copied().unwrap_or((0, 0));
        loop {
            let batch = source.read(table, last, BATCH, state.began_ms).await?;
            let Some(end) = batch.last else { break };
            target.write(batch.written, state.began_ms).await?;
            (last, rows) = (end, rows + batch.rows);
            state.copied.insert(table.name.into(), (last, rows));
            target.keep(&encoded(&state)?).await?;
            heard(Progress::Copied { table: table.name, rows })?;
        }
    }
    verify(&source, &target, &state, heard).await?;
    state.finished = true;
    target.keep(&encoded(&state)?).await
}

/// What an earlier run left, or a fresh beginning in an empty target.
async fn begin(target: &Target, source: String) -> Result<State, Error> {
    if let Some(kept) = target.kept().await? {
        let state: State = serde_json::from_str(&kept).map_err(|error| Error::Other(error.to_string()))?;
        return match state {
            State { finished: true, .. } => Err(Error::Url("a store was moved into this keyspace already".into())),
            state if state.source == source => Ok(state),
            _ => Err(Error::Url("the move of another store into this keyspace has not finished".into())),
        };
    }
    if !target.is_empty().await? {
        return Err(Error::Url("the keyspace holds a store already: name another, or drop it first".into()));
    }
    let state = State { source, began_ms: Timestamp::now().as_millisecond(), copied: BTreeMap::new(), finished: false };
    target.keep(&encoded(&state)?).await?;
    Ok(state)
}

/// Compares every table of the target with what the source makes of it.
async fn verify(
    source: &Source,
    target: &Target,
    state: &State,
    heard: &mut (dyn FnMut(Progress<'_>) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    let mut wanted = Sums::default();
    for table in SOURCES {
        let mut last = 0;
        loop {
            let batch = source.read(table, last, BATCH, state.began_ms).await?;
            let Some(end) = batch.last else { break };
            batch.written.iter().for_each(|written| wanted.add(written.table, &written.values));
            last = end;
        }
    }
    for table in TARGETS {
        let found = target.sums(table).await?;
        if found != wanted.of(table.name) {
            return Err(Error::Other(format!(
                "the table {} did not arrive as it was sent: has the file been written to since the move began, or the \
                 keyspace? Drop the keyspace and begin anew",
                table.name
            )));
        }
        heard(Progress::Verified { table: table.name, rows: found.rows })?;
    }
    Ok(())
}

fn encoded(state: &State) -> Result<String, Error> {
    serde_json::to_string(state).map_err(|error| Error::Other(error.to_string()))
}

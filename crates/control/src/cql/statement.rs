//! Statements: prepared once, each of one kind, which says how it is retried and how many replicas must answer.
//!
//! [`Read`] and [`Write`] may run twice without harm, so the driver tries them again on another node. [`Decide`] is a
//! conditional statement (`IF`): it is repeated only after a look at what the first run did. [`Within`] runs only in a
//! batch. A partition key is bound in every one of them.

use std::time::Duration;

use futures::future;
use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::ExecutionError,
    response::query_result::QueryResult,
    serialize::row::SerializeRow,
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::Row,
};

use super::{Cql, fault};
use crate::error::Error;

/// Statements that run side by side for one call, such as the rows behind a page of ids.
pub(crate) const ABREAST: usize = 16;

/// Asks. By default sees every acknowledged write; a settled read also ends what a conditional statement left open.
#[derive(Debug)]
pub(crate) struct Read {
    quorum: PreparedStatement,
    serial: PreparedStatement,
}

/// Writes the same whenever it runs.
#[derive(Debug)]
pub(crate) struct Write(PreparedStatement);

/// Writes if a condition holds.
#[derive(Debug)]
pub(crate) struct Decide(PreparedStatement);

/// Writes as a part of a batch that decides.
#[derive(Debug)]
pub(crate) struct Within(PreparedStatement);

/// Values of one statement of a batch.
pub(crate) type Values = Box<dyn SerializeRow + Send + Sync>;

/// Declares a domain's statements: a struct with one field each, and how they are prepared.
macro_rules! statements {
    ($name:ident { $($field:ident: $kind:ident = $text:expr;)+ }) => {
        #[derive(Debug)]
        pub(crate) struct $name { $(pub(crate) $field: $crate::cql::statement::$kind),+ }

        impl $name {
            pub(crate) async fn prepare(
                session: &scylla::client::session::Session,
            ) -> Result<Self, $crate::error::Error> {
                Ok(Self { $($field: $crate::cql::statement::$kind::prepare(session, $text).await?),+ })
            }

            /// Kind and text of each, for the tests.
            #[cfg(test)]
            pub(crate) const TEXTS: &[(&str, &str)] = &[$((stringify!($kind), $text)),+];
        }
    };
}
pub(crate) use statements;

async fn prepare(session: &Session, text: &str, idempotent: bool) -> Result<PreparedStatement, Error> {
    let mut statement = session.prepare(qualified(session, text)).await.map_err(|error| fault::prepare(&error))?;
    statement.set_is_idempotent(idempotent);
    statement.set_consistency(Consistency::Quorum);
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    Ok(statement)
}

/// A statement with its table's keyspace before the table, where the session uses one: a prepared statement must not
/// depend on what the session uses.
pub(crate) fn qualified(session: &Session, text: &str) -> String {
    let Some(keyspace) = session.get_keyspace() else { return text.to_owned() };
    for before in ["CREATE TABLE IF NOT EXISTS ", "ALTER TABLE ", "INSERT INTO ", "UPDATE ", " FROM "] {
        if let Some((start, rest)) = text.split_once(before)
            && !rest.starts_with("system")
        {
            return format!("{start}{before}{keyspace}.{rest}");
        }
    }
    text.to_owned()
}

impl Read {
    pub(crate) async fn prepare(session: &Session, text: &str) -> Result<Self, Error> {
        let quorum = prepare(session, text, true).await?;
        let mut serial = quorum.clone();
        serial.set_consistency(Consistency::Serial);
        Ok(Self { quorum, serial })
    }
}

impl Write {
    pub(crate) async fn prepare(session: &Session, text: &str) -> Result<Self, Error> {
        prepare(session, text, true).await.map(Self)
    }
}

impl Decide {
    pub(crate) async fn prepare(session: &Session, text: &str) -> Result<Self, Error> {
        prepare(session, text, false).await.map(Self)
    }
}

impl Within {
    pub(crate) async fn prepare(session: &Session, text: &str) -> Result<Self, Error> {
        prepare(session, text, false).await.map(Self)
    }
}

impl Cql {
    /// Every row. Only for what has few, by its key or by `LIMIT`.
    pub(crate) async fn rows<R>(&self, read: &Read, values: impl SerializeRow) -> Result<Vec<R>, Error>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        self.run(&read.quorum, values).await
    }

    /// The first row.
    pub(crate) async fn one<R>(&self, read: &Read, values: impl SerializeRow) -> Result<Option<R>, Error>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        Ok(self.rows(read, values).await?.into_iter().next())
    }

    /// Every row, after whatever conditional statement is under way has ended: what it says then stays so.
    pub(crate) async fn settled_rows<R>(&self, read: &Read, values: impl SerializeRow) -> Result<Vec<R>, Error>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        self.run(&read.serial, values).await
    }

    /// The first row, settled.
    pub(crate) async fn settled<R>(&self, read: &Read, values: impl SerializeRow) -> Result<Option<R>, Error>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        Ok(self.settled_rows(read, values).await?.into_iter().next())
    }

    async fn run<R>(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<Vec<R>, Error>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let answer = self
            .breaker
            .watch(self.session.execute_unpaged(statement, values), fault::ended)
            .await?
            .map_err(|error| fault::execution(&error))?;
        let rows = answer.into_rows_result().map_err(fault::odd)?;
        rows.rows::<R>().map_err(fault::odd)?.collect::<Result<_, _>>().map_err(fault::odd)
    }

    /// Writes; a majority of the replicas has it when this returns.
    pub(crate) async fn put(&self, write: &Write, values: impl SerializeRow) -> Result<(), Error> {
        let answer = self.breaker.watch(self.session.execute_unpaged(&write.0, values), fault::ended).await?;
        answer.map(drop).map_err(|error| fault::execution(&error))
    }

    /// Writes rows of several partitions side by side; all are kept when this returns, and after an error any of them
    /// may be. (A logged batch would promise more, and fail while a server that died still counts as alive.)
    pub(crate) async fn put_all(&self, writes: Vec<(&Write, Values)>) -> Result<(), Error> {
        future::try_join_all(writes.into_iter().map(|(write, values)| self.put(write, values))).await.map(drop)
    }

    /// Writes if the statement's condition holds; says whether it did. When the answer is lost on the way, `took` is
    /// asked whether the row now says what was to be written; it must read settled.
    pub(crate) async fn decide<T>(
        &self,
        decide: &Decide,
        values: impl SerializeRow,
        took: impl Fn() -> T,
    ) -> Result<bool, Error>
    where
        T: Future<Output = Result<bool, Error>>,
    {
        self.settle(|| self.session.execute_unpaged(&decide.0, &values), took).await
    }

    /// [`Self::decide`] with further writes to the same partition, all or none.
    pub(crate) async fn decide_with<T>(
        &self,
        decide: &Decide,
        values: Values,
        parts: Vec<(&Within, Values)>,
        took: impl Fn() -> T,
    ) -> Result<bool, Error>
    where
        T: Future<Output = Result<bool, Error>>,
    {
        let (mut batch, mut all) = (Batch::new(BatchType::Unlogged), vec![values]);
        batch.set_consistency(Consistency::Quorum);
        batch.set_serial_consistency(Some(SerialConsistency::Serial));
        batch.set_is_idempotent(false);
        batch.append_statement(decide.0.clone());
        for (part, of) in parts {
            batch.append_statement(part.0.clone());
            all.push(of);
        }
        self.settle(|| self.session.batch(&batch, &all), took).await
    }

    /// Runs a conditional statement, and once more when its answer was lost and it had not been carried out.
    async fn settle<A, T>(&self, run: impl Fn() -> A, took: impl Fn() -> T) -> Result<bool, Error>
    where
        A: Future<Output = Result<QueryResult, ExecutionError>>,
        T: Future<Output = Result<bool, Error>>,
    {
        let lost = match self.breaker.watch(run(), fault::ended).await? {
            Ok(answer) => return applied(answer),
            Err(error) => error,
        };
        if !fault::leaves_it_open(&lost) {
            return Err(fault::execution(&lost));
        }
        tracing::debug!(error = %lost, "a conditional statement's answer was lost: reading what it did");
        if took().await? {
            return Ok(true);
        }
        match self.breaker.watch(run(), fault::ended).await? {
            // The first may have been carried out late.
            Ok(answer) => Ok(applied(answer)? || took().await?),
            Err(again) if fault::leaves_it_open(&again) && took().await? => Ok(true),
            Err(again) => Err(fault::execution(&again)),
        }
    }

    /// Runs `call` for each of `items`, some side by side, and keeps their order.
    pub(crate) async fn each<'i, T, A, F>(&self, items: &'i [T], call: impl Fn(&'i T) -> F) -> Result<Vec<A>, Error>
    where
        F: Future<Output = Result<A, Error>>,
    {
        let mut answers = Vec::with_capacity(items.len());
        for some in items.chunks(ABREAST) {
            answers.extend(future::try_join_all(some.iter().map(&call)).await?);
        }
        Ok(answers)
    }
}

/// What follows the first column differs between servers.
fn applied(answer: QueryResult) -> Result<bool, Error> {
    let rows = answer.into_rows_result().map_err(fault::odd)?;
    let first = rows.first_row::<Row>().map_err(fault::odd)?;
    let applied = first.columns.first().and_then(Option::as_ref).and_then(scylla::value::CqlValue::as_boolean);
    applied.ok_or_else(|| Error::Other("a conditional statement was answered without [applied]".into()))
}

/// A short while of chance length, between two tries of something that others try as well.
pub(crate) async fn step_aside() {
    let mut byte = [0];
    // Without chance they step aside equally long, which only costs time.
    let _ = getrandom::fill(&mut byte);
    tokio::time::sleep(Duration::from_millis(5 + u64::from(byte[0]) / 4)).await;
}

//! Answered requests in CQL: a row each, which goes by itself.

use jiff::Timestamp;
use scylla::value::CqlTimestamp;

use super::{Begun, Idempotency, REMEMBERED_FOR, RUNS_FOR};
use crate::{
    cql::{
        Cql, column,
        statement::{statements, step_aside},
    },
    error::Error,
    store::Answer,
};

/// Tries to claim a request that others claim too.
const TRIES: usize = 8;
/// How long a row lives, in seconds: a little longer than answers are remembered, since clocks differ.
const LIVES_S: i32 = 90_000;

statements! { Statements {
    find: Read = "SELECT began_at, status, body FROM requests WHERE key = ?";
    begin: Decide = "UPDATE requests USING TTL ? SET began_at = ?, status = null, body = null WHERE key = ? \
        IF began_at = ?";
    answer: Decide = "UPDATE requests USING TTL ? SET began_at = ?, status = ?, body = ? WHERE key = ? IF began_at = ?";
    give_up: Decide = "DELETE FROM requests WHERE key = ? IF began_at = ? AND status = null";
} }

/// A row. A claim of this moment is told from an older one by when it began.
type Row = (Option<CqlTimestamp>, Option<i32>, Option<Vec<u8>>);

impl Idempotency for Cql {
    fn begin_once(&self, key: [u8; 32], at: Timestamp) -> Answer<'_, Begun> {
        Box::pin(async move {
            for _ in 0..TRIES {
                let row = self.request(key).await?;
                if let Some((Some(began), status, body)) = &row {
                    let began = column::time(*began)?;
                    match (status, body) {
                        (Some(status), body) if began > at - REMEMBERED_FOR => {
                            let status = u16::try_from(*status).unwrap_or_default();
                            return Ok(Begun::Answered { status, body: body.clone().unwrap_or_default() });
                        }
                        (None, _) if began > at - RUNS_FOR => return Ok(Begun::Running),
                        _ => {}
                    }
                }
                let seen = row.and_then(|(began, ..)| began);
                // When the answer is lost nobody knows whose claim stands. The caller fails and tries again, once
                // what may be its own claim counts as dead.
                let took = || async { Ok(false) };
                let values = (LIVES_S, column::at(at), key.as_slice(), seen);
                if self.decide(&self.idempotency.begin, values, took).await? {
                    return Ok(Begun::First);
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn answered(&self, key: [u8; 32], status: u16, body: Vec<u8>) -> Answer<'_, ()> {
        Box::pin(async move {
            let Some((Some(began), ..)) = self.request(key).await? else { return Ok(()) };
            let took = || async { Ok(self.request(key).await?.is_some_and(|(_, status, _)| status.is_some())) };
            let values = (LIVES_S, began, i32::from(status), body.as_slice(), key.as_slice(), began);
            self.decide(&self.idempotency.answer, values, took).await.map(drop)
        })
    }

    fn give_up(&self, key: [u8; 32]) -> Answer<'_, ()> {
        Box::pin(async move {
            let Some((Some(began), None, _)) = self.request(key).await? else { return Ok(()) };
            let gone = || async { Ok(self.request(key).await?.is_none()) };
            self.decide(&self.idempotency.give_up, (key.as_slice(), began), gone).await.map(drop)
        })
    }
}

impl Cql {
    async fn request(&self, key: [u8; 32]) -> Result<Option<Row>, Error> {
        self.settled(&self.idempotency.find, (key.as_slice(),)).await
    }
}

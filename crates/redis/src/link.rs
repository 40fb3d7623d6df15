//! A connection that comes back by itself.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{RedisError, RedisResult};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    connection::{Connection, ends_the_connection},
    target::Target,
};

/// Longest that connecting takes, finding out where included.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How often a connection that nobody may be using is looked after.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Longest that the answer to that may take.
const CHECK_MAX: Duration = Duration::from_secs(1);
/// How long is waited after a connection failed; twice as long after each that fails as well.
const WAIT_FIRST: Duration = Duration::from_millis(50);
/// Longest of these: so long after Redis is back, at most, it is used again.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// A connection that held for so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Why a call came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no connection now. Said at once.
    #[error("Redis is away")]
    Away,
    /// Redis did not answer in time. What was asked may be done all the same.
    #[error("Redis does not answer")]
    TooSlow,
    /// The connection broke, or Redis refused.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// A connection that is made, looked after and made again in the background for as long as there is a clone of this.
#[derive(Clone)]
pub struct Link {
    state: Arc<State>,
    _keeper: Arc<Keeper>,
}

struct State {
    /// Nothing while Redis is away.
    connected: watch::Sender<Option<Connected>>,
    /// Answers that ever came.
    answers: AtomicU64,
}

#[derive(Clone)]
struct Connected {
    /// Which one it is: the first has number 1.
    number: u64,
    connection: Connection,
}

struct Keeper(AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    /// Begins to connect. `purpose` names it in logs and metrics. Must be called within a runtime of Tokio.
    #[must_use]
    pub fn open(target: Target, purpose: &'static str) -> Self {
        metrics::describe_gauge!("weir_redis_connected", "1 while Redis is connected, 0 while it is away.");
        metrics::gauge!("weir_redis_connected", "for" => purpose).set(0.0);
        let state = Arc::new(State { connected: watch::Sender::new(None), answers: AtomicU64::new(0) });
        let keeper = tokio::spawn(keep(state.clone(), target, purpose)).abort_handle();
        Self { state, _keeper: Arc::new(Keeper(keeper)) }
    }

    /// Asks Redis something, for at most `within`.
    ///
    /// When nothing at all is answered for so long, the connection is given up: from then on calls end at once, until
    /// there is another. In a cluster, calls to one server that hangs wait for as long as others are answered.
    ///
    /// # Errors
    /// [`Error`]; after each of them something may be done all the same, but for [`Error::Away`].
    pub async fn call<T, F>(&self, within: Duration, ask: impl FnOnce(Connection) -> F) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connected = self.state.connected.borrow().clone();
        let Some(Connected { number, connection }) = connected else { return Err(Error::Away) };
        let answers_before = self.state.answers.load(Relaxed);
        match timeout(within, ask(connection)).await {
            Ok(Ok(answer)) => {
                self.state.answers.fetch_add(1, Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) if !error.is_timeout() => {
                if ends_the_connection(&error) {
                    self.state.lose(number);
                } else {
                    self.state.answers.fetch_add(1, Relaxed);
                }
                Err(error.into())
            }
            Ok(Err(_)) | Err(_) => {
                if self.state.answers.load(Relaxed) == answers_before {
                    self.state.lose(number);
                }
                Err(Error::TooSlow)
            }
        }
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) {
        // The sender is in `self`.
        let _ = self.state.connected.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until there is none.
    pub async fn away(&self) {
        self.state.away().await;
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

impl State {
    /// The connection of that number is of no more use.
    fn lose(&self, number: u64) {
        self.connected.send_if_modified(|connected| {
            let lost = connected.as_ref().is_some_and(|connected| connected.number == number);
            if lost {
                *connected = None;
            }
            lost
        });
    }

    async fn away(&self) {
        let _ = self.connected.subscribe().wait_for(Option::is_none).await;
    }
}

/// Makes one connection after the other.
async fn keep(state: Arc<State>, target: Target, purpose: &'static str) {
    let gauge = metrics::gauge!("weir_redis_connected", "for" => purpose);
    let mut wait = WAIT_FIRST;
    let mut away_since: Option<Instant> = None;
    for number in 1.. {
        let connection = loop {
            let why = match timeout(CONNECT_MAX, connect(&target, number)).await {
                Ok(Ok(connection)) => break connection,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if away_since.is_none() {
                away_since = Some(Instant::now());
                warn!(purpose, redis = ?target, %why, "Redis cannot be reached: until it is back, each node keeps to itself");
            }
            sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        };
        if let Some(since) = away_since.take() {
            info!(purpose, redis = ?target, after = ?since.elapsed(), "Redis is back");
        }
        let began = Instant::now();
        state.connected.send_replace(Some(Connected { number, connection: connection.clone() }));
        gauge.set(1.0);
        until_lost(&state, number, connection).await;
        gauge.set(0.0);
        if began.elapsed() > GOOD_AFTER {
            wait = WAIT_FIRST;
        }
        away_since = Some(Instant::now());
        warn!(purpose, redis = ?target, "Redis went away: until it is back, each node keeps to itself");
        sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// Connects, and hears that it is no empty promise: a server that hangs still accepts connections.
async fn connect(target: &Target, number: u64) -> RedisResult<Connection> {
    let connection = target.connect().await?;
    check(connection.clone(), number).await?;
    Ok(connection)
}

/// Looks after the connection until it is lost.
async fn until_lost(state: &State, number: u64, connection: Connection) {
    for count in 0_u64.. {
        tokio::select! {
            () = state.away() => return,
            () = sleep(CHECK_EVERY) => {}
        }
        let answered = matches!(timeout(CHECK_MAX, check(connection.clone(), count)).await, Ok(Ok(())));
        // A cluster finds its servers by itself, and one of them is not all.
        if !answered && matches!(connection, Connection::Single(_)) {
            state.lose(number);
        }
    }
}

/// Asks something that costs nothing; of a cluster, each time another server.
async fn check(mut connection: Connection, count: u64) -> RedisResult<()> {
    redis::cmd("EXISTS").arg(format!("weir:check:{count}")).query_async::<u32>(&mut connection).await.map(|_| ())
}

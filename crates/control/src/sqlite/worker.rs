//! A thread with a connection and a bounded queue of calls.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

/// How long a call may wait for a place in a full queue before it is refused as busy. Shorter than the time in which
/// an encoder gives up its connection.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(3);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The sending side of a thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    pub(crate) fn start(name: &str, mut db: Connection, waiting_max: usize) -> Result<Self, Error> {
        let (jobs, mut queue) = mpsc::channel::<Job>(waiting_max);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    // A transaction is rolled back as it unwinds, so the connection stays good.
                    if catch_unwind(AssertUnwindSafe(|| job(&mut db))).is_err() {
                        tracing::error!("a store call panicked");
                    }
                }
            })
            .map_err(|error| Error::Other(format!("cannot start a thread: {error}")))?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the thread, which has nothing else to do.
    #[cfg(test)]
    pub(crate) fn run(&self, job: impl FnOnce(&mut Connection) + Send + 'static) {
        assert!(self.jobs.try_send(Box::new(job)).is_ok(), "the queue is full");
    }

    /// Runs `job` on the thread and waits for what it gives.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            // Nobody waits any more when the caller was dropped; its work is done all the same.
            let _ = answer.send(job(db));
        });
        match self.jobs.send_timeout(job, PLACE_WAIT_MAX).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(Error::Busy),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(Error::Closed),
        }
        answered.await.unwrap_or_else(|_| Err(Error::Other("a store call was cut short".into())))
    }
}

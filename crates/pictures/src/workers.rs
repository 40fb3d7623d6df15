//! The server's side: a process for each picture, a few at once, none for long.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use metrics::{counter, describe_counter};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
    time::timeout,
};
use tracing::{info, warn};
use weir_worker::Program;

use crate::{
    Failed, Made, Refused, check,
    wire::{self, ANSWER_BYTES_MAX},
};

/// Longest that a worker may take from its start to its answer.
const WORK_MAX: Duration = Duration::from_secs(15);
/// Longest wait until others are done.
const TURN_MAX: Duration = Duration::from_secs(5);
/// Most that wait: with more, nobody would have their turn in time.
const WAITING_MAX: usize = 16;

/// All pictures that are looked at on this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: Program,
    turns: Semaphore,
    waiting: Semaphore,
    work_max: Duration,
}

impl Workers {
    /// At most `at_once` processes of `program`, which must call [`crate::worker::run`].
    #[must_use]
    pub fn new(program: Program, at_once: usize) -> Self {
        describe_counter!("weir_pictures_total", "Pictures that were looked at, by what became of them.");
        Self::within(program, at_once, WORK_MAX)
    }

    pub(crate) fn within(program: Program, at_once: usize, work_max: Duration) -> Self {
        let (turns, waiting) = (Semaphore::new(at_once), Semaphore::new(at_once + WAITING_MAX));
        Self(Arc::new(Inner { program, turns, waiting, work_max }))
    }

    /// Makes a picture anew that somebody sent.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn make(&self, sent: Bytes) -> Result<Made, Failed> {
        let made = self.in_turn(sent).await;
        let outcome = match &made {
            Ok(_) => "made",
            Err(Failed::Refused(_)) => "refused",
            Err(Failed::Busy) => "busy",
            Err(Failed::NoWorker(_)) => "failed",
        };
        counter!("weir_pictures_total", "outcome" => outcome).increment(1);
        made
    }

    async fn in_turn(&self, sent: Bytes) -> Result<Made, Failed> {
        let inner = &self.0;
        let _place = inner.waiting.try_acquire().map_err(|_| Failed::Busy)?;
        let _turn = timeout(TURN_MAX, inner.turns.acquire()).await.map_err(|_| Failed::Busy)?;
        match timeout(inner.work_max, self.ask(sent)).await {
            Ok(answer) => answer,
            Err(_) => {
                info!("a picture took too long to look at: it is refused");
                Err(Refused::Damaged.into())
            }
        }
    }

    async fn ask(&self, sent: Bytes) -> Result<Made, Failed> {
        // Dropped, at the latest when time is up, it is killed.
        let (_child, mut socket) = self.0.program.start().map_err(|error| {
            warn!(%error, "a worker for pictures cannot be started");
            Failed::NoWorker(error.to_string())
        })?;
        // It may end before it read everything: its answer says why, or that there is none.
        if socket.write_all(&sent).await.is_ok() {
            let _ = socket.shutdown().await;
        }
        let mut answer = Vec::new();
        let read = socket.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer).await;
        let answer = read.ok().and_then(|_| wire::read(&Bytes::from(answer)));
        match answer {
            Some(Ok(made)) if check::holds(&made) => Ok(made),
            Some(Err(refused)) => Err(refused.into()),
            Some(Ok(_)) | None => {
                info!("a picture felled its worker: it is refused");
                Err(Refused::Damaged.into())
            }
        }
    }
}

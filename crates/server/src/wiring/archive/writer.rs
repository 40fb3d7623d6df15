//! The task that writes into the store what happened in rooms.
//!
//! Owner: the server, which closes it when everybody has left the rooms. It ends when its queue is empty then.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, counter, gauge};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{info, warn};
use weir_chat::fabric::{Down, Fabric, Sink};
use weir_control::{Error, messages::Note};
use weir_identity::ChannelId;

use super::{Compare, Shared};

/// How long what happens is gathered to be written together. What is said must be found within a second.
const GATHER: Duration = Duration::from_millis(150);
/// Entries that are written together at most.
const BATCH_MAX: usize = 512;
/// Longest that the store may take for them.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long until the store is tried again, at first and at most.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(2);
/// So often is a batch tried that the store refuses for another reason than being away. Then each entry by itself, once.
const REFUSED_MAX: u32 = 5;
/// How often a store is given the time to remove what gone channels and accounts left, while nobody talks.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How long until a room is looked at again of which something was left out.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    shared: Arc<Shared>,
    fabric: Arc<dyn Fabric>,
    notes: mpsc::Receiver<(ChannelId, Note)>,
    compares: mpsc::Receiver<Compare>,
    /// Whether the store took what it was given last.
    well: bool,
    written: Counter,
    lost: Counter,
    waiting: Gauge,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        fabric: Arc<dyn Fabric>,
        notes: mpsc::Receiver<(ChannelId, Note)>,
        compares: mpsc::Receiver<Compare>,
    ) -> Self {
        let (written, lost) = (counter!("weir_chat_archived_total"), counter!("weir_chat_archive_lost_total"));
        let waiting = gauge!("weir_chat_archive_waiting");
        Self { shared, fabric, notes, compares, well: true, written, lost, waiting }
    }

    pub(super) async fn run(mut self) {
        let stopping = self.shared.stopping.clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(first) = self.notes.recv() => {
                    let batch = self.gather(first).await;
                    self.write(batch).await;
                }
                Some(compare) = self.compares.recv() => self.compare(compare).await,
                () = sleep(LOOK_AGAIN_AFTER), if !self.shared.lacking.lock().is_empty() => {}
                () = sleep(SWEEP_EVERY) => self.write(Vec::new()).await,
            }
            if self.notes.is_empty() {
                self.look_for_what_was_left_out().await;
            }
        }
        // Nobody is in a room any more: what waits is all there is.
        self.notes.close();
        let mut rest = Vec::new();
        while self.notes.recv_many(&mut rest, BATCH_MAX).await > 0 {
            self.write(std::mem::take(&mut rest)).await;
        }
    }

    /// What comes within a moment, together with the first.
    async fn gather(&mut self, first: (ChannelId, Note)) -> Vec<(ChannelId, Note)> {
        let (mut batch, end) = (vec![first], Instant::now() + GATHER);
        let stopping = self.shared.stopping.clone();
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            let more = timeout_at(end, self.notes.recv_many(&mut batch, room));
            tokio::select! {
                more = more => if more.unwrap_or(0) == 0 { break },
                () = stopping.cancelled() => break,
            }
        }
        self.waiting.set((self.notes.len() + batch.len()) as f64);
        batch
    }

    /// Writes entries, however long that takes.
    async fn write(&mut self, batch: Vec<(ChannelId, Note)>) {
        let (mut wait, mut refused) = (AGAIN_AFTER, 0);
        loop {
            let error = match self.try_write(batch.clone()).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if std::mem::take(&mut self.well) {
                warn!(%error, "the store does not take what is said: it waits");
            }
            refused += u32::from(matches!(error, Error::Other(_)));
            if refused >= REFUSED_MAX {
                self.write_each(batch).await;
                break;
            }
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN_AFTER_MAX);
        }
        if !std::mem::replace(&mut self.well, true) {
            info!(waiting = self.notes.len(), "the store takes again what is said");
        }
        self.waiting.set(self.notes.len() as f64);
    }

    async fn try_write(&self, batch: Vec<(ChannelId, Note)>) -> Result<(), Error> {
        let count = batch.len() as u64;
        let written = timeout(WRITE_MAX, self.shared.store.keep_messages(batch)).await;
        written.unwrap_or(Err(Error::Busy)).inspect(|()| self.written.increment(count))
    }

    /// One entry that cannot be written must not hold up all others.
    async fn write_each(&self, batch: Vec<(ChannelId, Note)>) {
        for (room, note) in batch {
            if let Err(error) = self.try_write(vec![(room, note)]).await {
                self.lost.increment(1);
                warn!(%error, %room, "something that was said in a room could not be kept");
            }
        }
    }

    async fn compare(&mut self, compare: Compare) {
        let room = compare.room;
        match compare.lacks(&*self.shared.store).await {
            Ok(lacks) if lacks.is_empty() => {}
            Ok(lacks) => {
                info!(%room, entries = lacks.len(), "the store lacked something that was said in a room");
                for some in lacks.chunks(BATCH_MAX) {
                    self.write(some.to_vec()).await;
                }
            }
            Err(_) => drop(self.shared.lacking.lock().insert(room)),
        }
    }

    /// Takes from the fabric what was left out, one room at a time.
    async fn look_for_what_was_left_out(&mut self) {
        let next = {
            let lacking = self.shared.lacking.lock();
            lacking.iter().next().copied()
        };
        let Some(room) = next.filter(|_| self.well) else { return };
        self.shared.lacking.lock().remove(&room);
        match self.whole(room).await {
            Ok(compare) => self.compare(compare).await,
            Err(Down) => drop(self.shared.lacking.lock().insert(room)),
        }
    }

    /// A room with all that the fabric still has of it.
    async fn whole(&self, room: ChannelId) -> Result<Compare, Down> {
        let sink: Sink = Arc::new(|_| {});
        let opened = self.fabric.open(room, sink.clone()).await;
        self.fabric.close(room, &sink);
        let opened = opened?;
        if opened.alone {
            return Err(Down);
        }
        let entries = self.fabric.kept(room).await?;
        Ok(Compare { entries, ..Compare::of(room, &opened) })
    }
}

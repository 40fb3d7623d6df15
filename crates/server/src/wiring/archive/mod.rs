//! What is said in rooms, on its way into the store.
//!
//! Chat hands over what happened and goes on; a queue takes it, and one task ([`writer`]) writes it together. While the
//! store is away the queue fills. What finds no room in it is counted and left out, and once the store is back it is
//! taken from the fabric, as far as that still has it: a room that was left something out of is [`compare`]d with what
//! the store has of it. So is a room that is opened, since another node may have died with something in its queue.

mod compare;
mod convert;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use metrics::{Counter, counter, describe_counter, describe_gauge};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use weir_chat::{
    archive::{Beginning, Happened},
    fabric::{Down, Fabric, Opened},
    gate::Answer,
    room::log::SAID_ONCE_FOR,
};
use weir_control::{
    Store,
    messages::{Message, Messages, Note, Wanted},
};
use weir_identity::ChannelId;

use self::{compare::Compare, writer::Writer};

/// Entries that wait for the store: two minutes at 500 a second, in about 30 MiB.
const QUEUE_MAX: usize = 1 << 16;
/// Rooms that wait to be compared with the store. More are looked up in the fabric when it is their turn.
const COMPARES_MAX: usize = 256;
/// Rooms of which something was left out. More wait until they are opened the next time.
const LACKING_MAX: usize = 10_000;
/// Longest that a room waits to hear how it begins.
const BEGINNING_MAX: Duration = Duration::from_secs(3);
/// Longest that the store may take for what waits when the server stops.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Keeps what is said in the store.
#[derive(Clone)]
pub(crate) struct Archive(Arc<Shared>);

struct Shared {
    store: Arc<dyn Messages>,
    notes: mpsc::Sender<(ChannelId, Note)>,
    compares: mpsc::Sender<Compare>,
    /// Rooms of which something was left out.
    lacking: Mutex<HashSet<ChannelId>>,
    stopping: CancellationToken,
    dropped: Counter,
}

/// The writer, until the server stops.
pub(crate) struct Writing {
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Archive {
    /// Keeps in `store` from now on; what runs is begun by what is returned, with the fabric that rooms are on.
    pub(crate) fn new(store: Arc<dyn Store>) -> (Self, impl FnOnce(Arc<dyn Fabric>) -> Writing) {
        Self::with_queue(store, QUEUE_MAX)
    }

    fn with_queue(store: Arc<dyn Messages>, max: usize) -> (Self, impl FnOnce(Arc<dyn Fabric>) -> Writing) {
        describe_counter!("weir_chat_archived_total", "What happened in rooms and was written into the store.");
        describe_counter!(
            "weir_chat_archive_dropped_total",
            "What happened in rooms and found no room in the queue for the store; it is looked for in the fabric later."
        );
        describe_counter!(
            "weir_chat_archive_lost_total",
            "What happened in rooms and did not get into the store: it was refused, or the server stopped."
        );
        describe_gauge!("weir_chat_archive_waiting", "What happened in rooms and waits for the store.");
        let (notes, noted) = mpsc::channel(max);
        let (compares, compared) = mpsc::channel(COMPARES_MAX);
        let (lacking, stopping) = Default::default();
        let dropped = counter!("weir_chat_archive_dropped_total");
        let archive = Self(Arc::new(Shared { store, notes, compares, lacking, stopping, dropped }));
        let shared = archive.0.clone();
        let start = move |fabric| {
            let stopping = shared.stopping.clone();
            let task = tokio::spawn(Writer::new(shared, fabric, noted, compared).run());
            Writing { stopping, task }
        };
        (archive, start)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Archive")
    }
}

impl Shared {
    fn send(&self, room: ChannelId, note: Note) {
        if self.notes.try_send((room, note)).is_err() {
            self.leave_out(room);
        }
    }

    /// Something of a room is left out for now.
    fn leave_out(&self, room: ChannelId) {
        self.dropped.increment(1);
        let mut lacking = self.lacking.lock();
        if lacking.is_empty() {
            warn!("the store does not keep up with what is said: some of it waits in the rooms' own logs");
        }
        if lacking.len() < LACKING_MAX {
            lacking.insert(room);
        }
    }

    async fn begin(&self, room: ChannelId, messages: usize) -> Result<Beginning, weir_control::Error> {
        let kept = self.store.room(room).await?;
        let found = self.store.messages(room, Wanted { limit: messages, ..Wanted::default() }).await?;
        let settings = kept.settings.and_then(|settings| {
            let read = serde_json::from_str(&settings);
            read.inspect_err(|error| warn!(%error, %room, "a room's settings cannot be read")).ok()
        });
        let standing = found.messages.into_iter().rev().filter(|message| !message.deleted);
        let messages = standing.map(|message| {
            let called = message.called.as_deref().filter(|_| is_young(&message)).and_then(convert::client_id);
            (convert::to_chat(message), called)
        });
        Ok(Beginning { messages: messages.collect(), settings, pinned: kept.pinned.map(convert::to_chat) })
    }
}

/// Whether who said it may send it again.
fn is_young(message: &Message) -> bool {
    let age = SystemTime::now().duration_since(message.at.into());
    age.is_ok_and(|age| age < SAID_ONCE_FOR)
}

impl weir_chat::Archive for Archive {
    fn note(&self, room: ChannelId, happened: Happened) {
        self.0.send(room, convert::note(happened));
    }

    fn compare(&self, room: ChannelId, opened: &Opened) {
        if opened.alone {
            return;
        }
        if self.0.compares.try_send(Compare::of(room, opened)).is_err() {
            let mut lacking = self.0.lacking.lock();
            if lacking.len() < LACKING_MAX {
                lacking.insert(room);
            }
        }
    }

    fn beginning(&self, room: ChannelId, messages: usize) -> Answer<'_, Result<Beginning, Down>> {
        Box::pin(async move {
            match timeout(BEGINNING_MAX, self.0.begin(room, messages)).await {
                Ok(Ok(beginning)) => Ok(beginning),
                Ok(Err(error)) => {
                    warn!(%error, %room, "a room does not begin: the store does not say how it was");
                    Err(Down)
                }
                Err(_) => {
                    warn!(%room, "a room does not begin: the store takes too long to say how it was");
                    Err(Down)
                }
            }
        })
    }
}

impl Writing {
    /// Takes nothing more, and waits until what waits is written, for some seconds at most.
    pub(crate) async fn close(self) {
        self.stopping.cancel();
        let mut task = self.task;
        if timeout_at(Instant::now() + CLOSE_MAX, &mut task).await.is_err() {
            warn!("the store did not take in time what was said last");
            task.abort();
        }
    }
}

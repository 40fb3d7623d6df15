//! The words of one channel, beside those that nobody says on this server.
//!
//! A room reads them before the first who comes is let in, and again when it hears that they changed. It may miss that, so
//! it looks now and then while somebody speaks: rooms in which nobody does ask for nothing. Most channels have no words
//! of their own, and their rooms hold none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::warn;
use weir_identity::ChannelId;

use super::Filter;
use crate::gate::Gate;

/// How often a room in which somebody speaks looks whether it missed a change.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(30);
/// How long who comes first waits for the words. Without them the room goes on, and looks again.
const READY_MAX: Duration = Duration::from_secs(1);

/// Lists that are made ready for looking at once: each takes a thread for some milliseconds.
static MAKING: Semaphore = Semaphore::const_new(2);

/// A channel's words, as its room on this node knows them.
pub(crate) struct Own {
    channel: ChannelId,
    gate: Arc<dyn Gate>,
    filter: ArcSwapOption<Filter>,
    known: Mutex<Known>,
    /// Held by who reads: what is read last counts.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// 0: none.
    version: u32,
    /// When they were last looked at.
    looked: Option<Instant>,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").field("channel", &self.channel).field("known", &self.known).finish_non_exhaustive()
    }
}

impl Own {
    pub(crate) fn new(channel: ChannelId, gate: Arc<dyn Gate>) -> Arc<Self> {
        let (filter, known, reading) = Default::default();
        Arc::new(Self { channel, gate, filter, known, reading })
    }

    /// The words, if there are any.
    pub(crate) fn filter(&self) -> Option<Arc<Filter>> {
        self.filter.load_full()
    }

    /// Waits until they were read once, for at most [`READY_MAX`].
    pub(crate) async fn ready(&self) {
        if self.known.lock().looked.is_none() {
            // Late ones are read by who speaks.
            let _ = timeout(READY_MAX, self.look()).await;
        }
    }

    /// Looks whether they changed, if that was long ago.
    pub(crate) fn look_if_due(self: &Arc<Self>) {
        {
            let mut known = self.known.lock();
            if known.looked.is_some_and(|looked| looked.elapsed() < LOOKED_AT_EVERY) {
                return;
            }
            known.looked = Some(Instant::now());
        }
        self.look_soon();
    }

    /// There are words of `version`.
    pub(crate) fn changed(self: &Arc<Self>, version: u32) {
        if self.known.lock().version != version {
            self.look_soon();
        }
    }

    fn look_soon(self: &Arc<Self>) {
        let own = self.clone();
        tokio::spawn(async move { own.look().await });
    }

    async fn look(&self) {
        let _turn = self.reading.lock().await;
        let version = self.known.lock().version;
        match self.gate.words(self.channel, version).await {
            Ok(None) => {}
            Ok(Some(list)) => {
                let Ok(_place) = MAKING.acquire().await else { return };
                let made = spawn_blocking(move || Filter::new(&list.words).map(|filter| (list.version, filter))).await;
                match made {
                    Ok(Ok((version, filter))) => {
                        self.filter.store((!filter.is_empty()).then(|| Arc::new(filter)));
                        self.known.lock().version = version;
                    }
                    Ok(Err(error)) => warn!(%error, room = %self.channel, "a channel's words make no filter"),
                    Err(error) => warn!(%error, room = %self.channel, "a channel's words make no filter"),
                }
            }
            // Those before count on; who speaks later looks again.
            Err(error) => warn!(%error, room = %self.channel, "a channel's words cannot be read"),
        }
        self.known.lock().looked = Some(Instant::now());
    }
}

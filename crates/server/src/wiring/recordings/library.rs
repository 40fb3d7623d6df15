//! What viewers find of recordings on this node.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use weir_control::{Store, playback::PlaybackTokens, vods::State};
use weir_edge::vod::{self, Absent, Place};
use weir_identity::VodId;

use super::home::Home;

/// How long an answer of the store is good: a recording that is removed or closed can be watched for so long.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Answers that are remembered.
const KEPT_MAX: usize = 4_096;

/// Answers the edge. Clones share what they remember.
#[derive(Clone)]
pub(crate) struct Library {
    store: Arc<dyn Store>,
    home: Home,
    playback: PlaybackTokens,
    known: Arc<Mutex<HashMap<VodId, Known>>>,
}

#[derive(Debug, Clone)]
struct Known {
    answer: Result<Place, Absent>,
    at: Instant,
}

impl Library {
    pub(super) fn new(store: Arc<dyn Store>, home: Home, playback: PlaybackTokens) -> Self {
        Self { store, home, playback, known: Arc::default() }
    }

    async fn ask(&self, id: VodId) -> Result<Place, Absent> {
        let known = self.known.lock().get(&id).cloned();
        if let Some(fresh) = known.as_ref().filter(|known| known.at.elapsed() < FRESH_FOR) {
            return fresh.answer.clone();
        }
        let answer = match self.store.vod(id).await {
            Ok(Some(vod)) if vod.state == State::Failed => Err(Absent::Missing),
            Ok(Some(vod)) if vod.node != self.home.node => Err(Absent::Elsewhere),
            Ok(Some(vod)) => {
                Ok(Place { directory: self.home.of(id), watch: vod.watch, closed: vod.visibility.is_closed() })
            }
            Ok(None) => Err(Absent::Missing),
            // Whoever watches goes on while the store is away.
            Err(_) => return known.map_or(Err(Absent::Unknown), |known| known.answer),
        };
        let mut all = self.known.lock();
        if all.len() >= KEPT_MAX {
            all.retain(|_, known| known.at.elapsed() < FRESH_FOR);
        }
        if all.len() < KEPT_MAX {
            all.insert(id, Known { answer: answer.clone(), at: Instant::now() });
        }
        answer
    }
}

impl vod::Library for Library {
    fn find(&self, id: VodId) -> Pin<Box<dyn Future<Output = Result<Place, Absent>> + Send + '_>> {
        Box::pin(self.ask(id))
    }

    fn opens(&self, id: VodId, token: &str) -> bool {
        self.playback.opens_vod(token, id, Timestamp::now())
    }
}

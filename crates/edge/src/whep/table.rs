//! Every viewer of this node by the id in its URL, and how many watch what.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use weir_identity::ChannelName;

use super::{meters::Meters, viewer::Viewer};

/// What names a viewer's session in its URL: 128 random bits as 32 hexadecimal digits. Who knows it may end the session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionId(Box<str>);

impl SessionId {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(weir_peer::resource::random_id().into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Its first digits, which tell sessions apart in logs and end none.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..8).unwrap_or_default())
    }
}

/// There is no room for another viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The viewers. Its lock is held while nothing else is locked or called.
#[derive(Debug)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    viewers_max: usize,
    connecting_max: usize,
    meters: Arc<Meters>,
}

#[derive(Debug, Default)]
struct Inner {
    viewers: HashMap<SessionId, Arc<Viewer>>,
    /// Those that are not connected yet, by their keys: the oldest first.
    connecting: BTreeMap<u64, SessionId>,
    /// Connected viewers by channel; no entry is 0.
    watching: HashMap<ChannelName, u64>,
}

impl Table {
    pub(super) fn new(viewers_max: usize, connecting_max: usize, meters: Arc<Meters>) -> Self {
        Self { inner: Mutex::default(), viewers_max, connecting_max, meters }
    }

    /// Whether another viewer would be taken now: asked before anything is made for it.
    pub(super) fn has_room(&self) -> bool {
        self.inner.lock().viewers.len() < self.viewers_max
    }

    /// Takes a viewer that is not connected yet. Gives one that has to end for it: where too many ask and never connect,
    /// the one that has had the longest time for it. The caller closes it.
    pub(super) fn insert(&self, viewer: &Arc<Viewer>) -> Result<Option<Arc<Viewer>>, Full> {
        let mut inner = self.inner.lock();
        if inner.viewers.len() >= self.viewers_max {
            return Err(Full);
        }
        let oldest = if inner.connecting.len() < self.connecting_max { None } else { inner.connecting.pop_first() };
        let given_up = oldest.and_then(|(_, id)| inner.viewers.remove(&id));
        inner.viewers.insert(viewer.id().clone(), viewer.clone());
        inner.connecting.insert(viewer.key(), viewer.id().clone());
        self.measure(&inner);
        Ok(given_up)
    }

    /// A viewer in it is connected now.
    pub(super) fn connected(&self, viewer: &Viewer) {
        let mut inner = self.inner.lock();
        if inner.connecting.remove(&viewer.key()).is_none() {
            return; // it was given up just now
        }
        *inner.watching.entry(viewer.channel().clone()).or_default() += 1;
        self.measure(&inner);
    }

    /// Forgets a viewer, which was `connected` or not. The viewer is given back, so that it is dropped elsewhere.
    pub(super) fn remove(&self, viewer: &Viewer, connected: bool) -> Option<Arc<Viewer>> {
        let mut inner = self.inner.lock();
        let removed = inner.viewers.remove(viewer.id())?;
        inner.connecting.remove(&viewer.key());
        if connected && let Some(count) = inner.watching.get_mut(viewer.channel()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inner.watching.remove(viewer.channel());
            }
        }
        self.measure(&inner);
        Some(removed)
    }

    /// The viewer of this id, if it watches `channel`.
    pub(super) fn get(&self, channel: &ChannelName, id: &str) -> Option<Arc<Viewer>> {
        let inner = self.inner.lock();
        inner.viewers.get(&SessionId(id.into())).filter(|viewer| viewer.channel() == channel).cloned()
    }

    /// Connected viewers of a channel.
    pub(super) fn watching(&self, channel: &ChannelName) -> u64 {
        self.inner.lock().watching.get(channel).copied().unwrap_or(0)
    }

    /// Connected viewers of all channels.
    pub(super) fn all_watching(&self) -> u64 {
        self.inner.lock().connected() as u64
    }

    fn measure(&self, inner: &Inner) {
        self.meters.viewers.set(inner.connected() as f64);
        self.meters.connecting.set(inner.connecting.len() as f64);
    }
}

impl Inner {
    fn connected(&self) -> usize {
        self.viewers.len().saturating_sub(self.connecting.len())
    }
}

//! Every viewer of this node by the id in its URL, and how many watch what.

use std::{collections::HashMap, fmt, sync::Arc};

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
    connected: usize,
    /// Connected viewers by channel; no entry is 0.
    watching: HashMap<ChannelName, u64>,
}

impl Table {
    pub(super) fn new(viewers_max: usize, connecting_max: usize, meters: Arc<Meters>) -> Self {
        Self { inner: Mutex::default(), viewers_max, connecting_max, meters }
    }

    /// Whether another viewer would be taken now: asked before anything is made for it.
    pub(super) fn has_room(&self) -> bool {
        self.inner.lock().has_room(self.viewers_max, self.connecting_max)
    }

    /// Takes a viewer that is not connected yet.
    pub(super) fn insert(&self, viewer: &Arc<Viewer>) -> Result<(), Full> {
        let mut inner = self.inner.lock();
        if !inner.has_room(self.viewers_max, self.connecting_max) {
            return Err(Full);
        }
        inner.viewers.insert(viewer.id().clone(), viewer.clone());
        self.measure(&inner);
        Ok(())
    }

    /// A viewer in it is connected now.
    pub(super) fn connected(&self, viewer: &Viewer) {
        let mut inner = self.inner.lock();
        inner.connected += 1;
        *inner.watching.entry(viewer.channel().clone()).or_default() += 1;
        self.measure(&inner);
    }

    /// Forgets a viewer, which was `connected` or not. The viewer is given back, so that it is dropped elsewhere.
    pub(super) fn remove(&self, viewer: &Viewer, connected: bool) -> Option<Arc<Viewer>> {
        let mut inner = self.inner.lock();
        let removed = inner.viewers.remove(viewer.id())?;
        if connected {
            inner.connected = inner.connected.saturating_sub(1);
            if let Some(count) = inner.watching.get_mut(viewer.channel()) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    inner.watching.remove(viewer.channel());
                }
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
        self.inner.lock().connected as u64
    }

    fn measure(&self, inner: &Inner) {
        self.meters.viewers.set(inner.connected as f64);
        self.meters.connecting.set(inner.connecting() as f64);
    }
}

impl Inner {
    fn connecting(&self) -> usize {
        self.viewers.len().saturating_sub(self.connected)
    }

    fn has_room(&self, viewers_max: usize, connecting_max: usize) -> bool {
        self.viewers.len() < viewers_max && self.connecting() < connecting_max
    }
}

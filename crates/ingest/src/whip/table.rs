//! The sessions there are, by the id in their address.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use weir_identity::ChannelName;
use weir_peer::{
    resource::EntityTag,
    socket::Registration,
    transport::{Credentials, Error},
};

use super::mailbox::Mailbox;

/// Sessions of one channel that may be connecting at once: with more, the oldest is given up. Whoever has the key could
/// otherwise take every place.
const PENDING_OF_CHANNEL_MAX: usize = 4;
/// Requests that may wait for a session's pump. It answers none, so they are taken at once.
pub(super) const COMMANDS_MAX: usize = 4;

/// What HTTP asks of a session's pump.
#[derive(Debug)]
pub(super) enum Command {
    /// End it: its publisher said so, or makes another one.
    End,
    /// ICE begins anew.
    Restart {
        /// Our credentials.
        local: Credentials,
        /// The peer's.
        remote: Credentials,
    },
}

/// One session, as HTTP sees it.
pub(super) struct Resource {
    pub(super) channel: ChannelName,
    /// Its place at the sockets.
    pub(super) registration: Registration,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) ice: Mutex<Ice>,
}

/// The running ICE session.
pub(super) struct Ice {
    pub(super) tag: EntityTag,
    pub(super) remote: Credentials,
}

/// Why ICE cannot restart now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRestart {
    #[error(transparent)]
    Sockets(#[from] weir_peer::socket::RegisterError),
    #[error(transparent)]
    Crypto(#[from] Error),
    #[error("the session has ended, or is asked too often")]
    Busy,
}

impl Resource {
    /// Restarts ICE with these credentials; gives the tag of the new ICE session.
    pub(super) fn restart(&self, local: Credentials, remote: Credentials) -> Result<EntityTag, NoRestart> {
        let mut ice = self.ice.lock();
        let place = self.commands.try_reserve().map_err(|_| NoRestart::Busy)?;
        self.registration.add(&local.ufrag)?;
        self.mailbox.restart(&local)?;
        place.send(Command::Restart { local, remote: remote.clone() });
        *ice = Ice { tag: EntityTag::random(), remote };
        Ok(ice.tag.clone())
    }
}

/// The sessions.
pub(super) struct Table {
    pending_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<String, Arc<Resource>>,
    /// Ids of sessions that are not connected, oldest first.
    pending: Vec<String>,
}

impl Inner {
    /// Makes room among those of a channel that are connecting.
    fn give_up_oldest(&mut self, channel: &ChannelName) {
        let sessions = &self.sessions;
        let of_channel = |id: &String| sessions.get(id).is_some_and(|session| session.channel == *channel);
        if self.pending.iter().filter(|id| of_channel(id)).count() < PENDING_OF_CHANNEL_MAX {
            return;
        }
        let Some(oldest) = self.pending.iter().position(of_channel) else { return };
        if let Some(oldest) = self.sessions.get(&self.pending.remove(oldest)) {
            // An error means that it has ended.
            let _ = oldest.commands.try_send(Command::End);
        }
    }
}

/// Too many sessions are connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(pending_max: usize) -> Self {
        Self { pending_max, inner: Mutex::default() }
    }

    /// Enters a session that is not connected yet. The seat is its place: dropping it forgets the session.
    pub(super) fn enter(self: &Arc<Self>, id: String, resource: Resource) -> Result<Seat, Full> {
        let mut inner = self.inner.lock();
        inner.give_up_oldest(&resource.channel);
        if inner.pending.len() >= self.pending_max {
            return Err(Full);
        }
        inner.pending.push(id.clone());
        inner.sessions.insert(id.clone(), Arc::new(resource));
        Ok(Seat { table: self.clone(), id })
    }

    /// The session of an id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Resource>> {
        self.inner.lock().sessions.get(id).cloned()
    }

    /// Forgets a session; gives it to whoever ends it.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<Resource>> {
        let mut inner = self.inner.lock();
        inner.pending.retain(|pending| pending != id);
        inner.sessions.remove(id)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.inner.lock().sessions.len()
    }
}

/// A session's place in the table.
pub(super) struct Seat {
    table: Arc<Table>,
    id: String,
}

impl Seat {
    /// The session is connected, and no longer counted among those that connect.
    pub(super) fn connected(&self) {
        self.table.inner.lock().pending.retain(|pending| *pending != self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Dropped outside of the lock: the sockets have locks of their own.
        let removed = self.table.remove(&self.id);
        drop(removed);
    }
}

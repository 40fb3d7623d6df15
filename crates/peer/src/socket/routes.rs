//! Who gets a datagram: by user fragment until a path is proven, by path from then on.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::RwLock;

use super::{Endpoint, RegisterError, Verdict};
use crate::{
    path::{Carrier, Path},
    transport::stun::{self, Class, Message},
};

/// Paths that a session may have at once: a phone on WiFi and mobile data with both address families has four, and a
/// restart may double them. One more replaces the one that was proven longest ago, but not the one that the peer chose.
const PATHS_PER_SESSION: usize = 8;

/// User fragments that a session may have at once: during an ICE restart the old one still answers. One more replaces
/// the oldest.
const UFRAGS_PER_SESSION: usize = 2;

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// A session got it, and the path is proven to be its.
    Proven,
    /// A session got it.
    Taken,
    /// It is nobody's.
    Unknown,
}

/// Every session of the sockets.
pub(super) struct Routes {
    tables: RwLock<Tables>,
    sessions_max: usize,
    next: AtomicU64,
}

#[derive(Default)]
struct Tables {
    ufrags: HashMap<Box<str>, Arc<Session>>,
    paths: HashMap<Path, Arc<Session>>,
    sessions: HashMap<u64, Known>,
}

struct Session {
    id: u64,
    endpoint: Arc<dyn Endpoint>,
}

/// What stands in the other tables for one session.
#[derive(Default)]
struct Known {
    ufrags: VecDeque<Box<str>>,
    /// The one that was proven longest ago first.
    paths: VecDeque<Path>,
    /// The path that the peer chose last (USE-CANDIDATE in a request that was authentic): media comes over it, even where
    /// checks do not for a while.
    chosen: Option<Path>,
}

impl Known {
    /// Takes the path out that makes room for others.
    fn evict(&mut self) -> Option<Path> {
        let chosen = self.chosen;
        let oldest = self.paths.iter().position(|path| Some(*path) != chosen)?;
        self.paths.remove(oldest)
    }
}

/// TCP connections that belong to nobody any more; whoever gets them closes them.
#[must_use]
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Orphans(pub(super) Vec<u64>);

impl Orphans {
    fn of(paths: impl IntoIterator<Item = Path>) -> Self {
        let connection = |path: Path| match path.carrier {
            Carrier::Tcp(connection) => Some(connection),
            Carrier::Udp => None,
        };
        Self(paths.into_iter().filter_map(connection).collect())
    }
}

impl Routes {
    pub(super) fn new(sessions_max: usize) -> Self {
        Self { tables: RwLock::default(), sessions_max, next: AtomicU64::new(0) }
    }

    /// A new session; gives its number.
    pub(super) fn register(&self, ufrag: &str, endpoint: Arc<dyn Endpoint>) -> Result<u64, RegisterError> {
        let mut tables = self.tables.write();
        if tables.sessions.len() >= self.sessions_max {
            return Err(RegisterError::Full);
        }
        let ufrag: Box<str> = ufrag.into();
        if tables.ufrags.contains_key(&ufrag) {
            return Err(RegisterError::Taken);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        tables.sessions.insert(id, Known { ufrags: [ufrag.clone()].into(), ..Known::default() });
        tables.ufrags.insert(ufrag, Arc::new(Session { id, endpoint }));
        Ok(id)
    }

    /// A further user fragment of session `id`.
    pub(super) fn add(&self, id: u64, ufrag: &str) -> Result<(), RegisterError> {
        let mut tables = self.tables.write();
        let Tables { ufrags, sessions, .. } = &mut *tables;
        let known = sessions.get_mut(&id).ok_or(RegisterError::Gone)?;
        let session = known.ufrags.back().and_then(|ufrag| ufrags.get(ufrag)).cloned().ok_or(RegisterError::Gone)?;
        let ufrag: Box<str> = ufrag.into();
        if ufrags.contains_key(&ufrag) {
            return Err(RegisterError::Taken);
        }
        ufrags.insert(ufrag.clone(), session);
        known.ufrags.push_back(ufrag);
        if known.ufrags.len() > UFRAGS_PER_SESSION
            && let Some(oldest) = known.ufrags.pop_front()
        {
            ufrags.remove(&oldest);
        }
        Ok(())
    }

    /// Forgets session `id`: what comes for it is unknown from now on.
    pub(super) fn forget(&self, id: u64) -> Orphans {
        let mut gone = Vec::new();
        let mut tables = self.tables.write();
        let Some(known) = tables.sessions.remove(&id) else { return Orphans::default() };
        gone.extend(known.ufrags.iter().filter_map(|ufrag| tables.ufrags.remove(ufrag)));
        gone.extend(known.paths.iter().filter_map(|path| tables.paths.remove(path)));
        // The endpoint's own drop must not run under the lock: it may end another registration.
        drop(tables);
        drop(gone);
        Orphans::of(known.paths)
    }

    /// Hands a datagram to whoever it is for. A forged request costs one look-up.
    pub(super) fn deliver(&self, now: Instant, path: Path, datagram: &[u8]) -> (Delivery, Orphans) {
        let message = Message::parse(datagram).filter(|message| message.class == Class::Request);
        let request = message.is_some();
        let chosen = message.is_some_and(|message| message.use_candidate);
        let session = match message {
            Some(message) => {
                message.username.and_then(|username| self.tables.read().ufrags.get(stun::local_part(username)).cloned())
            }
            None => self.tables.read().paths.get(&path).cloned(),
        };
        let Some(session) = session else { return (Delivery::Unknown, Orphans::default()) };
        let id = session.id;
        // The last holder of an endpoint may be this very call, so its drop is inside as well.
        let verdict = catch_unwind(AssertUnwindSafe(move || session.endpoint.datagram(now, path, datagram)));
        match verdict {
            Ok(Verdict::Ours) if request => (Delivery::Proven, self.learn(id, path, chosen)),
            Ok(_) => (Delivery::Taken, Orphans::default()),
            Err(_) => {
                tracing::error!("a WebRTC session panicked over a datagram and is forgotten");
                (Delivery::Unknown, self.forget(id))
            }
        }
    }

    /// `path` is session `id`'s, whoever had it before, and `chosen` if its media is to take it.
    fn learn(&self, id: u64, path: Path, chosen: bool) -> Orphans {
        let mut tables = self.tables.write();
        let Tables { ufrags, paths, sessions } = &mut *tables;
        let Some(known) = sessions.get_mut(&id) else { return Orphans::default() };
        known.paths.retain(|other| *other != path);
        known.paths.push_back(path);
        if chosen {
            known.chosen = Some(path);
        }
        let evicted = if known.paths.len() > PATHS_PER_SESSION { known.evict() } else { None };
        let session = known.ufrags.back().and_then(|ufrag| ufrags.get(ufrag)).cloned();
        let before = session.and_then(|session| paths.insert(path, session));
        if let Some(before) = before.as_ref().filter(|before| before.id != id)
            && let Some(known) = sessions.get_mut(&before.id)
        {
            known.paths.retain(|other| *other != path);
        }
        let orphan = evicted.as_ref().and_then(|evicted| paths.remove(evicted));
        drop(tables);
        drop((before, orphan));
        Orphans::of(evicted)
    }

    /// The connection behind `path` is gone: tells its session, if it has one.
    pub(super) fn closed(&self, path: Path) -> Orphans {
        let mut tables = self.tables.write();
        let session = tables.paths.remove(&path);
        if let Some(known) = session.as_ref().and_then(|session| tables.sessions.get_mut(&session.id)) {
            known.paths.retain(|other| *other != path);
        }
        drop(tables);
        let Some(session) = session else { return Orphans::default() };
        let id = session.id;
        match catch_unwind(AssertUnwindSafe(move || session.endpoint.closed(path))) {
            Ok(()) => Orphans::default(),
            Err(_) => {
                tracing::error!("a WebRTC session panicked over a closed connection and is forgotten");
                self.forget(id)
            }
        }
    }

    /// Sessions now.
    pub(super) fn len(&self) -> usize {
        self.tables.read().sessions.len()
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;

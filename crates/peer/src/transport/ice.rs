//! Which paths belong to the peer, and which one it chose: ICE as the lite side does it (RFC 8445).
//!
//! A path is known once a binding request came over it whose integrity our password made; nothing else is believed, and
//! nothing but an answer to a request is sent to an address that is not known. The nominated path is the one of the
//! last request with USE-CANDIDATE (RFC 8445 §8.1.1); a peer that sets it in every check (RFC 5245 §8.1.1.2) gets what
//! it checked last. The controlling side's checks, for tests and benches, are in [`checks`].

use std::time::Instant;

use super::stun::{Class, Key, Message, Writer, local_part};
use super::{Credentials, Error, Side};
use crate::path::Path;
use checks::Checks;

mod checks;

/// Proven paths that a session remembers. A browser has a handful: each of its addresses, UDP and TCP.
const KNOWN_MAX: usize = 8;

/// An answer has at most this many bytes for every two of the request, so that nobody is reached by our port with more
/// than half again of what was spent. A check is always longer than its answer.
const ANSWER_PER_TWO: usize = 3;

/// What a STUN message meant.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The message was authentic: the peer lives and owns the path.
    pub(super) authentic: bool,
    /// What to send back over the same path.
    pub(super) answer: Option<Vec<u8>>,
    /// The nominated path is another now.
    pub(super) selected: Option<Path>,
}

/// The ICE agent of one session.
pub(super) struct Ice {
    side: Side,
    current: Generation,
    /// Before an ICE restart, until the first nomination after it (RFC 8445 §9).
    previous: Option<Generation>,
    /// The paths that were proven, the one heard last at the end.
    known: Vec<Path>,
    selected: Option<Path>,
    checks: Option<Checks>,
}

/// One exchange of credentials.
struct Generation {
    local: Credentials,
    remote: Credentials,
    /// Makes the integrity of requests to us and of our answers.
    local_key: Key,
    /// Makes the integrity of requests to the peer and of its answers.
    remote_key: Key,
}

impl Generation {
    fn new(local: Credentials, remote: Credentials) -> Result<Self, Error> {
        let (local_key, remote_key) = (Key::new(&local.pwd)?, Key::new(&remote.pwd)?);
        Ok(Self { local, remote, local_key, remote_key })
    }

    /// Itself, if its password made the integrity of `request`.
    fn made(&mut self, request: &Message<'_>) -> Option<&mut Self> {
        request.is_authentic(&mut self.local_key).then_some(self)
    }
}

impl Ice {
    pub(super) fn new(now: Instant, side: Side, local: Credentials, remote: Credentials) -> Result<Self, Error> {
        Ok(Self {
            side,
            current: Generation::new(local, remote)?,
            previous: None,
            known: Vec::new(),
            selected: None,
            checks: (side == Side::Client).then(|| Checks::new(now)),
        })
    }

    /// New credentials. The old ones count until a path was nominated with the new ones.
    pub(super) fn restart(&mut self, now: Instant, local: Credentials, remote: Credentials) -> Result<(), Error> {
        let next = Generation::new(local, remote)?;
        self.previous = Some(std::mem::replace(&mut self.current, next));
        if let Some(checks) = &mut self.checks {
            checks.restart(now);
        }
        Ok(())
    }

    /// The nominated path.
    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Whether the peer proved that `path` is its own.
    pub(super) fn knows(&self, path: Path) -> bool {
        self.known.contains(&path)
    }

    /// An address to check; of no effect on the lite side.
    pub(super) fn remote_candidate(&mut self, address: std::net::SocketAddr) {
        if let Some(checks) = &mut self.checks {
            checks.add(address);
        }
    }

    /// When [`Ice::next_check`] has something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.checks.as_ref().and_then(Checks::poll_timeout)
    }

    /// The check that is due, if one is.
    pub(super) fn next_check(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        let (local, remote) = (&self.current.local, &self.current.remote);
        let name = format!("{}:{}", remote.ufrag, local.ufrag);
        self.checks.as_mut()?.next(now, &name, &mut self.current.remote_key)
    }

    /// A STUN message came.
    pub(super) fn receive(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Heard {
        let Some(message) = Message::parse(datagram) else { return Heard::default() };
        match message.class {
            Class::Request => self.request(path, &message),
            Class::Success | Class::Failure => self.response(now, path, &message),
            Class::Indication => Heard::default(),
        }
    }

    /// RFC 8489 §9.1.3 and RFC 8445 §7.3: the checks of a request in their order, and its answer.
    fn request(&mut self, path: Path, message: &Message<'_>) -> Heard {
        let transaction = message.transaction;
        let refuse = |code: u16| Writer::new(Class::Failure, transaction).error(code);
        let (Some(username), true) = (message.username, message.has_integrity()) else {
            return Heard { answer: fitting(message, refuse(400).finish()), ..Heard::default() };
        };
        let name = local_part(username);
        let is_current = self.current.local.ufrag == name;
        let generation = if is_current {
            Some(&mut self.current)
        } else {
            self.previous.as_mut().filter(|previous| previous.local.ufrag == name)
        };
        let Some(generation) = generation.and_then(|generation| generation.made(message)) else {
            return Heard { answer: fitting(message, refuse(401).finish()), ..Heard::default() };
        };
        let key = &mut generation.local_key;
        if !message.unknown().is_empty() {
            let answer = refuse(420).unknown(message.unknown()).integrity(key).finish();
            return Heard { authentic: true, answer: fitting(message, answer), selected: None };
        }
        let conflict = match self.side {
            // A lite agent never becomes the controlling one (RFC 8445 §6.1.1), whatever the tie breakers say.
            Side::Server => message.controlled.is_some(),
            Side::Client => message.controlling.is_some(),
        };
        if conflict {
            let answer = refuse(487).integrity(key).finish();
            return Heard { authentic: true, answer: fitting(message, answer), selected: None };
        }
        let answer = Writer::new(Class::Success, transaction).mapped(path.remote, transaction).integrity(key).finish();
        self.learn(path);
        let nominated = message.use_candidate && self.side == Side::Server;
        if nominated && is_current {
            self.previous = None;
        }
        let selected = if nominated { self.select(path) } else { None };
        Heard { authentic: true, answer: fitting(message, answer), selected }
    }

    fn response(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Heard {
        let Some(checks) = &mut self.checks else { return Heard::default() };
        if !checks.is_ours(path, message) || !message.is_authentic(&mut self.current.remote_key) {
            return Heard::default();
        }
        let nominated = checks.answered(now, path, message);
        if message.class == Class::Success {
            self.learn(path);
        }
        let selected = if nominated { self.select(path) } else { None };
        Heard { authentic: true, answer: None, selected }
    }

    /// Takes `path` among the known ones, in place of the one that was silent longest.
    fn learn(&mut self, path: Path) {
        self.known.retain(|known| *known != path);
        if self.known.len() >= KNOWN_MAX {
            let oldest = self.known.iter().position(|known| Some(*known) != self.selected).unwrap_or(0);
            self.known.remove(oldest);
        }
        self.known.push(path);
    }

    fn select(&mut self, path: Path) -> Option<Path> {
        (self.selected.replace(path) != Some(path)).then_some(path)
    }
}

/// The answer, unless it is so much longer than the request that it would be a gift to somebody who forges addresses.
fn fitting(request: &Message<'_>, answer: Vec<u8>) -> Option<Vec<u8>> {
    (answer.len() * 2 <= request.size() * ANSWER_PER_TWO).then_some(answer)
}

#[cfg(test)]
mod tests;

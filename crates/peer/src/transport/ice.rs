//! Which paths belong to the peer, and which one it chose: ICE as the lite side does it (RFC 8445).
//!
//! A path is known once a binding request came over it whose integrity our password made; nothing else is believed, and
//! nothing but an answer to a request is sent to an address that is not known. The nominated path is the one of the
//! last request with USE-CANDIDATE (RFC 8445 §8.1.1); a peer that sets it in every check (RFC 5245 §8.1.1.2) gets what
//! it checked last.
//!
//! A lite agent makes no checks, with one exception: once there is media, a nominated path that did not prove that it
//! receives is asked to, by a check that every full agent answers (RFC 8445 §7.3). Media takes it from that answer on.
//! [`paths`] tells why. The controlling side's checks, for tests and benches, are in [`checks`].

use std::time::Instant;

use super::stun::{Class, Key, Message, Transaction, Writer, local_part};
use super::{Credentials, Error, Side};
use crate::path::Path;
use checks::Checks;
use paths::Paths;

mod checks;
mod paths;

/// Peer-reflexive: type preference 110, the highest local preference, component 1 (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

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
    /// A check of ours to send over the same path.
    pub(super) check: Option<Vec<u8>>,
    /// The nominated path is another now.
    pub(super) selected: Option<Path>,
}

/// The ICE agent of one session.
pub(super) struct Ice {
    side: Side,
    current: Generation,
    /// Before an ICE restart, until the first nomination after it (RFC 8445 §9).
    previous: Option<Generation>,
    paths: Paths,
    /// Stands in our checks beside the role, which nobody disputes.
    tie_breaker: u64,
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

    /// A check of the controlled side.
    fn check(&mut self, transaction: Transaction, tie_breaker: u64) -> Vec<u8> {
        Writer::new(Class::Request, transaction)
            .username(&format!("{}:{}", self.remote.ufrag, self.local.ufrag))
            .priority(PRIORITY)
            .controlled(tie_breaker)
            .integrity(&mut self.remote_key)
            .finish()
    }
}

impl Ice {
    pub(super) fn new(now: Instant, side: Side, local: Credentials, remote: Credentials) -> Result<Self, Error> {
        Ok(Self {
            side,
            current: Generation::new(local, remote)?,
            previous: None,
            paths: Paths::default(),
            tie_breaker: u64::from_le_bytes(random()),
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

    /// The path for media: the nominated one, as soon as it may be believed.
    pub(super) fn selected(&self) -> Option<Path> {
        self.paths.selected()
    }

    /// Whether an authentic check came over `path`.
    pub(super) fn knows(&self, path: Path) -> bool {
        self.paths.knows(path)
    }

    /// Something authentic that is no STUN came over `path`. Gives the selected path, if it is another now.
    pub(super) fn hear(&mut self, now: Instant, path: Path) -> Option<Path> {
        self.change(|ice| ice.paths.hear(now, path))
    }

    /// The handshake is done and media flows: no path is taken from now on that did not prove that it receives.
    /// `answered`: the only path to which the server's part of the handshake was sent, if it was only one; that the peer
    /// could go on proves it. Gives the selected path, if it is another now, and a check to send where one is needed.
    pub(super) fn guard(&mut self, answered: Option<Path>) -> (Option<Path>, Option<(Path, Vec<u8>)>) {
        if self.side == Side::Client {
            return (None, None);
        }
        let selected = self.change(|ice| ice.paths.guard(answered));
        let check = self.paths.doubtful().and_then(|(path, transaction)| {
            let check = self.current.check(transaction, self.tie_breaker);
            self.paths.spend(path, check.len()).then_some((path, check))
        });
        (selected, check)
    }

    /// Does something, and gives the selected path if it is another afterwards.
    fn change(&mut self, something: impl FnOnce(&mut Self)) -> Option<Path> {
        let before = self.paths.selected();
        something(self);
        self.paths.selected().filter(|selected| before != Some(*selected))
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
            Class::Request => self.request(now, path, &message),
            Class::Success | Class::Failure => self.response(now, path, &message),
            Class::Indication => Heard::default(),
        }
    }

    /// RFC 8489 §9.1.3 and RFC 8445 §7.3: the checks of a request in their order, and its answer.
    fn request(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Heard {
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
            return Heard { authentic: true, answer: fitting(message, answer), ..Heard::default() };
        }
        let conflict = match self.side {
            // A lite agent never becomes the controlling one (RFC 8445 §6.1.1), whatever the tie breakers say.
            Side::Server => message.controlled.is_some(),
            Side::Client => message.controlling.is_some(),
        };
        if conflict {
            let answer = refuse(487).integrity(key).finish();
            return Heard { authentic: true, answer: fitting(message, answer), ..Heard::default() };
        }
        let answer = Writer::new(Class::Success, transaction).mapped(path.remote, transaction).integrity(key).finish();
        let answer = fitting(message, answer);
        let before = self.paths.selected();
        let spare = message.size() * ANSWER_PER_TWO / 2 - answer.as_ref().map_or(0, Vec::len);
        self.paths.learn(now, path, spare);
        if message.use_candidate && self.side == Side::Server {
            self.paths.nominate(path);
        }
        let doubtful = self.paths.doubtful().filter(|(doubtful, _)| *doubtful == path);
        let check = doubtful.and_then(|(path, transaction)| {
            let check = generation.check(transaction, self.tie_breaker);
            self.paths.spend(path, check.len()).then_some(check)
        });
        if message.use_candidate && self.side == Side::Server && is_current {
            self.previous = None;
        }
        let selected = self.paths.selected().filter(|selected| before != Some(*selected));
        Heard { authentic: true, answer, check, selected }
    }

    fn response(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Heard {
        let Some(checks) = &mut self.checks else { return self.answered(now, path, message) };
        if !checks.is_ours(path, message) || !message.is_authentic(&mut self.current.remote_key) {
            return Heard::default();
        }
        let nominated = checks.answered(now, path, message);
        let selected = self.change(|ice| {
            if message.class == Class::Success {
                ice.paths.learn(now, path, 0);
            }
            if nominated {
                ice.paths.nominate(path);
            }
        });
        Heard { authentic: true, selected, ..Heard::default() }
    }

    /// A check of ours was answered: whoever signed it got what was sent over `path` alone. An error shows that as well.
    fn answered(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Heard {
        let signed = |generation: &mut Generation| message.is_authentic(&mut generation.remote_key);
        let authentic = self.paths.asked(path, message.transaction)
            && (signed(&mut self.current) || self.previous.as_mut().is_some_and(signed));
        if !authentic {
            return Heard::default();
        }
        let selected = self.change(|ice| {
            ice.paths.prove(path);
            ice.paths.hear(now, path);
        });
        Heard { authentic, selected, ..Heard::default() }
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// The answer, unless it is so much longer than the request that it would be a gift to somebody who forges addresses.
fn fitting(request: &Message<'_>, answer: Vec<u8>) -> Option<Vec<u8>> {
    (answer.len() * 2 <= request.size() * ANSWER_PER_TWO).then_some(answer)
}

#[cfg(test)]
mod tests;

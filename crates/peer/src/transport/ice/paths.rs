//! The paths of one session: which were heard when, which proved that they receive, and which one media takes.
//!
//! Whoever owns a session can sign whatever it likes and give any address as its own, so nothing that comes *from* an
//! address shows that the peer is there. Once media flows, a path must therefore have answered with something that was
//! only sent to it: our own check, the server's part of the DTLS handshake, or, over TCP, the handshake of TCP. A peer
//! that never answers checks, which no full agent may do (RFC 8445 §7.3), keeps the path of its handshake.

use std::time::{Duration, Instant};

use crate::path::{Carrier, Path};
use crate::transport::stun::Transaction;

/// Paths that a session remembers. A browser has a handful: each of its addresses, UDP and TCP.
pub(super) const KNOWN_MAX: usize = 8;

/// Media leaves a path over which nothing authentic came for so long, while another one is heard: two checks of a browser
/// that were lost. A viewer's feedback comes several times a second.
pub(in crate::transport) const PATH_SILENCE_MAX: Duration = Duration::from_secs(5);

/// Bytes that a path may save up for a check of ours: more than the longest takes with fragments of usual lengths.
const CREDIT_MAX: usize = 512;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Paths {
    known: Vec<Known>,
    /// What the peer chose last.
    nominated: Option<Path>,
    selected: Option<Path>,
    /// Media flows: only a path that proved itself is selected.
    guarded: bool,
}

struct Known {
    path: Path,
    /// When something authentic came last.
    heard: Instant,
    /// The peer receives there.
    proven: bool,
    /// Bytes that may be sent there before it is proven.
    credit: usize,
    /// Of our check. It stays, so that an answer counts however late.
    transaction: Transaction,
}

impl Paths {
    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn knows(&self, path: Path) -> bool {
        self.find(path).is_some()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn find(&self, path: Path) -> Option<&Known> {
        self.known.iter().find(|known| known.path == path)
    }

    fn find_mut(&mut self, path: Path) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.path == path)
    }

    fn is_proven(&self, path: Path) -> bool {
        self.find(path).is_some_and(|known| known.proven)
    }

    /// An authentic check came over `path`, which is taken among the known ones in place of the one that was silent
    /// longest. `spare`: bytes that may still be sent there for it.
    pub(super) fn learn(&mut self, now: Instant, path: Path, spare: usize) {
        if !self.knows(path) {
            if self.known.len() >= KNOWN_MAX {
                self.forget_one();
            }
            let (proven, transaction) = (matches!(path.carrier, Carrier::Tcp(_)), super::random());
            self.known.push(Known { path, heard: now, proven, credit: 0, transaction });
        }
        if let Some(known) = self.find_mut(path) {
            known.credit = (known.credit + spare).min(CREDIT_MAX);
        }
        self.hear(now, path);
    }

    fn forget_one(&mut self) {
        let spared = [self.selected, self.nominated];
        let places = self.known.iter().enumerate().filter(|(_, known)| !spared.contains(&Some(known.path)));
        if let Some((place, _)) = places.min_by_key(|(_, known)| known.heard) {
            self.known.remove(place);
        }
    }

    /// Something authentic came over `path`. Media leaves a path that is silent for the one that was heard last of those
    /// that proved themselves; without any it stops until there is one.
    pub(super) fn hear(&mut self, now: Instant, path: Path) {
        let Some(known) = self.find_mut(path) else { return };
        known.heard = now;
        let is_silent = |known: &Known| now.saturating_duration_since(known.heard) >= PATH_SILENCE_MAX;
        if !self.guarded || self.nominated.is_none() || self.selected == Some(path) {
            return;
        }
        if self.selected.and_then(|selected| self.find(selected)).is_none_or(is_silent) {
            let heard = self.known.iter().filter(|known| known.proven && !is_silent(known));
            self.selected = heard.max_by_key(|known| known.heard).map(|known| known.path);
        }
    }

    /// The peer chose `path`.
    pub(super) fn nominate(&mut self, path: Path) {
        self.nominated = Some(path);
        if !self.guarded || self.is_proven(path) {
            self.selected = Some(path);
        }
    }

    /// The peer receives what is sent over `path`.
    pub(super) fn prove(&mut self, path: Path) {
        let Some(known) = self.find_mut(path) else { return };
        known.proven = true;
        if self.nominated == Some(path) {
            self.selected = Some(path);
        }
    }

    /// Media flows from now on. `answered`: the one path to which the server's part of the handshake went, if it was one.
    pub(super) fn guard(&mut self, answered: Option<Path>) {
        self.guarded = true;
        if let Some(path) = answered {
            self.prove(path);
        }
        if self.selected.is_some_and(|selected| !self.is_proven(selected)) {
            self.selected = answered.filter(|path| self.is_proven(*path));
        }
    }

    /// The path that the peer chose and has yet to prove, and the transaction of the check to send there.
    pub(super) fn doubtful(&self) -> Option<(Path, Transaction)> {
        let known = self.find(self.nominated.filter(|_| self.guarded)?)?;
        (!known.proven).then_some((known.path, known.transaction))
    }

    /// Whether `bytes` may be sent over a path that is not proven; they are then taken as sent.
    pub(super) fn spend(&mut self, path: Path, bytes: usize) -> bool {
        let Some(known) = self.find_mut(path) else { return false };
        let Some(left) = known.credit.checked_sub(bytes) else { return false };
        known.credit = left;
        true
    }

    /// Whether `transaction` is that of our check of `path`.
    pub(super) fn asked(&self, path: Path, transaction: Transaction) -> bool {
        self.find(path).is_some_and(|known| known.transaction == transaction)
    }
}

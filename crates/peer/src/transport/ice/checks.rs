//! The controlling side's connectivity checks: for the load clients and tests; the server, being lite, makes none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::random;
use crate::path::{Carrier, Path};
use crate::transport::stun::{Class, Key, Message, Transaction, Writer};

/// Between any two checks (RFC 8445 §14.2 has 50 ms for networks; between load clients and a server 20 ms are polite).
const PACE: Duration = Duration::from_millis(20);

/// Until a check is repeated.
const REPEAT: Duration = Duration::from_millis(250);

/// Between keepalives on the nominated path, as browsers have it.
const KEEPALIVE: Duration = Duration::from_millis(2_500);

/// Addresses of the peer that are checked.
const CANDIDATES_MAX: usize = 16;

/// Type preference 126, the highest local preference, component 1 (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

pub(super) struct Checks {
    tie_breaker: u64,
    candidates: Vec<Candidate>,
    /// The candidate that answered first: it is nominated.
    chosen: Option<usize>,
    /// Whether the nomination was answered.
    settled: bool,
    /// When any check may be sent next.
    pace: Instant,
}

struct Candidate {
    address: SocketAddr,
    transaction: Transaction,
    /// When it is checked (again).
    due: Instant,
}

impl Checks {
    pub(super) fn new(now: Instant) -> Self {
        let tie_breaker = u64::from_le_bytes(random());
        Self { tie_breaker, candidates: Vec::new(), chosen: None, settled: false, pace: now }
    }

    pub(super) fn add(&mut self, address: SocketAddr) {
        if self.candidates.len() < CANDIDATES_MAX && self.candidates.iter().all(|known| known.address != address) {
            self.candidates.push(Candidate { address, transaction: random(), due: self.pace });
        }
    }

    /// Everything is checked anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.chosen = None;
        self.settled = false;
        for candidate in &mut self.candidates {
            candidate.transaction = random();
            candidate.due = now;
        }
    }

    /// Those that are still of interest: the chosen one once there is one.
    fn open(&self) -> impl Iterator<Item = usize> {
        let chosen = self.chosen;
        (0..self.candidates.len()).filter(move |index| chosen.is_none_or(|chosen| chosen == *index))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.open().filter_map(|index| self.candidates.get(index)).map(|candidate| candidate.due).min()?;
        Some(due.max(self.pace))
    }

    /// The next check, if one is due at `now`.
    pub(super) fn next(&mut self, now: Instant, username: &str, key: &mut Key) -> Option<(Path, Vec<u8>)> {
        if now < self.pace {
            return None;
        }
        let index = self.open().min_by_key(|index| self.candidates.get(*index).map(|candidate| candidate.due))?;
        let (settled, nominate) = (self.settled, self.chosen.is_some());
        let candidate = self.candidates.get_mut(index).filter(|candidate| candidate.due <= now)?;
        if settled {
            candidate.transaction = random();
        }
        candidate.due = now + if settled { KEEPALIVE } else { REPEAT };
        let writer = Writer::new(Class::Request, candidate.transaction)
            .username(username)
            .priority(PRIORITY)
            .controlling(self.tie_breaker);
        let writer = if nominate { writer.use_candidate() } else { writer };
        let path = Path { carrier: Carrier::Udp, local: unspecified(candidate.address), remote: candidate.address };
        self.pace = now + PACE;
        Some((path, writer.integrity(key).finish()))
    }

    /// Whether `message` answers a check that was sent there.
    pub(super) fn is_ours(&self, path: Path, message: &Message<'_>) -> bool {
        let same =
            |candidate: &Candidate| candidate.address == path.remote && candidate.transaction == message.transaction;
        self.candidates.iter().any(same)
    }

    /// A check was answered; tells whether this settles the nomination.
    pub(super) fn answered(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        let found = self.candidates.iter().position(|candidate| candidate.address == path.remote);
        let (Some(index), Class::Success) = (found, message.class) else { return false };
        match self.chosen {
            None => {
                self.chosen = Some(index);
                if let Some(candidate) = self.candidates.get_mut(index) {
                    candidate.transaction = random();
                    candidate.due = now;
                }
                false
            }
            Some(chosen) if chosen == index => {
                if !self.settled
                    && let Some(candidate) = self.candidates.get_mut(index)
                {
                    candidate.due = now + KEEPALIVE;
                }
                self.settled = true;
                true
            }
            Some(_) => false,
        }
    }
}

fn unspecified(remote: SocketAddr) -> SocketAddr {
    let ip = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    SocketAddr::new(ip, 0)
}

//! One peer's transport as a value: ICE, DTLS and SRTP behind one port.
//!
//! Datagrams go in through [`Transport::receive`], which tells RTP and RTCP apart from the rest (RFC 7983) and returns
//! them decrypted. After every call with a `now`, drain [`Transport::poll_transmit`] and [`Transport::poll_event`], and
//! call [`Transport::handle_timeout`] at [`Transport::poll_timeout`]. Media is sealed by [`Transport::protect_rtp`] and
//! sent by the caller to [`Transport::path`], nowhere else.
//!
//! Read [`stun`] (messages), `ice` (whose path is it), `gate` and `dtls` (keys), [`srtp`] (packets).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::path::Path;
use crate::socket::Verdict;
use dtls::{Dtls, Step};
use ice::Ice;
use srtp::Keys;

pub use certificate::{Certificate, Fingerprint};
pub use credentials::Credentials;

mod certificate;
mod credentials;
mod dtls;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod hello;
mod ice;
mod provider;
pub mod srtp;
pub mod stun;
#[cfg(test)]
mod tests;

/// Without a word from the peer (an authentic STUN message, or valid SRTP or SRTCP) it is gone. Browsers check every
/// 2.5 s, so this is six lost in a row; RFC 7675 §5.1 lets consent lapse after 30 s.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// From the start until SRTP's keys are there.
pub const SETUP_MAX: Duration = Duration::from_secs(30);

/// Datagrams that wait for [`Transport::poll_transmit`]; more are dropped, as a network would. A flight of DTLS is
/// three, and a caller drains after each call.
const TRANSMITS_MAX: usize = 32;

/// Which side of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// ICE-lite and controlled, the DTLS server: what Weir is.
    Server,
    /// ICE-controlling, nominates, the DTLS client: for benches and tests.
    Client,
}

/// What a transport has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The keys of SRTP are there: media may flow.
    Connected,
    /// The peer chose this path and receives there, or was heard no more on the one before; what is sent goes there from
    /// now on.
    PathChanged(Path),
    /// It is over; everything it held is freed.
    Closed(Reason),
}

/// Why a transport ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The peer said goodbye.
    Peer,
    /// The peer was silent for [`SILENCE_MAX`].
    Silence,
    /// No keys within [`SETUP_MAX`].
    Timeout,
    /// The handshake failed: a wrong certificate, nothing in common, or nonsense. The text is for logs.
    Handshake(String),
}

/// What [`Transport::receive`] made of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Whether later datagrams of the path belong to this session.
    pub verdict: Verdict,
    /// Media in it, decrypted.
    pub packet: Packet,
}

/// What was in a datagram for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Nothing: it was STUN, DTLS or garbage.
    None,
    /// An RTP packet.
    Rtp(Bytes),
    /// A compound RTCP packet.
    Rtcp(Bytes),
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub path: Path,
    /// What.
    pub data: Bytes,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no keys, yet or any more.
    #[error("not connected")]
    NotConnected,
    /// What should be protected is not a packet of that kind.
    #[error("not a well-formed packet")]
    Malformed,
    /// AEAD sealed this sequence number of this source before; sealing another packet with it would give the key away.
    #[error("a sequence number was used twice")]
    Repeated,
    /// No fingerprint was given to know the peer by.
    #[error("no fingerprint of the peer's certificate")]
    NoFingerprint,
    /// The certificate has none of the fingerprints.
    #[error("the peer's certificate has another fingerprint than its SDP says")]
    WrongCertificate,
    /// The peer's DTLS knows no SRTP profile of ours.
    #[error("no SRTP profile in common")]
    NoProfile,
    /// Cryptography failed.
    #[error("cryptography failed: {0}")]
    Crypto(String),
}

/// One peer's transport.
pub struct Transport {
    side: Side,
    state: Option<State>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    dropped: u64,
}

/// What is freed at the end.
struct State {
    ice: Ice,
    dtls: Dtls,
    keys: Option<Keys>,
    /// When the peer last proved that it lives.
    heard: Instant,
    /// When the keys must be there.
    setup_until: Instant,
    /// Where DTLS goes before a path is nominated: where it last came from.
    dtls_path: Option<Path>,
    /// Where our part of the handshake went.
    flights: Flights,
}

/// The paths to which the handshake's datagrams were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flights {
    None,
    /// Whoever goes on with the handshake got them there.
    One(Path),
    /// Where the peer got them is not known.
    Several,
}

impl Flights {
    fn add(&mut self, path: Path) {
        *self = match *self {
            Self::None => Self::One(path),
            Self::One(one) if one == path => Self::One(path),
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

impl Transport {
    /// A transport that waits for its peer.
    ///
    /// `remote_fingerprints` are those in the peer's SDP; its certificate must have one of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoFingerprint`] without any, [`Error::Crypto`] if no key can be made.
    pub fn new(
        now: Instant,
        side: Side,
        certificate: &Certificate,
        local: Credentials,
        remote: Credentials,
        remote_fingerprints: Vec<Fingerprint>,
    ) -> Result<Self, Error> {
        let state = State {
            ice: Ice::new(now, side, local, remote)?,
            dtls: Dtls::new(side, certificate, remote_fingerprints)?,
            keys: None,
            heard: now,
            setup_until: now + SETUP_MAX,
            dtls_path: None,
            flights: Flights::None,
        };
        Ok(Self { side, state: Some(state), transmits: VecDeque::new(), events: VecDeque::new(), dropped: 0 })
    }

    /// Takes a datagram in. Garbage is counted and dropped.
    pub fn receive(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Received {
        let received = match (datagram.first(), datagram.get(1)) {
            (Some(0..=3), _) => self.stun(now, path, datagram),
            (Some(20..=63), _) => self.dtls(now, path, datagram),
            (Some(128..=191), Some(second)) => self.media(now, path, datagram, (192..=223).contains(second)),
            _ => None,
        };
        received.unwrap_or_else(|| {
            self.dropped += 1;
            Received { verdict: Verdict::Unproven, packet: Packet::None }
        })
    }

    fn stun(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Option<Received> {
        let state = self.state.as_mut()?;
        let heard = state.ice.receive(now, path, datagram);
        if heard.authentic {
            state.heard = now;
        }
        for data in heard.answer.into_iter().chain(heard.check) {
            self.transmit(path, data.into());
        }
        if let Some(path) = heard.selected {
            self.events.push_back(Event::PathChanged(path));
            self.start_dtls(now);
        }
        heard.authentic.then_some(OURS)
    }

    /// The client's part once there is a path. Later paths find it under way: `connect` begins only once.
    fn start_dtls(&mut self, now: Instant) {
        let Some(state) = self.state.as_mut().filter(|_| self.side == Side::Client) else { return };
        let step = state.dtls.connect(now);
        self.step(step);
    }

    fn dtls(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Option<Received> {
        let state = self.state.as_mut().filter(|state| state.ice.knows(path))?;
        state.dtls_path = Some(path);
        let step = state.dtls.receive(now, datagram);
        self.step(step);
        Some(OURS)
    }

    fn media(&mut self, now: Instant, path: Path, datagram: &[u8], rtcp: bool) -> Option<Received> {
        let state = self.state.as_mut().filter(|state| state.ice.knows(path))?;
        let opener = &mut state.keys.as_mut()?.opener;
        let packet = if rtcp { opener.rtcp(datagram).map(Packet::Rtcp) } else { opener.rtp(datagram).map(Packet::Rtp) };
        let packet = packet?;
        state.heard = now;
        if let Some(path) = state.ice.hear(now, path) {
            self.events.push_back(Event::PathChanged(path));
        }
        Some(Received { verdict: Verdict::Ours, packet })
    }

    /// Takes what DTLS wants sent, and what came of its step.
    fn step(&mut self, step: Step) {
        // The last flight comes after what the peer proved to have got.
        if let Step::Done(_) = &step {
            self.guard();
        }
        self.flush_dtls();
        match step {
            Step::Going => {}
            Step::Done(keys) => {
                if let Some(state) = &mut self.state {
                    state.keys = Some(*keys);
                }
                self.events.push_back(Event::Connected);
            }
            Step::Closed => self.end(Reason::Peer),
            Step::Failed(error) => self.end(Reason::Handshake(error)),
        }
    }

    /// Media is about to flow: from now on to where the peer proved to be.
    fn guard(&mut self) {
        let Some(state) = &mut self.state else { return };
        let answered = match state.flights {
            Flights::One(path) => Some(path),
            Flights::None | Flights::Several => None,
        };
        let (selected, check) = state.ice.guard(answered);
        self.events.extend(selected.map(Event::PathChanged));
        if let Some((path, check)) = check {
            self.transmit(path, check.into());
        }
    }

    fn flush_dtls(&mut self) {
        let Some(state) = &mut self.state else { return };
        let path = state.ice.selected().or(state.dtls_path);
        while let Some(data) = state.dtls.poll_transmit() {
            // Without a proven path there is nobody to send to.
            if let Some(path) = path.filter(|_| self.transmits.len() < TRANSMITS_MAX) {
                state.flights.add(path);
                self.transmits.push_back(Transmit { path, data });
            }
        }
    }

    fn transmit(&mut self, path: Path, data: Bytes) {
        if self.transmits.len() < TRANSMITS_MAX {
            self.transmits.push_back(Transmit { path, data });
        }
    }

    /// Frees everything but the last words.
    fn end(&mut self, reason: Reason) {
        if self.state.take().is_some() {
            self.events.push_back(Event::Closed(reason));
        }
    }

    /// The next datagram to send: STUN and DTLS.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Transport::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = self.state.as_ref()?;
        let setup = state.keys.is_none().then_some(state.setup_until);
        let silence = Some(state.heard + SILENCE_MAX);
        [setup, silence, state.ice.poll_timeout(), state.dtls.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(state) = &mut self.state else { return };
        if now >= state.heard + SILENCE_MAX {
            return self.end(Reason::Silence);
        }
        if state.keys.is_none() && now >= state.setup_until {
            return self.end(Reason::Timeout);
        }
        if let Some((path, check)) = state.ice.next_check(now) {
            self.transmits.push_back(Transmit { path, data: check.into() });
        }
        let step = state.dtls.handle_timeout(now);
        self.step(step);
    }

    /// The path that the peer chose, once it proved to receive there. Media goes there and nowhere else; without a path it
    /// goes nowhere.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        self.state.as_ref()?.ice.selected()
    }

    /// Whether there are keys, and the peer is still there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.keys.is_some())
    }

    /// Datagrams that were nothing of the peer's.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends the SRTP packet of an RTP packet to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`], and those of [`srtp::Sealer::rtp`].
    pub fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.keys()?.sealer.rtp(packet, out)
    }

    /// Appends the SRTCP packet of a compound RTCP packet to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`], and those of [`srtp::Sealer::rtcp`].
    pub fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.keys()?.sealer.rtcp(packet, out)
    }

    fn keys(&mut self) -> Result<&mut Keys, Error> {
        self.state.as_mut().and_then(|state| state.keys.as_mut()).ok_or(Error::NotConnected)
    }

    /// ICE restart (RFC 8445 §9): new credentials; DTLS and SRTP go on, and the old path stays until a new one is
    /// nominated.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote: Credentials) {
        let Some(state) = &mut self.state else { return };
        if let Err(error) = state.ice.restart(now, local, remote) {
            self.end(Reason::Handshake(error.to_string()));
        }
    }

    /// An address of the peer to check. Client side only: a lite agent does no checks.
    pub fn remote_candidate(&mut self, address: SocketAddr) {
        if let Some(state) = &mut self.state {
            state.ice.remote_candidate(address);
        }
    }

    /// Ends it: queues close_notify and frees the rest. No event follows; it was the caller's wish.
    pub fn close(&mut self, now: Instant) {
        let Some(state) = &mut self.state else { return };
        state.dtls.close(now);
        self.transmits.clear();
        self.flush_dtls();
        self.state = None;
    }
}

/// A datagram of the peer's without media in it.
const OURS: Received = Received { verdict: Verdict::Ours, packet: Packet::None };

//! Where the sockets leave a session's datagrams.
//!
//! The sockets' tasks serve every session, so only what cannot wait is done here: whether a STUN request proves its
//! sender. All else is the pump's. What comes faster than the pump takes it is dropped, as a network would.

use std::time::Instant;

use bytes::Bytes;
use metrics::Counter;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use weir_peer::{
    path::Path,
    socket::{Endpoint, Verdict},
    transport::{
        Credentials, Error,
        stun::{Class, Key, Message},
    },
};

use super::meters;

/// Datagrams that may wait for the pump: half a second of 20 Mbit/s, at most 1.5 MiB.
const DATAGRAMS_MAX: usize = 1024;
/// The highest first byte of STUN (RFC 7983 §7).
const STUN_MAX: u8 = 3;

/// One datagram, as it came.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) at: Instant,
    pub(super) path: Path,
    pub(super) bytes: Bytes,
}

/// A session's end at the sockets.
pub(super) struct Mailbox {
    datagrams: mpsc::Sender<Datagram>,
    /// Of the running ICE session, and of the one before: its checks may still be under way.
    keys: Mutex<(Key, Option<Key>)>,
    received: Counter,
    dropped: Counter,
}

impl Mailbox {
    /// A mailbox whose owner proves itself with the password of `local`, and what comes out of it.
    pub(super) fn new(local: &Credentials) -> Result<(Self, mpsc::Receiver<Datagram>), Error> {
        let (datagrams, out) = mpsc::channel(DATAGRAMS_MAX);
        let keys = Mutex::new((Key::new(&local.pwd)?, None));
        let (received, dropped) = (metrics::counter!(meters::RECEIVED), metrics::counter!(meters::DROPPED));
        Ok((Self { datagrams, keys, received, dropped }, out))
    }

    /// ICE restarts with `local`.
    pub(super) fn restart(&self, local: &Credentials) -> Result<(), Error> {
        let key = Key::new(&local.pwd)?;
        let mut keys = self.keys.lock();
        keys.1 = Some(std::mem::replace(&mut keys.0, key));
        Ok(())
    }

    fn is_authentic(&self, datagram: &[u8]) -> bool {
        let Some(message) = Message::parse(datagram) else { return false };
        let (current, before) = &mut *self.keys.lock();
        message.is_authentic(current) || before.as_mut().is_some_and(|key| message.is_authentic(key))
    }
}

impl Endpoint for Mailbox {
    fn datagram(&self, now: Instant, path: Path, datagram: &[u8]) -> Verdict {
        let is_stun = datagram.first().is_some_and(|first| *first <= STUN_MAX);
        let proves = is_stun && self.is_authentic(datagram);
        if is_stun && !proves && !is_answer(datagram) {
            return Verdict::Unproven;
        }
        match self.datagrams.try_reserve() {
            Ok(place) => {
                self.received.increment(datagram.len() as u64);
                place.send(Datagram { at: now, path, bytes: Bytes::copy_from_slice(datagram) });
            }
            Err(_) => self.dropped.increment(1),
        }
        if proves { Verdict::Ours } else { Verdict::Unproven }
    }

    /// The peer may have another path; if not, its silence ends the session.
    fn closed(&self, _path: Path) {}
}

/// Whether it answers a check of the transport's, which knows the password that signs it: the peer's.
fn is_answer(datagram: &[u8]) -> bool {
    Message::parse(datagram).is_some_and(|message| matches!(message.class, Class::Success | Class::Failure))
}

#[cfg(test)]
mod tests {
    use weir_peer::{path::Carrier, transport::stun::Writer};

    use super::*;

    #[test]
    fn an_answer_is_left_for_the_transport_and_a_forged_request_is_not() {
        let local = Credentials::random();
        let (mailbox, mut out) = Mailbox::new(&local).expect("a mailbox");
        let path = Path {
            carrier: Carrier::Udp,
            local: ([192, 0, 2, 1], 8189).into(),
            remote: ([198, 51, 100, 7], 40_000).into(),
        };
        let mut check = |class, password: &str, verdict, left| {
            let mut key = Key::new(password).expect("a key");
            let datagram = Writer::new(class, [7; 12]).integrity(&mut key).finish();
            assert_eq!(mailbox.datagram(Instant::now(), path, &datagram), verdict);
            assert_eq!(out.try_recv().is_ok(), left);
        };
        check(Class::Request, &local.pwd, Verdict::Ours, true);
        check(Class::Request, "another", Verdict::Unproven, false);
        check(Class::Success, "the peer's", Verdict::Unproven, true);
        check(Class::Failure, "the peer's", Verdict::Unproven, true);
        check(Class::Indication, "the peer's", Verdict::Unproven, false);
    }
}

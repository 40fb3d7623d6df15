//! What of a peer's DTLS records reaches the DTLS library: a bounded, well-formed, mostly new part.
//!
//! The library keeps every handshake fragment it is given (headers without a body are not even counted), follows chains
//! of fragments recursively, and keeps records of the next epoch without a limit; a peer could make it fill the memory
//! or the stack. It also stops its own retransmission timer at any handshake record, a repeated one included, so a
//! client that repeats its flight would keep the server from ever repeating its own. So here, before the handshake is
//! done, each fragment passes once (but for a first ClientHello, which may have to be answered anew), and all that passes
//! in the life of an association has a limit.
//!
//! Lengths are those of RFC 6347 §4.1 and §4.2.2.

use super::Side;

/// Bytes of handshake records of one association. A browser's flights with a certificate chain are below 8 KiB.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Handshake fragments of one association: each takes a place, and a level of the library's recursion.
const FRAGMENTS_MAX: usize = 128;

/// Bytes of one handshake message.
const MESSAGE_MAX: usize = 16 * 1024;

/// Handshake messages of one side; a client with a certificate sends seven.
const MESSAGES_MAX: u16 = 16;

/// Bytes of an encrypted handshake record: a Finished message (24) and what any cipher adds.
const FINISHED_MAX: usize = 128;

/// Encrypted records before the handshake is done: the library keeps them until it has the key.
const EARLY_MAX: usize = 16;

/// Handshake records after the handshake is done: repeats of a last flight whose answer was lost.
const LATE_MAX: usize = 64;

const RECORD_HEADER: usize = 13;
const FRAGMENT_HEADER: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// What passed so far.
pub(super) struct Gate {
    side: Side,
    bytes: usize,
    /// Message sequence, offset and length of each fragment that passed.
    fragments: Vec<(u16, u32, u32)>,
    early: usize,
    late: usize,
}

/// One record as it lies in a datagram.
struct Record<'a> {
    kind: u8,
    epoch: u16,
    body: &'a [u8],
}

impl Gate {
    pub(super) fn new(side: Side) -> Self {
        Self { side, bytes: 0, fragments: Vec::new(), early: 0, late: 0 }
    }

    /// The records of `datagram` that may pass, one after the other; `done` once the handshake is.
    pub(super) fn admit(&mut self, datagram: &[u8], done: bool) -> Vec<u8> {
        let mut admitted = Vec::new();
        let mut rest = datagram;
        while let Some((record, whole, after)) = next_record(rest) {
            rest = after;
            if self.passes(&record, done) {
                admitted.extend_from_slice(whole);
            }
        }
        if done {
            // What was kept to tell repeats is of no use any more.
            self.fragments = Vec::new();
        }
        admitted
    }

    fn passes(&mut self, record: &Record<'_>, done: bool) -> bool {
        match (record.epoch, record.kind) {
            (0, HANDSHAKE) if done => self.late(record),
            (0, HANDSHAKE) => self.fragments(record),
            (0, CHANGE_CIPHER_SPEC) => !done && record.body == [1],
            // Once there are keys, an alert without them is anybody's word.
            (0, ALERT) => !done && record.body.len() == 2,
            (0, _) => false,
            (1, HANDSHAKE) if record.body.len() > FINISHED_MAX => false,
            (1, HANDSHAKE) if done => self.late(record),
            (1, ALERT) if done => true,
            (1, _) if done => false,
            (1, HANDSHAKE | ALERT) => {
                self.early += 1;
                self.early <= EARLY_MAX
            }
            _ => false,
        }
    }

    fn late(&mut self, record: &Record<'_>) -> bool {
        self.late += 1;
        self.bytes = self.bytes.saturating_add(record.body.len());
        self.late <= LATE_MAX && self.bytes <= HANDSHAKE_BYTES_MAX
    }

    /// Whether a handshake record holds only whole, sensible fragments, and one at least that did not pass yet.
    fn fragments(&mut self, record: &Record<'_>) -> bool {
        let mut rest = record.body;
        // The library answers a first ClientHello statelessly and never repeats that answer by itself.
        let mut fresh = self.side == Side::Server && self.fragments.iter().all(|(sequence, ..)| *sequence == 0);
        let before = self.fragments.len();
        self.bytes = self.bytes.saturating_add(record.body.len());
        while !rest.is_empty() {
            let fragment = next_fragment(rest).filter(|_| self.bytes <= HANDSHAKE_BYTES_MAX);
            let Some((sequence, offset, length, after)) = fragment else {
                self.fragments.truncate(before);
                return false;
            };
            rest = after;
            if !self.fragments.contains(&(sequence, offset, length)) {
                if self.fragments.len() >= FRAGMENTS_MAX {
                    self.fragments.truncate(before);
                    return false;
                }
                fresh = true;
                self.fragments.push((sequence, offset, length));
            }
        }
        fresh
    }
}

/// The first record, all its bytes, and what follows it.
fn next_record(datagram: &[u8]) -> Option<(Record<'_>, &[u8], &[u8])> {
    let &[kind, major, _, e0, e1, .., l0, l1] = datagram.first_chunk::<RECORD_HEADER>()?;
    let end = RECORD_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    let (whole, after) = datagram.split_at_checked(end)?;
    let record = Record { kind, epoch: u16::from_be_bytes([e0, e1]), body: whole.get(RECORD_HEADER..)? };
    (major == 0xfe).then_some((record, whole, after))
}

/// Sequence, offset and length of the first fragment, and what follows it; `None` if it is not one that a handshake of
/// ours can have.
fn next_fragment(body: &[u8]) -> Option<(u16, u32, u32, &[u8])> {
    let &[_, t0, t1, t2, s0, s1, o0, o1, o2, l0, l1, l2] = body.first_chunk::<FRAGMENT_HEADER>()?;
    let total = u32::from_be_bytes([0, t0, t1, t2]);
    let sequence = u16::from_be_bytes([s0, s1]);
    let offset = u32::from_be_bytes([0, o0, o1, o2]);
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    let after = body.get(FRAGMENT_HEADER + length as usize..)?;
    // A fragment without a body belongs to a message without one.
    let sensible = total as usize <= MESSAGE_MAX
        && offset + length <= total
        && (length > 0 || total == 0)
        && sequence < MESSAGES_MAX
        // Behind an unfinished fragment the library would take the next header for its body.
        && (length == total || after.is_empty());
    sensible.then_some((sequence, offset, length, after))
}

#[cfg(test)]
mod tests;

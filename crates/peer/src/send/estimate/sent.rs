//! When packets left, until the viewer tells what became of them.

/// Packets that are remembered: more than a second of a 10 Mbit/s stream, and 8 KiB.
const PACKETS: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is known of it.
    Unknown,
    Sent,
    Missing,
    Arrived,
}

/// A packet, in eight bytes.
#[derive(Debug, Clone, Copy)]
struct Packet {
    /// The lower 32 bits of the microsecond.
    at: u32,
    bytes: u16,
    state: State,
    probe: bool,
}

/// What changed with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// When it was sent, in microseconds.
    pub(super) sent: i64,
    pub(super) bytes: usize,
    pub(super) probe: bool,
    /// It was reported missing before.
    pub(super) was_missing: bool,
}

/// The packets that were sent last, by their transport-wide numbers.
#[derive(Debug)]
pub(super) struct Sent {
    packets: Box<[Packet; PACKETS]>,
    /// The number after the last one.
    next: u16,
}

impl Sent {
    pub(super) fn new() -> Self {
        let unknown = Packet { at: 0, bytes: 0, state: State::Unknown, probe: false };
        Self { packets: Box::new([unknown; PACKETS]), next: 0 }
    }

    pub(super) fn add(&mut self, sequence: u16, now: i64, bytes: usize, probe: bool) {
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.packets[usize::from(sequence) % PACKETS] = Packet { at: now as u32, bytes, state: State::Sent, probe };
        self.next = sequence.wrapping_add(1);
    }

    /// The packet is missing. `None` if that was known, or the packet is not.
    pub(super) fn missing(&mut self, sequence: u16, now: i64) -> Option<Change> {
        self.change(sequence, now, |state| state == State::Sent, State::Missing)
    }

    /// The packet arrived. `None` if that was known, or the packet is not.
    pub(super) fn arrived(&mut self, sequence: u16, now: i64) -> Option<Change> {
        self.change(sequence, now, |state| matches!(state, State::Sent | State::Missing), State::Arrived)
    }

    fn change(&mut self, sequence: u16, now: i64, from: impl Fn(State) -> bool, to: State) -> Option<Change> {
        // Numbers that were not given out yet look like very old ones.
        let age = self.next.wrapping_sub(1).wrapping_sub(sequence);
        if usize::from(age) >= PACKETS {
            return None;
        }
        let packet = &mut self.packets[usize::from(sequence) % PACKETS];
        if !from(packet.state) {
            return None;
        }
        let was_missing = packet.state == State::Missing;
        packet.state = to;
        let sent = now - i64::from((now as u32).wrapping_sub(packet.at));
        Some(Change { sent, bytes: usize::from(packet.bytes), probe: packet.probe, was_missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_arrives_once_and_may_be_missing_before() {
        let mut sent = Sent::new();
        let at = i64::from(u32::MAX) - 5;
        sent.add(65_535, at, 100, false);
        sent.add(0, at + 10, 200, true);
        assert_eq!(sent.missing(65_535, at + 50).unwrap().sent, at);
        assert!(sent.missing(65_535, at + 60).is_none());
        assert!(sent.arrived(65_535, at + 70).unwrap().was_missing);
        assert!(sent.arrived(65_535, at + 80).is_none());
        let change = sent.arrived(0, at + 80).unwrap();
        assert_eq!(change, Change { sent: at + 10, bytes: 200, probe: true, was_missing: false });
        assert!(sent.arrived(1, at + 80).is_none(), "not sent yet");
    }
}

//! Packets of one stream, back in order.
//!
//! As long as nothing is missing nothing is held: a packet goes straight through. After a gap packets wait here until
//! the gap is filled or given up.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;

/// Packets that wait behind a gap: 400 ms (the longest wait) of 50 Mbit/s.
pub(super) const HELD_MAX: usize = 2_048;
/// Bytes that wait behind a gap: 400 ms of 80 Mbit/s.
pub(super) const HELD_BYTES_MAX: usize = 4 << 20;

/// What of a packet is needed when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) timestamp: u32,
    pub(super) arrived: Instant,
    pub(super) payload: Bytes,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next packet.
    Packet(Packet),
    /// One or more packets that will never come.
    Hole,
}

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is here, or its time is over.
    Stale,
    /// It is the next, or comes after gaps.
    Ahead,
    /// It is further away than anything that belongs together.
    Far,
}

#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// Sequence number of the next packet to come out; `None` before the first.
    next: Option<i64>,
    /// Packets from `next` on. The first is missing, unless it is about to come out.
    held: VecDeque<Option<Packet>>,
    bytes: usize,
    /// Holes are given up to here, exclusive.
    given_up: i64,
}

impl Reorder {
    /// Where a packet with this number belongs.
    pub(super) fn place(&self, sequence: i64) -> Place {
        let Some(next) = self.next else { return Place::Ahead };
        let distance = sequence - next;
        if distance.unsigned_abs() >= HELD_MAX as u64 {
            return Place::Far;
        }
        match usize::try_from(distance) {
            Ok(at) if self.held.get(at).is_none_or(Option::is_none) => Place::Ahead,
            _ => Place::Stale,
        }
    }

    /// Whether this packet can come out at once, without [`Self::insert`]; then it counts as having come out.
    pub(super) fn pass(&mut self, sequence: i64) -> bool {
        let passes = self.held.is_empty() && self.next.is_none_or(|next| next == sequence);
        if passes {
            self.next = Some(sequence + 1);
        }
        passes
    }

    /// Takes a packet whose place is [`Place::Ahead`]. When too much waits, the first gap is given up.
    pub(super) fn insert(&mut self, sequence: i64, packet: Packet) {
        let next = *self.next.get_or_insert(sequence);
        let Ok(at) = usize::try_from(sequence - next) else { return };
        if at >= HELD_MAX {
            return;
        }
        if self.held.len() <= at {
            self.held.resize(at + 1, None);
        }
        self.bytes += packet.payload.len();
        self.held[at] = Some(packet);
        if self.bytes > HELD_BYTES_MAX
            && let Some(first) = self.held.iter().position(Option::is_some)
        {
            self.give_up(next + first as i64);
        }
    }

    /// Packets before this number are not waited for any longer.
    pub(super) fn give_up(&mut self, before: i64) {
        self.given_up = self.given_up.max(before);
    }

    /// The number of the next packet to come out, once there was one.
    pub(super) fn next(&self) -> Option<i64> {
        self.next
    }

    /// What comes next, if its turn has come.
    pub(super) fn pop(&mut self) -> Option<Next> {
        let next = self.next.as_mut()?;
        if let Some(Some(_)) = self.held.front() {
            let packet = self.held.pop_front().flatten()?;
            *next += 1;
            self.bytes -= packet.payload.len();
            self.trim();
            return Some(Next::Packet(packet));
        }
        if *next >= self.given_up {
            return None;
        }
        while *next < self.given_up && !matches!(self.held.front(), Some(Some(_))) {
            self.held.pop_front();
            *next += 1;
        }
        self.trim();
        Some(Next::Hole)
    }

    /// Forgets everything: the next packet is the first of a new line of numbers.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Gives memory back after a bad moment.
    fn trim(&mut self) {
        if self.held.is_empty() && self.held.capacity() > 64 {
            self.held = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(number: i64, now: Instant) -> Packet {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        Packet { payload_type: 96, marker: false, timestamp: number as u32, arrived: now, payload }
    }

    /// Numbers as they come in, and `!7` where everything before 7 is given up; numbers as they come out, `-` for holes.
    fn check(input: &str, expected: &str) {
        let (mut reorder, now) = (Reorder::default(), Instant::now());
        let mut out = Vec::new();
        for word in input.split_whitespace() {
            if let Some(before) = word.strip_prefix('!') {
                reorder.give_up(before.parse().unwrap());
            } else {
                let number = word.parse().unwrap();
                if reorder.pass(number) {
                    out.push(word.to_owned());
                } else if reorder.place(number) == Place::Ahead {
                    reorder.insert(number, packet(number, now));
                }
            }
            while let Some(next) = reorder.pop() {
                out.push(match next {
                    Next::Packet(packet) => packet.timestamp.to_string(),
                    Next::Hole => "-".into(),
                });
            }
        }
        assert_eq!(out.join(" "), expected);
    }

    #[test]
    fn packets_in_order_pass() {
        check("5 6 7", "5 6 7");
    }

    #[test]
    fn packets_wait_for_the_one_before() {
        check("5 7 8 6 9", "5 6 7 8 9");
    }

    #[test]
    fn duplicates_and_late_packets_are_dropped() {
        check("5 6 6 5 8 8 7 7", "5 6 7 8");
    }

    #[test]
    fn a_given_up_packet_leaves_one_hole() {
        check("5 9 !9 7", "5 - 9");
        check("5 7 9 !7", "5 - 7");
        check("5 7 9 !9", "5 - 7 - 9");
    }

    #[test]
    fn memory_is_given_back() {
        let (mut reorder, now) = (Reorder::default(), Instant::now());
        assert!(reorder.pass(0));
        for number in (2..1_000).chain([1]) {
            reorder.insert(number, packet(number, now));
        }
        assert_eq!(std::iter::from_fn(|| reorder.pop()).count(), 999);
        assert_eq!((reorder.held.capacity(), reorder.bytes), (0, 0));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_in_order(numbers in prop::collection::vec((0_i64..5_000, prop::bool::ANY), 0..300)) {
            let (mut reorder, now) = (Reorder::default(), Instant::now());
            let mut last = -1;
            for (number, give_up) in numbers {
                if give_up {
                    reorder.give_up(number);
                } else if reorder.place(number) == Place::Ahead && !reorder.pass(number) {
                    reorder.insert(number, packet(number, now));
                } else {
                    continue;
                }
                while let Some(next) = reorder.pop() {
                    if let Next::Packet(packet) = next {
                        prop_assert!(i64::from(packet.timestamp) > last);
                        last = i64::from(packet.timestamp);
                    }
                }
            }
        }
    }
}

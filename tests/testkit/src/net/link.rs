//! What one direction of a link does to packets, as a value: loss, a rate with a queue before it, delay.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How a link treats each direction. The default lets everything through at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// How long a packet is under way, after its bits left.
    pub delay: Duration,
    /// Share of packets that are lost, 0 to 1, each on its own.
    pub loss: f64,
    /// Bits a second; none is no limit.
    pub rate: Option<u64>,
    /// Bytes that wait for the rate; what comes when they are waiting is lost.
    pub queue_bytes: usize,
    /// Whether UDP gets through, or only the rest, as behind some offices' firewalls.
    pub udp: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay: Duration::ZERO, loss: 0.0, rate: None, queue_bytes: 64 << 10, udp: true }
    }
}

/// Packets that a direction holds at most, whatever their delay: an end that floods meets loss, not our memory.
const HELD_MAX: usize = 20_000;

/// Protocol number of UDP in an IPv4 header.
const UDP: u8 = 17;

/// One direction, with what is under way in it.
pub(super) struct Direction {
    link: Link,
    random: u64,
    /// When the last bit of what was let in has left.
    idle_at: Instant,
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Direction {
    /// `seed` decides which packets are lost.
    pub(super) fn new(link: Link, seed: u64, now: Instant) -> Self {
        Self { link, random: seed | 1, idle_at: now, under_way: VecDeque::new() }
    }

    /// From now on it is like this. What is under way arrives as it would have.
    pub(super) fn set(&mut self, link: Link) {
        self.link = link;
    }

    /// A packet enters.
    pub(super) fn enter(&mut self, now: Instant, packet: &[u8]) {
        let blocked = !self.link.udp && packet.get(9) == Some(&UDP);
        if blocked || self.chance() < self.link.loss || self.under_way.len() >= HELD_MAX {
            return;
        }
        let start = self.idle_at.max(now);
        if let Some(rate) = self.link.rate {
            let waiting = (start - now).as_secs_f64() * rate as f64 / 8.0;
            if waiting > self.link.queue_bytes as f64 {
                return;
            }
            self.idle_at = start + Duration::from_secs_f64(packet.len() as f64 * 8.0 / rate as f64);
        } else {
            self.idle_at = start;
        }
        // A shorter delay than before must not let it overtake.
        let last = self.under_way.back().map_or(now, |(due, _)| *due);
        self.under_way.push_back(((self.idle_at + self.link.delay).max(last), packet.to_vec()));
    }

    /// The next packet that arrives by `now`.
    pub(super) fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        let due = self.due().filter(|due| *due <= now);
        due.and_then(|_| self.under_way.pop_front()).map(|(_, packet)| packet)
    }

    /// When the next packet arrives.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// 0 to 1, evenly (xorshift64*).
    fn chance(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// What becomes of so many packets of 1000 bytes, entered every so often: when each arrives.
    fn pass(link: Link, packets: u32, every: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut direction = Direction::new(link, 7, start);
        for index in 0..packets {
            direction.enter(start + every * index, &[0x45; 1000]);
        }
        let mut arrivals = Vec::new();
        while let Some(due) = direction.due() {
            assert!(direction.leave(due - MS / 1000).is_none() && direction.leave(due).is_some());
            arrivals.push(due - start);
        }
        arrivals
    }

    #[test]
    fn a_packet_is_under_way_for_the_delay() {
        let link = Link { delay: 50 * MS, ..Link::default() };
        assert_eq!(pass(link, 3, 10 * MS), [50 * MS, 60 * MS, 70 * MS]);
    }

    #[test]
    fn the_share_that_is_lost_is_the_share_asked_for() {
        let arrived = pass(Link { loss: 0.05, ..Link::default() }, 10_000, MS).len();
        assert!((9_400..9_600).contains(&arrived), "{arrived}");
        assert_eq!(pass(Link { loss: 1.0, ..Link::default() }, 100, MS).len(), 0);
        assert_eq!(pass(Link::default(), 100, MS).len(), 100);
    }

    #[test]
    fn a_rate_spaces_packets_and_its_queue_overflows() {
        // 1000 bytes take 8 ms.
        let link = Link { rate: Some(1_000_000), queue_bytes: 3000, ..Link::default() };
        let arrivals = pass(link, 100, Duration::ZERO);
        assert_eq!(arrivals, [8 * MS, 16 * MS, 24 * MS, 32 * MS]);
        assert_eq!(pass(link, 100, 8 * MS).len(), 100);
    }

    #[test]
    fn where_udp_is_blocked_the_rest_gets_through() {
        let now = Instant::now();
        let mut direction = Direction::new(Link { udp: false, ..Link::default() }, 7, now);
        let packet = |protocol| {
            let mut packet = [0x45; 40];
            packet[9] = protocol;
            packet
        };
        direction.enter(now, &packet(UDP));
        direction.enter(now, &packet(6));
        assert_eq!(direction.leave(now), Some(packet(6).to_vec()));
        assert_eq!(direction.leave(now), None);
    }

    #[test]
    fn a_link_that_becomes_quicker_keeps_the_order() {
        let now = Instant::now();
        let mut direction = Direction::new(Link { delay: 50 * MS, ..Link::default() }, 7, now);
        direction.enter(now, b"first");
        direction.set(Link::default());
        direction.enter(now, b"second");
        assert_eq!(direction.leave(now), None);
        assert_eq!(direction.leave(now + 50 * MS).unwrap(), b"first");
        assert_eq!(direction.leave(now + 50 * MS).unwrap(), b"second");
    }
}

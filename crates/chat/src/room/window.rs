//! For how long messages are gathered before they are written together: not at all in a quiet room, longer as more
//! has to be written to more people.
//!
//! Writing is paid by the call, not by the byte. A room that writes to five thousand people twenty times a second is
//! well served without waiting; at two hundred messages a second nothing else than writing together keeps up.

use std::time::{Duration, Instant};

/// Messages to people, a second, from which on they are gathered: what a core writes one by one without haste.
const GATHER_FROM: f64 = 125_000.0;
/// Messages to people, a second, from which on they are gathered for as long as is allowed.
const GATHER_ALL_FROM: f64 = 400_000.0;
/// Over how long the load is measured.
const MEASURED_OVER: f64 = 1.0;

/// When the next write may be.
#[derive(Debug)]
pub(crate) struct Window {
    longest: Duration,
    /// Messages a second, lately.
    rate: f64,
    counted: Instant,
    written: Option<Instant>,
}

impl Window {
    /// A room that begins at `now`; nobody waits for longer than `longest`.
    #[must_use]
    pub(crate) fn new(longest: Duration, now: Instant) -> Self {
        Self { longest, rate: 0.0, counted: now, written: None }
    }

    /// Messages came at `now`.
    pub(crate) fn count(&mut self, messages: usize, now: Instant) {
        let passed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.rate = self.rate * (-passed / MEASURED_OVER).exp() + messages as f64 / MEASURED_OVER;
    }

    /// They were written at `now`.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.written = Some(now);
    }

    /// From when on they may be written to `people`: a moment that has passed, when they need not wait.
    #[must_use]
    pub(crate) fn opens(&self, people: usize, now: Instant) -> Instant {
        let load = self.rate * people as f64;
        let share = ((load - GATHER_FROM) / (GATHER_ALL_FROM - GATHER_FROM)).clamp(0.0, 1.0);
        self.written.map_or(now, |written| written + self.longest.mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a message waits after a write, when so many come a second, in milliseconds.
    fn wait(messages: u32, people: usize) -> u128 {
        let start = Instant::now();
        let mut window = Window::new(Duration::from_millis(100), start);
        let mut now = start;
        for _ in 0..messages * 3 {
            now += Duration::from_secs(1) / messages;
            window.count(1, now);
        }
        window.wrote(now);
        window.opens(people, now).saturating_duration_since(now).as_millis()
    }

    #[test]
    fn a_quiet_room_waits_for_nothing() {
        assert_eq!(wait(20, 5_000), 0);
        assert_eq!(wait(500, 200), 0);
        assert_eq!(wait(1, 50_000), 0);
    }

    #[test]
    fn the_more_is_written_the_longer_it_is_gathered() {
        let waits = [40, 50, 60, 70, 240].map(|messages| wait(messages, 5_000));
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits[0] > 0, "{waits:?}");
        assert_eq!(waits[4], 100);
    }

    #[test]
    fn the_first_message_of_all_is_written_at_once() {
        let now = Instant::now();
        let mut window = Window::new(Duration::from_millis(100), now);
        window.count(1_000_000, now);
        assert_eq!(window.opens(5_000, now), now);
    }
}

//! For how long messages are gathered before they are written together: by how long it takes to write to everybody.
//!
//! Writing is paid by the call, not by the byte. While one write is on its way to thousands of sockets, the next would
//! only stand behind it: what comes meanwhile leaves together. In a room where everybody has a message before the next
//! one comes, nothing waits.

use std::time::{Duration, Instant};

/// When the next write may be.
#[derive(Debug)]
pub(crate) struct Window {
    longest: Duration,
    /// When the last one was, and whether it had more than one message.
    written: Option<(Instant, bool)>,
}

impl Window {
    /// Nobody waits for longer than `longest`.
    #[must_use]
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, written: None }
    }

    /// So many messages were written at `now`.
    pub(crate) fn wrote(&mut self, messages: usize, now: Instant) {
        self.written = Some((now, messages > 1));
    }

    /// From when on the next may be written, where everybody has the last ones `took` after they were: a moment that may
    /// have passed.
    #[must_use]
    pub(crate) fn opens(&self, took: Duration, now: Instant) -> Instant {
        self.written.map_or(now, |(written, many)| {
            // One message may begin while the last is still on its way to some. Where messages come faster than they can
            // be written one by one, everybody has the last ones first, and a third of the time is left for what else
            // there is to do.
            let wait = if many { took * 3 / 2 } else { took / 2 };
            written + wait.min(self.longest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(100);

    /// How long after a write of so many messages the next may be, in milliseconds.
    #[track_caller]
    fn check(messages: usize, took_ms: u64, waits_ms: u64) {
        let now = Instant::now();
        let mut window = Window::new(LONGEST);
        window.wrote(messages, now);
        let opens = window.opens(Duration::from_millis(took_ms), now);
        assert_eq!(opens - now, Duration::from_millis(waits_ms));
    }

    #[test]
    fn a_message_waits_until_half_of_all_have_the_last_one() {
        check(1, 0, 0);
        check(1, 40, 20);
    }

    #[test]
    fn messages_that_come_faster_than_they_can_be_written_leave_time_for_others() {
        check(2, 40, 60);
    }

    #[test]
    fn nobody_waits_for_longer_than_is_allowed() {
        check(1, 5_000, 100);
        check(9, 80, 100);
    }

    #[test]
    fn the_first_message_of_all_is_written_at_once() {
        let now = Instant::now();
        assert_eq!(Window::new(LONGEST).opens(Duration::from_secs(1), now), now);
    }
}

//! What a receiver counts about a stream, and tells its sender (RFC 3550 §6.4, appendix A).

use std::time::{Duration, Instant};

use rtc::rtcp::reception_report::ReceptionReport;

/// Shortest span over which rates are taken.
const RATE_WINDOW: Duration = Duration::from_millis(900);

#[derive(Debug)]
pub(super) struct Reception {
    clock_rate: u32,
    /// When counting began: arrivals are counted in ticks from here.
    start: Instant,
    first: Option<i64>,
    highest: i64,
    received: i64,
    /// Expected and received at the last report.
    reported: (i64, i64),
    /// Arrival and timestamp of the packet before, in ticks.
    before: Option<(i64, u32)>,
    /// In ticks.
    jitter: f64,
    /// The middle of the last sender report's time, and when it came.
    sender_report: Option<(u32, Instant)>,
    window: Window,
    pub(super) totals: Totals,
}

/// Counts since the stream began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) bytes: u64,
    pub(super) recovered: u64,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
}

/// Rates of the last second.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    bytes: u64,
    frames: u64,
    /// Bits and frames a second, as they were when the window closed.
    rates: (f64, f64),
}

impl Reception {
    pub(super) fn new(now: Instant, clock_rate: u32) -> Self {
        Self {
            clock_rate,
            start: now,
            first: None,
            highest: 0,
            received: 0,
            reported: (0, 0),
            before: None,
            jitter: 0.0,
            sender_report: None,
            window: Window { since: now, bytes: 0, frames: 0, rates: (0.0, 0.0) },
            totals: Totals::default(),
        }
    }

    /// A packet of the stream itself, not a retransmission.
    pub(super) fn packet(&mut self, now: Instant, sequence: i64, timestamp: u32, bytes: usize) {
        self.highest = self.first.map_or(sequence, |_| self.highest.max(sequence));
        self.first = Some(self.first.map_or(sequence, |first| first.min(sequence)));
        self.received += 1;
        self.bytes(bytes);
        let arrived = self.ticks(now.saturating_duration_since(self.start));
        if let Some((arrived_before, timestamp_before)) = self.before {
            let sent = i64::from(timestamp.wrapping_sub(timestamp_before) as i32);
            let difference = (arrived - arrived_before - sent).unsigned_abs().min(u64::from(self.clock_rate) * 10);
            self.jitter += (difference as f64 - self.jitter) / 16.0;
        }
        self.before = Some((arrived, timestamp));
    }

    /// A retransmission that was needed.
    pub(super) fn recovered(&mut self, bytes: usize) {
        self.totals.recovered += 1;
        self.bytes(bytes);
    }

    pub(super) fn frame(&mut self, keyframe: bool) {
        self.totals.frames += 1;
        self.totals.keyframes += u64::from(keyframe);
        self.window.frames += 1;
    }

    pub(super) fn sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// The sender began a new line of sequence numbers, from which on loss is counted.
    pub(super) fn restart(&mut self) {
        (self.first, self.received, self.reported) = (None, 0, (0, 0));
    }

    /// Packets that came, retransmissions aside.
    pub(super) fn packets(&self) -> u64 {
        self.received.unsigned_abs()
    }

    /// Packets that did not come at first.
    pub(super) fn lost(&self) -> u64 {
        u64::try_from(self.expected() - self.received).unwrap_or(0)
    }

    pub(super) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter / f64::from(self.clock_rate))
    }

    /// Bits and frames a second over the last second or so.
    pub(super) fn rates(&self) -> (f64, f64) {
        self.window.rates
    }

    /// The block for a receiver report, which closes its interval.
    pub(super) fn report(&mut self, now: Instant, ssrc: u32) -> ReceptionReport {
        self.close_window(now);
        let (expected, received) = (self.expected(), self.received);
        let (expected_now, received_now) = (expected - self.reported.0, received - self.reported.1);
        self.reported = (expected, received);
        let fraction = if expected_now > 0 { (expected_now - received_now).max(0) * 256 / expected_now } else { 0 };
        let delay = |(_, at): (u32, Instant)| now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
        ReceptionReport {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            total_lost: (expected - received).clamp(0, 0x7f_ffff) as u32,
            last_sequence_number: self.highest as u32,
            jitter: self.jitter as u32,
            last_sender_report: self.sender_report.map_or(0, |(middle, _)| middle),
            delay: self.sender_report.map_or(0, |report| delay(report) as u32),
        }
    }

    fn expected(&self) -> i64 {
        self.first.map_or(0, |first| self.highest - first + 1)
    }

    fn bytes(&mut self, bytes: usize) {
        self.totals.bytes += bytes as u64;
        self.window.bytes += bytes as u64;
    }

    fn ticks(&self, span: Duration) -> i64 {
        (span.as_micros() as i64).saturating_mul(i64::from(self.clock_rate)) / 1_000_000
    }

    fn close_window(&mut self, now: Instant) {
        let span = now.saturating_duration_since(self.window.since);
        if span >= RATE_WINDOW {
            let rate = |count: u64| count as f64 / span.as_secs_f64();
            let rates = (rate(self.window.bytes * 8), rate(self.window.frames));
            self.window = Window { since: now, bytes: 0, frames: 0, rates };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_loss_since_the_last_and_in_all() {
        let start = Instant::now();
        let mut reception = Reception::new(start, 90_000);
        for sequence in (65_536..65_546).filter(|sequence| *sequence != 65_540) {
            reception.packet(start, sequence, 0, 1_000);
        }
        let report = reception.report(start, 7);
        assert_eq!((report.fraction_lost, report.total_lost, report.last_sequence_number), (25, 1, 65_545));
        reception.packet(start, 65_546, 0, 1_000);
        let report = reception.report(start, 7);
        assert_eq!((report.fraction_lost, report.total_lost), (0, 1));
    }

    #[test]
    fn jitter_is_what_arrivals_differ_from_timestamps() {
        let start = Instant::now();
        let mut reception = Reception::new(start, 48_000);
        for number in 0..1_000_u32 {
            let late = if number % 2 == 0 { 0 } else { 5 };
            let now = start + Duration::from_millis(u64::from(number) * 20 + late);
            reception.packet(now, i64::from(number), (number * 960).wrapping_sub(5_000), 100);
        }
        assert_eq!(reception.jitter().as_millis(), 5);
    }

    #[test]
    fn the_delay_since_a_sender_report_is_told() {
        let start = Instant::now();
        let mut reception = Reception::new(start, 90_000);
        reception.sender_report(start, 0x1122_3344_5566_7788);
        let report = reception.report(start + Duration::from_millis(500), 7);
        assert_eq!((report.last_sender_report, report.delay), (0x3344_5566, 32_768));
    }

    #[test]
    fn rates_are_of_the_last_second() {
        let start = Instant::now();
        let mut reception = Reception::new(start, 90_000);
        for number in 0..30 {
            reception.packet(start, number, 0, 1_250);
            reception.frame(number == 0);
        }
        reception.report(start + Duration::from_secs(1), 7);
        assert_eq!(reception.rates(), (300_000.0, 30.0));
    }
}

//! One RTP clock, laid on the timeline.

use std::time::{Duration, Instant};

/// How far a timestamp may be from what its arrival says, in nanoseconds: networks hold packets back for seconds, and
/// come back. What is further away is another line of timestamps, or a lie.
const TRUST_MAX: i64 = 10_000_000_000;
/// How far a timestamp may go back, in nanoseconds: more than any reordering of pictures.
const BACK_MAX: i64 = 1_000_000_000;
/// The pace at which the usual distance between arrival and timestamp follows, as a fraction of the time that passes:
/// clocks differ by far less.
const FOLLOW: i64 = 100;

/// `ticks` of a clock in nanoseconds.
pub(super) fn nanos(ticks: i64, rate: i64) -> i64 {
    let (seconds, rest) = (ticks.div_euclid(rate), ticks.rem_euclid(rate));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest * 1_000_000_000 / rate)
}

/// Nanoseconds in ticks of a clock.
pub(super) fn ticks(nanos: i64, rate: i64) -> i64 {
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    seconds.saturating_mul(rate).saturating_add(rest * rate / 1_000_000_000)
}

/// A correction that is never made at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Slew {
    /// The correction now, in nanoseconds.
    pub(super) now: i64,
    /// What it shall become.
    pub(super) target: i64,
}

impl Slew {
    /// A correction moves by one part in so many of the time that passes: 100 ms are gone after a second, and 33 ms
    /// between pictures are 30 or 36.
    const PACE: i64 = 10;

    /// So many nanoseconds of media passed.
    pub(super) fn pass(&mut self, nanos: i64) {
        let step = nanos.max(0) / Self::PACE;
        self.now += (self.target - self.now).clamp(-step, step);
    }
}

#[derive(Debug)]
pub(super) struct Line {
    /// Ticks a second.
    pub(super) rate: i64,
    /// A point on the line: these ticks are at this nanosecond, without the correction.
    anchor: (i64, i64),
    pub(super) slew: Slew,
    /// The furthest timestamp so far, in ticks, and where it came to lie.
    last: (i64, i64),
    /// When it came, in nanoseconds after the origin.
    arrived: i64,
    /// Where on the timeline things lie that come in at 0.
    skew: i64,
}

impl Line {
    /// A line whose first timestamp lies at its arrival, in nanoseconds after the origin.
    pub(super) fn new(rate: i64, ticks: i64, arrived: i64) -> Self {
        let slew = Slew::default();
        Self { rate, anchor: (ticks, arrived), slew, last: (ticks, arrived), arrived, skew: 0 }
    }

    /// Where these ticks lie as corrections are now.
    pub(super) fn at(&self, ticks: i64) -> i64 {
        self.anchor
            .1
            .saturating_add(nanos(ticks.saturating_sub(self.anchor.0), self.rate))
            .saturating_add(self.slew.now)
    }

    /// Whether a timestamp is near what its arrival says.
    pub(super) fn believes(&self, ticks: i64, arrived: i64) -> bool {
        let at = self.at(ticks);
        at.saturating_sub(arrived + self.skew).abs() <= TRUST_MAX && at >= self.last.1 - BACK_MAX
    }

    /// The timestamp that fits an arrival, and what came before.
    pub(super) fn expected(&self, arrived: i64) -> i64 {
        let at = (arrived + self.skew).max(self.last.1);
        self.anchor.0 + ticks(at - self.anchor.1 - self.slew.now, self.rate)
    }

    /// Puts these ticks where their arrival says: the timestamps before are of another line.
    pub(super) fn break_off(&mut self, ticks: i64, arrived: i64) {
        self.anchor = (ticks, (arrived + self.skew).max(self.last.1));
        self.last = (ticks, self.anchor.1);
        self.slew = Slew::default();
    }

    /// Where a timestamp comes to lie, which [`Self::believes`] has found good.
    pub(super) fn place(&mut self, ticks: i64, arrived: i64) -> i64 {
        let passed = ticks - self.last.0;
        if passed > 0 {
            self.slew.pass(nanos(passed, self.rate));
        }
        let at = self.at(ticks);
        if passed > 0 {
            self.last = (ticks, at.max(self.last.1));
        }
        let pace = (arrived - self.arrived).max(0) / FOLLOW;
        self.skew += (at - arrived - self.skew).clamp(-pace, pace);
        self.arrived = self.arrived.max(arrived);
        at
    }

    /// The furthest timestamp so far, in ticks.
    pub(super) fn last(&self) -> i64 {
        self.last.0
    }
}

/// Nanoseconds from the origin to an instant.
pub(super) fn since(origin: Instant, instant: Instant) -> i64 {
    let span: Duration = instant.saturating_duration_since(origin);
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

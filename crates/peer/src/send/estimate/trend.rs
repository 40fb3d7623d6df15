//! Whether a queue builds up on the way: the delay-based half of Google's congestion control
//! (draft-ietf-rmcat-gcc-02 §5.1 to §5.4), with the line fit that replaced its Kalman filter in libwebrtc.

use std::collections::VecDeque;

/// Packets sent within this time, in microseconds, are one group: a picture's packets tell about the link together.
const GROUP_US: i64 = 5_000;
/// Groups that the line is fitted to.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Makes the slope comparable to a delay in milliseconds, with the number of groups so far (at most [`GROUPS_MAX`]).
const GAIN: f64 = 4.0;
const GROUPS_MAX: u32 = 60;
/// The threshold of the slope, to begin with and at its bounds, in milliseconds.
const THRESHOLD: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// How fast the threshold follows the slope up and down, per millisecond.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// Slopes further than this from the threshold do not move it: a route that changed is no jitter.
const THRESHOLD_FAR: f64 = 15.0;
/// Time over the threshold that makes overuse, in milliseconds.
const OVERUSE_MS: f64 = 10.0;
/// A step of either clock beyond this, in microseconds, begins anew: the viewer slept, or nothing was sent.
const STEP_MAX_US: i64 = 3_000_000;

/// What the link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// Its queues stay as they are.
    Normal,
    /// A queue builds up.
    Over,
    /// A queue drains.
    Under,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    sent: i64,
    arrived: i64,
}

/// Follows the delay.
#[derive(Debug)]
pub(super) struct Trend {
    current: Option<Group>,
    previous: Option<Group>,
    groups: u32,
    /// Arrival time of the first group, in microseconds.
    origin: i64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    /// Arrival in milliseconds since the origin, and smoothed delay.
    points: VecDeque<(f64, f64)>,
    slope_before: f64,
    threshold: f64,
    over_ms: f64,
    over_count: u32,
    usage: Usage,
}

impl Trend {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            previous: None,
            groups: 0,
            origin: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            points: VecDeque::new(),
            slope_before: 0.0,
            threshold: THRESHOLD,
            over_ms: 0.0,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet was sent and arrived at these microseconds of the two clocks. In sending order.
    pub(super) fn packet(&mut self, sent: i64, arrived: i64) {
        let Some(current) = &mut self.current else {
            self.current = Some(Group { first_sent: sent, sent, arrived });
            return;
        };
        if (sent - current.sent).abs() > STEP_MAX_US || (arrived - current.arrived).abs() > STEP_MAX_US {
            *self = Self { threshold: self.threshold, ..Self::new() };
            self.packet(sent, arrived);
            return;
        }
        if sent < current.first_sent {
            return; // sent before the group: it tells nothing more
        }
        if sent - current.first_sent <= GROUP_US {
            current.sent = current.sent.max(sent);
            current.arrived = current.arrived.max(arrived);
            return;
        }
        let complete = std::mem::replace(current, Group { first_sent: sent, sent, arrived });
        if let Some(previous) = self.previous.replace(complete) {
            self.group(&previous, &complete);
        }
    }

    fn group(&mut self, previous: &Group, group: &Group) {
        let sent_ms = (group.sent - previous.sent) as f64 / 1000.0;
        let arrived_ms = (group.arrived - previous.arrived) as f64 / 1000.0;
        if self.points.is_empty() {
            self.origin = group.arrived;
        }
        self.groups = (self.groups + 1).min(GROUPS_MAX);
        self.accumulated_ms += arrived_ms - sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.points.len() >= WINDOW {
            self.points.pop_front();
        }
        self.points.push_back(((group.arrived - self.origin) as f64 / 1000.0, self.smoothed_ms));
        let slope = if self.points.len() == WINDOW { slope(&self.points) } else { 0.0 };
        self.detect(slope, sent_ms, arrived_ms);
    }

    fn detect(&mut self, slope: f64, sent_ms: f64, passed_ms: f64) {
        let size = f64::from(self.groups) * slope * GAIN;
        if size > self.threshold {
            self.over_ms += if self.over_count == 0 { sent_ms / 2.0 } else { sent_ms };
            self.over_count += 1;
            if self.over_ms > OVERUSE_MS && self.over_count > 1 && slope >= self.slope_before {
                (self.over_ms, self.over_count) = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (0.0, 0);
            self.usage = if size < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.slope_before = slope;
        if size.abs() <= self.threshold + THRESHOLD_FAR {
            let speed = if size.abs() < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
            self.threshold += speed * (size.abs() - self.threshold) * passed_ms.clamp(0.0, 100.0);
            self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        }
    }
}

/// The slope of the line of least squares.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 33 ms, each arriving `growth` microseconds later than the one before.
    fn run(trend: &mut Trend, from: i64, groups: i64, growth: i64) -> Vec<Usage> {
        let mut late = 0;
        (0..groups)
            .map(|group| {
                late += growth;
                let sent = (from + group) * 33_000;
                for packet in 0..3 {
                    trend.packet(sent + packet * 100, 777_000 + sent + packet * 300 + late);
                }
                trend.usage()
            })
            .collect()
    }

    #[test]
    fn steady_arrivals_are_normal() {
        let usage = run(&mut Trend::new(), 0, 100, 0);
        assert!(usage.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_queue_that_builds_up_is_overuse_and_one_that_drains_is_underuse() {
        let mut trend = Trend::new();
        run(&mut trend, 0, 60, 0);
        assert!(run(&mut trend, 60, 30, 8_000).contains(&Usage::Over));
        assert!(run(&mut trend, 90, 30, -8_000).contains(&Usage::Under));
    }

    #[test]
    fn a_pause_begins_anew() {
        let mut trend = Trend::new();
        run(&mut trend, 0, 60, 0);
        let usage = run(&mut trend, 1000, 15, 8_000);
        assert!(usage.iter().all(|usage| *usage == Usage::Normal), "too few groups to tell");
    }
}

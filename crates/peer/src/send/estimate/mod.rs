//! What a viewer's link carries, as Google's congestion control has it (draft-ietf-rmcat-gcc-02), for a sender that
//! cannot make its media smaller, only choose among layers.
//!
//! As long as nothing speaks against the link, there is no estimate: nothing is paced, and the best layer is sent. From
//! the first queue or heavy loss on there is one. It falls to what arrives, grows with time, and rises at once where a
//! probe shows more. It never falls only because little is sent.

mod probe;
mod rate;
mod sent;
mod trend;
mod twcc;

use std::time::{Duration, Instant};

use probe::Probe;
use rate::Arrivals;
use sent::Sent;
use trend::{Trend, Usage};
use twcc::{Feedback, Status};

/// Lowest estimate, in bits per second: sound alone needs about as much.
const RATE_MIN: u64 = 50_000;
/// Highest estimate, in bits per second.
const RATE_MAX: u64 = 200_000_000;
/// An estimate falls to this share of what arrives, in percent.
const FALL_PERCENT: u64 = 85;
/// It falls once in this time: what it does must show first.
const FALL_EVERY: Duration = Duration::from_millis(200);
/// Growth in a second.
const GROWTH: f64 = 1.08;
/// Growth near the rate at which the link last could not keep up, in bits per second and second: a packet a round trip.
const GROWTH_NEAR: f64 = 48_000.0;
/// That near, in percent of that rate.
const NEAR_PERCENT: std::ops::RangeInclusive<u64> = 90..=115;
/// It does not grow beyond this many times what arrives: nothing that was not carried is believed.
const TIMES_ARRIVED: u64 = 2;
/// The same where only receiver reports tell what is lost: then time is all there is to go by.
const TIMES_SENT: u64 = 4;
/// Loss above which the estimate falls, and below which it grows, in percent. A few per cent are the weather of a wireless
/// link; giving way to them would give up its capacity for good.
const LOSS_HIGH: u64 = 10;
const LOSS_LOW: u64 = 5;
/// Loss is judged over at least so many packets and so much time.
const LOSS_PACKETS: u64 = 20;
const LOSS_WINDOW: Duration = Duration::from_millis(500);
/// A packet that the viewer tells of so much later than it can is behind a queue, whatever the delay's trend says. It is
/// seen at once when the first keyframe does not fit the link.
const QUEUE_MAX: Duration = Duration::from_millis(400);
/// By so much the delay that counts as none grows with each feedback, for routes that change.
const DELAY_GROWTH: Duration = Duration::from_millis(1);
/// Receiver reports count when transport-wide feedback was not heard for this long.
const FEEDBACK_MAX: Duration = Duration::from_secs(3);

/// Estimates by what the viewer tells.
#[derive(Debug)]
pub(super) struct Estimator {
    origin: Instant,
    /// There while transport-wide numbers are written.
    sent: Option<Sent>,
    trend: Trend,
    arrivals: Arrivals,
    loss: Loss,
    probe: Option<Probe>,
    rate: Option<f64>,
    /// The rate at which the link last could not keep up.
    ceiling: Option<u64>,
    last_fall: Option<Instant>,
    last_growth: Instant,
    last_feedback: Option<Instant>,
    /// From a packet's leaving to the feedback about it, at best.
    delay: Option<Duration>,
}

#[derive(Debug)]
struct Loss {
    since: Instant,
    packets: u64,
    lost: u64,
    /// Of the last window.
    percent: u64,
}

impl Estimator {
    /// An estimator; `transport_wide` if packets carry transport-wide numbers.
    pub(super) fn new(now: Instant, transport_wide: bool) -> Self {
        Self {
            origin: now,
            sent: transport_wide.then(Sent::new),
            trend: Trend::new(),
            arrivals: Arrivals::default(),
            loss: Loss { since: now, packets: 0, lost: 0, percent: 0 },
            probe: None,
            rate: None,
            ceiling: None,
            last_fall: None,
            last_growth: now,
            last_feedback: None,
            delay: None,
        }
    }

    /// In bits per second; `None` while nothing speaks against the link.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }

    /// Whether a probe can tell anything.
    pub(super) fn can_probe(&self) -> bool {
        self.last_feedback.is_some()
    }

    /// A packet left.
    pub(super) fn sent(&mut self, now: Instant, sequence: u16, bytes: usize, probe: bool) {
        let at = self.micros(now);
        if let Some(sent) = &mut self.sent {
            sent.add(sequence, at, bytes, probe);
        }
        if probe && let Some(probe) = &mut self.probe {
            probe.sent(at, bytes);
        }
    }

    /// Transport-wide feedback came, from its base number on. Returns the time from the newest packet's leaving to now.
    pub(super) fn feedback(&mut self, now: Instant, content: &[u8]) -> Option<Duration> {
        let at = self.micros(now);
        let sent = self.sent.as_mut()?;
        let feedback = Feedback::parse(content)?;
        let (trend, arrivals, loss, probe) = (&mut self.trend, &mut self.arrivals, &mut self.loss, &mut self.probe);
        let mut newest = None;
        let mut over = false;
        feedback.each(|sequence, status| match status {
            Status::Missing => {
                if sent.missing(sequence, at).is_some() {
                    loss.packets += 1;
                    loss.lost += 1;
                }
            }
            Status::Arrived(_) | Status::ArrivedSometime => {
                let Some(change) = sent.arrived(sequence, at) else { return };
                if change.was_missing {
                    loss.lost = loss.lost.saturating_sub(1);
                } else {
                    loss.packets += 1;
                }
                newest = newest.max(Some(change.sent));
                if let Status::Arrived(arrived) = status {
                    trend.packet(change.sent, arrived);
                    over |= trend.usage() == Usage::Over;
                    arrivals.packet(change.sent, arrived, change.bytes);
                    if change.probe
                        && let Some(probe) = probe
                    {
                        probe.arrived(arrived, change.bytes);
                    }
                }
            }
        });
        let passed = Duration::from_micros(u64::try_from(at - newest?).ok()?);
        self.last_feedback = Some(now);
        let delay = self.delay.map_or(passed, |delay| passed.min(delay + DELAY_GROWTH));
        self.delay = Some(delay);
        let queued = passed > delay + QUEUE_MAX;
        if over || queued {
            self.fall(now, queued);
        } else {
            self.grow(now, self.arrivals.rate().map(|rate| rate * TIMES_ARRIVED));
        }
        self.judge_loss(now);
        self.judge_probe(now);
        Some(passed)
    }

    /// A receiver report came: the share of packets lost in 256ths, while `sent` bits per second were sent. It counts
    /// where there is nothing better.
    pub(super) fn report(&mut self, now: Instant, fraction_lost: u8, sent: u64) {
        if self.last_feedback.is_some_and(|last| now.saturating_duration_since(last) < FEEDBACK_MAX) {
            return;
        }
        let percent = u64::from(fraction_lost) * 100 / 256;
        self.loss.percent = percent;
        if percent > LOSS_HIGH {
            self.fall_by_loss(now, percent, sent);
        } else {
            self.grow(now, Some(sent * TIMES_SENT));
        }
    }

    /// Begins to probe whether the link carries `target` bits per second.
    pub(super) fn probe(&mut self, now: Instant, target: u64) {
        if self.probe.is_none() {
            self.probe = Some(Probe::new(now, target.min(RATE_MAX)));
        }
    }

    /// When a burst of the probe is due.
    pub(super) fn probe_due(&self) -> Option<Instant> {
        self.probe.as_ref()?.due()
    }

    /// How many packets of `bytes` of the probe are to be sent now.
    pub(super) fn burst(&mut self, now: Instant, bytes: usize) -> u32 {
        self.judge_probe(now);
        self.probe.as_mut().map_or(0, |probe| probe.burst(now, bytes))
    }

    fn micros(&self, now: Instant) -> i64 {
        // A viewer does not watch for 292 000 years.
        now.saturating_duration_since(self.origin).as_micros() as i64
    }

    /// A queue builds up; surely so if it is `certain`.
    fn fall(&mut self, now: Instant, certain: bool) {
        let Some(arriving) = self.arrivals.rate() else { return };
        if self.last_fall.is_some_and(|last| now.saturating_duration_since(last) < FALL_EVERY) {
            return;
        }
        if !certain && !self.arrivals.stretched() {
            // All that was sent arrived in time: a keyframe or a probe queued for a moment, or others did. It is enough
            // not to grow.
            return;
        }
        let fallen = (arriving * FALL_PERCENT / 100) as f64;
        let rate = self.rate.map_or(fallen, |rate| rate.min(fallen));
        self.ceiling = Some(arriving);
        self.set(now, rate);
        self.last_fall = Some(now);
    }

    fn fall_by_loss(&mut self, now: Instant, percent: u64, arriving: u64) {
        if self.last_fall.is_some_and(|last| now.saturating_duration_since(last) < FALL_EVERY) {
            return;
        }
        let rate = self.rate.unwrap_or(arriving as f64);
        self.set(now, rate * (1.0 - 0.5 * percent as f64 / 100.0));
        self.last_fall = Some(now);
    }

    fn grow(&mut self, now: Instant, at_most: Option<u64>) {
        let passed = now.saturating_duration_since(self.last_growth).as_secs_f64().min(1.0);
        self.last_growth = now;
        let (Some(rate), Some(at_most)) = (self.rate, at_most) else { return };
        if self.trend.usage() != Usage::Normal || self.loss.percent >= LOSS_LOW {
            return;
        }
        let near = self.ceiling.is_some_and(|ceiling| NEAR_PERCENT.contains(&(rate as u64 * 100 / ceiling.max(1))));
        let grown = if near { rate + GROWTH_NEAR * passed } else { rate * GROWTH.powf(passed) };
        // What is more than believable already stays: it was carried once.
        self.set(now, grown.min((at_most as f64).max(rate)));
    }

    fn judge_loss(&mut self, now: Instant) {
        if self.loss.packets < LOSS_PACKETS || now.saturating_duration_since(self.loss.since) < LOSS_WINDOW {
            return;
        }
        let percent = self.loss.lost * 100 / self.loss.packets;
        self.loss = Loss { since: now, packets: 0, lost: 0, percent };
        if percent > LOSS_HIGH
            && let Some(arriving) = self.arrivals.rate()
        {
            self.fall_by_loss(now, percent, arriving);
        }
    }

    fn judge_probe(&mut self, now: Instant) {
        let Some(result) = self.probe.as_ref().and_then(|probe| probe.result(now)) else { return };
        self.probe = None;
        if let (Some(carried), Some(rate)) = (result, self.rate)
            && carried as f64 > rate
        {
            self.set(now, carried as f64);
            self.ceiling = None;
        }
    }

    fn set(&mut self, now: Instant, rate: f64) {
        self.rate = Some(rate.clamp(RATE_MIN as f64, RATE_MAX as f64));
        self.last_growth = now;
    }
}

#[cfg(test)]
mod tests;

//! One timeline for all streams of a publish.

use std::time::Instant;

use weir_media::Timestamp;

use crate::rtp::Unwrapper32;

/// Whose timestamp it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The sound.
    Sound,
    /// A simulcast layer of the pictures, counted from 0.
    Layer(usize),
}

/// Maps RTP timestamps.
#[derive(Debug)]
pub(super) struct Timeline {
    origin: Option<Instant>,
    sound: Clock,
    layers: Vec<Clock>,
}

#[derive(Debug)]
struct Clock {
    rate: i64,
    line: Unwrapper32,
    anchor: Option<(i64, i64)>,
}

impl Timeline {
    pub(super) fn new(layers: usize) -> Self {
        let clock = |rate| Clock { rate, line: Unwrapper32::default(), anchor: None };
        Self { origin: None, sound: clock(48_000), layers: (0..layers).map(|_| clock(90_000)).collect() }
    }

    /// Where on the timeline a unit belongs whose last packet came at `arrived`.
    pub(super) fn map(&mut self, source: Source, timestamp: u32, arrived: Instant) -> Timestamp {
        let origin = *self.origin.get_or_insert(arrived);
        let clock = match source {
            Source::Sound => &mut self.sound,
            Source::Layer(layer) => match self.layers.get_mut(layer) {
                Some(clock) => clock,
                None => return Timestamp::default(),
            },
        };
        let ticks = clock.line.unwrap(timestamp);
        let since = i64::try_from(arrived.saturating_duration_since(origin).as_nanos()).unwrap_or(i64::MAX);
        let (first, at) = *clock.anchor.get_or_insert((ticks, since));
        Timestamp::from_nanos(at + (ticks - first) * 1_000_000_000 / clock.rate)
    }
}

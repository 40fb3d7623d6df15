//! Which layer a viewer should get: the best that its link carries with room to spare, down fast and up slowly.

use std::time::{Duration, Instant};

use weir_media::TrackId;

use super::sender::Layer;

/// Share of the estimate that a layer may need to be climbed to, in percent.
const FIT_PERCENT: u64 = 85;
/// Share of the estimate beyond which the layer that is sent is left, in percent: between the two it stays.
const LEAVE_PERCENT: u64 = 100;
/// A layer must have fitted for this long before it is climbed to.
const CLIMB_AFTER: Duration = Duration::from_secs(3);
/// Each climb that was regretted within [`REGRET`] doubles the wait, up to this.
const CLIMB_AFTER_MAX: Duration = Duration::from_secs(60);
/// A climb is regretted when the layer must be left again within this time; after it, the wait is short again.
const REGRET: Duration = Duration::from_secs(15);
/// The estimate must have been too low for even the lowest layer for this long before there is sound only.
const SILENCE_AFTER: Duration = Duration::from_secs(4);
/// A climb without proof: where the estimate cannot grow by itself or by probing, the next layer is tried after this
/// many times the wait, if the present one has room.
const TRY_TIMES: u32 = 8;
/// How often a better layer is probed for.
const PROBE_EVERY: Duration = Duration::from_secs(3);
/// What a probe tries, over what the layer needs, in percent: enough for it to fit then.
const PROBE_PERCENT: u64 = 125;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    /// The layer to send; `None`: sound only.
    pub(super) layer: Option<TrackId>,
    /// Whether the link carries so many bits per second should be probed.
    pub(super) probe: Option<u64>,
}

/// Follows the estimate.
#[derive(Debug)]
pub(super) struct Layers {
    /// What was decided last; the outer `None` before the first decision.
    chosen: Option<Option<TrackId>>,
    changed_at: Option<Instant>,
    /// The last change was to a better layer.
    climbed: bool,
    /// Since when a better layer fits.
    fits_since: Option<Instant>,
    /// Since when the lowest layer does not.
    starving_since: Option<Instant>,
    climb_after: Duration,
    last_probe: Option<Instant>,
}

impl Layers {
    pub(super) fn new() -> Self {
        Self {
            chosen: None,
            changed_at: None,
            climbed: false,
            fits_since: None,
            starving_since: None,
            climb_after: CLIMB_AFTER,
            last_probe: None,
        }
    }

    /// Decides by what the link carries for video, in bits per second (`None`: as much as anybody could want). `layers`
    /// is best first.
    pub(super) fn decide(&mut self, now: Instant, carried: Option<u64>, layers: &[Layer]) -> Decision {
        let fitting = |percent: u64| {
            layers.iter().position(|layer| carried.is_none_or(|rate| layer.bits_per_second * 100 <= rate * percent))
        };
        let Some(chosen) = self.chosen else {
            let best = fitting(FIT_PERCENT).or(layers.len().checked_sub(1));
            return self.change(now, best, layers, false);
        };
        // Layers that went away leave their viewers to the best that fits.
        let current = match chosen {
            None => None,
            Some(track) => match layers.iter().position(|layer| layer.track == track) {
                Some(index) => Some(index),
                None => {
                    let best = fitting(FIT_PERCENT).or(layers.len().checked_sub(1));
                    return self.change(now, best, layers, false);
                }
            },
        };
        if let Some(current) = current {
            self.settle(now);
            if let Some(decision) = self.leave(now, current, fitting(LEAVE_PERCENT), layers) {
                return decision;
            }
        }
        self.climb(now, current, fitting(FIT_PERCENT), layers)
    }

    /// Leaves the layer that is sent, if it does not fit any more. `fitting` is the best that does.
    fn leave(&mut self, now: Instant, current: usize, fitting: Option<usize>, layers: &[Layer]) -> Option<Decision> {
        match fitting {
            Some(fitting) if fitting <= current => {
                self.starving_since = None;
                None
            }
            Some(fitting) => Some(self.change(now, Some(fitting), layers, false)),
            None if current + 1 < layers.len() => {
                self.starving_since.get_or_insert(now);
                Some(self.change(now, Some(layers.len() - 1), layers, false))
            }
            None => {
                let since = *self.starving_since.get_or_insert(now);
                let starved = now.saturating_duration_since(since) >= SILENCE_AFTER;
                starved.then(|| self.change(now, None, layers, false))
            }
        }
    }

    /// Goes to a better layer, if one has fitted for long enough or must be tried, or probes for one.
    fn climb(&mut self, now: Instant, current: Option<usize>, fitting: Option<usize>, layers: &[Layer]) -> Decision {
        let better = match current {
            None => layers.len().checked_sub(1),
            Some(current) => current.checked_sub(1),
        };
        let stay = Decision { layer: self.chosen.flatten(), probe: None };
        let Some(next) = better.and_then(|index| layers.get(index)) else { return stay };
        let rested = self.changed_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        if let Some(fitting) = fitting.filter(|fitting| current.is_none_or(|current| *fitting < current)) {
            let since = *self.fits_since.get_or_insert(now);
            if now.saturating_duration_since(since).min(rested) >= self.climb_after {
                return self.change(now, Some(fitting), layers, true);
            }
            return stay;
        }
        self.fits_since = None;
        let room = current.is_none() || fitting == current;
        if room && rested >= self.climb_after * TRY_TIMES {
            return self.change(now, better, layers, true);
        }
        let probed = self.last_probe.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        if rested.min(probed) >= self.climb_after.min(PROBE_EVERY * 4).max(PROBE_EVERY) {
            self.last_probe = Some(now);
            return Decision { probe: Some(next.bits_per_second * PROBE_PERCENT / 100), ..stay };
        }
        stay
    }

    /// A climb that was not regretted for long was right.
    fn settle(&mut self, now: Instant) {
        if self.climbed && self.changed_at.is_some_and(|at| now.saturating_duration_since(at) >= REGRET) {
            self.climbed = false;
            self.climb_after = CLIMB_AFTER;
        }
    }

    fn change(&mut self, now: Instant, index: Option<usize>, layers: &[Layer], climbs: bool) -> Decision {
        if self.climbed && !climbs {
            self.climb_after = (self.climb_after * 2).min(CLIMB_AFTER_MAX);
        }
        self.climbed = climbs;
        self.fits_since = None;
        self.starving_since = None;
        self.changed_at = Some(now);
        let layer = index.and_then(|index| layers.get(index)).map(|layer| layer.track);
        self.chosen = Some(layer);
        Decision { layer, probe: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: TrackId = TrackId(0);
    const MIDDLE: TrackId = TrackId(2);
    const LOW: TrackId = TrackId(3);
    const LAYERS: [Layer; 3] = [
        Layer { track: HIGH, bits_per_second: 2_500_000 },
        Layer { track: MIDDLE, bits_per_second: 800_000 },
        Layer { track: LOW, bits_per_second: 200_000 },
    ];

    struct Stage {
        layers: Layers,
        start: Instant,
        second: u64,
        probes: usize,
    }

    impl Stage {
        fn new() -> Self {
            Self { layers: Layers::new(), start: Instant::now(), second: 0, probes: 0 }
        }

        /// What is sent in each of the next seconds.
        fn seconds(&mut self, count: u64, carried: Option<u64>) -> Vec<Option<TrackId>> {
            (0..count)
                .map(|_| {
                    self.second += 1;
                    let now = self.start + Duration::from_secs(self.second);
                    let decision = self.layers.decide(now, carried, &LAYERS);
                    self.probes += usize::from(decision.probe.is_some());
                    decision.layer
                })
                .collect()
        }
    }

    #[test]
    fn the_best_layer_is_sent_as_long_as_nothing_speaks_against_it() {
        assert_eq!(Stage::new().seconds(10, None), [Some(HIGH); 10]);
    }

    #[test]
    fn the_way_down_is_at_once_and_the_way_up_is_slow() {
        let mut stage = Stage::new();
        stage.seconds(1, None);
        assert_eq!(stage.seconds(1, Some(1_000_000)), [Some(MIDDLE)]);
        assert_eq!(stage.seconds(1, Some(300_000)), [Some(LOW)]);
        let up = stage.seconds(10, Some(5_000_000));
        assert_eq!(up[..3], [Some(LOW); 3]);
        assert_eq!(up[9], Some(HIGH));
    }

    #[test]
    fn between_fitting_and_not_fitting_nothing_changes() {
        let mut stage = Stage::new();
        stage.seconds(1, None);
        assert_eq!(stage.seconds(20, Some(2_600_000)), [Some(HIGH); 20]);
    }

    #[test]
    fn a_climb_that_is_regretted_makes_the_next_one_later() {
        let mut stage = Stage::new();
        stage.seconds(1, Some(1_000_000));
        // A link that seems to carry more than it does.
        let mut climbs = Vec::new();
        for _ in 0..300 {
            let high = stage.layers.chosen == Some(Some(HIGH));
            let layer = stage.seconds(1, Some(if high { 1_000_000 } else { 5_000_000 }));
            if layer == [Some(HIGH)] {
                climbs.push(stage.second);
            }
        }
        let waits: Vec<u64> = climbs.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.windows(2).all(|pair| pair[1] >= pair[0]), "{waits:?}");
        assert!(waits.last().is_some_and(|wait| *wait >= 60), "{waits:?}");
    }

    #[test]
    fn below_the_lowest_layer_there_is_sound_only_until_it_is_tried_again() {
        let mut stage = Stage::new();
        stage.seconds(1, Some(150_000));
        let down = stage.seconds(6, Some(100_000));
        assert_eq!((down[0], down[5]), (Some(LOW), None));
        let later = stage.seconds(60, Some(100_000));
        assert!(later.contains(&Some(LOW)), "it is tried");
        assert!(later.iter().filter(|layer| layer.is_none()).count() > 20);
        assert!(stage.probes > 2);
    }

    #[test]
    fn a_layer_that_went_away_is_replaced() {
        let mut stage = Stage::new();
        stage.seconds(1, None);
        let now = stage.start + Duration::from_secs(2);
        assert_eq!(stage.layers.decide(now, None, &LAYERS[1..]).layer, Some(MIDDLE));
        assert_eq!(stage.layers.decide(now, None, &[]).layer, None);
    }
}

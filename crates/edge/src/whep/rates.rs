//! How many bits a second each video track takes, as measured.

use std::time::{Duration, Instant};

use weir_media::TrackId;
use weir_peer::send::Layer;

/// Over how long is measured: a keyframe weighs like ten other frames, and comes every 2 s.
const WINDOW: Duration = Duration::from_secs(2);

/// The video tracks of a publish, by id, which is best first.
#[derive(Debug, Default)]
pub(super) struct Rates {
    tracks: Vec<Rate>,
}

#[derive(Debug)]
struct Rate {
    track: TrackId,
    since: Instant,
    bytes: u64,
    bits_per_second: u64,
}

impl Rates {
    /// Counts a frame. Whether the layers are worth telling anew.
    pub(super) fn count(&mut self, track: TrackId, arrived: Instant, bytes: usize) -> bool {
        let at = match self.tracks.binary_search_by_key(&track, |rate| rate.track) {
            Ok(at) => at,
            Err(at) => {
                self.tracks.insert(at, Rate { track, since: arrived, bytes: bytes as u64, bits_per_second: 0 });
                return true;
            }
        };
        let Some(rate) = self.tracks.get_mut(at) else { return false };
        let span = arrived.saturating_duration_since(rate.since);
        let whole = span >= WINDOW;
        if whole {
            let measured = (rate.bytes as f64 * 8.0 / span.as_secs_f64()) as u64;
            rate.bits_per_second =
                if rate.bits_per_second == 0 { measured } else { rate.bits_per_second.midpoint(measured) };
            (rate.since, rate.bytes) = (arrived, 0);
        }
        rate.bytes += bytes as u64;
        whole
    }

    /// Forgets all: another publish begins.
    pub(super) fn clear(&mut self) {
        self.tracks.clear();
    }

    /// What there is to choose from, best first. 0 bits a second are not known yet.
    pub(super) fn layers(&self) -> Vec<Layer> {
        self.tracks.iter().map(|rate| Layer { track: rate.track, bits_per_second: rate.bits_per_second }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_known_after_a_window_and_follows_what_comes() {
        let (start, mut rates) = (Instant::now(), Rates::default());
        let mut told = Vec::new();
        for frame in 0..=120_u32 {
            let bytes = if frame < 60 { 10_000 } else { 20_000 };
            if rates.count(TrackId::VIDEO, start + Duration::from_secs(2) * frame / 60, bytes) {
                told.push(rates.layers().iter().map(|layer| layer.bits_per_second).collect::<Vec<_>>());
            }
        }
        assert_eq!(told, [[0], [2_400_000], [3_600_000]]);
    }

    #[test]
    fn layers_are_told_best_first() {
        let (now, mut rates) = (Instant::now(), Rates::default());
        for track in [3, 0, 2] {
            assert!(rates.count(TrackId(track), now, 1));
            assert!(!rates.count(TrackId(track), now, 1));
        }
        assert_eq!(rates.layers().iter().map(|layer| layer.track.0).collect::<Vec<_>>(), [0, 2, 3]);
        rates.clear();
        assert!(rates.layers().is_empty());
    }
}

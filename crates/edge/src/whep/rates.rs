//! How many bits a second each video track takes, as measured.

use std::time::{Duration, Instant};

use weir_media::TrackId;
use weir_peer::send::Layer;

/// Over how long is measured: a keyframe weighs like ten other frames, and comes every 2 s.
const WINDOW: Duration = Duration::from_secs(2);
/// A track that is silent for so long beside others is gone: browsers stop sending layers that their line does not carry.
const SILENT: Duration = Duration::from_secs(3);

/// The video tracks of a publish, by id, which is best first.
#[derive(Debug, Default)]
pub(super) struct Rates {
    tracks: Vec<Rate>,
}

#[derive(Debug)]
struct Rate {
    track: TrackId,
    since: Instant,
    last: Instant,
    bytes: u64,
    bits_per_second: u64,
}

impl Rates {
    /// Counts a frame. Whether the layers are worth telling anew.
    pub(super) fn count(&mut self, track: TrackId, arrived: Instant, bytes: usize) -> bool {
        let before = self.tracks.len();
        self.tracks.retain(|rate| rate.track == track || arrived.saturating_duration_since(rate.last) < SILENT);
        let fewer = self.tracks.len() < before;
        let at = match self.tracks.binary_search_by_key(&track, |rate| rate.track) {
            Ok(at) => at,
            Err(at) => {
                let (since, last, bytes) = (arrived, arrived, bytes as u64);
                self.tracks.insert(at, Rate { track, since, last, bytes, bits_per_second: 0 });
                return true;
            }
        };
        let Some(rate) = self.tracks.get_mut(at) else { return fewer };
        rate.last = arrived;
        let span = arrived.saturating_duration_since(rate.since);
        let whole = span >= WINDOW;
        if whole {
            let measured = (rate.bytes as f64 * 8.0 / span.as_secs_f64()) as u64;
            rate.bits_per_second =
                if rate.bits_per_second == 0 { measured } else { rate.bits_per_second.midpoint(measured) };
            (rate.since, rate.bytes) = (arrived, 0);
        }
        rate.bytes += bytes as u64;
        whole || fewer
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

    #[test]
    fn a_layer_that_is_not_sent_any_more_is_none() {
        let (start, mut rates) = (Instant::now(), Rates::default());
        rates.count(TrackId(0), start, 1);
        rates.count(TrackId(2), start, 1);
        assert!(!rates.count(TrackId(2), start + SILENT - Duration::from_millis(1_100), 1));
        assert!(rates.count(TrackId(2), start + SILENT, 1));
        assert_eq!(rates.layers().iter().map(|layer| layer.track.0).collect::<Vec<_>>(), [2]);
        assert!(rates.count(TrackId(0), start + SILENT, 1), "it is back");
    }
}

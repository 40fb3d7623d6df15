//! Which layer is which track: [`TrackId::VIDEO`] is the largest picture, then 2, 3, … in falling size.
//!
//! Peers list their layers in any order, so that the pictures decide. The layers' first keyframes are waited for, for a
//! moment; meanwhile nothing comes out. A layer that begins later takes the place of its size: browsers begin with the
//! smallest while they feel their way to the bandwidth. The layers below it move down by one, each at its next keyframe.

use std::time::{Duration, Instant};

use weir_media::TrackId;

/// How long after the first layer's keyframe the others' are waited for.
const GATHERING: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Layers {
    /// Video layers that may come.
    expected: usize,
    /// Those that came: their number, and pixels of their first keyframe; largest first.
    ranked: Vec<(usize, u64)>,
    since: Option<Instant>,
    gathered: bool,
}

impl Layers {
    pub(super) fn new(expected: usize) -> Self {
        Self { expected, ranked: Vec::new(), since: None, gathered: false }
    }

    /// A layer's first keyframe came. Whether tracks of layers changed.
    pub(super) fn came(&mut self, now: Instant, layer: usize, pixels: u64) -> bool {
        if self.ranked.iter().any(|(known, _)| *known == layer) {
            return false;
        }
        // Of equal ones, the one that the peer listed first.
        let at = self.ranked.partition_point(|&(known, size)| size > pixels || size == pixels && known < layer);
        self.ranked.insert(at, (layer, pixels));
        self.since.get_or_insert(now);
        let late = self.gathered;
        self.gathered |= self.ranked.len() >= self.expected;
        late || self.gathered
    }

    /// Whether there may be more than one.
    pub(super) fn several(&self) -> bool {
        self.expected > 1
    }

    /// When gathering ends.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.since.filter(|_| !self.gathered).map(|since| since + GATHERING)
    }

    /// Whoever has not come by now is late.
    pub(super) fn end_gathering(&mut self) {
        self.gathered = true;
    }

    /// The track of a layer, once that is decided.
    pub(super) fn track(&self, layer: usize) -> Option<TrackId> {
        let rank = self.ranked.iter().position(|(known, _)| *known == layer).filter(|_| self.gathered)?;
        // 1 is the sound's.
        let id = if rank == 0 { TrackId::VIDEO.0 } else { u8::try_from(rank + 1).ok()? };
        Some(TrackId(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracks(layers: &Layers) -> Vec<Option<u8>> {
        (0..3).map(|layer| layers.track(layer).map(|track| track.0)).collect()
    }

    #[test]
    fn one_layer_is_not_waited_for() {
        let mut layers = Layers::new(1);
        assert!(layers.came(Instant::now(), 0, 0));
        assert_eq!(layers.track(0), Some(TrackId::VIDEO));
    }

    #[test]
    fn layers_are_ranked_once_all_came() {
        let (mut layers, now) = (Layers::new(3), Instant::now());
        assert!(!layers.came(now, 0, 100));
        assert!(!layers.came(now, 1, 400));
        assert_eq!(tracks(&layers), [None, None, None]);
        assert!(layers.came(now, 2, 200));
        assert_eq!(tracks(&layers), [Some(3), Some(0), Some(2)]);
        assert_eq!(layers.timeout(), None);
    }

    #[test]
    fn a_late_layer_takes_the_place_of_its_size() {
        let (mut layers, now) = (Layers::new(3), Instant::now());
        assert!(!layers.came(now, 0, 100));
        assert_eq!(layers.timeout(), Some(now + GATHERING));
        layers.end_gathering();
        assert_eq!(tracks(&layers), [Some(0), None, None]);
        assert!(layers.came(now, 2, 400));
        assert_eq!(tracks(&layers), [Some(2), None, Some(0)]);
        assert!(!layers.came(now, 2, 50));
    }

    #[test]
    fn layers_of_one_size_keep_the_peers_order() {
        let (mut layers, now) = (Layers::new(3), Instant::now());
        for layer in [2, 0, 1] {
            layers.came(now, layer, 100);
        }
        assert_eq!(tracks(&layers), [Some(0), Some(2), Some(3)]);
    }
}

//! When to ask for keyframes, and how often.

use std::time::{Duration, Instant};

/// Between two requests, for all layers together: encoders answer each with a picture ten times as large.
const INTERVAL: Duration = Duration::from_millis(500);
/// Requests until an encoder is taken to be deaf: whoever needs a keyframe asks anew.
const TRIES_MAX: u8 = 10;

#[derive(Debug)]
pub(super) struct Keyframes {
    /// Requests left to make for each layer that needs a keyframe.
    wanted: Vec<Option<u8>>,
    asked: Option<Instant>,
}

impl Keyframes {
    pub(super) fn new(layers: usize) -> Self {
        Self { wanted: vec![None; layers], asked: None }
    }

    /// A layer cannot go on without a keyframe.
    pub(super) fn need(&mut self, layer: usize) {
        if let Some(wanted) = self.wanted.get_mut(layer) {
            wanted.get_or_insert(TRIES_MAX);
        }
    }

    /// Somebody wants a keyframe of a layer, however often it was asked for one.
    pub(super) fn want(&mut self, layer: usize) {
        if let Some(wanted) = self.wanted.get_mut(layer) {
            *wanted = Some(TRIES_MAX);
        }
    }

    /// A keyframe came.
    pub(super) fn came(&mut self, layer: usize) {
        if let Some(wanted) = self.wanted.get_mut(layer) {
            *wanted = None;
        }
    }

    /// Whether to ask now; then [`Self::take`] says for which layers.
    pub(super) fn due(&self, now: Instant) -> bool {
        self.timeout().is_some_and(|at| at.is_none_or(|at| at <= now))
    }

    /// The layers to ask for now, each once.
    pub(super) fn take(&mut self, now: Instant) -> impl Iterator<Item = usize> {
        self.asked = Some(now);
        self.wanted.iter_mut().enumerate().filter_map(|(layer, wanted)| {
            let left = wanted.as_mut().filter(|left| **left > 0)?;
            *left -= 1;
            Some(layer)
        })
    }

    /// When the next request may go; `Some(None)` is at once.
    pub(super) fn timeout(&self) -> Option<Option<Instant>> {
        self.wanted.iter().flatten().any(|left| *left > 0).then(|| self.asked.map(|asked| asked + INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_layers_go_together_and_not_too_often() {
        let (mut keyframes, start) = (Keyframes::new(3), Instant::now());
        assert!(!keyframes.due(start));
        keyframes.want(0);
        keyframes.want(2);
        assert!(keyframes.due(start));
        assert!(keyframes.take(start).eq([0, 2]));
        keyframes.want(1);
        assert!(!keyframes.due(start + INTERVAL / 2));
        keyframes.came(0);
        assert!(keyframes.due(start + INTERVAL));
        assert!(keyframes.take(start + INTERVAL).eq([1, 2]));
    }

    #[test]
    fn a_deaf_encoder_is_not_asked_for_ever() {
        let (mut keyframes, mut now) = (Keyframes::new(1), Instant::now());
        let mut requests = 0;
        keyframes.need(0);
        while keyframes.due(now) {
            requests += keyframes.take(now).count();
            keyframes.need(0);
            now += INTERVAL;
        }
        assert_eq!(requests, usize::from(TRIES_MAX));
        keyframes.want(0);
        assert!(keyframes.due(now));
    }
}

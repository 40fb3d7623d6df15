//! Pictures that were asked for lately. A room of thousands asks for the same few at once.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use weir_identity::EmoteId;

/// Most bytes that are remembered: a hundred large ones, or thousands of small ones.
const BYTES_MAX: usize = 32 << 20;
/// How long a picture is given out without asking the store: one that was removed is gone from every node by then.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What is remembered. Time comes in.
#[derive(Debug, Default)]
pub(super) struct Cache {
    images: HashMap<EmoteId, (Instant, Bytes)>,
    /// In the order in which they came; the first go first.
    order: VecDeque<EmoteId>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, id: EmoteId, now: Instant) -> Option<Bytes> {
        let (at, image) = self.images.get(&id)?;
        (now.saturating_duration_since(*at) < KEPT_FOR).then(|| image.clone())
    }

    pub(super) fn put(&mut self, id: EmoteId, image: Bytes, now: Instant) {
        self.forget(id);
        self.bytes += image.len();
        self.order.push_back(id);
        self.images.insert(id, (now, image));
        while self.bytes > BYTES_MAX
            && let Some(first) = self.order.front().copied()
        {
            self.forget(first);
        }
    }

    pub(super) fn forget(&mut self, id: EmoteId) {
        if let Some((_, image)) = self.images.remove(&id) {
            self.bytes -= image.len();
            self.order.retain(|other| *other != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_after_a_while() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let ids: Vec<EmoteId> = (0..70).map(|_| EmoteId::new()).collect();
        for id in &ids {
            cache.put(*id, Bytes::from(vec![7; 512 << 10]), now);
        }
        assert!(cache.bytes <= BYTES_MAX && cache.images.len() == 64, "{}", cache.images.len());
        assert_eq!((cache.get(ids[0], now), cache.order.len()), (None, 64));
        assert!(cache.get(ids[69], now).is_some());
        assert_eq!(cache.get(ids[69], now + KEPT_FOR), None);
        cache.put(ids[69], Bytes::from_static(b"x"), now + KEPT_FOR);
        assert!(cache.get(ids[69], now + KEPT_FOR).is_some());
        cache.forget(ids[69]);
        assert_eq!(cache.get(ids[69], now + KEPT_FOR), None);
    }
}

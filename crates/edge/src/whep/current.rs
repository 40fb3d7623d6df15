//! Which publish a channel's viewers see now, for those who want a keyframe of it.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use weir_media::Live;

use super::meters::Meters;

/// A channel's publish, or none in the grace time.
#[derive(Debug)]
pub(super) struct Current {
    live: Mutex<Weak<Live>>,
    meters: Arc<Meters>,
}

impl Current {
    pub(super) fn new(meters: Arc<Meters>) -> Self {
        Self { live: Mutex::default(), meters }
    }

    /// Another publish, or none.
    pub(super) fn set(&self, live: Option<&Arc<Live>>) {
        *self.live.lock() = live.map(Arc::downgrade).unwrap_or_default();
    }

    /// Asks the publisher for a keyframe. How often it hears of it is its own affair.
    pub(super) fn request_keyframe(&self) {
        let live = self.live.lock().upgrade();
        if let Some(live) = live {
            live.request_keyframe();
            self.meters.keyframes.increment(1);
        }
    }
}

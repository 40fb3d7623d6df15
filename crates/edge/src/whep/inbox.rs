//! What a shard is told: who sits down in it, and whom to look after.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{current::Current, viewer::Viewer};

/// Notes for one shard. Holds at most one look and one arrival a viewer, so it is bounded by their number.
#[derive(Debug)]
pub(super) struct Inbox {
    notes: Mutex<Notes>,
    written: Notify,
    current: Arc<Current>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Viewers that sit down.
    pub(super) arrivals: Vec<Arc<Viewer>>,
    /// Keys of viewers to look after.
    pub(super) looks: Vec<u64>,
    /// The shard is gone.
    closed: bool,
}

impl Inbox {
    pub(super) fn new(current: Arc<Current>) -> Arc<Self> {
        Arc::new(Self { notes: Mutex::default(), written: Notify::new(), current })
    }

    /// Has a viewer sit down. `false`: the shard is gone.
    pub(super) fn seat(self: &Arc<Self>, viewer: &Arc<Viewer>) -> bool {
        let mut notes = self.notes.lock();
        if notes.closed {
            return false;
        }
        viewer.sits(self);
        notes.arrivals.push(viewer.clone());
        drop(notes);
        self.written.notify_one();
        true
    }

    /// Has a viewer that sits here looked after soon.
    pub(super) fn look_after(&self, key: u64) {
        self.notes.lock().looks.push(key);
        self.written.notify_one();
    }

    /// Asks the publisher for a keyframe.
    pub(super) fn request_keyframe(&self) {
        self.current.request_keyframe();
    }

    /// Waits for notes. Cancel safe.
    pub(super) async fn written(&self) {
        self.written.notified().await;
    }

    /// Takes the notes.
    pub(super) fn take(&self) -> Notes {
        let mut notes = self.notes.lock();
        let closed = notes.closed;
        std::mem::replace(&mut *notes, Notes { closed, ..Notes::default() })
    }

    /// Takes the last notes; nobody sits down any more.
    pub(super) fn close(&self) -> Notes {
        self.notes.lock().closed = true;
        self.take()
    }
}

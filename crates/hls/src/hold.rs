//! Holding requests: bounded in number and time.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::error::Error;

/// The places that all waiting requests of a store share. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    total: usize,
}

impl Places {
    pub(crate) fn new(total: usize) -> Self {
        Self { taken: Arc::default(), total }
    }

    /// How many wait.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Holds a request until `ready` has an answer. It is asked at once, and again whenever `wake` was notified.
    pub(crate) async fn hold<T>(
        &self,
        wake: &Notify,
        at_most: Duration,
        ready: impl Fn() -> Option<T>,
    ) -> Result<T, Error> {
        let _place = Place::take(self).ok_or(Error::Crowded)?;
        let deadline = Instant::now() + at_most;
        let mut woken = pin!(wake.notified());
        loop {
            // Enlisted before looking, so that no part slips between the look and the wait.
            woken.as_mut().enable();
            if let Some(answer) = ready() {
                return Ok(answer);
            }
            if timeout_at(deadline, woken.as_mut()).await.is_err() {
                return Err(Error::Late);
            }
            woken.set(wake.notified());
        }
    }
}

/// One taken place, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(places: &'a Places) -> Option<Self> {
        let place = Self(&places.taken);
        (places.taken.fetch_add(1, Ordering::Relaxed) < places.total).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

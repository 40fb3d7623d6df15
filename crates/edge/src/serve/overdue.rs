//! Buffers that wait in an HTTP/2 connection for a client to open its window.
//!
//! HTTP/1 blocks the socket when a client does not read, which [`super::guard`] sees. An HTTP/2 client can keep the
//! socket moving and yet never take one answer; each buffer it leaves lying is a part that stays in memory after it
//! left the window. So every buffer is counted in the period it was handed over in, and a connection that still has
//! one from some periods ago is closed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

/// Periods in which a buffer must be sent.
const PERIODS: usize = 4;

/// What one connection has not sent yet, by the period it was handed over in.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    period: AtomicUsize,
    waiting: [AtomicUsize; PERIODS],
}

impl Overdue {
    /// Counts a buffer until it is sent or thrown away.
    pub(crate) fn watch(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let period = self.period.load(Ordering::Relaxed) % PERIODS;
        self.waiting[period].fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Watched { bytes, connection: self.clone(), period })
    }

    /// A period is over. `true` when a buffer has waited for all of the last ones: then the next period would be
    /// counted together with its.
    pub(crate) fn next_period(&self) -> bool {
        let next = (self.period.fetch_add(1, Ordering::Relaxed) + 1) % PERIODS;
        self.waiting[next].load(Ordering::Relaxed) > 0
    }
}

struct Watched {
    bytes: Bytes,
    connection: Arc<Overdue>,
    period: usize,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.connection.waiting[self.period].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_may_wait_for_some_periods_and_not_for_ever() {
        let connection = Arc::new(Overdue::default());
        for _ in 0..10 {
            drop(connection.watch(Bytes::from_static(b"sent")));
            assert!(!connection.next_period());
        }
        let stuck = connection.watch(Bytes::from_static(b"stuck"));
        assert_eq!(stuck, "stuck");
        assert_eq!([(); PERIODS].map(|()| connection.next_period()), [false, false, false, true]);
    }
}

//! How many watch: an estimate that costs one atomic addition a playlist request.
//!
//! A low-latency player asks for the playlist of the pictures once a part, and waits; any other asks about once a
//! target duration. So the viewers are the waiting requests a part, plus the others a target duration, over the last
//! seconds. A connection is not a viewer (browsers open several, proxies share one), which is why none are counted.
//! A cache in front hides viewers: then the figure is what reaches this server.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

/// How far back requests are counted.
const SPAN: Duration = Duration::from_secs(6);
/// Parts remembered at most: 6 s of the shortest part that makes sense, 50 ms.
const PARTS_MAX: usize = 120;

/// Counts the requests for one rendition's playlist between one part and the next.
#[derive(Debug, Default)]
pub(crate) struct Viewers {
    waiting: AtomicU32,
    plain: AtomicU32,
    past: Mutex<VecDeque<Interval>>,
}

#[derive(Debug, Clone, Copy)]
struct Interval {
    waiting: u32,
    plain: u32,
    length: Duration,
}

impl Viewers {
    /// A playlist was asked for.
    pub(crate) fn asked(&self, waits: bool) {
        let count = if waits { &self.waiting } else { &self.plain };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A part of this length was published: an interval is over.
    pub(crate) fn part(&self, length: Duration) {
        let waiting = self.waiting.swap(0, Ordering::Relaxed);
        let plain = self.plain.swap(0, Ordering::Relaxed);
        let mut past = self.past.lock();
        past.push_back(Interval { waiting, plain, length });
        let mut total: Duration = past.iter().map(|interval| interval.length).sum();
        while past.len() > 1
            && let Some(oldest) = past.front()
            && (past.len() > PARTS_MAX || total.saturating_sub(oldest.length) >= SPAN)
        {
            total -= oldest.length;
            past.pop_front();
        }
    }

    /// The estimate, given the target duration.
    pub(crate) fn estimate(&self, target: Duration) -> u64 {
        let past = self.past.lock();
        let length: Duration = past.iter().map(|interval| interval.length).sum();
        if length.is_zero() {
            return 0;
        }
        let waiting: u64 = past.iter().map(|interval| u64::from(interval.waiting)).sum();
        let plain: u64 = past.iter().map(|interval| u64::from(interval.plain)).sum();
        let waiting = waiting as f64 / past.len() as f64;
        let plain = plain as f64 * target.as_secs_f64() / length.as_secs_f64();
        (waiting + plain).round() as u64
    }
}

//! One rendition of a stream: its window behind one short lock, what was rendered of it, and who waits.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    multivariant::Rates,
    playlist::Rendered,
    sink::Tap,
    spec::{RenditionId, RenditionSpec, Timing},
    store::Limits,
    viewers::Viewers,
    window::{Position, Window},
};

/// One rendition of a stream.
#[derive(Debug)]
pub(crate) struct Rendition {
    pub(crate) id: RenditionId,
    pub(crate) spec: OnceLock<RenditionSpec>,
    pub(crate) state: Mutex<State>,
    pub(crate) wake: Notify,
    /// The newest part, for the reports of the other renditions, which must not take this one's lock: 0 for none,
    /// else `(msn << 20 | part) + 1`.
    position: AtomicU64,
    /// It was added to a stream that ran already.
    late: AtomicBool,
    pub(crate) viewers: Viewers,
    tap: Tap,
}

/// What its lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) window: Window,
    pub(crate) rates: Rates,
    pub(crate) ended: bool,
    /// Number of the next segment that the sink gets.
    next_for_sink: u64,
    pub(crate) whole: Option<Arc<Rendered>>,
    pub(crate) delta: Option<Arc<Rendered>>,
}

/// Bits of [`Rendition::position`] that hold the part: no segment has a million.
const PART_BITS: u32 = 20;

impl Rendition {
    pub(crate) fn new(id: RenditionId, limits: &Limits, timing: Option<&Timing>, tap: Tap) -> Self {
        let mut window = Window::new(limits.window, limits.rendition_bytes);
        if let Some(timing) = timing {
            window.set_target(timing.target());
        }
        Self {
            id,
            spec: OnceLock::new(),
            state: Mutex::new(State {
                window,
                rates: Rates::default(),
                ended: false,
                next_for_sink: 0,
                whole: None,
                delta: None,
            }),
            wake: Notify::new(),
            position: AtomicU64::new(0),
            late: AtomicBool::new(false),
            viewers: Viewers::default(),
            tap,
        }
    }

    /// Changes the window; then what was rendered is stale and whoever waits looks again.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = {
            let mut state = self.state.lock();
            let done = change(&mut state);
            self.feed(&mut state);
            state.whole = None;
            state.delta = None;
            if let Some(last) = state.window.last() {
                let packed = last.msn << PART_BITS | last.part.min((1 << PART_BITS) - 1);
                self.position.store(packed + 1, Ordering::Release);
            }
            done
        };
        self.wake.notify_waiters();
        done
    }

    /// Gives the sink, if there is one, what it has not had yet. A rendition that is not described is kept back.
    pub(crate) fn feed(&self, state: &mut State) {
        let open = state.window.open_msn();
        if open <= state.next_for_sink {
            return;
        }
        let (Some(spec), Some(sink)) = (self.spec.get(), self.tap.sink()) else { return };
        let mut next = state.next_for_sink;
        for segment in state.window.completed_from(next) {
            let msn = segment.msn;
            if !sink.segment(spec, segment) {
                break;
            }
            next = msn + 1;
        }
        state.next_for_sink = next;
    }

    /// It is added to a stream that runs already, which does not wait for it.
    pub(crate) fn comes_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Whether it was added to a stream that ran already.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// The newest part.
    pub(crate) fn position(&self) -> Option<Position> {
        let packed = self.position.load(Ordering::Acquire).checked_sub(1)?;
        Some(Position { msn: packed >> PART_BITS, part: packed & ((1 << PART_BITS) - 1) })
    }
}

impl State {
    /// Completes the open segment and measures it.
    pub(crate) fn end_segment(&mut self) -> bool {
        let ended = self.window.end_segment().is_some();
        if ended && let Some(segment) = self.window.newest() {
            self.rates.count(segment);
        }
        ended
    }
}

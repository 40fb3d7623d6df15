//! What lies on one connection's desk: frames for it alone, and how it is woken.

use std::{
    collections::VecDeque,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;

use weir_identity::AccountId;

use super::frame;
use crate::room::{Person, Role};

/// Most bytes that wait for one connection, beside what its room writes for all.
pub(crate) const WAITING_BYTES_MAX: usize = 4 << 20;
/// Most requests of one connection that are not answered yet; no more is read until then.
pub(crate) const UNANSWERED_MAX: usize = 16;

/// The desk. The connection's task reads it; rooms and answers write it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    waker: AtomicWaker,
    frames: Mutex<VecDeque<Bytes>>,
    bytes: AtomicUsize,
    unanswered: AtomicUsize,
    /// Whose it is; nobody's who only reads.
    whose: OnceLock<AccountId>,
    /// Who that is, as the others see it.
    person: Mutex<Option<Box<Person>>>,
    /// Whether they keep order, and hear what waits for those who do.
    moderates: AtomicBool,
    /// Whether what is known of them must be asked anew.
    anew: AtomicU8,
}

/// What is known still counts.
const KNOWN: u8 = 0;
/// It is asked anew before they do something.
const STALE: u8 = 1;
/// It is asked anew at once.
const CHANGED: u8 = 2;

impl Desk {
    /// Puts a JSON object there.
    pub(crate) fn send(&self, json: &[u8]) {
        self.put(frame::text(json));
    }

    /// Puts whole frames there.
    pub(crate) fn put(&self, frames: Bytes) {
        if !frames.is_empty() {
            self.bytes.fetch_add(frames.len(), Relaxed);
            self.frames.lock().push_back(frames);
            self.wake();
        }
    }

    /// Takes the next frames.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut waiting = self.frames.lock();
        let frames = waiting.pop_front()?;
        if waiting.is_empty() {
            // Between two answers a desk costs nothing.
            *waiting = VecDeque::new();
        }
        self.bytes.fetch_sub(frames.len(), Relaxed);
        Some(frames)
    }

    /// Whether more lies there than may.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.load(Relaxed) > WAITING_BYTES_MAX
    }

    /// Whether more may be asked.
    #[must_use]
    pub(crate) fn may_ask(&self) -> bool {
        self.unanswered.load(Relaxed) < UNANSWERED_MAX
    }

    /// Says whose it is.
    pub(crate) fn belongs_to(&self, person: &Person) {
        // Whoever sits there stays the same.
        let _ = self.whose.set(person.id);
        self.show(person);
        self.set_role(person.role);
    }

    /// Says what they are in the room.
    pub(crate) fn set_role(&self, role: Role) {
        self.moderates.store(role >= Role::Moderator, Relaxed);
    }

    /// Says who sits there, as the others see it.
    pub(crate) fn show(&self, person: &Person) {
        *self.person.lock() = Some(Box::new(person.clone()));
    }

    /// Who sits there; nobody who only reads.
    #[must_use]
    pub(crate) fn person(&self) -> Option<Person> {
        self.person.lock().as_deref().cloned()
    }

    /// Whose it is.
    #[must_use]
    pub(crate) fn whose(&self) -> Option<AccountId> {
        self.whose.get().copied()
    }

    /// Whether they keep order.
    #[must_use]
    pub(crate) fn moderates(&self) -> bool {
        self.moderates.load(Relaxed)
    }

    /// Has what is known of them asked anew: at once, or before they do something.
    pub(crate) fn ask_anew(&self, at_once: bool) {
        self.anew.fetch_max(if at_once { CHANGED } else { STALE }, Relaxed);
        if at_once {
            self.wake();
        }
    }

    /// Whether what is known must be asked anew, which is then up to whoever asks this.
    #[must_use]
    pub(crate) fn take_anew(&self) -> bool {
        self.anew.load(Relaxed) != KNOWN && self.anew.swap(KNOWN, Relaxed) != KNOWN
    }

    /// Whether it must be asked at once.
    #[must_use]
    pub(crate) fn is_changed(&self) -> bool {
        self.anew.load(Relaxed) == CHANGED
    }

    /// Whom to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// There is something to do.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }
}

/// A question of a connection that is not answered yet. Dropped, it is.
#[derive(Debug)]
pub(crate) struct Asked(Arc<Desk>);

impl Asked {
    /// Counts it.
    #[must_use]
    pub(crate) fn of(desk: &Arc<Desk>) -> Self {
        desk.unanswered.fetch_add(1, Relaxed);
        Self(desk.clone())
    }

    /// Answers it with a JSON object.
    pub(crate) fn answer(self, json: &[u8]) {
        self.0.send(json);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Relaxed);
        self.0.wake();
    }
}

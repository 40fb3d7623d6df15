//! How one buffer reaches everybody: a ring that a room writes and all its connections read.
//!
//! What is written at one time is one chunk: whole WebSocket frames, so that a connection hands the very bytes to its
//! socket. A connection has a place in the ring and nothing else; one that is overtaken by the ring's end was too slow.
//! Whoever has nothing left to read is woken by the next chunk, once.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::socket::{desk::Desk, frame};

/// Most bytes of chunks that a connection may be behind.
pub(crate) const BEHIND_BYTES_MAX: usize = 1 << 20;
/// Longest that a connection may be behind.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(10);
/// Most bytes of messages in one frame with many.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Whether a connection takes many messages in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Each in a frame of its own.
    Single,
    /// Many as a JSON array.
    Batch,
}

/// What a connection finds in the ring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Frames, to be written as they are. May be empty.
    Chunk(Bytes),
    /// Nothing new.
    Nothing,
    /// What was next is gone: the connection is too slow.
    TooSlow,
    /// The room is over.
    Closed,
}

#[derive(Debug)]
struct Chunk {
    at: Instant,
    single: Bytes,
    batch: Bytes,
}

#[derive(Debug, Default)]
struct Ring {
    /// The place of the first chunk.
    first: u64,
    chunks: VecDeque<Chunk>,
    bytes: usize,
    closed: bool,
    /// How many have yet to take the newest chunk until half of all have it.
    awaited: usize,
    /// How long everybody takes to take a chunk: twice what the first half took.
    took: Duration,
}

/// A room's ring, and who reads it.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    ring: Mutex<Ring>,
    desks: Mutex<Vec<Option<Arc<Desk>>>>,
    free: Mutex<Vec<usize>>,
    count: AtomicUsize,
    batching: AtomicUsize,
}

/// A connection's seat: it is woken while it has this.
#[derive(Debug)]
pub(crate) struct Seat {
    outlet: Arc<Outlet>,
    index: usize,
    mode: Mode,
}

impl Outlet {
    /// Wakes `desk` from now on.
    #[must_use]
    pub(crate) fn seat(self: &Arc<Self>, desk: Arc<Desk>, mode: Mode) -> Seat {
        let index = {
            let mut desks = self.desks.lock();
            let free = self.free.lock().pop();
            let index = free.unwrap_or(desks.len());
            match desks.get_mut(index) {
                Some(place) => *place = Some(desk),
                None => desks.push(Some(desk)),
            }
            index
        };
        self.count.fetch_add(1, Relaxed);
        if mode == Mode::Batch {
            self.batching.fetch_add(1, Relaxed);
        }
        Seat { outlet: self.clone(), index, mode }
    }

    /// Connections.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// The place behind the last chunk, where a connection begins to read.
    #[must_use]
    pub(crate) fn end(&self) -> u64 {
        let ring = self.ring.lock();
        ring.first + ring.chunks.len() as u64
    }

    /// Writes messages, JSON objects each, for everybody.
    pub(crate) fn write(&self, messages: &[Bytes], now: Instant) {
        let batching = self.batching.load(Relaxed);
        let single = if batching < self.count() { single(messages) } else { Bytes::new() };
        let batch = if batching > 0 { batch(messages) } else { Bytes::new() };
        let awaited = self.count().div_ceil(2);
        let mut ring = self.ring.lock();
        if ring.awaited > 0
            && let Some(newest) = ring.chunks.back()
        {
            ring.took = ring.took.max(now.saturating_duration_since(newest.at));
        }
        ring.awaited = awaited;
        ring.bytes += single.len() + batch.len();
        ring.chunks.push_back(Chunk { at: now, single, batch });
        ring.trim(now);
        drop(ring);
        self.wake();
    }

    /// Lets go of what is too old, and says whether anything is left.
    pub(crate) fn trim(&self, now: Instant) -> bool {
        let mut ring = self.ring.lock();
        ring.trim(now);
        !ring.chunks.is_empty()
    }

    /// How long the last chunk took until everybody had it, or takes already.
    #[must_use]
    pub(crate) fn took(&self) -> Duration {
        self.ring.lock().took
    }

    /// The room is over.
    pub(crate) fn close(&self) {
        self.ring.lock().closed = true;
        self.wake();
    }

    /// What follows `place`, which moves on.
    pub(crate) fn next(&self, place: &mut u64, mode: Mode) -> Next {
        let ring = &mut *self.ring.lock();
        let Some(index) = place.checked_sub(ring.first) else { return Next::TooSlow };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match ring.chunks.get(index) {
            Some(chunk) => {
                *place += 1;
                if ring.awaited > 0 && index + 1 == ring.chunks.len() {
                    ring.awaited -= 1;
                    if ring.awaited == 0 {
                        ring.took = chunk.at.elapsed() * 2;
                    }
                }
                Next::Chunk(match mode {
                    Mode::Single => chunk.single.clone(),
                    Mode::Batch => chunk.batch.clone(),
                })
            }
            None if ring.closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    /// Does something with the desk of each who sits here.
    pub(crate) fn each_desk(&self, each: impl FnMut(&Arc<Desk>)) {
        self.desks.lock().iter().flatten().for_each(each);
    }

    fn wake(&self) {
        for desk in self.desks.lock().iter().flatten() {
            desk.wake();
        }
    }
}

impl Ring {
    fn trim(&mut self, now: Instant) {
        while let Some(chunk) = self.chunks.front()
            && (self.bytes > BEHIND_BYTES_MAX || now.saturating_duration_since(chunk.at) > BEHIND_MAX)
            // The newest stays, however large: nobody had a chance to read it.
            && (self.chunks.len() > 1 || self.bytes <= BEHIND_BYTES_MAX)
        {
            self.bytes -= chunk.single.len() + chunk.batch.len();
            self.chunks.pop_front();
            self.first += 1;
        }
    }
}

impl Seat {
    /// What follows `place`, which moves on.
    pub(crate) fn next(&self, place: &mut u64) -> Next {
        self.outlet.next(place, self.mode)
    }

    /// Whether what is at `place` is gone.
    #[must_use]
    pub(crate) fn is_gone(&self, place: u64) -> bool {
        place < self.outlet.ring.lock().first
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut desks = self.outlet.desks.lock();
        if let Some(place) = desks.get_mut(self.index) {
            *place = None;
        }
        self.outlet.free.lock().push(self.index);
        self.outlet.count.fetch_sub(1, Relaxed);
        if self.mode == Mode::Batch {
            self.outlet.batching.fetch_sub(1, Relaxed);
        }
    }
}

/// Frames of `messages`, as `mode` has them.
#[must_use]
pub(crate) fn frames(messages: &[Bytes], mode: Mode) -> Bytes {
    match mode {
        Mode::Single => single(messages),
        Mode::Batch => batch(messages),
    }
}

fn single(messages: &[Bytes]) -> Bytes {
    let length: usize = messages.iter().map(|message| message.len() + frame::HEADER_BYTES_MAX).sum();
    let mut frames = BytesMut::with_capacity(length);
    for message in messages {
        frame::text_header(message.len(), &mut frames);
        frames.put_slice(message);
    }
    frames.freeze()
}

fn batch(messages: &[Bytes]) -> Bytes {
    let length: usize = messages.iter().map(|message| message.len() + 1).sum();
    let mut frames = BytesMut::with_capacity(length + frame::HEADER_BYTES_MAX + 2);
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let count = rest.iter().take_while(|message| {
            bytes += message.len() + 1;
            bytes <= BATCH_BYTES_MAX
        });
        let (these, others) = rest.split_at(count.count().max(1));
        // Brackets, and a comma between two.
        let length = these.iter().map(Bytes::len).sum::<usize>() + these.len() + 1;
        frame::text_header(length, &mut frames);
        let mut between = b'[';
        for message in these {
            frames.put_u8(between);
            frames.put_slice(message);
            between = b',';
        }
        frames.put_u8(b']');
        rest = others;
    }
    frames.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet() -> (Arc<Outlet>, Seat, Seat) {
        let outlet = Arc::new(Outlet::default());
        let single = outlet.seat(Arc::default(), Mode::Single);
        let batch = outlet.seat(Arc::default(), Mode::Batch);
        (outlet, single, batch)
    }

    fn chunk(seat: &Seat, place: &mut u64) -> String {
        match seat.next(place) {
            Next::Chunk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn everybody_reads_the_same_bytes_in_the_form_they_asked_for() {
        let (outlet, single, batch) = outlet();
        let (mut one, mut other) = (outlet.end(), outlet.end());
        outlet.write(&["{1}".into(), "{22}".into()], Instant::now());
        assert_eq!(chunk(&single, &mut one), "\u{fffd}\u{3}{1}\u{fffd}\u{4}{22}");
        assert_eq!(chunk(&batch, &mut other), "\u{fffd}\u{a}[{1},{22}]");
        assert_eq!(chunk(&single, &mut one), "Nothing");
        outlet.close();
        assert_eq!(chunk(&single, &mut one), "Closed");
    }

    #[test]
    fn who_is_overtaken_is_too_slow() {
        let (outlet, single, batch) = outlet();
        let (mut slow, mut quick) = (outlet.end(), outlet.end());
        let message = Bytes::from(vec![b'x'; BEHIND_BYTES_MAX / 4]);
        for _ in 0..4 {
            outlet.write(std::slice::from_ref(&message), Instant::now());
            assert_ne!(chunk(&batch, &mut quick), "TooSlow");
        }
        assert_eq!(chunk(&single, &mut slow), "TooSlow");
    }

    #[test]
    fn what_is_old_costs_no_memory() {
        let (outlet, single, _batch) = outlet();
        let (mut place, now) = (outlet.end(), Instant::now());
        outlet.write(&["{}".into()], now);
        assert!(outlet.trim(now + BEHIND_MAX));
        assert!(!outlet.trim(now + BEHIND_MAX * 2));
        assert_eq!(chunk(&single, &mut place), "TooSlow");
    }

    #[test]
    fn large_batches_are_several_frames() {
        let messages = vec![Bytes::from(vec![b'1'; 1_000]); 200];
        let mut rest = &batch(&messages)[..];
        let (mut count, mut frames) = (0, 0);
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let array = &rest[4..4 + length];
            assert_eq!((array[0], array[length - 1]), (b'[', b']'));
            count += array.split(|byte| *byte == b',').count();
            frames += 1;
            rest = &rest[4 + length..];
        }
        assert_eq!((count, frames), (200, 4));
    }

    #[test]
    fn seats_are_used_again() {
        let (outlet, single, _batch) = outlet();
        drop(single);
        assert_eq!(outlet.count(), 1);
        let _again = outlet.seat(Arc::default(), Mode::Single);
        assert_eq!((outlet.count(), outlet.desks.lock().len()), (2, 2));
    }
}

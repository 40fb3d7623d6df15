//! One client's socket, as bytes: what leaves, in which order, and what comes in.
//!
//! A line owns no task and no timer. It keeps nothing but what is half written or half read: what is to leave lies on
//! its desk or in its room's ring, and is handed to the socket from there.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    desk::Desk,
    frame::{Incoming, Reader, Violation},
};
use crate::room::outlet::{Next, Seat};

/// Bytes that are read at once, on the stack: clients send little.
const READ_BYTES: usize = 2 * 1024;

/// Why a line has to be looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something was read.
    Read,
    /// The client does not read what it is sent.
    TooSlow,
    /// The room is over.
    RoomOver,
    /// The client is gone.
    Gone,
    /// What is known of them has changed.
    Changed,
}

/// The line.
pub(super) struct Line<T> {
    io: T,
    reader: Reader,
    pub(super) desk: Arc<Desk>,
    /// What is half written.
    writing: Bytes,
    /// Something was written that the socket may still hold.
    unflushed: bool,
    seat: Option<(Seat, u64)>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<T> {
    pub(super) fn new(io: T, frame_bytes_max: usize) -> Self {
        let (desk, writing) = Default::default();
        Self { io, reader: Reader::new(frame_bytes_max), desk, writing, unflushed: false, seat: None }
    }

    /// From now on, what the room writes leaves, from `place` on.
    pub(super) fn sit(&mut self, seat: Seat, place: u64) {
        self.seat = Some((seat, place));
    }

    /// The next whole thing that was read.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        self.reader.next()
    }

    /// Writes what there is, and reads, until there is something to look after.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if let Poll::Ready(turn) = self.poll_out(cx) {
            return Poll::Ready(turn);
        }
        if self.desk.is_changed() {
            return Poll::Ready(Turn::Changed);
        }
        if !self.desk.may_ask() {
            return Poll::Pending;
        }
        self.poll_read(cx)
    }

    /// Writes what there is, until the line has to be ended.
    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        // Before anything is looked at, so that nothing is missed that comes meanwhile.
        self.desk.register(cx.waker());
        if self.desk.is_full() {
            return Poll::Ready(Turn::TooSlow);
        }
        self.poll_write(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if self.writing.is_empty() {
                match self.next_out() {
                    Next::Chunk(bytes) => {
                        self.writing = bytes;
                        continue;
                    }
                    Next::Nothing => break,
                    Next::TooSlow => return Poll::Ready(Turn::TooSlow),
                    Next::Closed => return Poll::Ready(Turn::RoomOver),
                }
            }
            match Pin::new(&mut self.io).poll_write(cx, &self.writing) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    self.writing.advance(bytes);
                    self.unflushed = true;
                    if self.writing.is_empty() {
                        // Lets go of a chunk that others may have finished long ago.
                        self.writing = Bytes::new();
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Turn::Gone),
                Poll::Pending => {
                    // What is next may be gone though what is half written is not through.
                    let behind = self.seat.as_ref().is_some_and(|(seat, place)| seat.is_gone(*place));
                    return if behind { Poll::Ready(Turn::TooSlow) } else { Poll::Pending };
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Turn::Gone),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn next_out(&mut self) -> Next {
        if let Some(frames) = self.desk.take() {
            return Next::Chunk(frames);
        }
        match &mut self.seat {
            Some((seat, place)) => seat.next(place),
            None => Next::Nothing,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut bytes)) {
            Ok(()) if !bytes.filled().is_empty() => {
                self.reader.feed(bytes.filled());
                Poll::Ready(Turn::Read)
            }
            _ => Poll::Ready(Turn::Gone),
        }
    }

    /// Writes what is half written, then `frames`, and waits until the client has closed.
    pub(super) async fn end(mut self, frames: Bytes) -> io::Result<()> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // Its seat is free, and the room's ring its own again.
        self.seat = None;
        self.io.write_all(&self.writing).await?;
        while let Some(left) = self.desk.take() {
            self.io.write_all(&left).await?;
        }
        self.io.write_all(&frames).await?;
        self.io.flush().await?;
        self.io.shutdown().await?;
        let mut rest = [0; 256];
        while self.io.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

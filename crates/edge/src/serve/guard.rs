//! A socket that its client cannot hold for nothing: it must say something soon, and read what it asked for.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// What a client must have sent for its protocol to be known: the length of the HTTP/2 preface. From there on the
/// protocols have timeouts of their own.
const FIRST_BYTES: u64 = 24;
/// What a client must read of a waiting answer within the stall timeout, in bytes.
const STALL_BYTES: u64 = 64 * 1024;

/// Timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the first bytes.
    pub(super) first_bytes: Duration,
    /// For [`STALL_BYTES`] of an answer that waits for the client to read.
    pub(super) stall: Duration,
}

/// The guarded socket.
pub(super) struct Guarded<T> {
    io: T,
    limits: Limits,
    read: u64,
    /// Runs until the first bytes are there, then while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes written since the timer was set.
    written: u64,
    /// Whether the last write had to wait.
    waits: bool,
}

impl<T> Guarded<T> {
    pub(super) fn new(io: T, limits: Limits) -> Self {
        Self { io, limits, read: 0, timer: Some(Box::pin(sleep(limits.first_bytes))), written: 0, waits: false }
    }

    /// A write made progress, or waits: closes the connection once too little went out for too long.
    fn wrote(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                if self.waits {
                    self.written += bytes as u64;
                    if self.written >= STALL_BYTES {
                        self.waits = false;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                self.blocked(cx)?;
                Poll::Pending
            }
        }
    }

    fn blocked(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.waits {
            self.waits = true;
            self.written = 0;
            let deadline = Instant::now() + self.limits.stall;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        match self.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
            _ => Ok(()),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read >= FIRST_BYTES {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.read += (buf.filled().len() - before) as u64;
                Poll::Ready(result)
            }
            Poll::Pending => {
                if !this.waits
                    && let Some(timer) = &mut this.timer
                {
                    ready!(timer.as_mut().poll(cx));
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing")));
                }
                Poll::Pending
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                // Nothing waits any more.
                self.waits = false;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                self.blocked(cx)?;
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending => {
                self.blocked(cx)?;
                Poll::Pending
            }
            done => done,
        }
    }
}

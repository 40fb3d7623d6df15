//! Answers: buffers shared by all viewers, or whatever the fallback service makes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::serve::Overdue;

/// The body of an answer. Its length is always known for our own, so that `Content-Length` is set.
#[derive(Debug)]
pub struct Body<B = Never> {
    inner: Inner<B>,
    /// Who counts our buffers while they wait in the connection.
    overdue: Option<Arc<Overdue>>,
}

#[derive(Debug)]
enum Inner<B> {
    /// Nothing, or nothing more.
    Done,
    One(Bytes),
    Many {
        chunks: Arc<[Bytes]>,
        next: usize,
        left: u64,
    },
    Other(B),
}

/// The body of a service without a fallback: there is none.
#[derive(Debug)]
pub enum Never {}

impl<B> Body<B> {
    fn new(inner: Inner<B>) -> Self {
        Self { inner, overdue: None }
    }

    /// Has the buffers counted until they are sent. Not those of another service's body.
    pub(crate) fn watched(mut self, overdue: Arc<Overdue>) -> Self {
        self.overdue = Some(overdue);
        self
    }

    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Inner::Done)
    }

    /// One buffer.
    #[must_use]
    pub fn one(bytes: Bytes) -> Self {
        Self::new(if bytes.is_empty() { Inner::Done } else { Inner::One(bytes) })
    }

    /// Several buffers, one after another.
    #[must_use]
    pub fn many(chunks: Arc<[Bytes]>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self::new(Inner::Many { chunks, next: 0, left })
    }

    /// Whatever else.
    pub fn other(body: B) -> Self {
        Self::new(Inner::Other(body))
    }
}

impl Body<Never> {
    /// The same body, where a fallback's is possible too.
    #[must_use]
    pub fn widen<B>(self) -> Body<B> {
        let inner = match self.inner {
            Inner::Done => Inner::Done,
            Inner::One(bytes) => Inner::One(bytes),
            Inner::Many { chunks, next, left } => Inner::Many { chunks, next, left },
            Inner::Other(never) => match never {},
        };
        Body { inner, overdue: self.overdue }
    }
}

impl From<weir_hls::Body> for Body<Never> {
    fn from(body: weir_hls::Body) -> Self {
        match body {
            weir_hls::Body::One(bytes) => Self::one(bytes),
            weir_hls::Body::Many(chunks) => Self::many(chunks),
        }
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { inner, overdue } = &mut *self;
        let frame = |bytes| match &*overdue {
            Some(overdue) => Frame::data(overdue.watch(bytes)),
            None => Frame::data(bytes),
        };
        match inner {
            Inner::Done => Poll::Ready(None),
            Inner::One(bytes) => {
                let bytes = std::mem::take(bytes);
                *inner = Inner::Done;
                Poll::Ready(Some(Ok(frame(bytes))))
            }
            Inner::Many { chunks, next, left } => match chunks.get(*next) {
                Some(chunk) => {
                    *next += 1;
                    *left = left.saturating_sub(chunk.len() as u64);
                    Poll::Ready(Some(Ok(frame(chunk.clone()))))
                }
                None => Poll::Ready(None),
            },
            Inner::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Done => true,
            Inner::One(_) => false,
            Inner::Many { left, .. } => *left == 0,
            Inner::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Done => SizeHint::with_exact(0),
            Inner::One(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Many { left, .. } => SizeHint::with_exact(*left),
            Inner::Other(body) => body.size_hint(),
        }
    }
}

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match *self.get_mut() {}
    }
}

//! Every live and recently ended stream of this node.

use std::{
    borrow::Borrow,
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::Instant;
use weir_identity::{ChannelName, PublishId};

use crate::{error::Full, hold::Places, sink::Openings, stream::Stream, writer::StreamWriter};

/// How long an ended playlist stays (row F4).
const ENDED_FOR: Duration = Duration::from_secs(60);
/// Streams of one channel at most: a publisher whose codecs change again and again makes new ones, and must not take
/// the places of other channels. Those that ended first are forgotten early.
const CHANNEL_STREAMS_MAX: usize = 8;
/// How often [`Store::sweep`] looks for streams to forget.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What the store may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Streams, live and recently ended ones together.
    pub streams: usize,
    /// What a playlist lists at least, once there is as much: never less than six segments or three target durations.
    pub window: Duration,
    /// Bytes in memory of one rendition, at which its oldest segments leave early.
    pub rendition_bytes: u64,
    /// Requests that wait at the same time, of all streams together.
    pub held_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 2_000, window: Duration::from_secs(20), rendition_bytes: 256 << 20, held_requests: 100_000 }
    }
}

/// The streams of this node, by channel. Clones share them.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Arc<Limits>,
    places: Places,
    streams: RwLock<Streams>,
    openings: OnceLock<Arc<dyn Openings>>,
}

#[derive(Debug, Default)]
struct Streams {
    /// A channel's streams, oldest first: the last is its current one.
    channels: HashMap<ChannelName, Vec<Arc<Stream>>>,
    count: usize,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            inner: Arc::new(Inner {
                places: Places::new(limits.held_requests),
                limits: Arc::new(limits),
                streams: RwLock::default(),
                openings: OnceLock::new(),
            }),
        }
    }

    /// Opens a stream, which becomes its channel's current one. Older ones stay reachable by their session until they
    /// ended and expired.
    ///
    /// # Errors
    /// [`Full`] when there are as many streams as may be.
    pub fn open(&self, channel: ChannelName, session: PublishId, private: bool) -> Result<StreamWriter, Full> {
        let mut streams = self.inner.streams.write();
        streams.expire(Instant::now());
        streams.make_room(&channel);
        if streams.count >= self.inner.limits.streams {
            return Err(Full);
        }
        let (limits, places) = (self.inner.limits.clone(), self.inner.places.clone());
        let stream = Arc::new(Stream::new(channel.clone(), session, private, limits, places));
        streams.channels.entry(channel).or_default().push(stream.clone());
        streams.count += 1;
        drop(streams);
        if let Some(openings) = self.inner.openings.get() {
            openings.opened(&stream);
        }
        Ok(StreamWriter::new(stream))
    }

    /// Tells `openings` of every stream from now on. Works once.
    pub fn observe(&self, openings: Arc<dyn Openings>) {
        if self.inner.openings.set(openings).is_err() {
            tracing::warn!("a store was observed twice, which changes nothing");
        }
    }

    /// The channel's newest stream, live or just ended.
    #[must_use]
    pub fn current<Q: Borrow<str> + ?Sized>(&self, channel: &Q) -> Option<Arc<Stream>> {
        let streams = self.inner.streams.read();
        streams.channels.get(channel.borrow())?.last().filter(|stream| !expired(stream, None)).cloned()
    }

    /// One stream of the channel, live or ended less than a minute ago.
    #[must_use]
    pub fn session<Q: Borrow<str> + ?Sized>(&self, channel: &Q, session: PublishId) -> Option<Arc<Stream>> {
        let streams = self.inner.streams.read();
        let of_channel = streams.channels.get(channel.borrow())?;
        of_channel.iter().rev().find(|stream| stream.session() == session && !expired(stream, None)).cloned()
    }

    /// The streams that are live.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Stream>> {
        let streams = self.inner.streams.read();
        streams
            .channels
            .values()
            .filter_map(|of| of.last())
            .filter(|stream| stream.ended().is_none())
            .cloned()
            .collect()
    }

    /// Requests that wait now.
    #[must_use]
    pub fn held_requests(&self) -> usize {
        self.inner.places.taken()
    }

    /// Forgets expired streams, for ever. Whoever serves the store runs it, so that the memory of ended streams
    /// comes back although no request asks for them.
    pub async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            self.inner.streams.write().expire(Instant::now());
        }
    }
}

impl Streams {
    /// Forgets a channel's oldest ended streams until it may have one more.
    fn make_room(&mut self, channel: &ChannelName) {
        let Some(streams) = self.channels.get_mut(channel) else { return };
        while streams.len() >= CHANNEL_STREAMS_MAX
            && let Some(oldest) = streams.iter().position(|stream| stream.ended().is_some())
        {
            streams.remove(oldest);
            self.count -= 1;
        }
    }

    fn expire(&mut self, now: Instant) {
        let mut count = 0;
        self.channels.retain(|_, streams| {
            streams.retain(|stream| !expired(stream, Some(now)));
            count += streams.len();
            !streams.is_empty()
        });
        self.count = count;
    }
}

/// Whether an ended stream's time is over. The clock is only asked for streams that ended.
fn expired(stream: &Stream, now: Option<Instant>) -> bool {
    stream.ended().is_some_and(|at| now.unwrap_or_else(Instant::now).saturating_duration_since(at) >= ENDED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_channel_that_opens_streams_again_and_again_leaves_room_for_others() {
        let store = Store::new(Limits { streams: 20, ..Limits::default() });
        let open =
            |channel: &str| store.open(ChannelName::parse(channel).expect("a good name"), PublishId::random(), false);
        let first = open("berta").expect("there is room");
        let mut current = None;
        for _ in 0..100 {
            current = Some(open("anna").expect("its own ended ones make room"));
        }
        assert!(store.current("anna").is_some_and(|stream| stream.ended().is_none()));
        assert_eq!(store.inner.streams.read().count, CHANNEL_STREAMS_MAX + 1);
        open("carla").expect("there is room");
        assert!(first.stream().ended().is_none());
        drop(current);
    }
}

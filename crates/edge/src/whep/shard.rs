//! Some viewers of a channel, served one after another by one task.
//!
//! Owner: the channel's pump, which opens shards as viewers come. Restart: never; with a shard its viewers end, and their
//! players come back.
//! Frames come over a bounded ring. A shard that falls behind loses frames up to the next keyframe, for its viewers only.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tracing::debug;
use weir_media::{Gop, gop::Unit};
use weir_peer::{
    agreed::RtpCodec,
    send::{Layer, Packets},
    socket::Batch,
};

use super::{
    continuity::Continuity,
    current::Current,
    inbox::{Inbox, Notes},
    meters::Meters,
    viewer::{After, Viewer},
    wheel::Wheel,
};

/// Viewers that are served before others of this process get their turn: some 0.3 ms of work.
const TURN: usize = 32;
/// How often each viewer's layer is thought over.
const CHOOSE_EVERY: Duration = Duration::from_secs(1);

/// What a pump sends to its shards.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// The next frame of some track.
    Packets(Arc<Packets>),
    /// What the video tracks weigh, best first.
    Layers(Arc<[Layer]>),
}

/// Where a channel's viewers are counted, and who hears of the last one's leaving.
pub(super) struct Seats {
    count: AtomicUsize,
    empty: Box<dyn Fn() + Send + Sync>,
}

impl Seats {
    /// `empty` is called when the last viewer has left. It must not block.
    pub(super) fn new(empty: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), empty: Box::new(empty) })
    }

    pub(super) fn taken(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub(super) fn take(&self) {
        self.count.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        if self.count.fetch_sub(1, Relaxed) == 1 {
            (self.empty)();
        }
    }
}

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seats").field("taken", &self.taken()).finish_non_exhaustive()
    }
}

/// A shard.
pub(super) struct Shard {
    ring: broadcast::Receiver<Item>,
    inbox: Arc<Inbox>,
    current: Arc<Current>,
    /// Of the channel, and of this shard.
    seats: [Arc<Seats>; 2],
    meters: Arc<Meters>,
    /// Pictures since the last keyframe: what whoever begins now gets first.
    gop: Gop<Arc<Packets>>,
    continuity: Continuity,
    layers: Arc<[Layer]>,
    video: Option<RtpCodec>,
    viewers: HashMap<u64, Arc<Viewer>>,
    /// Those of them that get frames.
    playing: Vec<Arc<Viewer>>,
    wheel: Wheel<u64>,
    batch: Batch,
}

/// What a shard begins with.
pub(super) struct Parts {
    pub(super) ring: broadcast::Receiver<Item>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) current: Arc<Current>,
    pub(super) seats: [Arc<Seats>; 2],
    pub(super) meters: Arc<Meters>,
    /// What the ring had before `ring` began.
    pub(super) gop: Gop<Arc<Packets>>,
    pub(super) layers: Arc<[Layer]>,
}

impl Shard {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { ring, inbox, current, seats, meters, gop, layers } = parts;
        let mut continuity = Continuity::default();
        let mut video = None;
        for packets in gop.iter().filter(|packets| packets.is_video()) {
            continuity.admits(packets.track, packets.keyframe);
            video = Some(packets.codec);
        }
        let (viewers, playing) = Default::default();
        let (wheel, batch) = (Wheel::new(Instant::now()), Batch::new());
        Self { ring, inbox, current, seats, meters, gop, continuity, layers, video, viewers, playing, wheel, batch }
    }

    /// Serves its viewers until the pump ends, then says goodbye to them.
    pub(super) async fn run(mut self) {
        let inbox = self.inbox.clone();
        let mut choose = interval(CHOOSE_EVERY);
        choose.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = self.wheel.next();
            // Without a deadline this branch is off; the time is any.
            let until = next.unwrap_or_else(Instant::now).into();
            tokio::select! {
                item = self.ring.recv() => match item {
                    Ok(Item::Packets(packets)) => self.packets(&packets).await,
                    Ok(Item::Layers(layers)) => self.layers(layers).await,
                    Err(RecvError::Lagged(count)) => self.lagged(count),
                    Err(RecvError::Closed) => break,
                },
                () = inbox.written() => self.read(inbox.take()).await,
                () = sleep_until(until), if next.is_some() => self.due().await,
                _ = choose.tick(), if !self.playing.is_empty() => self.choose().await,
            }
        }
        self.goodbye().await;
    }

    /// Sends a frame to every viewer.
    async fn packets(&mut self, packets: &Arc<Packets>) {
        if packets.is_video() {
            if !self.continuity.admits(packets.track, packets.keyframe) {
                self.meters.skipped.increment(self.playing.len() as u64);
                return;
            }
            let (keyframe, bytes) = (packets.keyframe, packets.bytes);
            self.gop.push(Unit { track: packets.track, video: true, keyframe, bytes }, packets.clone());
            if self.video.replace(packets.codec) != Some(packets.codec) {
                self.close_those_without(packets.codec);
            }
        }
        let mut keyframe = false;
        let mut gone = false;
        for at in 0..self.playing.len() {
            if at % TURN == TURN - 1 {
                yield_now().await;
            }
            let Some(viewer) = self.playing.get(at) else { break };
            let after = viewer.send(packets, &mut self.batch);
            if let Some(look) = after.look {
                self.wheel.insert(look, viewer.key());
            }
            keyframe |= after.keyframe;
            gone |= after.gone;
        }
        if keyframe {
            self.current.request_keyframe();
        }
        if gone {
            self.let_go();
        }
    }

    /// The layers weigh something else, or are others: then each viewer's is thought over before the next frame.
    async fn layers(&mut self, layers: Arc<[Layer]>) {
        let same = self.layers.iter().map(|layer| layer.track).eq(layers.iter().map(|layer| layer.track));
        self.layers = layers;
        if !same {
            self.choose().await;
        }
    }

    /// The ring had more than this shard could take.
    fn lagged(&mut self, count: u64) {
        debug!(
            count,
            viewers = self.playing.len(),
            "viewers over WebRTC are served too slowly: on to the next keyframe"
        );
        self.meters.skipped.increment(count.saturating_mul(self.playing.len() as u64));
        self.continuity.lost();
        self.gop.clear();
        self.current.request_keyframe();
    }

    /// The publisher changed the codec: who did not agree to it has to ask again.
    fn close_those_without(&mut self, codec: RtpCodec) {
        let now = Instant::now();
        let without: Vec<_> = self.viewers.values().filter(|viewer| !viewer.takes(codec)).cloned().collect();
        for viewer in without {
            viewer.close(now);
        }
        self.let_go();
    }

    async fn read(&mut self, notes: Notes) {
        for viewer in notes.arrivals {
            let key = viewer.key();
            self.viewers.insert(key, viewer);
            self.look(key, false);
        }
        for (at, key) in notes.looks.into_iter().enumerate() {
            if at % TURN == TURN - 1 {
                yield_now().await;
            }
            self.look(key, false);
        }
    }

    /// Looks after those for whom it is time.
    async fn due(&mut self) {
        while let Some(keys) = self.wheel.take(Instant::now()) {
            for (at, key) in keys.into_iter().enumerate() {
                if at % TURN == TURN - 1 {
                    yield_now().await;
                }
                self.look(key, true);
            }
        }
    }

    fn look(&mut self, key: u64, fired: bool) {
        let Some(viewer) = self.viewers.get(&key) else { return };
        let gop = &self.gop;
        let after = viewer.look(fired, || gop.iter().cloned().collect(), &mut self.batch);
        let viewer = viewer.clone();
        self.follow(&viewer, after);
    }

    fn follow(&mut self, viewer: &Arc<Viewer>, after: After) {
        if let Some(look) = after.look {
            self.wheel.insert(look, viewer.key());
        }
        if after.began {
            if self.video.is_some_and(|codec| !viewer.takes(codec)) {
                viewer.close(Instant::now());
            }
            self.playing.push(viewer.clone());
        }
        if after.keyframe {
            self.current.request_keyframe();
        }
        if after.gone {
            self.remove(viewer.key());
        }
    }

    async fn choose(&mut self) {
        let layers = self.layers.clone();
        for at in 0..self.playing.len() {
            if at % TURN == TURN - 1 {
                yield_now().await;
            }
            let Some(viewer) = self.playing.get(at).cloned() else { break };
            let after = viewer.choose(&layers);
            if let Some(look) = after.look {
                self.wheel.insert(look, viewer.key());
            }
            if after.keyframe {
                self.current.request_keyframe();
            }
        }
    }

    /// Lets go of all that are gone.
    fn let_go(&mut self) {
        let gone: Vec<u64> =
            self.viewers.values().filter(|viewer| viewer.is_gone()).map(|viewer| viewer.key()).collect();
        for key in gone {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: u64) {
        if self.viewers.remove(&key).is_some() {
            self.playing.retain(|viewer| viewer.key() != key);
            for seats in &self.seats {
                seats.leave();
            }
        }
    }

    /// Closes every viewer, in turns.
    async fn goodbye(&mut self) {
        let viewers: Vec<_> = self.viewers.values().cloned().collect();
        for (at, viewer) in viewers.into_iter().enumerate() {
            if at % TURN == TURN - 1 {
                yield_now().await;
            }
            viewer.close(Instant::now());
            self.remove(viewer.key());
        }
    }
}

impl Drop for Shard {
    /// However it ends, nobody is left behind.
    fn drop(&mut self) {
        let now = Instant::now();
        let arrivals = self.inbox.close().arrivals;
        for viewer in self.viewers.values().chain(&arrivals) {
            viewer.close(now);
            for seats in &self.seats {
                seats.leave();
            }
        }
    }
}

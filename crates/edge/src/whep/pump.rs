//! A channel's frames become packets, once for all its viewers over WebRTC.
//!
//! Owner: the channel's fan-out, whose orders it takes; it ends with it. Owns the shards.
//! Nothing here waits for a viewer: packets go into a bounded ring, and a shard that is slow loses some.

use std::sync::Arc;

use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::{error, warn};
use weir_media::{Event, Frame, Gop, Live, Timestamp, Track, TrackId, derive::Repair, gop::Unit};
use weir_peer::{
    agreed::RtpCodec,
    send::{Layer, Packetizer, Packets},
};

use super::{
    continuity::Continuity,
    current::Current,
    inbox::Inbox,
    inputs::{Inputs, Origin},
    meters::Meters,
    rates::Rates,
    shard::{self, Item, Seats, Shard},
    sources::{Offered, offered},
    timeline::Timeline,
};

/// Items that a shard may be behind: 2 s at 60 fps with Opus beside it, as on the bus.
const RING_ITEMS: usize = 256;

/// What the fan-out orders.
pub(super) enum Order {
    /// Another publish of the channel begins; the one before is not listened to any more.
    Begin(Arc<Live>),
    /// Another shard is needed.
    Open(oneshot::Sender<Opened>),
}

/// A shard that was opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) inbox: Arc<Inbox>,
    pub(super) seats: Arc<Seats>,
}

/// What a pump is made of.
pub(super) struct Parts {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) current: Arc<Current>,
    pub(super) repair: Option<Arc<dyn Repair>>,
    pub(super) offered: watch::Sender<Offered>,
    pub(super) meters: Arc<Meters>,
    /// All viewers of the channel.
    pub(super) seats: Arc<Seats>,
    /// Hears when the publish ends.
    pub(super) ended: Box<dyn Fn(Arc<Live>) + Send>,
}

/// The media task of one channel.
pub(super) struct Pump {
    parts: Parts,
    inputs: Option<Inputs>,
    lanes: Vec<Lane>,
    timeline: Timeline,
    continuity: Continuity,
    rates: Rates,
    layers: Arc<[Layer]>,
    /// Pictures since the last keyframe, for shards that are opened later.
    gop: Gop<Arc<Packets>>,
    ring: broadcast::Sender<Item>,
    shards: JoinSet<()>,
}

/// One track of one origin.
struct Lane {
    origin: Origin,
    track: TrackId,
    video: bool,
    /// `None`: RTP does not carry it.
    packetizer: Option<Packetizer>,
    /// When its last picture is shown.
    last: Option<Timestamp>,
}

impl Lane {
    /// Whether its pictures could be made without B-frames, should it have some.
    fn is_plain_h264_candidate(&self) -> bool {
        let codec = self.packetizer.as_ref().map(Packetizer::codec);
        self.origin == Origin::Publish && self.track == TrackId::VIDEO && codec == Some(RtpCodec::H264)
    }
}

impl Pump {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            inputs: None,
            lanes: Vec::new(),
            timeline: Timeline::default(),
            continuity: Continuity::default(),
            rates: Rates::default(),
            layers: Arc::new([]),
            gop: Gop::default(),
            ring: broadcast::Sender::new(RING_ITEMS),
            shards: JoinSet::new(),
        }
    }

    /// Works until nobody can order anything any more; then its shards say goodbye.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                order = self.parts.orders.recv() => match order {
                    Some(Order::Begin(live)) => self.begin(live),
                    Some(Order::Open(reply)) => self.open(reply),
                    None => break,
                },
                (origin, event) = next(&mut self.inputs) => self.event(origin, event),
                Some(ended) = self.shards.join_next() => if let Err(failure) = ended {
                    error!(%failure, "a shard of viewers over WebRTC failed: its viewers are gone, all others stay");
                },
            }
        }
        drop(self.ring);
        while self.shards.join_next().await.is_some() {}
    }

    fn begin(&mut self, live: Arc<Live>) {
        self.timeline.begin();
        self.continuity.lost();
        self.rates.clear();
        self.gop.clear();
        self.lanes.clear();
        self.parts.current.set(Some(&live));
        self.parts.offered.send_replace(Offered::default());
        let watched = self.parts.seats.taken() > 0;
        self.inputs = Some(Inputs::new(live, self.parts.repair.clone(), watched));
        // What was kept of it is no burst to those who watch already, but what shards begin with.
        while let Some(event) = self.inputs.as_mut().and_then(Inputs::ready) {
            self.event(Origin::Publish, Some(event));
        }
    }

    fn event(&mut self, origin: Origin, event: Option<Event>) {
        match event {
            Some(Event::Track(track)) => self.track(origin, &track),
            Some(Event::Frame(frame)) => self.frame(origin, frame),
            Some(Event::Lost) => {
                warn!("frames were lost on the way to viewers over WebRTC");
                self.continuity.lost();
                self.gop.clear();
            }
            None if origin == Origin::Publish => self.ended(),
            None => {
                if let Some(inputs) = &mut self.inputs {
                    inputs.ended(origin);
                }
                self.continuity.lost();
                self.offer();
            }
        }
    }

    fn ended(&mut self) {
        self.parts.current.set(None);
        if let Some(inputs) = self.inputs.take() {
            (self.parts.ended)(inputs.live().clone());
        }
    }

    fn track(&mut self, origin: Origin, track: &Track) {
        let lane = self.lanes.iter_mut().find(|lane| lane.origin == origin && lane.track == track.id);
        match lane {
            Some(lane) => {
                if !lane.packetizer.as_mut().is_some_and(|packetizer| packetizer.set_track(track)) {
                    lane.packetizer = Packetizer::new(track);
                }
                lane.video = track.params.is_video();
            }
            None => self.lanes.push(Lane {
                origin,
                track: track.id,
                video: track.params.is_video(),
                packetizer: Packetizer::new(track),
                last: None,
            }),
        }
        if origin == Origin::Publish {
            if let Some(inputs) = &mut self.inputs {
                inputs.look_at(track);
            }
            self.offer();
        }
    }

    /// Tells what may be offered now.
    fn offer(&self) {
        let Some(inputs) = &self.inputs else { return };
        let live = inputs.live();
        let now = offered(&live.tracks(), live.announced(), inputs.makes_opus());
        self.parts.offered.send_if_modified(|before| {
            let news = *before != now;
            *before = now;
            news
        });
    }

    fn frame(&mut self, origin: Origin, mut frame: Frame) {
        let Some(inputs) = &mut self.inputs else { return };
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.origin == origin && lane.track == frame.track) else {
            return;
        };
        if lane.is_plain_h264_candidate() {
            if lane.last.is_some_and(|last| frame.pts < last && !frame.keyframe) {
                inputs.has_b_frames();
            }
            lane.last = Some(frame.pts);
        }
        let video = lane.video;
        let Some(packetizer) = lane.packetizer.as_mut().filter(|_| inputs.wants(origin, frame.track)) else { return };
        if video && !self.continuity.admits(frame.track, frame.keyframe) {
            return;
        }
        self.timeline.place(&mut frame);
        let packets = packetizer.packetize(&frame);
        if packets.is_empty() {
            return;
        }
        if video {
            let unit = Unit { track: frame.track, video, keyframe: packets.keyframe, bytes: packets.bytes };
            self.gop.push(unit, packets.clone());
            if self.rates.count(frame.track, frame.arrived, packets.bytes) {
                self.layers = self.rates.layers().into();
                let _ = self.ring.send(Item::Layers(self.layers.clone()));
            }
        }
        // An error means that there is no shard yet.
        let _ = self.ring.send(Item::Packets(packets));
    }

    fn open(&mut self, reply: oneshot::Sender<Opened>) {
        let inbox = Inbox::new(self.parts.current.clone());
        let seats = Seats::new(|| {});
        let shard = Shard::new(shard::Parts {
            ring: self.ring.subscribe(),
            inbox: inbox.clone(),
            current: self.parts.current.clone(),
            seats: [self.parts.seats.clone(), seats.clone()],
            meters: self.parts.meters.clone(),
            gop: self.gop.clone(),
            layers: self.layers.clone(),
        });
        self.shards.spawn(shard.run());
        if let Some(inputs) = &mut self.inputs {
            inputs.watched();
            self.offer();
        }
        // Who asked may be gone; the shard then stays without viewers.
        let _ = reply.send(Opened { inbox, seats });
    }
}

/// The next event of the publish, if there is one.
async fn next(inputs: &mut Option<Inputs>) -> (Origin, Option<Event>) {
    match inputs {
        Some(inputs) => inputs.next().await,
        None => std::future::pending().await,
    }
}

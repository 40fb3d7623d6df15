//! One channel's viewers over WebRTC, as a supervised actor.
//!
//! Owner: `channels`. Restart: never; with it its viewers end, and the next one who comes begins another.
//! Owns: the channel's `pump`, which does the work, and through it the shards.
//! Mailbox: control only, a message or two a viewer and a publish.
//!
//! Viewers stay while the channel waits for its publisher to come back. The actor stops when the channel is over, when it
//! is drained, and a moment after the last viewer left.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinHandle},
};
use tracing::{debug, error};
use weir_identity::ChannelName;
use weir_media::{EndReason, Kick, Live, derive::Repair};

use super::{
    current::Current,
    meters::Meters,
    pump::{self, Opened, Order, Pump},
    shard::Seats,
    sources::Offered,
    viewer::Viewer,
};

/// How long one without viewers waits for its first.
const LINGER_FIRST: Duration = Duration::from_secs(15);
/// Viewers of one shard before another is opened: some 1 ms of work a frame.
const SHARD_VIEWERS: usize = 64;
/// Orders under way to the pump, which takes them at once.
const ORDERS_MAX: usize = 16;

/// Everything that may be asked of it.
#[derive(Debug)]
pub(super) enum Msg {
    /// A publish of the channel began.
    Began(Arc<Live>),
    /// A publish ended.
    Ended(Arc<Live>),
    /// A viewer comes. Not answered: there is no place.
    Join(Arc<Viewer>, RpcReplyPort<()>),
    /// The last viewer left.
    Empty,
    /// The grace time that began with this count of publishes is over.
    GraceOver(u64),
    /// Stop, if nobody joined since this count of viewers.
    StopIfEmpty(u64),
    /// Close every viewer and stop: the server stops.
    Drain,
    /// The pump came to its end.
    PumpEnded,
}

/// What it starts with.
pub(super) struct Args {
    pub(super) channel: ChannelName,
    pub(super) live: Arc<Live>,
    pub(super) offered: watch::Sender<Offered>,
    pub(super) repair: Option<Arc<dyn Repair>>,
    pub(super) meters: Arc<Meters>,
    pub(super) grace_time: Duration,
    pub(super) linger: Duration,
    pub(super) shards_max: usize,
}

pub(super) struct Fanout;

pub(super) struct State {
    channel: ChannelName,
    grace_time: Duration,
    linger: Duration,
    shards_max: usize,
    seats: Arc<Seats>,
    shards: Vec<Opened>,
    /// `None` once it is told to end: the pump then ends, and tells so when its shards have said goodbye.
    orders: Option<mpsc::Sender<Order>>,
    /// The publish that is shown, or was last.
    live: Arc<Live>,
    publishes: u64,
    joins: u64,
    pump: AbortOnDrop,
}

/// Ends the pump with its owner, however that ends, unless it was let go.
struct AbortOnDrop(Option<AbortHandle>);

impl AbortOnDrop {
    fn let_go(&mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Actor for Fanout {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { channel, live, offered, repair, meters, grace_time, linger, shards_max } = args;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        // A fan-out that is gone needs none of these messages.
        let seats = Seats::new({
            let me = me.clone();
            move || drop(me.cast(Msg::Empty))
        });
        let ended = {
            let me = me.clone();
            Box::new(move |live| drop(me.cast(Msg::Ended(live))))
        };
        let pump = Pump::new(pump::Parts {
            orders: ordered,
            current: Arc::new(Current::new(meters.clone())),
            repair,
            offered,
            meters,
            seats: seats.clone(),
            ended,
        });
        let pump = tokio::spawn(pump.run());
        let abort = AbortOnDrop(Some(pump.abort_handle()));
        watch_over(pump, me.clone());
        // The pump's first order: there is room.
        let _ = orders.try_send(Order::Begin(live.clone()));
        me.send_after(LINGER_FIRST, || Msg::StopIfEmpty(0));
        Ok(State {
            channel,
            grace_time,
            linger,
            shards_max,
            seats,
            shards: Vec::new(),
            orders: Some(orders),
            live,
            publishes: 1,
            joins: 0,
            pump: abort,
        })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Began(live) => state.began(live).await,
            Msg::Ended(live) => state.ended(&me, &live),
            Msg::Join(viewer, reply) => {
                if state.seat(&viewer).await {
                    // Who asked is gone only if the whole request was; the viewer then ends by silence.
                    let _ = reply.send(());
                }
            }
            Msg::Empty if state.seats.taken() == 0 => {
                let joins = state.joins;
                me.send_after(state.linger, move || Msg::StopIfEmpty(joins));
            }
            Msg::StopIfEmpty(joins) if joins == state.joins && state.seats.taken() == 0 => me.stop(None),
            Msg::GraceOver(publishes) if publishes == state.publishes => {
                debug!(channel = %state.channel, "the channel is over for its viewers over WebRTC");
                state.end(&me);
            }
            Msg::Drain => state.orders = None,
            Msg::PumpEnded => me.stop(None),
            Msg::Empty | Msg::StopIfEmpty(_) | Msg::GraceOver(_) => {}
        }
        Ok(())
    }
}

/// Tells when the pump has ended, by a panic as well.
fn watch_over(pump: JoinHandle<()>, me: ActorRef<Msg>) {
    tokio::spawn(async move {
        if let Err(failure) = pump.await
            && failure.is_panic()
        {
            error!(%failure, "the fan-out of a channel over WebRTC failed: its viewers are gone");
        }
        let _ = me.cast(Msg::PumpEnded);
    });
}

impl State {
    async fn began(&mut self, live: Arc<Live>) {
        // One that was taken over may be heard of after the one that took over.
        if Arc::ptr_eq(&self.live, &live) || live.is_told_to_go() {
            return;
        }
        self.publishes += 1;
        self.live = live.clone();
        self.order(Order::Begin(live)).await;
    }

    async fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A pump that is gone is told by its own message.
            let _ = orders.send(order).await;
        }
    }

    fn ended(&mut self, me: &ActorRef<Msg>, live: &Arc<Live>) {
        if !Arc::ptr_eq(&self.live, live) {
            return;
        }
        match live.end_reason() {
            Some(EndReason::Kicked(Kick::TakenOver) | EndReason::Left) | None => {
                let publishes = self.publishes;
                me.send_after(self.grace_time, move || Msg::GraceOver(publishes));
            }
            Some(EndReason::Kicked(_)) => self.end(me),
        }
    }

    /// Finds a viewer a place in the emptiest shard.
    async fn seat(&mut self, viewer: &Arc<Viewer>) -> bool {
        self.joins += 1;
        while self.orders.is_some() {
            let emptiest = self.shards.iter().min_by_key(|shard| shard.seats.taken());
            let full = emptiest.is_none_or(|shard| shard.seats.taken() >= SHARD_VIEWERS);
            if full && self.shards.len() < self.shards_max || emptiest.is_none() {
                let (reply, opened) = oneshot::channel();
                self.order(Order::Open(reply)).await;
                let Ok(opened) = opened.await else { return false };
                self.shards.push(opened);
                continue;
            }
            let Some(shard) = emptiest.cloned() else { return false };
            // Taken before it sits: it may leave at once.
            self.seats.take();
            shard.seats.take();
            if shard.inbox.seat(viewer) {
                return true;
            }
            shard.seats.leave();
            self.seats.leave();
            self.shards.retain(|other| !Arc::ptr_eq(&other.inbox, &shard.inbox));
        }
        false
    }

    /// The channel is over. This actor makes room for the next one at once; the pump goes on without it until its shards
    /// have said goodbye to their viewers.
    fn end(&mut self, me: &ActorRef<Msg>) {
        self.orders = None;
        self.pump.let_go();
        me.stop(None);
    }
}

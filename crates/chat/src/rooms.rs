//! Owns the rooms of this node.
//!
//! Owner: whoever called [`Rooms::start`]: the server's root, which starts it again. Its rooms end with it, and their
//! connections are told to come back.
//! Children: one room a channel that somebody is in. One that fails is gone; whoever comes back begins another.
//! Mailbox: a message for each who comes and goes.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use metrics::gauge;
use parking_lot::RwLock;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, ActorStatus, SpawnErr, SupervisionEvent};
use tokio::sync::{Semaphore, oneshot};
use tracing::error;
use weir_identity::{AccountId, ChannelId};

use crate::{
    config::Config,
    fabric::Fabric,
    filter::{list::Current, own::Own},
    gate::Gate,
    room::{
        actor::{self, Room},
        outlet::Outlet,
    },
};

/// How long an empty room goes on: who loads a page anew finds it.
const LINGER: Duration = Duration::from_secs(10);
/// Rooms that are begun at once: each asks the fabric, and may ask the store. Others wait.
const BEGUN_AT_ONCE: usize = 64;

/// Everything that may be asked of the owner.
pub(crate) enum Msg {
    /// The room of a channel; it is begun if there is none. Not answered while draining, or when it cannot be begun.
    Enter(ChannelId, oneshot::Sender<Running>),
    /// A room has begun, or cannot be.
    Begun(ChannelId, Option<Running>),
    /// Who entered went.
    Left(ChannelId, ActorId),
    /// Stop a room, if nobody came since the last went.
    StopIfEmpty(ChannelId, ActorId),
    /// What is known of an account has changed, in whichever rooms it is.
    Anew(AccountId),
    /// The emotes of all channels are others.
    EmotesChanged,
    /// End all rooms, and take nobody more. Answered when their connections have been told.
    Drain(oneshot::Sender<()>),
}

/// A room that runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) actor: ActorRef<actor::Msg>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) own_words: Arc<Own>,
}

/// The rooms of this node. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    fabric: Arc<dyn Fabric>,
    config: Arc<Config>,
    words: Current,
    gate: Arc<dyn Gate>,
    node: u64,
    begins: Semaphore,
    owner: RwLock<Option<ActorRef<Msg>>>,
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("fabric", &self.0.fabric).finish_non_exhaustive()
    }
}

impl Rooms {
    /// Rooms over `fabric`. Nobody may come before [`Self::start`].
    #[must_use]
    pub fn new(fabric: Arc<dyn Fabric>, config: Arc<Config>, gate: Arc<dyn Gate>, words: Current) -> Self {
        // The second half of a UUID of version 7 is random.
        let node = uuid::Uuid::now_v7().as_u64_pair().1;
        let begins = Semaphore::new(BEGUN_AT_ONCE);
        Self(Arc::new(Inner { fabric, config, words, gate, node, begins, owner: RwLock::default() }))
    }

    /// Starts the owner under `supervisor`.
    ///
    /// # Errors
    /// When `supervisor` is stopping.
    pub async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        let (owner, _) = Actor::spawn_linked(None, Owner, self.clone(), supervisor).await?;
        *self.0.owner.write() = Some(owner.clone());
        Ok(owner.get_cell())
    }

    /// Tells everybody to come back, to another node or to this one when it runs again.
    pub async fn drain(&self) {
        let (reply, drained) = oneshot::channel();
        if self.send(Msg::Drain(reply)) {
            // Without an answer the owner is gone, and its rooms with it.
            let _ = drained.await;
        }
    }

    /// What is known of an account has changed: wherever it is on this node, it is asked anew.
    pub(crate) fn ask_anew(&self, account: AccountId) {
        self.send(Msg::Anew(account));
    }

    /// The emotes of all channels are others.
    pub(crate) fn emotes_changed(&self) {
        self.send(Msg::EmotesChanged);
    }

    /// Enters the room of a channel.
    pub(crate) async fn enter(&self, channel: ChannelId) -> Option<Guest> {
        let (reply, entered) = oneshot::channel();
        self.send(Msg::Enter(channel, reply)).then_some(())?;
        let room = entered.await.ok()?;
        Some(Guest { rooms: self.clone(), channel, room })
    }

    /// Begins a room under its owner, which goes on meanwhile: what a room asks may take its time.
    async fn begin(self, owner: ActorRef<Msg>, channel: ChannelId) {
        let inner = &self.0;
        let _turn = inner.begins.acquire().await;
        let (outlet, own_words) = (Arc::new(Outlet::default()), Own::new(channel, inner.gate.clone()));
        let arguments = actor::Arguments {
            id: channel,
            fabric: inner.fabric.clone(),
            config: inner.config.clone(),
            words: inner.words.clone(),
            own_words: own_words.clone(),
            gate: inner.gate.clone(),
            outlet: outlet.clone(),
            node: inner.node,
        };
        let begun = Actor::spawn_linked(None, Room, arguments, owner.get_cell()).await;
        let begun = begun.inspect_err(|error| error!(%error, room = %channel, "a room cannot be begun"));
        let running = begun.ok().map(|(actor, _)| Running { actor, outlet, own_words });
        // An owner that is gone has taken its rooms along.
        let _ = owner.cast(Msg::Begun(channel, running));
    }

    fn send(&self, msg: Msg) -> bool {
        self.0.owner.read().as_ref().is_some_and(|owner| owner.cast(msg).is_ok())
    }
}

/// Somebody in a room. Dropped, they have left.
#[derive(Debug)]
pub(crate) struct Guest {
    rooms: Rooms,
    channel: ChannelId,
    pub(crate) room: Running,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.room.actor.cast(actor::Msg::Left);
        self.rooms.send(Msg::Left(self.channel, self.room.actor.get_id()));
    }
}

struct Owner;

struct Slot {
    room: Running,
    guests: usize,
}

struct State {
    rooms: Rooms,
    slots: HashMap<ChannelId, Slot>,
    /// Who waits for rooms that are being begun. As many as there are connections at most.
    waiting: HashMap<ChannelId, Vec<oneshot::Sender<Running>>>,
    draining: bool,
}

impl Actor for Owner {
    type Msg = Msg;
    type State = State;
    type Arguments = Rooms;

    async fn pre_start(&self, _: ActorRef<Msg>, rooms: Rooms) -> Result<State, ActorProcessingErr> {
        Ok(State { rooms, slots: HashMap::new(), waiting: HashMap::new(), draining: false })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Enter(..) if state.draining => {}
            Msg::Enter(channel, reply) => {
                if state.slots.contains_key(&channel) {
                    state.enter(&me, channel, vec![reply]);
                } else {
                    let is_first = !state.waiting.contains_key(&channel);
                    state.waiting.entry(channel).or_default().push(reply);
                    if is_first {
                        tokio::spawn(state.rooms.clone().begin(me, channel));
                    }
                }
            }
            Msg::Begun(channel, running) => {
                let waiting = state.waiting.remove(&channel).unwrap_or_default();
                match running {
                    Some(room) if state.draining => room.actor.stop(None),
                    // One that has failed already is not heard of again.
                    Some(room) if room.actor.get_status() < ActorStatus::Stopping => {
                        state.slots.insert(channel, Slot { room, guests: 0 });
                        state.enter(&me, channel, waiting);
                    }
                    Some(_) | None => {}
                }
            }
            Msg::Left(channel, id) => state.left(&me, channel, id),
            Msg::StopIfEmpty(channel, id) => {
                if state.of(channel, id).is_some_and(|slot| slot.guests == 0)
                    && let Some(slot) = state.slots.remove(&channel)
                {
                    slot.room.actor.stop(None);
                }
            }
            Msg::Anew(account) => {
                for slot in state.slots.values() {
                    slot.room.outlet.each_desk(|desk| {
                        if desk.whose() == Some(account) {
                            desk.ask_anew(true);
                        }
                    });
                }
            }
            Msg::EmotesChanged => {
                for slot in state.slots.values() {
                    let _ = slot.room.actor.cast(actor::Msg::EmotesChanged);
                }
            }
            Msg::Drain(reply) => {
                state.draining = true;
                state.waiting.clear();
                for (_, slot) in state.slots.drain() {
                    slot.room.outlet.close();
                    slot.room.actor.stop(None);
                }
                let _ = reply.send(());
            }
        }
        gauge!("weir_chat_rooms").set(state.slots.len() as f64);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let child = match event {
            SupervisionEvent::ActorFailed(child, error) => {
                error!(%error, "a room failed: who was in it is told to come back, other rooms go on");
                child
            }
            SupervisionEvent::ActorTerminated(child, ..) => child,
            _ => return Ok(()),
        };
        state.slots.retain(|_, slot| slot.room.actor.get_id() != child.get_id());
        Ok(())
    }
}

impl State {
    /// Lets in who waits for a room that is there.
    fn enter(&mut self, me: &ActorRef<Msg>, channel: ChannelId, waiting: Vec<oneshot::Sender<Running>>) {
        let Some(slot) = self.slots.get_mut(&channel) else { return };
        let id = slot.room.actor.get_id();
        // One more than they are, for as long as it takes: who asked may be gone by now.
        slot.guests += waiting.len() + 1;
        let gone = waiting.into_iter().filter_map(|reply| reply.send(slot.room.clone()).err()).count();
        for _ in 0..=gone {
            self.left(me, channel, id);
        }
    }

    fn of(&mut self, channel: ChannelId, room: ActorId) -> Option<&mut Slot> {
        self.slots.get_mut(&channel).filter(|slot| slot.room.actor.get_id() == room)
    }

    fn left(&mut self, me: &ActorRef<Msg>, channel: ChannelId, room: ActorId) {
        if let Some(slot) = self.of(channel, room) {
            slot.guests = slot.guests.saturating_sub(1);
            if slot.guests == 0 {
                me.send_after(LINGER, move || Msg::StopIfEmpty(channel, room));
            }
        }
    }
}

//! A room of this node, as a supervised actor.
//!
//! Owner: [`crate::rooms`], which begins it for the first who comes and stops it some time after the last went. Restart:
//! never; if it fails, its connections are told to come back, and begin another.
//! Mailbox: requests of connections, which have few unanswered each, and what the fabric tells. What everybody is told
//! goes through the [`Outlet`], written once for all. `asked` is what becomes of a request, `heard` of what the fabric tells.

mod asked;
mod emotes;
mod heard;
mod people;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use metrics::{Counter, counter};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use weir_identity::{AccountId, ChannelId};

use super::{
    event::{ClientId, Entry, Event, Message, MessageId, Person},
    history::History,
    log::{Log, Terms},
    order::Order,
    outlet::{self, Mode, Outlet, Seat},
    rules::{Rules, Sentence, Speaker},
    settings::Settings,
    window::Window,
};
use crate::{
    config::Config,
    fabric::{Delivery, Down, Fabric, Lineage, Opened, Signal, Sink},
    filter::{list::Current, own::Own},
    gate::{Denied, Gate},
    socket::desk::{Asked, Desk},
    wire::{inbound::Way, outbound::Said},
};

/// Longest time between when somebody is let in and when they are there.
const ADMITTED_WITHIN: Duration = Duration::from_secs(10);

/// Everything that may be asked of a room.
#[derive(Debug)]
pub(crate) enum Msg {
    /// Somebody comes. Answered with a seat; what they are told first lies on their desk then.
    Join(Arrival, oneshot::Sender<Joined>),
    /// Somebody went.
    Left,
    /// Somebody speaks.
    Say { asked: Asked, speaker: Arc<Speaker>, id: ClientId, text: String, reply_to: Option<MessageId> },
    /// A moderator allowed what somebody wanted to say: it is said, and it is answered whether it was.
    Allow { message: Message, once: ClientId, done: oneshot::Sender<bool> },
    /// A message that stands here.
    Find(MessageId, oneshot::Sender<Option<Message>>),
    /// Somebody sends a comment over the picture.
    Danmaku { asked: Asked, speaker: Arc<Speaker>, text: String, mode: Way, color: Option<String> },
    /// Take a message back: the speaker's own, or somebody else's.
    Delete { asked: Asked, speaker: Arc<Speaker>, id: MessageId },
    /// Take everything back, or what one account said. Asked by who may.
    Clear { asked: Option<Asked>, by: AccountId, user: Option<AccountId>, sentence: Option<Sentence> },
    /// Pin a message, or none. Asked by who may.
    Pin { asked: Asked, by: AccountId, id: Option<MessageId> },
    /// Set how the room is. Asked by who may.
    Settings { asked: Asked, settings: Settings },
    /// The store has a ban, or has lifted one.
    Sentence { account: AccountId, sentence: Option<Sentence> },
    /// Somebody wants to know who is there.
    Viewers(Asked),
    /// Answer those who want to know it, whatever is known.
    AnswerViewers,
    /// The emotes of all channels are others: tell it.
    EmotesChanged,
    /// Which emotes there are.
    Emotes(Result<HashSet<Box<str>>, Denied>),
    /// The fabric tells something.
    Delivered(Delivery),
    /// Write what was gathered.
    Flush,
    /// Look after what time changes.
    Tick,
    /// Ask for what is missed, if it still is.
    Fill,
    /// What was missed, of this epoch.
    Filled(Arc<str>, Result<Option<Vec<Arc<Entry>>>, Down>),
}

/// Who comes.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) desk: Arc<Desk>,
    pub(crate) mode: Mode,
    /// The epoch and offset of the last that they have.
    pub(crate) since: Option<(String, u64)>,
    pub(crate) person: Option<Person>,
}

/// Where somebody sits, and what they read next.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) seat: Seat,
    pub(crate) place: u64,
}

/// What a room begins with.
pub(crate) struct Arguments {
    pub(crate) id: ChannelId,
    pub(crate) fabric: Arc<dyn Fabric>,
    pub(crate) config: Arc<Config>,
    /// Words that must not be said.
    pub(crate) words: Current,
    /// Those of the channel.
    pub(crate) own_words: Arc<Own>,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) outlet: Arc<Outlet>,
    /// A name of this node, among those of one fabric.
    pub(crate) node: u64,
}

pub(crate) struct Room;

pub(crate) struct State {
    arguments: Arguments,
    sink: Sink,
    epoch: Arc<str>,
    /// What offsets counted in before.
    before: Lineage,
    order: Order,
    history: History,
    pinned: Option<Message>,
    /// Whether this node talks to itself.
    alone: bool,
    rules: Rules,
    /// How fast comments over the picture come, and what waits for moderators.
    comments: Log,
    window: Window,
    /// What was gathered, and not written yet.
    gathered: Vec<Bytes>,
    /// The last offset that was written.
    written: u64,
    flush_is_due: bool,
    tick_is_due: bool,
    fill_is_due: bool,
    /// Others' counts, and when they told them.
    counts: HashMap<u64, (u64, Instant)>,
    /// What was last told: others, and everybody here.
    told: Option<(u64, Instant)>,
    shown: u64,
    /// When everybody here was last told how many are there.
    shown_at: Instant,
    crowd: people::Crowd,
    /// When it was last looked which emotes there are.
    emotes_looked: Option<Instant>,
    /// When rights last changed, and whether at once: who was let in before and comes after is asked anew.
    rights_changed: Option<(Instant, bool)>,
    messages: Counter,
    deliveries: Counter,
}

impl Drop for State {
    /// However it ends, connections hear of it.
    fn drop(&mut self) {
        self.arguments.fabric.close(self.arguments.id, &self.sink);
        self.arguments.outlet.close();
    }
}

impl Actor for Room {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Msg>, arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let to = me.clone();
        // A room that has stopped hears nothing more.
        let sink: Sink = Arc::new(move |delivery| drop(to.cast(Msg::Delivered(delivery))));
        let opened = arguments.fabric.open(arguments.id, sink.clone()).await;
        let opened = opened.inspect_err(|_| arguments.fabric.close(arguments.id, &sink))?;
        let mut state = State::new(arguments, sink, opened);
        state.look_at_emotes(&me);
        // Somebody comes: the other nodes know of this one from the beginning.
        state.tell_others(1);
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Join(arrival, reply) => {
                let joined = state.join(&arrival);
                // Who went meanwhile leaves by what it got: nothing more is owed.
                let _ = reply.send(joined);
                state.tick_soon(&me);
            }
            Msg::Left => state.tick_soon(&me),
            Msg::Say { asked, speaker, id, text, reply_to } => {
                state.look_at_emotes(&me);
                state.say(asked, &speaker, id, text, reply_to);
            }
            Msg::Viewers(asked) => state.viewers(&me, asked),
            Msg::AnswerViewers => state.answer_viewers(),
            Msg::EmotesChanged => state.signal(Signal::Emotes),
            Msg::Emotes(codes) => state.learn_emotes(codes),
            Msg::Allow { message, once, done } => state.allow(message, once, done),
            Msg::Find(id, reply) => drop(reply.send(state.history.message(id).cloned())),
            Msg::Danmaku { asked, speaker, text, mode, color } => state.comment(asked, &speaker, text, mode, color),
            Msg::Delete { asked, speaker, id } => state.delete(asked, &speaker, id),
            Msg::Clear { asked, by, user, sentence } => {
                state.append(Event::Cleared { user, by, sentence }, Terms::default(), move |_| drop(asked));
            }
            Msg::Pin { asked, by, id } => state.pin(asked, by, id),
            Msg::Settings { asked: _asked, settings } => state.signal(Signal::Settings(settings)),
            Msg::Sentence { account, sentence } => state.signal(Signal::Sentence { account, sentence }),
            Msg::Delivered(delivery) => state.delivered(&me, delivery),
            Msg::Flush => {
                state.flush_is_due = false;
                state.flush();
            }
            Msg::Tick => {
                state.tick_is_due = false;
                state.tick(&me);
            }
            Msg::Fill => state.fill(&me),
            Msg::Filled(epoch, entries) => state.filled(&me, &epoch, entries),
        }
        Ok(())
    }
}

impl State {
    fn new(arguments: Arguments, sink: Sink, opened: Opened) -> Self {
        let config = &arguments.config;
        let mut state = Self {
            sink,
            epoch: opened.epoch,
            before: opened.before,
            order: Order::after(opened.head),
            history: History::new(config.history),
            pinned: opened.pinned,
            alone: opened.alone,
            rules: Rules::new(config.bounds()),
            comments: Log::new("", 0),
            window: Window::new(config.gather_max),
            gathered: Vec::new(),
            written: opened.head,
            flush_is_due: false,
            tick_is_due: false,
            fill_is_due: false,
            counts: HashMap::new(),
            told: None,
            shown: 0,
            shown_at: Instant::now(),
            crowd: people::Crowd::default(),
            emotes_looked: None,
            rights_changed: None,
            messages: counter!("weir_chat_messages_total"),
            deliveries: counter!("weir_chat_deliveries_total"),
            arguments,
        };
        for entry in opened.recent {
            state.history.push(entry);
        }
        state.rules.set(opened.settings);
        state
    }

    fn join(&mut self, arrival: &Arrival) -> Joined {
        let until = self.written;
        let desk = &arrival.desk;
        // Offsets of an epoch before count here as far as they are the same.
        let counts = |epoch: &str, offset: u64| {
            *epoch == *self.epoch || self.before.shares(epoch).is_some_and(|until| offset <= until)
        };
        let since = arrival.since.as_ref().filter(|(epoch, offset)| counts(epoch, *offset));
        let missed = since.and_then(|(_, offset)| self.history.since(*offset, until));
        let (recovered, page): (bool, Vec<Bytes>) = match missed {
            Some(missed) => (true, missed.map(|entry| entry.json.clone()).collect()),
            None => {
                let shown = self.arguments.config.history_shown;
                (false, self.history.last(shown, until).map(|entry| entry.json.clone()).collect())
            }
        };
        let seat = self.arguments.outlet.seat(desk.clone(), arrival.mode);
        let joined = Said::Joined {
            epoch: &self.epoch,
            offset: until,
            recovered,
            you: arrival.person.as_ref(),
            settings: self.rules.settings(),
            pinned: self.pinned.as_ref(),
            present: self.present(),
            alone: self.alone,
        };
        desk.send(&joined.json());
        desk.put(outlet::frames(&page, arrival.mode));
        if let Some((_, at_once)) = self.rights_changed.filter(|(at, _)| at.elapsed() < ADMITTED_WITHIN) {
            desk.ask_anew(at_once);
        }
        Joined { seat, place: self.arguments.outlet.end() }
    }
}

/// Whole milliseconds: finer is noise to whoever reads it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

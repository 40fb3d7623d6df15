//! A room of this node, as a supervised actor.
//!
//! Owner: [`crate::rooms`], which begins it for the first who comes and stops it some time after the last went. Restart:
//! never; if it fails, its connections are told to come back, and begin another.
//! Mailbox: requests of connections, which have few unanswered each, and what the fabric tells. What everybody is told
//! goes through the [`Outlet`], written once for all.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use metrics::{Counter, counter};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tracing::{debug, warn};
use weir_identity::{AccountId, ChannelId};

use super::{
    event::{ClientId, Entry, Event, Message, MessageId, Person, Reply, Role},
    history::History,
    log::{Limit, Log, Taken, Terms},
    order::Order,
    outlet::{self, Mode, Outlet, Seat},
    rules::{Refusal, Rules, Sentence, Speaker},
    settings::Settings,
    window::Window,
};
use crate::{
    config::Config,
    fabric::{Delivery, Down, Fabric, Opened, Signal, Sink},
    filter::{Verdict, list::Current},
    socket::desk::{Asked, Desk},
    wire::{
        inbound::Way,
        outbound::{Danmaku, Said, refusal},
    },
};

/// How often everybody is told how many are there, if it changed, and what nobody reads any more is let go of.
const TICK: Duration = Duration::from_secs(5);
/// How long another node's count is believed.
const COUNT_BELIEVED: Duration = Duration::from_secs(60);
/// How often this node's count is told others though it did not change.
const COUNT_TOLD_EVERY: Duration = Duration::from_secs(20);
/// Most nodes whose counts are added up.
const NODES_MAX: usize = 1_000;
/// How long a node waits for an entry that others came after, before it asks for it.
const HOLE_WAIT: Duration = Duration::from_millis(100);
/// Most entries that are asked for at once.
const FILL_MAX: usize = 10_000;

/// Everything that may be asked of a room.
#[derive(Debug)]
pub(crate) enum Msg {
    /// Somebody comes. Answered with a seat; what they are told first lies on their desk then.
    Join(Arrival, oneshot::Sender<Joined>),
    /// Somebody went.
    Left,
    /// Somebody speaks.
    Say { asked: Asked, speaker: Arc<Speaker>, id: ClientId, text: String, reply_to: Option<MessageId> },
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
    pub(crate) outlet: Arc<Outlet>,
    /// A name of this node, among those of one fabric.
    pub(crate) node: u64,
}

pub(crate) struct Room;

pub(crate) struct State {
    arguments: Arguments,
    sink: Sink,
    epoch: Arc<str>,
    order: Order,
    history: History,
    pinned: Option<Message>,
    /// Whether this node talks to itself.
    alone: bool,
    rules: Rules,
    /// How fast comments over the picture come.
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
        Ok(State::new(arguments, sink, opened))
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
            Msg::Say { asked, speaker, id, text, reply_to } => state.say(asked, &speaker, id, text, reply_to),
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
        let now = Instant::now();
        let config = &arguments.config;
        let mut state = Self {
            sink,
            epoch: opened.epoch,
            order: Order::after(opened.head),
            history: History::new(config.history),
            pinned: opened.pinned,
            alone: opened.alone,
            rules: Rules::new(config.bounds()),
            comments: Log::new("", 0),
            window: Window::new(config.gather_max, now),
            gathered: Vec::new(),
            written: opened.head,
            flush_is_due: false,
            tick_is_due: false,
            fill_is_due: false,
            counts: HashMap::new(),
            told: None,
            shown: 0,
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
        let since = arrival.since.as_ref().filter(|(epoch, _)| **epoch == *self.epoch);
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
        Joined { seat, place: self.arguments.outlet.end() }
    }

    fn say(&mut self, asked: Asked, speaker: &Speaker, id: ClientId, text: String, reply_to: Option<MessageId>) {
        let now = now();
        let terms = match self.rules.check(speaker, Some(id.clone()), &text, now) {
            Ok(terms) => terms,
            Err(why) => return asked.answer(&refusal(&why, Some(&id))),
        };
        let text = match self.clean(speaker, text) {
            Ok(text) => text,
            Err(why) => return asked.answer(&refusal(&why, Some(&id))),
        };
        let reply_to = reply_to.and_then(|id| {
            let answered = self.history.message(id)?;
            Some(Reply { id, name: answered.user.name.clone() })
        });
        let message =
            Message { id: MessageId::new(), user: speaker.person.clone(), text, at: now, reply_to, deleted: false };
        let new = message.id;
        self.append(Event::Message(message), terms, move |taken| {
            let refused = |why: Refusal| refusal(&why, Some(&id));
            asked.answer(&match taken {
                Ok(Taken::New(offset)) => Said::Ack { id: &id, offset, message: new }.json(),
                Ok(Taken::Again(offset, message)) => Said::Ack { id: &id, offset, message }.json(),
                Ok(Taken::TooMuch(wait)) => refused(Refusal::for_now("rate_limited", TOO_MUCH, wait)),
                Ok(Taken::TooSoon(wait)) => refused(Refusal::for_now("slow_mode", TOO_SOON, wait)),
                Ok(Taken::NotUnique) => refused(Refusal::new("not_unique", "This was said a moment ago.")),
                Err(Down) => refused(unavailable()),
            });
        });
    }

    /// A text as it may be said. Who keeps order may say what others said.
    fn clean(&self, speaker: &Speaker, text: String) -> Result<String, Refusal> {
        if speaker.person.role >= Role::Moderator {
            return Ok(text);
        }
        match self.arguments.words.load().judge(&text) {
            Verdict::Clean => Ok(text),
            Verdict::Masked(masked) => Ok(masked),
            Verdict::Held => Err(Refusal::new("held", "This is not said before a moderator has read it.")),
            Verdict::Blocked => Err(Refusal::new("blocked", "This has words that are not said here.")),
        }
    }

    fn comment(&mut self, asked: Asked, speaker: &Speaker, text: String, mode: Way, color: Option<String>) {
        let now = now();
        let terms = match self.rules.check(speaker, None, &text, now) {
            Ok(terms) => terms,
            Err(why) => return asked.answer(&refusal(&why, None)),
        };
        let text = match self.clean(speaker, text) {
            Ok(text) => text,
            Err(why) => return asked.answer(&refusal(&why, None)),
        };
        let is_color = |text: &String| {
            text.len() == 7 && text.starts_with('#') && text.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())
        };
        if !color.as_ref().is_none_or(is_color) {
            return asked.answer(&refusal(&Refusal::new("bad_color", "A color is written #rrggbb."), None));
        }
        let comment = Danmaku { id: MessageId::new(), user: speaker.person.clone(), text, mode, color, at: now };
        // The log of comments keeps their pace only.
        let pace = Event::Cleared { user: None, by: speaker.person.id, sentence: None };
        let wait = match self.comments.append(pace, &terms, now).0 {
            Taken::New(_) | Taken::Again(..) => return self.signal(Signal::Danmaku(comment)),
            Taken::TooMuch(wait) => Refusal::for_now("rate_limited", TOO_MUCH, wait),
            Taken::TooSoon(wait) => Refusal::for_now("slow_mode", TOO_SOON, wait),
            Taken::NotUnique => Refusal::new("not_unique", "This was said a moment ago."),
        };
        asked.answer(&refusal(&wait, None));
    }

    fn delete(&mut self, asked: Asked, speaker: &Speaker, id: MessageId) {
        let moderates = speaker.person.role >= Role::Moderator;
        let may = match self.history.message(id) {
            Some(message) => {
                message.user.id == speaker.person.id || (moderates && message.user.role <= speaker.person.role)
            }
            // Older than what this node has: whoever keeps order may take it back.
            None => moderates,
        };
        if !may {
            let why = Refusal::new("forbidden", "This message is not yours to delete.");
            return asked.answer(&refusal(&why, None));
        }
        let by = speaker.person.id;
        // Whoever takes back much of their own is held to the pace of speaking.
        let limit = if moderates { None } else { self.arguments.config.bounds().limit };
        let terms = Terms { by: limit.map(|_: Limit| by), limit, ..Terms::default() };
        self.append(Event::Deleted { id, by }, terms, move |taken| match taken {
            Ok(Taken::TooMuch(wait)) => {
                asked.answer(&refusal(&Refusal::for_now("rate_limited", TOO_MUCH, wait), None));
            }
            Ok(_) => drop(asked),
            Err(Down) => asked.answer(&refusal(&unavailable(), None)),
        });
    }

    fn pin(&mut self, asked: Asked, by: AccountId, id: Option<MessageId>) {
        let message = match id.map(|id| self.history.message(id).cloned()) {
            Some(None) => {
                let why = Refusal::new("not_found", "This message is no longer here.");
                return asked.answer(&refusal(&why, None));
            }
            Some(Some(message)) => Some(Box::new(message)),
            None => None,
        };
        self.append(Event::Pinned { message, by }, Terms::default(), move |_| drop(asked));
    }

    fn append(&self, event: Event, terms: Terms, done: impl FnOnce(Result<Taken, Down>) + Send + 'static) {
        self.arguments.fabric.append(self.arguments.id, event, terms, Box::new(done));
    }

    fn signal(&self, signal: Signal) {
        self.arguments.fabric.signal(self.arguments.id, signal);
    }

    fn delivered(&mut self, me: &ActorRef<Msg>, delivery: Delivery) {
        match delivery {
            Delivery::Entry(entry) => {
                self.order.feed(entry);
                self.take(me);
                self.fill_soon(me);
            }
            Delivery::Head(epoch, head) if epoch == self.epoch => {
                self.order.expect(head);
                self.fill_soon(me);
            }
            Delivery::Head(..) => self.end(me, "it has another epoch"),
            Delivery::Signal(signal) => self.heard(me, signal),
            Delivery::Restarted => {
                self.flush();
                self.end(me, "its offsets begin anew");
            }
        }
    }

    /// Everybody comes back, and begins anew with what there is.
    fn end(&self, me: &ActorRef<Msg>, why: &str) {
        warn!(room = %self.arguments.id, why, "everybody in a room is told to come back");
        self.arguments.outlet.close();
        me.stop(Some(why.into()));
    }

    /// Takes entries in order.
    fn take(&mut self, me: &ActorRef<Msg>) {
        while let Some(entry) = self.order.take() {
            self.messages.increment(1);
            let json = entry.json.clone();
            if let Event::Pinned { message, .. } = &entry.event {
                self.pinned = message.as_deref().cloned();
            } else if let Some(pinned) = &self.pinned {
                let gone = match &entry.event {
                    Event::Deleted { id, .. } => *id == pinned.id,
                    Event::Cleared { user, .. } => user.is_none_or(|user| user == pinned.user.id),
                    _ => false,
                };
                if gone {
                    self.pinned = None;
                }
            }
            if let Event::Cleared { user: Some(user), sentence: Some(sentence), .. } = &entry.event {
                self.rules.sentence(*user, Some(*sentence), now());
            }
            self.history.push(entry);
            self.gather(me, json);
        }
    }

    fn heard(&mut self, me: &ActorRef<Msg>, signal: Signal) {
        match signal {
            Signal::Danmaku(comment) => self.gather(me, Said::Danmaku(&comment).json()),
            Signal::Settings(settings) => {
                let json = Said::Settings { settings: &settings }.json();
                self.rules.set(settings);
                self.gather(me, json);
            }
            Signal::Sentence { account, sentence } => self.rules.sentence(account, sentence, now()),
            Signal::Presence { node, count } if node != self.arguments.node => {
                if self.counts.len() < NODES_MAX || self.counts.contains_key(&node) {
                    self.counts.insert(node, (count, Instant::now()));
                    self.tick_soon(me);
                }
            }
            Signal::Presence { .. } => {}
        }
    }

    /// Has everybody here told, soon.
    fn gather(&mut self, me: &ActorRef<Msg>, json: Bytes) {
        let now = Instant::now();
        self.gathered.push(json);
        self.window.count(1, now);
        if self.flush_is_due {
            return;
        }
        let opens = self.window.opens(self.arguments.outlet.count(), now);
        self.flush_is_due = true;
        if opens <= now {
            // Behind what waits in the mailbox already: it leaves together.
            let _ = me.cast(Msg::Flush);
        } else {
            me.send_after(opens - now, || Msg::Flush);
        }
    }

    fn flush(&mut self) {
        self.written = self.order.head();
        if self.gathered.is_empty() {
            return;
        }
        let now = Instant::now();
        let people = self.arguments.outlet.count();
        self.deliveries.increment((self.gathered.len() * people) as u64);
        if people > 0 {
            self.arguments.outlet.write(&self.gathered, now);
        }
        self.gathered.clear();
        self.gathered.shrink_to(GATHERED_KEPT);
        self.window.wrote(now);
    }

    /// Asks for what is missed, if it does not come by itself.
    fn fill_soon(&mut self, me: &ActorRef<Msg>) {
        if self.order.has_hole() && !self.fill_is_due {
            self.fill_is_due = true;
            me.send_after(HOLE_WAIT, || Msg::Fill);
        }
    }

    fn fill(&mut self, me: &ActorRef<Msg>) {
        if !self.order.has_hole() {
            self.fill_is_due = false;
            return;
        }
        let (fabric, id, epoch) = (self.arguments.fabric.clone(), self.arguments.id, self.epoch.clone());
        let (me, head) = (me.clone(), self.order.head());
        debug!(room = %id, head, "an entry was lost on its way: asking for it");
        tokio::spawn(async move {
            let entries = fabric.since(id, &epoch, head, FILL_MAX).await;
            let _ = me.cast(Msg::Filled(epoch, entries));
        });
    }

    fn filled(&mut self, me: &ActorRef<Msg>, epoch: &str, entries: Result<Option<Vec<Arc<Entry>>>, Down>) {
        self.fill_is_due = false;
        if *epoch != *self.epoch {
            return;
        }
        match entries {
            Ok(Some(entries)) => {
                for entry in entries {
                    self.order.feed(entry);
                }
                self.take(me);
            }
            Ok(None) => {
                self.end(me, "entries of it are lost");
                return;
            }
            Err(Down) => {}
        }
        self.fill_soon(me);
    }

    /// Everybody on all nodes.
    fn present(&self) -> u64 {
        self.arguments.outlet.count() as u64 + self.counts.values().map(|(count, _)| *count).sum::<u64>()
    }

    fn tick_soon(&mut self, me: &ActorRef<Msg>) {
        if !self.tick_is_due {
            self.tick_is_due = true;
            me.send_after(TICK, || Msg::Tick);
        }
    }

    fn tick(&mut self, me: &ActorRef<Msg>) {
        let now = Instant::now();
        let here = self.arguments.outlet.count() as u64;
        let is_new = self.told.is_none_or(|(count, at)| count != here || now - at >= COUNT_TOLD_EVERY);
        if is_new {
            self.told = Some((here, now));
            self.signal(Signal::Presence { node: self.arguments.node, count: here });
        }
        self.counts.retain(|_, (_, at)| now.saturating_duration_since(*at) < COUNT_BELIEVED);
        let present = self.present();
        if present != self.shown {
            self.shown = present;
            self.gather(me, Said::Presence { count: present }.json());
        }
        let unread = self.arguments.outlet.trim(now);
        if unread || !self.counts.is_empty() {
            self.tick_soon(me);
        }
    }
}

/// Room for what is gathered that a quiet room keeps.
const GATHERED_KEPT: usize = 16;
const TOO_MUCH: &str = "That was a lot in a short time. Wait a little.";
const TOO_SOON: &str = "Slow mode: wait before the next message.";

fn unavailable() -> Refusal {
    Refusal::for_now("unavailable", "This could not be said now. Try again.", Duration::from_secs(1))
}

/// Whole milliseconds: finer is noise to whoever reads it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

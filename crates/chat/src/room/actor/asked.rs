//! What connections ask of a room: it is judged here, and appended to the fabric.

use std::time::Duration;

use tokio::sync::oneshot;
use weir_identity::AccountId;

use super::{State, now};
use crate::{
    fabric::{Down, Signal},
    filter::Verdict,
    gate::{Held, Waiting},
    room::{
        event::{ClientId, Event, Message, MessageId, Reply, Role},
        log::{Limit, Taken, Terms},
        rules::{Refusal, Speaker},
    },
    socket::desk::Asked,
    wire::{
        inbound::Way,
        outbound::{Danmaku, Said, refusal},
    },
};

/// The code of what waits for a moderator.
const HELD: &str = "held";
const TOO_MUCH: &str = "That was a lot in a short time. Wait a little.";
const TOO_SOON: &str = "Slow mode: wait before the next message.";

impl State {
    pub(super) fn say(
        &mut self,
        asked: Asked,
        speaker: &Speaker,
        id: ClientId,
        text: String,
        reply_to: Option<MessageId>,
    ) {
        let now = now();
        let terms = match self.rules.check(speaker, Some(id.clone()), &text, now) {
            Ok(terms) => terms,
            Err(why) => return asked.answer(&refusal(&why, Some(&id))),
        };
        let reply_to = reply_to.and_then(|id| {
            let answered = self.history.message(id)?;
            Some(Reply { id, name: answered.user.name.clone() })
        });
        let text = match self.clean(speaker, &text) {
            Ok(Some(masked)) => masked,
            Ok(None) => text,
            Err(why) if why.code == HELD => return self.hold(asked, speaker, id, text, reply_to, terms),
            Err(why) => return asked.answer(&refusal(&why, Some(&id))),
        };
        let message =
            Message { id: MessageId::new(), user: speaker.person.clone(), text, at: now, reply_to, deleted: false };
        let new = message.id;
        self.append(Event::Message(message), terms, move |taken| {
            asked.answer(&match taken.map_err(|Down| unavailable()).and_then(place) {
                Ok(Place { offset, earlier }) => Said::Ack { id: &id, offset, message: earlier.unwrap_or(new) }.json(),
                Err(why) => refusal(&why, Some(&id)),
            });
        });
    }

    /// Keeps what is not said before a moderator has read it, and tells moderators that it waits.
    fn hold(
        &mut self,
        asked: Asked,
        speaker: &Speaker,
        id: ClientId,
        text: String,
        reply_to: Option<Reply>,
        terms: Terms,
    ) {
        let author = speaker.person.clone();
        // The room's log hears nothing of it, so that its pace is kept here. What could not be kept is sent again under
        // the same id.
        let pace = Event::Cleared { user: None, by: author.id, sentence: None };
        let terms = Terms { once: None, unique: None, ..terms };
        if let Err(why) = place(self.comments.append(pace, &terms, now()).0) {
            return asked.answer(&refusal(&why, Some(&id)));
        }
        let (gate, fabric, channel) = (self.arguments.gate.clone(), self.arguments.fabric.clone(), self.arguments.id);
        tokio::spawn(async move {
            let why = match gate.hold(Waiting { channel, author, text, reply_to }).await {
                Ok(Held::Waits(count)) => {
                    fabric.signal(channel, Signal::Queues { held: Some(count), reported: None });
                    Refusal::new(HELD, "This waits until a moderator has read it.")
                }
                Ok(Held::Full) => {
                    Refusal::new("queue_full", "This needs a moderator, and too much waits for them already.")
                }
                Err(_) => unavailable(),
            };
            asked.answer(&refusal(&why, Some(&id)));
        });
    }

    /// Says what a moderator allowed.
    pub(super) fn allow(&self, message: Message, once: ClientId, done: oneshot::Sender<bool>) {
        let terms = Terms { by: Some(message.user.id), once: Some(once), ..Terms::default() };
        self.append(Event::Message(message), terms, move |taken| {
            // Whoever asked may be gone; it is said all the same.
            let _ = done.send(taken.is_ok());
        });
    }

    /// How a text may be said, if not as it is. Who keeps order may say what others said.
    fn clean(&self, speaker: &Speaker, text: &str) -> Result<Option<String>, Refusal> {
        if speaker.person.role >= Role::Moderator {
            return Ok(None);
        }
        self.arguments.own_words.look_if_due();
        let own = self.arguments.own_words.filter();
        match self.arguments.words.load().judge_with(own.as_deref(), text) {
            Verdict::Clean => Ok(None),
            Verdict::Masked(masked) => Ok(Some(masked)),
            Verdict::Held => Err(Refusal::new(HELD, "This is not said before a moderator has read it.")),
            Verdict::Blocked => Err(Refusal::new("blocked", "This has words that are not said here.")),
        }
    }

    pub(super) fn comment(&mut self, asked: Asked, speaker: &Speaker, text: String, mode: Way, color: Option<String>) {
        let now = now();
        let terms = match self.rules.check(speaker, None, &text, now) {
            Ok(terms) => terms,
            Err(why) => return asked.answer(&refusal(&why, None)),
        };
        let text = match self.clean(speaker, &text) {
            Ok(masked) => masked.unwrap_or(text),
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
        match place(self.comments.append(pace, &terms, now).0) {
            Ok(_) => self.signal(Signal::Danmaku(comment)),
            Err(why) => asked.answer(&refusal(&why, None)),
        }
    }

    pub(super) fn delete(&mut self, asked: Asked, speaker: &Speaker, id: MessageId) {
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
        self.append(Event::Deleted { id, by }, terms, move |taken| {
            if let Err(why) = taken.map_err(|Down| unavailable()).and_then(place) {
                asked.answer(&refusal(&why, None));
            }
        });
    }

    pub(super) fn pin(&mut self, asked: Asked, by: AccountId, id: Option<MessageId>) {
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

    pub(super) fn append(&self, event: Event, terms: Terms, done: impl FnOnce(Result<Taken, Down>) + Send + 'static) {
        self.arguments.fabric.append(self.arguments.id, event, terms, Box::new(done));
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.arguments.fabric.signal(self.arguments.id, signal);
    }
}

/// Where something stands that was taken.
struct Place {
    offset: u64,
    /// What it was called when it was said before.
    earlier: Option<MessageId>,
}

/// Where it stands, or why it was not taken.
fn place(taken: Taken) -> Result<Place, Refusal> {
    match taken {
        Taken::New(offset) => Ok(Place { offset, earlier: None }),
        Taken::Again(offset, message) => Ok(Place { offset, earlier: Some(message) }),
        Taken::TooMuch(wait) => Err(Refusal::for_now("rate_limited", TOO_MUCH, wait)),
        Taken::TooSoon(wait) => Err(Refusal::for_now("slow_mode", TOO_SOON, wait)),
        Taken::NotUnique => Err(Refusal::new("not_unique", "This was said a moment ago.")),
    }
}

fn unavailable() -> Refusal {
    Refusal::for_now("unavailable", "This could not be said now. Try again.", Duration::from_secs(1))
}

//! Who is at the other end of a connection: what is known of them, and what becomes of their frames.

use std::{
    future::poll_fn,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite};
use weir_identity::ChannelId;

use super::{Shared, desk::Asked, line::Line, moderation};
use crate::{
    gate::{Answer, Denied},
    room::{
        Person, Role,
        actor::Msg,
        rules::{Refusal, Speaker},
    },
    rooms::Guest,
    wire::{
        Request, inbound,
        outbound::{Said, refusal},
    },
};

/// How long what is known of a speaker counts, before it is looked up again.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Somebody in a room, and what is known of them.
pub(super) struct Talker {
    channel: ChannelId,
    address: IpAddr,
    /// Nobody only reads.
    known: Option<(Arc<Speaker>, Instant)>,
    /// Whether it was noted from where they speak.
    spoke: bool,
}

impl Talker {
    /// Somebody who was let in from `address` a moment ago; nobody only reads.
    pub(super) fn new(channel: ChannelId, address: IpAddr, speaker: Option<Speaker>) -> Self {
        let known = speaker.map(|speaker| (Arc::new(speaker), Instant::now()));
        Self { channel, address, known, spoke: false }
    }

    /// Does what a frame asks for.
    pub(super) async fn request<T>(&mut self, text: &str, line: &mut Line<T>, shared: &Arc<Shared>, guest: &Guest)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let desk = line.desk.clone();
        let request = match inbound::read(text) {
            Ok(Request::Ping) => return desk.send(&Said::Pong.json()),
            Ok(Request::Viewers) => {
                // A room that is over has closed its outlet: the client is told so.
                let _ = guest.room.actor.cast(Msg::Viewers(Asked::of(&desk)));
                return;
            }
            Ok(Request::Join(_)) => Err("this connection has joined".to_owned()),
            Ok(request) => Ok(request),
            Err(why) => Err(why),
        };
        let request = match request {
            Ok(request) => request,
            Err(why) => return desk.send(&refusal(&Refusal::new("bad_frame", &why), None)),
        };
        let id = match &request {
            Request::Say { id, .. } => Some(id.clone()),
            _ => None,
        };
        let refuse = |code, text: &str| desk.send(&refusal(&Refusal::new(code, text), id.as_ref()));
        let Some(speaker) = self.speaker(line, shared).await else {
            return refuse("read_only", "Log in to take part.");
        };
        let speaker = match speaker {
            Ok(speaker) => speaker,
            Err(denied) => return refuse(denied.code(), &denied.to_string()),
        };
        let moderates = speaker.person.role >= Role::Moderator;
        let asked = Asked::of(&desk);
        let by = speaker.person.id;
        if matches!(request, Request::Say { .. } | Request::Danmaku { .. }) && !self.spoke {
            self.spoke = true;
            shared.gate.spoke(self.channel, by, self.address);
        }
        let msg = match request {
            Request::Say { id, text, reply_to } => Msg::Say { asked, speaker, id, text, reply_to },
            Request::Danmaku { text, mode, color } => Msg::Danmaku { asked, speaker, text, mode, color },
            Request::Delete { id } => Msg::Delete { asked, speaker, id },
            _ if !moderates => return refuse("forbidden", "This is for the channel's moderators."),
            Request::Settings { settings } if !settings.is_valid() => {
                return refuse("bad_frame", "There are no such settings.");
            }
            Request::Settings { settings } => {
                moderation::note(shared, self.channel, by, "chat.settings", format!("{settings:?}"));
                Msg::Settings { asked, settings }
            }
            Request::Clear { user: None } => {
                moderation::note(shared, self.channel, by, "chat.clear", String::new());
                Msg::Clear { asked: Some(asked), by, user: None, sentence: None }
            }
            Request::Pin { id } => Msg::Pin { asked, by, id },
            request => {
                let room = guest.room.actor.clone();
                let act = moderation::act(shared.clone(), self.channel, speaker, room, asked, request);
                tokio::spawn(act);
                return;
            }
        };
        // A room that is over has closed its outlet: the client is told so.
        let _ = guest.room.actor.cast(msg);
    }

    /// Who speaks, looked up anew when it was long ago. `None`: nobody who may.
    ///
    /// Frames wait behind it; what the room says goes on leaving.
    async fn speaker<T>(&mut self, line: &mut Line<T>, shared: &Arc<Shared>) -> Option<Result<Arc<Speaker>, Denied>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let (speaker, at) = self.known.as_ref()?;
        if !line.desk.take_anew() && at.elapsed() < KNOWN_FOR {
            return Some(Ok(speaker.clone()));
        }
        let speaker = speaker.clone();
        Some(match self.look_up(&speaker.person, line, shared).await {
            Ok(speaker) => Ok(self.learn(speaker, line, shared)),
            // Rooms go on without the store, on what was known.
            Err(Denied::Unavailable) => Ok(self.learn(speaker, line, shared)),
            Err(denied) => Err(denied),
        })
    }

    /// What is known has changed: whoever may no longer be here, goes.
    pub(super) async fn ask_anew<T>(&mut self, line: &mut Line<T>, shared: &Arc<Shared>) -> Result<(), Denied>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // What changes from here on is asked once more.
        let _ = line.desk.take_anew();
        let asked = match &self.known {
            Some((speaker, _)) => {
                let person = speaker.person.clone();
                self.look_up(&person, line, shared).await.map(|speaker| drop(self.learn(speaker, line, shared)))
            }
            None => ask(shared, line, shared.gate.reader(self.channel)).await,
        };
        match asked {
            // Rooms go on without the store, on what was known.
            Ok(()) | Err(Denied::Unavailable) => Ok(()),
            Err(denied) => Err(denied),
        }
    }

    async fn look_up<T>(&self, person: &Person, line: &mut Line<T>, shared: &Shared) -> Result<Arc<Speaker>, Denied>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let asked = shared.gate.speaker(self.channel, person.clone(), self.address);
        ask(shared, line, asked).await.map(Arc::new)
    }

    /// Goes on by what was looked up; who is something else than before is told so.
    fn learn<T>(&mut self, speaker: Arc<Speaker>, line: &Line<T>, shared: &Arc<Shared>) -> Arc<Speaker> {
        let was = self.known.as_ref().map(|(before, _)| before.person.role);
        if was != Some(speaker.person.role) {
            line.desk.set_role(speaker.person.role);
            line.desk.show(&speaker.person);
            line.desk.send(&Said::You { you: &speaker.person }.json());
            if line.desk.moderates() {
                tokio::spawn(moderation::show_queues(shared.clone(), self.channel, line.desk.clone()));
            }
        }
        self.known = Some((speaker.clone(), Instant::now()));
        speaker
    }
}

/// Asks the rest of the server, while what the room says goes on leaving. Of a whole room that asks at once, some wait
/// for others.
async fn ask<T, A>(shared: &Shared, line: &mut Line<T>, answer: Answer<'_, Result<A, Denied>>) -> Result<A, Denied>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let asked = async {
        // It is never closed.
        let _turn = shared.asking.acquire().await;
        answer.await
    };
    tokio::select! {
        answer = asked => answer,
        // What ends the line is found again by whoever reads it next.
        _ = poll_fn(|cx| line.poll_out(cx)) => Err(Denied::Unavailable),
    }
}

//! One client in a room, from its first frame to its last.
//!
//! One task. It carries bytes while there are some, and costs what the task and the socket cost while there are none.

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{Sleep, sleep, timeout},
};
use tracing::debug;
use weir_identity::ChannelName;

use super::{
    Shared,
    frame::{self, Incoming, Violation},
    limits::Pace,
    line::{Line, Turn},
    moderation,
    talker::Talker,
};
use crate::{
    gate::Denied,
    room::{
        actor::{Arrival, Joined, Msg},
        outlet::Mode,
        rules::Refusal,
    },
    rooms::Guest,
    wire::{
        Join, Request, inbound,
        outbound::{Said, refusal},
    },
};

/// How long somebody is told goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Within which time clients come back whose room or server is over, so that they do not come all at once.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client went.
    Gone,
    /// It did what it must not.
    Violation(Violation),
    /// It sends more frames than anybody needs to.
    Flood,
    /// It does not say where it joins, or does not say that it is there.
    Silent,
    /// It was not let in.
    Denied(Denied),
    /// The room cannot be entered.
    NoRoom,
    /// It does not read.
    TooSlow,
    /// The room is over.
    RoomOver,
    /// This server stops.
    Stopping,
}

/// Carries a client to its end.
pub(super) async fn carry<T>(io: T, shared: Arc<Shared>, channel: ChannelName, address: IpAddr)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut line = Line::new(io, shared.config.frame_bytes_max);
    let end = match Box::pin(join(&mut line, &shared, &channel, address)).await {
        Ok((guest, talker)) => talk(&mut line, &shared, guest, talker).await,
        Err(end) => end,
    };
    debug!(%channel, %address, ?end, "a chat connection ends");
    if let Some(goodbye) = goodbye(&end) {
        if matches!(end, End::TooSlow) {
            shared.slow.increment(1);
        }
        // Whoever does not listen to that either is let go.
        let _ = Box::pin(timeout(GOODBYE, line.end(goodbye))).await;
    }
}

/// What a client is told last.
fn goodbye(end: &End) -> Option<Bytes> {
    let come_back = |reason| Said::Reconnect { reason, within: COME_BACK_WITHIN.as_secs_f64() }.json();
    let error = |code, text: &str| refusal(&Refusal::new(code, text), None);
    let (code, said) = match end {
        End::Gone => return None,
        End::Violation(violation) => (violation.close_code(), error("bad_frame", &violation.to_string())),
        End::Flood => (1008, error("too_many_frames", "That was too much at once.")),
        End::Silent => (1008, error("silent", "Nothing was heard for too long.")),
        End::Denied(Denied::Unavailable) => (1013, come_back("unavailable")),
        End::Denied(denied) => (1008, error(denied.code(), &denied.to_string())),
        End::NoRoom => (1013, come_back("room")),
        End::TooSlow => (1008, come_back("slow")),
        End::RoomOver => (1012, come_back("room")),
        End::Stopping => (1012, come_back("stopping")),
    };
    let mut frames = BytesMut::from(&frame::text(&said)[..]);
    frames.extend_from_slice(&frame::close(code));
    Some(frames.freeze())
}

/// Waits for the first frame, and lets the client into the room.
async fn join<T>(
    line: &mut Line<T>,
    shared: &Arc<Shared>,
    channel: &ChannelName,
    address: IpAddr,
) -> Result<(Guest, Talker), End>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let join = timeout(shared.config.join_timeout, first(line)).await.map_err(|_| End::Silent)??;
    let admitted = shared.gate.admit(channel, join.token.as_deref(), address).await;
    let admission = admitted.map_err(End::Denied)?;
    if shared.stop.is_cancelled() {
        return Err(End::Stopping);
    }
    let guest = shared.rooms.enter(admission.channel).await.ok_or(End::NoRoom)?;
    guest.room.own_words.ready().await;
    if let Some(speaker) = &admission.speaker {
        line.desk.belongs_to(&speaker.person);
    }
    let arrival = Arrival {
        desk: line.desk.clone(),
        mode: if join.batch { Mode::Batch } else { Mode::Single },
        since: join.epoch.zip(join.since),
        person: admission.speaker.as_ref().map(|speaker| speaker.person.clone()),
    };
    let (reply, joined) = oneshot::channel();
    guest.room.actor.cast(Msg::Join(arrival, reply)).map_err(|_| End::NoRoom)?;
    let Joined { seat, place } = joined.await.map_err(|_| End::NoRoom)?;
    line.sit(seat, place);
    if line.desk.moderates() {
        tokio::spawn(moderation::show_queues(shared.clone(), admission.channel, line.desk.clone()));
    }
    Ok((guest, Talker::new(admission.channel, address, admission.speaker)))
}

/// The first frame. Anything else ends the connection.
async fn first<T: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<T>) -> Result<Join, End> {
    loop {
        match line.next().map_err(End::Violation)? {
            Some(Incoming::Text(text)) => match inbound::read(&text) {
                Ok(Request::Join(join)) => return Ok(join),
                _ => {
                    let why = Refusal::new("bad_frame", "The first frame must be a join.");
                    line.desk.send(&refusal(&why, None));
                    return Err(End::Violation(Violation::Protocol));
                }
            },
            Some(Incoming::Ping(payload)) => line.desk.put(frame::pong(&payload)),
            Some(Incoming::Pong) => {}
            Some(Incoming::Close) => return Err(End::Gone),
            None => match poll_fn(|cx| line.poll_turn(cx)).await {
                Turn::Read => {}
                Turn::TooSlow => return Err(End::TooSlow),
                Turn::RoomOver => return Err(End::RoomOver),
                Turn::Gone => return Err(End::Gone),
                // Nothing is known yet.
                Turn::Changed => _ = line.desk.take_anew(),
            },
        }
    }
}

/// Carries frames both ways until something ends it.
async fn talk<T>(line: &mut Line<T>, shared: &Arc<Shared>, guest: Guest, mut talker: Talker) -> End
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut pace = Pace::new(Instant::now());
    let mut heard = tokio::time::Instant::now();
    let interval = shared.config.ping_interval;
    let mut ping = pin!(sleep(interval));
    // What came together with the join is here already.
    if let Err(end) = take_all(line, shared, &guest, &mut talker, &mut pace, heard).await {
        return end;
    }
    loop {
        // A hand-made select: thousands of these run for each message that is said.
        let turn = poll_fn(|cx| match line.poll_turn(cx) {
            Poll::Ready(turn) => Poll::Ready(Some(turn)),
            Poll::Pending => ping.as_mut().poll(cx).map(|()| None),
        });
        let Some(turn) = turn.await else {
            if heard.elapsed() > interval * 2 {
                return End::Silent;
            }
            line.desk.put(frame::PING);
            again(ping.as_mut(), interval);
            continue;
        };
        match turn {
            Turn::Read => heard = tokio::time::Instant::now(),
            Turn::TooSlow => return End::TooSlow,
            Turn::RoomOver if shared.stop.is_cancelled() => return End::Stopping,
            Turn::RoomOver => return End::RoomOver,
            Turn::Gone => return End::Gone,
            Turn::Changed => match Box::pin(talker.ask_anew(line, shared)).await {
                Ok(()) => continue,
                Err(denied) => return End::Denied(denied),
            },
        }
        if let Err(end) = take_all(line, shared, &guest, &mut talker, &mut pace, heard).await {
            return end;
        }
    }
}

/// Does what every whole frame asks for that has come.
async fn take_all<T>(
    line: &mut Line<T>,
    shared: &Arc<Shared>,
    guest: &Guest,
    talker: &mut Talker,
    pace: &mut Pace,
    heard: tokio::time::Instant,
) -> Result<(), End>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(incoming) = line.next().map_err(End::Violation)? {
        let text = match incoming {
            Incoming::Text(text) => Some(text),
            Incoming::Ping(payload) => {
                line.desk.put(frame::pong(&payload));
                None
            }
            Incoming::Pong => None,
            Incoming::Close => return Err(End::Gone),
        };
        if shared.config.limits_rates() && !pace.allows(heard.into_std()) {
            return Err(End::Flood);
        }
        if let Some(text) = text {
            Box::pin(talker.request(&text, line, shared, guest)).await;
        }
    }
    Ok(())
}

fn again(timer: std::pin::Pin<&mut Sleep>, after: Duration) {
    timer.reset(tokio::time::Instant::now() + after);
}

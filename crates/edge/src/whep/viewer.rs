//! One viewer: its transport and its sender behind one small lock, driven by two tasks.
//!
//! The sockets' task hands over what the viewer sends ([`Endpoint::datagram`]) and answers at once. The shard that the
//! viewer sits in hands over frames ([`Viewer::send`]) and looks after it when something is due ([`Viewer::look`]). Both
//! leave the lock before they do anything else.
//!
//! A viewer ends once: it leaves the table, the sockets forget it, and its shard lets go of it at the next look.

use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tracing::debug;
use weir_identity::ChannelName;
use weir_peer::{
    agreed::{Outgoing, RtpCodec},
    path::Path,
    resource::EntityTag,
    send::{Layer, Packets, Sender, Stats},
    socket::{Batch, Endpoint, Registration, Sockets, Verdict},
    transport::{Credentials, Event, Packet, Transport},
};

use super::{
    inbox::Inbox,
    meters::Meters,
    table::{SessionId, Table},
};

/// How long a viewer may take from the answer to its first path and keys.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Soonest that a viewer is looked after again: what is due earlier is done a moment later, and nothing spins.
const LOOK_MIN: Duration = Duration::from_millis(2);

thread_local! {
    /// Where answers to a datagram are put together. Of the thread, so that a silent viewer holds no buffer.
    static ANSWERS: RefCell<Batch> = RefCell::default();
}

/// A viewer.
pub(super) struct Viewer {
    key: u64,
    id: SessionId,
    channel: ChannelName,
    /// A video section was agreed.
    wants_video: bool,
    sockets: Sockets,
    table: Arc<Table>,
    meters: Arc<Meters>,
    /// Who looks after it; set once it sits.
    inbox: OnceLock<Arc<Inbox>>,
    registration: Mutex<Option<Registration>>,
    session: Mutex<Session>,
}

struct Session {
    transport: Transport,
    sender: Sender,
    stage: Stage,
    connect_until: Instant,
    /// The earliest look that its shard has noted.
    scheduled: Option<Instant>,
    /// A note for its shard is on its way.
    noted: bool,
    /// What was counted of it already.
    counted: Stats,
    /// Names the ICE session.
    tag: EntityTag,
    peer: Credentials,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There are no keys yet.
    Connecting,
    /// It waits for its shard to begin.
    Connected,
    /// It gets frames.
    Playing,
    /// It is over.
    Gone,
}

/// What a shard has to do after it touched a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct After {
    /// Let go of it.
    pub(super) gone: bool,
    /// It begins to get frames: with the next one.
    pub(super) began: bool,
    /// Look after it then.
    pub(super) look: Option<Instant>,
    /// Ask the publisher for a keyframe.
    pub(super) keyframe: bool,
}

/// What a viewer is made of.
pub(super) struct Parts {
    pub(super) channel: ChannelName,
    pub(super) transport: Transport,
    pub(super) outgoing: Vec<Outgoing>,
    /// The peer's ICE credentials.
    pub(super) peer: Credentials,
    pub(super) sockets: Sockets,
    pub(super) table: Arc<Table>,
    pub(super) meters: Arc<Meters>,
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").field("id", &self.id).field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Viewer {
    pub(super) fn new(now: Instant, parts: Parts) -> Arc<Self> {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let Parts { channel, transport, outgoing, peer, sockets, table, meters } = parts;
        let wants_video = outgoing.iter().any(|section| section.video);
        let session = Session {
            transport,
            sender: Sender::new(now, outgoing),
            stage: Stage::Connecting,
            connect_until: now + CONNECT_MAX,
            scheduled: None,
            noted: false,
            counted: Stats::default(),
            tag: EntityTag::random(),
            peer,
        };
        Arc::new(Self {
            key: KEYS.fetch_add(1, Relaxed),
            id: SessionId::random(),
            channel,
            wants_video,
            sockets,
            table,
            meters,
            inbox: OnceLock::new(),
            registration: Mutex::default(),
            session: Mutex::new(session),
        })
    }

    /// Tells it apart from every other viewer of this process.
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(super) fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// Keeps its place at the sockets until it ends.
    pub(super) fn registered(&self, registration: Registration) {
        let session = self.session.lock();
        if session.stage == Stage::Gone {
            drop(session);
            drop(registration);
        } else {
            *self.registration.lock() = Some(registration);
        }
    }

    /// Names the shard that looks after it from now on.
    pub(super) fn sits(&self, inbox: &Arc<Inbox>) {
        // It sits down once.
        let _ = self.inbox.set(inbox.clone());
    }

    /// Whether a shard looks after it.
    pub(super) fn is_seated(&self) -> bool {
        self.inbox.get().is_some()
    }

    /// Its ICE session: what names it, and the peer's credentials.
    pub(super) fn ice(&self) -> (EntityTag, Credentials) {
        let session = self.session.lock();
        (session.tag.clone(), session.peer.clone())
    }

    /// Begins a new ICE session with new credentials of both sides, and names it. `None`: it ends, or has ended.
    pub(super) fn restart(&self, now: Instant, local: Credentials, peer: Credentials) -> Option<EntityTag> {
        let mut session = self.session.lock();
        self.registration.lock().as_ref()?.add(&local.ufrag).ok()?;
        session.peer = peer.clone();
        session.tag = EntityTag::random();
        session.transport.restart(now, local, peer);
        let tag = session.tag.clone();
        self.settle(session, now, &Batch::new());
        Some(tag)
    }

    /// Says goodbye and ends.
    pub(super) fn close(&self, now: Instant) {
        let mut session = self.session.lock();
        session.transport.close(now);
        self.transmit(&mut session);
        self.end(&mut session);
        self.settle(session, now, &Batch::new());
    }

    /// Whether it is over.
    pub(super) fn is_gone(&self) -> bool {
        self.session.lock().stage == Stage::Gone
    }

    /// Whether frames of `codec` are of use to it.
    pub(super) fn takes(&self, codec: RtpCodec) -> bool {
        codec == RtpCodec::Opus || !self.wants_video || self.session.lock().sender.accepts(codec)
    }

    /// Sends a frame. `batch` comes and goes empty.
    pub(super) fn send(&self, packets: &Arc<Packets>, batch: &mut Batch) -> After {
        let now = Instant::now();
        let mut session = self.session.lock();
        let Session { transport, sender, stage, .. } = &mut *session;
        if *stage == Stage::Playing {
            sender.send(now, packets, transport, batch);
        }
        self.finish(session, now, false, batch)
    }

    /// Does what is due; begins to play if it is connected: with `gop`, the pictures since the last keyframe. `fired`: the
    /// look that was noted last is this one.
    pub(super) fn look<'a>(
        &self,
        fired: bool,
        gop: impl FnOnce() -> Vec<Arc<Packets>> + 'a,
        batch: &mut Batch,
    ) -> After {
        let now = Instant::now();
        let mut session = self.session.lock();
        session.noted = false;
        if fired {
            session.scheduled = None;
        }
        if session.transport.poll_timeout().is_some_and(|due| due <= now) {
            session.transport.handle_timeout(now);
        }
        self.take_events(&mut session);
        if session.stage == Stage::Connecting && now >= session.connect_until {
            debug!(viewer = ?self.id, "it did not connect in time");
            self.end(&mut session);
        }
        let began = session.stage == Stage::Connected && session.transport.path().is_some();
        let mut keyframe = false;
        if began {
            let gop = gop();
            keyframe = gop.is_empty();
            let Session { transport, sender, stage, .. } = &mut *session;
            *stage = Stage::Playing;
            sender.join(now, &gop, transport, batch);
        }
        session.handle_sender_timeout(now, batch);
        self.transmit(&mut session);
        let after = self.finish(session, now, keyframe, batch);
        After { began, ..after }
    }

    /// Picks among the layers, and counts what happened to it. About once a second.
    pub(super) fn choose(&self, layers: &[Layer]) -> After {
        let now = Instant::now();
        let mut session = self.session.lock();
        if session.stage == Stage::Playing && !layers.is_empty() {
            session.sender.choose(now, layers);
        }
        self.count(&mut session);
        self.finish(session, now, false, &mut Batch::new())
    }

    /// The end of all that a shard does: sends what is in `batch`, and says what is to be done next.
    fn finish(&self, mut session: MutexGuard<'_, Session>, now: Instant, keyframe: bool, batch: &mut Batch) -> After {
        let gone = session.stage == Stage::Gone;
        let keyframe = keyframe || (session.stage == Stage::Playing && session.sender.keyframe_wanted(now).is_some());
        let look = session.due().map(|due| due.max(now + LOOK_MIN)).filter(|due| session.schedule(*due));
        let path = session.transport.path();
        drop(session);
        self.send_batch(path, batch);
        batch.clear();
        After { gone, began: false, look, keyframe }
    }

    /// The end of all that others do: sends what is in `batch`, and has the shard look if it must.
    fn settle(&self, mut session: MutexGuard<'_, Session>, now: Instant, batch: &Batch) {
        let due = session.due().map(|due| due.max(now + LOOK_MIN));
        let earlier = due.is_some_and(|due| session.scheduled.is_none_or(|scheduled| due < scheduled));
        let look = earlier || matches!(session.stage, Stage::Connected | Stage::Gone);
        let note = look && !session.noted;
        session.noted |= look;
        let path = session.transport.path();
        drop(session);
        self.send_batch(path, batch);
        if let Some(inbox) = self.inbox.get().filter(|_| note) {
            inbox.look_after(self.key);
        }
    }

    fn send_batch(&self, path: Option<Path>, batch: &Batch) {
        if let Some(path) = path.filter(|_| !batch.is_empty()) {
            self.sockets.send_batch(&path, batch);
        }
    }

    fn transmit(&self, session: &mut Session) {
        while let Some(transmit) = session.transport.poll_transmit() {
            self.sockets.send(&transmit.path, &transmit.data);
        }
    }

    fn take_events(&self, session: &mut Session) {
        while let Some(event) = session.transport.poll_event() {
            match event {
                Event::Connected if session.stage == Stage::Connecting => {
                    session.stage = Stage::Connected;
                    self.table.connected(self);
                }
                Event::Closed(reason) => {
                    debug!(viewer = ?self.id, ?reason, "a viewer's transport ended");
                    self.end(session);
                }
                Event::Connected | Event::PathChanged(_) => {}
            }
        }
    }

    /// Frees what it holds elsewhere. Once.
    fn end(&self, session: &mut Session) {
        if session.stage == Stage::Gone {
            return;
        }
        let connected = session.stage != Stage::Connecting;
        session.stage = Stage::Gone;
        self.count(session);
        // Whoever called holds the viewer as well, so that nothing of it is dropped here.
        drop(self.table.remove(self, connected));
        drop(self.registration.lock().take());
    }

    fn count(&self, session: &mut Session) {
        let stats = session.sender.stats();
        let before = std::mem::replace(&mut session.counted, stats);
        self.meters.skipped.increment(stats.skipped_frames.saturating_sub(before.skipped_frames));
        self.meters.paced.increment(stats.paced_frames.saturating_sub(before.paced_frames));
        self.meters.repeated.increment(stats.retransmissions.saturating_sub(before.retransmissions));
    }
}

impl Session {
    /// When it must be looked after next.
    fn due(&self) -> Option<Instant> {
        let transport = self.transport.poll_timeout();
        let stage = match self.stage {
            Stage::Connecting => Some(self.connect_until),
            Stage::Playing => self.sender.poll_timeout(),
            Stage::Connected => None,
            Stage::Gone => return None,
        };
        [transport, stage].into_iter().flatten().min()
    }

    /// Notes a look. Whether it is earlier than the one that was noted.
    fn schedule(&mut self, due: Instant) -> bool {
        let earlier = self.scheduled.is_none_or(|scheduled| due < scheduled);
        if earlier {
            self.scheduled = Some(due);
        }
        earlier
    }

    fn handle_sender_timeout(&mut self, now: Instant, batch: &mut Batch) {
        if self.stage == Stage::Playing && self.sender.poll_timeout().is_some_and(|due| due <= now) {
            self.sender.handle_timeout(now, &mut self.transport, batch);
        }
    }
}

impl Endpoint for Viewer {
    fn datagram(&self, now: Instant, path: Path, datagram: &[u8]) -> Verdict {
        ANSWERS.with_borrow_mut(|batch| {
            let mut session = self.session.lock();
            let received = session.transport.receive(now, path, datagram);
            let mut keyframe = false;
            if let Packet::Rtcp(compound) = &received.packet
                && session.stage == Stage::Playing
            {
                keyframe = session.sender.rtcp(now, compound).keyframe_wanted.is_some();
                session.handle_sender_timeout(now, batch);
            }
            self.take_events(&mut session);
            self.transmit(&mut session);
            self.settle(session, now, batch);
            batch.clear();
            if let Some(inbox) = self.inbox.get().filter(|_| keyframe) {
                inbox.request_keyframe();
            }
            received.verdict
        })
    }

    fn closed(&self, _: Path) {
        // ICE tells whether there is another path; if there is none, silence ends the viewer.
    }
}

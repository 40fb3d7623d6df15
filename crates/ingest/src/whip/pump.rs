//! A session's [`Transport`], its [`Receiver`] and its publish: takes datagrams in, and does what the values say.
//!
//! The channel is taken when the peer is connected, and left when the session ends: by DELETE, by the peer's goodbye,
//! by its silence, by a kick.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{self, sleep_until},
};
use tracing::{debug, info};
use weir_media::{Kick, Publish, Publisher, Registry, TrackId, registry::Announced};
use weir_peer::{
    agreed::Incoming,
    receive::{Output, Receiver},
    socket::Sockets,
    transport::{Event, Packet, Reason, Transport},
};

use super::{
    mailbox::Datagram,
    meters,
    table::{Command, Seat},
};
use crate::Error;

/// Datagrams that are taken in before what they cause is sent: enough for a large picture, and a few milliseconds.
const BATCH_MAX: usize = 64;
/// How long a pump without any deadline sleeps; each has one while its transport lives.
const NO_DEADLINE: Duration = Duration::from_secs(3600);

/// One session.
pub(super) struct Pump {
    pub(super) transport: Transport,
    pub(super) incoming: Vec<Incoming>,
    pub(super) publish: Publish,
    pub(super) registry: Registry,
    pub(super) sockets: Sockets,
    pub(super) keyframe_interval: Duration,
    pub(super) datagrams: mpsc::Receiver<Datagram>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) seat: Seat,
}

/// Why the pump stops.
enum End {
    /// As things end.
    Told,
    Transport(Reason),
}

impl Pump {
    /// Runs the session to its end. `Ok` is an ordinary ending: DELETE, goodbye, a kick.
    pub(super) async fn run(mut self, drain: oneshot::Receiver<()>) -> Result<(), Error> {
        let mut drain = std::pin::pin!(drain);
        let mut media = None::<Media>;
        let end = loop {
            // Here and not only when the timer fires: datagrams may come faster than they are taken.
            let now = time::Instant::now().into_std();
            self.time_passed(now, &mut media);
            if let Some(end) = self.turn(&mut media) {
                break end;
            }
            let deadline = self.deadline(media.as_ref()).unwrap_or(now + NO_DEADLINE);
            let publisher = media.as_ref().map(|media| &media.publisher);
            tokio::select! {
                biased;
                kick = kicked(publisher) => {
                    info!(reason = %kick, "closing");
                    break End::Told;
                }
                _ = &mut drain => {
                    if let Some(media) = &media {
                        // As if kicked, so that whoever listens knows why; a kick that came before counts.
                        media.publisher.live().kick(Kick::Shutdown);
                    }
                    break End::Told;
                }
                command = self.commands.recv() => match command {
                    Some(Command::Restart { local, remote }) => {
                        debug!("ICE restarts");
                        self.transport.restart(time::Instant::now().into_std(), local, remote);
                    }
                    // Without anybody who could ask, nobody could end it either.
                    Some(Command::End) | None => break End::Told,
                },
                () = keyframe_wanted(publisher) => {
                    if let Some(media) = &mut media {
                        media.receiver.request_keyframe(time::Instant::now().into_std());
                    }
                }
                datagram = self.datagrams.recv() => {
                    if let Some(datagram) = datagram {
                        self.arrived(datagram, media.as_mut());
                    }
                }
                () = sleep_until(deadline.into()) => {}
            }
        };
        self.transport.close(time::Instant::now().into_std());
        self.transmit();
        if let Some(media) = media {
            media.ended();
        }
        match end {
            End::Told | End::Transport(Reason::Peer) => Ok(()),
            End::Transport(reason) => Err(Error::Webrtc(reason)),
        }
    }

    fn arrived(&mut self, first: Datagram, mut media: Option<&mut Media>) {
        let mut next = Some(first);
        let mut left = BATCH_MAX;
        while let Some(Datagram { at, path, bytes }) = next {
            match (self.transport.receive(at, path, &bytes).packet, media.as_deref_mut()) {
                (Packet::Rtp(packet), Some(media)) => media.receiver.rtp(at, packet),
                (Packet::Rtcp(packet), Some(media)) => media.receiver.rtcp(at, &packet),
                (Packet::None | Packet::Rtp(_) | Packet::Rtcp(_), _) => {}
            }
            left -= 1;
            next = if left > 0 { self.datagrams.try_recv().ok() } else { None };
        }
    }

    /// Does what the transport and the receiver say, until there is nothing left to do.
    fn turn(&mut self, media: &mut Option<Media>) -> Option<End> {
        while let Some(event) = self.transport.poll_event() {
            match event {
                Event::Connected => match self.connected() {
                    Some(begun) => *media = Some(begun),
                    None => return Some(End::Told),
                },
                Event::PathChanged(path) => debug!(peer = %path.remote, "path"),
                Event::Closed(reason) => return Some(End::Transport(reason)),
            }
        }
        if let Some(media) = media {
            media.forward();
            self.report(media);
        }
        self.transmit();
        None
    }

    /// Takes the channel.
    fn connected(&mut self) -> Option<Media> {
        self.seat.connected();
        let publisher = match self.registry.publish(self.publish.clone()) {
            Ok(publisher) => publisher,
            Err(busy) => {
                metrics::counter!(meters::REFUSALS, "reason" => "busy").increment(1);
                info!(reason = %busy, "publisher refused");
                return None;
            }
        };
        let video = self.incoming.iter().any(|incoming| incoming.video);
        let audio = self.incoming.iter().any(|incoming| !incoming.video);
        publisher.announce(Announced { video, audio });
        info!(publish = %publisher.live().id, "publishing");
        let now = time::Instant::now().into_std();
        let receiver = Receiver::new(now, std::mem::take(&mut self.incoming));
        let interval = Some(self.keyframe_interval).filter(|interval| video && !interval.is_zero());
        Some(Media { publisher, receiver, keyframe_interval: interval, keyframe: now })
    }

    fn report(&mut self, media: &mut Media) {
        while let Some(compound) = media.receiver.poll_rtcp() {
            let mut packet = Vec::with_capacity(compound.len() + 32);
            match (self.transport.protect_rtcp(&compound, &mut packet), self.transport.path()) {
                (Ok(()), Some(path)) => self.sockets.send(&path, &packet),
                (Err(error), _) => debug!(%error, "a report was not sent"),
                (Ok(()), None) => {}
            }
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.transport.poll_transmit() {
            self.sockets.send(&transmit.path, &transmit.data);
        }
    }

    fn deadline(&self, media: Option<&Media>) -> Option<Instant> {
        let media = media.and_then(Media::deadline);
        [self.transport.poll_timeout(), media].into_iter().flatten().min()
    }

    fn time_passed(&mut self, now: Instant, media: &mut Option<Media>) {
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now);
        }
        if let Some(media) = media {
            media.time_passed(now);
        }
    }
}

/// The publish of a connected session.
struct Media {
    publisher: Publisher,
    receiver: Receiver,
    keyframe_interval: Option<Duration>,
    /// When the last keyframe of the best layer came, or was asked for by the clock.
    keyframe: Instant,
}

impl Media {
    /// Hands on what the receiver made.
    fn forward(&mut self) {
        while let Some(output) = self.receiver.poll() {
            match output {
                Output::Frame(frame) => {
                    if frame.keyframe && frame.track == TrackId::VIDEO {
                        self.keyframe = frame.arrived;
                    }
                    self.publisher.send(frame);
                }
                Output::Track(track) => {
                    info!(track = track.id.0, codec = track.params.rfc6381(), "track");
                    // A receiver has fewer than a publish may have.
                    self.publisher.set_track(track);
                }
                Output::Gone(track) => info!(track = track.0, "the publisher stopped this layer"),
            }
        }
    }

    fn keyframe_due(&self) -> Option<Instant> {
        Some(self.keyframe + self.keyframe_interval?)
    }

    fn deadline(&self) -> Option<Instant> {
        [self.receiver.poll_timeout(), self.keyframe_due()].into_iter().flatten().min()
    }

    fn time_passed(&mut self, now: Instant) {
        if self.keyframe_due().is_some_and(|at| at <= now) {
            self.keyframe = now;
            self.receiver.request_keyframe(now);
        }
        if self.receiver.poll_timeout().is_some_and(|at| at <= now) {
            self.receiver.handle_timeout(now);
        }
    }

    fn ended(self) {
        let live = self.publisher.live().clone();
        drop(self.publisher);
        let (video, audio) = (live.counts.video_frames.load(Relaxed), live.counts.audio_frames.load(Relaxed));
        info!(reason = ?live.end_reason(), video_frames = video, audio_frames = audio, "publish ended");
    }
}

async fn kicked(publisher: Option<&Publisher>) -> Kick {
    match publisher {
        Some(publisher) => publisher.kicked().await,
        None => std::future::pending().await,
    }
}

async fn keyframe_wanted(publisher: Option<&Publisher>) {
    match publisher {
        Some(publisher) => publisher.keyframe_wanted().await,
        None => std::future::pending().await,
    }
}

//! A publisher's socket and its [`Core`]: reads, steps, and does what the core says.
//!
//! One buffer for reading, reused for ever and sized by what comes; nothing is queued. While the gate is asked, and
//! while the peer does not take what we say, nothing is read, so a peer is slowed by its own behaviour only.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use metrics::Counter;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::oneshot,
    time::{self, Sleep, timeout, timeout_at},
};
use tracing::{Span, debug, info};
use weir_identity::StreamKey;
use weir_media::{Kick, Publish, Publisher, Registry};

use super::{
    config::Config,
    core::{Core, Input, Output},
    meters,
};
use crate::{Denied, Error, Gate};

/// First size of the read buffer, in bytes: a handshake or a few audio frames.
const READ_BYTES_MIN: usize = 4 << 10;
/// Largest size of the read buffer before a publish, in bytes.
const READ_BYTES_STRANGER: usize = 16 << 10;
/// Largest size of the read buffer, in bytes: a frame of 15 Mbit/s at 30 fps.
const READ_BYTES_MAX: usize = 64 << 10;
/// Reads in a row that fit a quarter of the buffer before it is halved: about two seconds of a stream.
const SMALL_READS: u32 = 128;
/// Bytes that are read and thrown away after our last word, so that the peer hears it before the connection is reset.
const LINGER_BYTES: usize = 1 << 20;

/// What a session shares with all others.
pub(super) struct Shared<G> {
    pub(super) config: Config,
    pub(super) gate: Arc<G>,
    pub(super) registry: Registry,
}

/// One connection, as the listener hands it over.
pub(super) struct Pump<S, G> {
    pub(super) socket: S,
    pub(super) peer: SocketAddr,
    /// `rtmp` or `rtmps`.
    pub(super) protocol: &'static str,
    pub(super) shared: Arc<Shared<G>>,
    /// Fires when the server stops.
    pub(super) drain: oneshot::Receiver<()>,
    /// When the connection was accepted.
    pub(super) began: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, G: Gate> Pump<S, G> {
    /// Runs the session to its end. `Ok` is an ordinary ending: goodbye, a closed socket, a refusal that was told.
    pub(super) async fn run(self) -> Result<(), Error> {
        let core = Core::new(&self.shared.config, self.began);
        let deadline = Box::pin(time::sleep_until(core.deadline().into()));
        let received = metrics::counter!(meters::RECEIVED);
        let read = ReadBuffer::new();
        let mut session = Session { pump: self, core, out: VecDeque::new(), read, deadline, received, is_deaf: false };
        while let Some(publisher) = session.login().await? {
            if session.carry(publisher).await? == After::Close {
                break;
            }
        }
        session.linger().await;
        Ok(())
    }
}

/// The running session.
struct Session<S, G> {
    pump: Pump<S, G>,
    core: Core,
    out: VecDeque<Output>,
    read: ReadBuffer,
    /// Follows [`Core::deadline`] lazily: it is moved when it fires, not with every frame.
    deadline: Pin<Box<Sleep>>,
    received: Counter,
    /// The peer does not read what we say.
    is_deaf: bool,
}

/// What the core's outputs lead to.
enum Next {
    /// All is done; more must come in.
    Read,
    Ask(StreamKey),
    Unpublished,
    /// Why it is over, in words.
    Close(String),
}

/// Whether the connection goes on after a publish.
#[derive(PartialEq, Eq)]
enum After {
    Login,
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, G: Gate> Session<S, G> {
    /// Goes on until a publish is admitted. `None`: the session is over.
    async fn login(&mut self) -> Result<Option<Publisher>, Error> {
        loop {
            match self.perform(None).await? {
                Next::Read => {}
                Next::Ask(key) => match self.admit(key).await? {
                    Ok(publisher) => {
                        self.step(Input::Granted)?;
                        self.reset_deadline();
                        return Ok(Some(publisher));
                    }
                    Err(sentence) => {
                        self.step(Input::Refused(&sentence))?;
                        continue;
                    }
                },
                Next::Unpublished => continue,
                Next::Close(_) => return Ok(None),
            }
            tokio::select! {
                biased;
                _ = &mut self.pump.drain => self.step(Input::Kicked(&Kick::Shutdown.to_string()))?,
                arrived = receive(&mut self.pump.socket, &mut self.read, &mut self.deadline) => {
                    if self.arrived(arrived?)? == After::Close {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Asks the gate and the registry. The inner error is the sentence that the publisher hears.
    async fn admit(&mut self, key: StreamKey) -> Result<Result<Publisher, String>, Error> {
        let shared = self.pump.shared.clone();
        let asked = timeout_at(self.core.deadline().into(), shared.gate.admit(key, self.pump.peer)).await;
        let denied = match asked {
            Ok(Ok(publish)) => {
                let publish = Publish { protocol: self.pump.protocol, ..publish };
                match shared.registry.publish(publish) {
                    Ok(publisher) => return Ok(Ok(publisher)),
                    Err(busy) => {
                        refused("busy", &busy);
                        return Ok(Err(busy.to_string()));
                    }
                }
            }
            Ok(Err(denied)) => denied,
            Err(_) => Denied::Unavailable,
        };
        refused(denied.label(), &denied);
        Ok(Err(denied.to_string()))
    }

    /// Passes on what `publisher` sends, until its publish ends.
    async fn carry(&mut self, publisher: Publisher) -> Result<After, Error> {
        let live = publisher.live().clone();
        Span::current().record("channel", live.publish.channel.as_str());
        info!(publish = %live.id, "publishing");
        self.read.bytes_max = READ_BYTES_MAX;
        let outcome = self.frames(&publisher).await;
        drop(publisher);
        let (video, audio) = (live.counts.video_frames.load(Relaxed), live.counts.audio_frames.load(Relaxed));
        info!(reason = ?live.end_reason(), video_frames = video, audio_frames = audio, "publish ended");
        self.reset_deadline();
        outcome
    }

    async fn frames(&mut self, publisher: &Publisher) -> Result<After, Error> {
        let mut kicked = std::pin::pin!(publisher.kicked());
        loop {
            match self.perform(Some(publisher)).await? {
                Next::Unpublished => return Ok(After::Login),
                Next::Close(why) => {
                    // Its encoder would come back with the same, so nobody need wait for it.
                    publisher.live().kick(Kick::Refused(why));
                    return Ok(After::Close);
                }
                Next::Read | Next::Ask(_) => {}
            }
            tokio::select! {
                biased;
                reason = &mut kicked => {
                    self.step(Input::Kicked(&reason.to_string()))?;
                    self.perform(Some(publisher)).await?;
                    return Ok(After::Close);
                }
                _ = &mut self.pump.drain => {
                    // As if kicked, so that whoever listens knows why; a kick that came before counts.
                    publisher.live().kick(Kick::Shutdown);
                    self.step(Input::Kicked(&Kick::Shutdown.to_string()))?;
                    self.perform(Some(publisher)).await?;
                    return Ok(After::Close);
                }
                arrived = receive(&mut self.pump.socket, &mut self.read, &mut self.deadline) => {
                    if self.arrived(arrived?)? == After::Close {
                        return Ok(After::Close);
                    }
                }
            }
        }
    }

    fn arrived(&mut self, arrived: Arrived) -> Result<After, Error> {
        match arrived {
            Arrived::Bytes(count) => {
                self.received.increment(count as u64);
                let now = time::Instant::now().into_std();
                self.core.step(now, Input::Bytes(&self.read.bytes[..count]), &mut self.out)?;
                self.read.adapt(count);
            }
            Arrived::Deadline => {
                self.step(Input::Tick)?;
                self.reset_deadline();
            }
            Arrived::End => return Ok(After::Close),
        }
        Ok(After::Login)
    }

    fn step(&mut self, input: Input<'_>) -> Result<(), Error> {
        self.core.step(time::Instant::now().into_std(), input, &mut self.out)
    }

    fn reset_deadline(&mut self) {
        self.deadline.as_mut().reset(self.core.deadline().into());
    }

    /// Does what the core said, up to what needs a decision.
    async fn perform(&mut self, publisher: Option<&Publisher>) -> Result<Next, Error> {
        while let Some(output) = self.out.pop_front() {
            match (output, publisher) {
                (Output::Frame(frame), Some(publisher)) => publisher.send(frame),
                (Output::Track(track), Some(publisher)) => {
                    info!(codec = track.params.rfc6381(), "track");
                    // There are two at most, far fewer than a publish may have.
                    publisher.set_track(track);
                }
                (Output::Announce(announced), Some(publisher)) => publisher.announce(announced),
                (Output::Frame(_) | Output::Track(_) | Output::Announce(_), None) => {}
                (Output::Send(bytes), _) => self.send(&bytes).await?,
                (Output::Whisper(bytes), _) => self.whisper(&bytes).await?,
                (Output::AskGate(key), _) => return Ok(Next::Ask(key)),
                (Output::Unpublish, _) => return Ok(Next::Unpublished),
                (Output::Close(reason), _) => {
                    info!(reason, "closing");
                    return Ok(Next::Close(reason));
                }
            }
        }
        Ok(Next::Read)
    }

    /// Sends what the peer takes at once. After a message that it did not take whole, nothing can be said any more.
    async fn whisper(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.is_deaf {
            return Ok(());
        }
        let sent = async {
            self.pump.socket.write_all(bytes).await?;
            self.pump.socket.flush().await
        };
        match timeout(Duration::ZERO, sent).await {
            Ok(sent) => Ok(sent?),
            Err(_) => {
                debug!("the peer does not listen; nothing is said to it from now on");
                self.is_deaf = true;
                Ok(())
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.is_deaf {
            return Ok(());
        }
        let limit = self.pump.shared.config.write_timeout;
        let sent = async {
            self.pump.socket.write_all(bytes).await?;
            self.pump.socket.flush().await
        };
        timeout(limit, sent).await.map_err(|_| Error::WriteTimeout(limit))?.map_err(Error::Io)
    }

    /// Lets the peer read our last word: a connection closed with unread bytes is reset, and the word with it.
    async fn linger(&mut self) {
        let until = time::Instant::now() + self.pump.shared.config.write_timeout;
        let _ = timeout_at(until, async {
            self.pump.socket.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                match self.pump.socket.read(&mut self.read.bytes).await? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            Ok::<_, io::Error>(())
        })
        .await;
    }
}

fn refused(label: &'static str, why: &dyn fmt::Display) {
    metrics::counter!(meters::REFUSALS, "reason" => label).increment(1);
    info!(reason = %why, "publisher refused");
}

/// What came in.
enum Arrived {
    /// So many bytes, at the front of the read buffer.
    Bytes(usize),
    /// The peer closed the connection.
    End,
    /// The timer fired.
    Deadline,
}

/// Waits for bytes or the timer. Cancel safe.
async fn receive<S: AsyncRead + Unpin>(
    socket: &mut S,
    read: &mut ReadBuffer,
    deadline: &mut Pin<Box<Sleep>>,
) -> Result<Arrived, io::Error> {
    tokio::select! {
        biased;
        count = socket.read(&mut read.bytes) => Ok(match count? {
            0 => Arrived::End,
            count => Arrived::Bytes(count),
        }),
        () = deadline.as_mut() => Ok(Arrived::Deadline),
    }
}

/// The socket's buffer. Large for a busy publisher, small for an idle one.
struct ReadBuffer {
    bytes: Vec<u8>,
    bytes_max: usize,
    small_reads: u32,
}

impl ReadBuffer {
    fn new() -> Self {
        Self { bytes: vec![0; READ_BYTES_MIN], bytes_max: READ_BYTES_STRANGER, small_reads: 0 }
    }

    fn adapt(&mut self, count: usize) {
        let size = self.bytes.len();
        if count == size && size < self.bytes_max {
            self.resize(2 * size);
        } else if count > size / 4 || size == READ_BYTES_MIN {
            self.small_reads = 0;
        } else {
            self.small_reads += 1;
            if self.small_reads == SMALL_READS {
                self.resize(size / 2);
            }
        }
    }

    fn resize(&mut self, size: usize) {
        self.bytes = vec![0; size];
        self.small_reads = 0;
    }
}

#[cfg(test)]
mod tests;

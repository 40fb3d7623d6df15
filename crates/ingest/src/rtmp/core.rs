//! One publisher's session as a value: bytes and time in, effects out. No socket, no clock, no task.
//!
//! Contract: one [`Input`], then drain every [`Output`] in order. [`Output::AskGate`] is the last output of its step;
//! bytes that came behind the question are kept, so nothing but [`Input::Granted`] or [`Input::Refused`], a kick or a
//! tick should follow. [`Output::Close`] is the last output of all. An error means: close without a word.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use tracing::debug;
use weir_identity::StreamKey;
use weir_media::{Frame, Track, registry::Announced};

use super::{
    aggregate, amf0,
    chunks::{self, Limits, Message, Reader, Writer, kind},
    command::{self, Command},
    config::Config,
    flv::{Demuxer, Media, Metadata, Unsupported},
    handshake::Handshake,
};
use crate::error::Error;

/// Longest chunk that we send, in bytes: every answer of ours fits one.
const CHUNK_BYTES: u32 = 4096;
/// How often each side acknowledges, in bytes received.
const WINDOW_BYTES: u32 = 2_500_000;
/// What a stranger may make us hold: the answer to his commands needs no more, and media comes after the grant.
const STRANGER: Limits = Limits { message_bytes_max: 64 << 10, held_bytes_max: 128 << 10, streams_max: 16 };
/// The most often that a peer may make us acknowledge, in bytes.
const WINDOW_BYTES_MIN: u32 = 64 << 10;
/// Chunk streams of ours: commands, and those that concern a message stream.
const COMMANDS: u8 = 3;
const STREAM: u8 = 5;

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Bytes came, cut anywhere.
    Bytes(&'a [u8]),
    /// The gate and the registry let it publish.
    Granted,
    /// They did not; the sentence says why.
    Refused(&'a str),
    /// It is told to go; the sentence says why.
    Kicked(&'a str),
    /// [`Core::deadline`] may have passed.
    Tick,
}

/// What must happen next.
#[derive(Debug)]
pub(crate) enum Output {
    /// These bytes go to the peer.
    Send(Vec<u8>),
    /// These bytes go to the peer if it takes them at once. Some encoders never read, and stay welcome.
    Whisper(Vec<u8>),
    /// May this key publish?
    AskGate(StreamKey),
    /// The publisher says which tracks will come.
    Announce(Announced),
    /// A track begins or changes.
    Track(Track),
    /// A frame came.
    Frame(Frame),
    /// The publish ended; the connection stays.
    Unpublish,
    /// Send what is to be sent and close. The text says why, for the log.
    Close(String),
}

/// The session.
pub(crate) struct Core {
    /// Those of a publisher.
    limits: Limits,
    timeouts: Timeouts,
    stage: Stage,
    reader: Reader,
    writer: Writer,
    /// What the peer connected to; empty before.
    app: String,
    /// Bytes behind the question to the gate: at most one read of the socket.
    kept: Vec<u8>,
    acknowledge: Acknowledge,
    next_stream: u32,
    login_deadline: Instant,
    heard: Instant,
}

/// Where the session stands.
enum Stage {
    Handshake(Box<Handshake>),
    /// Commands are exchanged; nothing is published.
    Idle,
    /// The gate was asked about a publish on this message stream.
    Asking {
        stream: u32,
    },
    Publishing {
        stream: u32,
        demuxer: Box<Demuxer>,
    },
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Timeouts {
    login: Duration,
    idle: Duration,
}

/// What is owed of acknowledgements (RTMP 1.0 §5.4.3).
struct Acknowledge {
    received: u32,
    last: u32,
    window: u32,
}

type Outputs = VecDeque<Output>;

impl Core {
    /// A session that begins at `now`.
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let limits = Limits {
            message_bytes_max: config.message_bytes_max,
            held_bytes_max: config.session_bytes_max,
            streams_max: config.chunk_streams_max,
        };
        Self {
            limits,
            timeouts: Timeouts { login: config.login_timeout, idle: config.idle_timeout },
            stage: Stage::Handshake(Box::new(Handshake::new())),
            reader: Reader::new(STRANGER),
            writer: Writer::new(),
            app: String::new(),
            kept: Vec::new(),
            acknowledge: Acknowledge { received: 0, last: 0, window: WINDOW_BYTES },
            next_stream: 1,
            login_deadline: now + config.login_timeout,
            heard: now,
        }
    }

    /// Feeds one input; what must happen next is appended to `out`.
    pub(crate) fn step(&mut self, now: Instant, input: Input<'_>, out: &mut Outputs) -> Result<(), Error> {
        match input {
            Input::Bytes(bytes) => self.bytes(now, bytes, out),
            Input::Granted => self.granted(now, out),
            Input::Refused(why) => {
                self.refuse(why, out);
                Ok(())
            }
            Input::Kicked(why) => {
                self.refuse(why, out);
                Ok(())
            }
            Input::Tick => self.tick(now),
        }
    }

    /// When to send [`Input::Tick`], if nothing else arrives first.
    pub(crate) fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Publishing { .. } => self.heard + self.timeouts.idle,
            _ => self.login_deadline,
        }
    }

    fn tick(&mut self, now: Instant) -> Result<(), Error> {
        if now < self.deadline() {
            return Ok(());
        }
        Err(match self.stage {
            Stage::Publishing { .. } => Error::Idle(self.timeouts.idle),
            _ => Error::LoginTimeout(self.timeouts.login),
        })
    }

    fn bytes(&mut self, now: Instant, bytes: &[u8], out: &mut Outputs) -> Result<(), Error> {
        // A peer that never pauses must not outrun the timer.
        self.tick(now)?;
        self.acknowledge.received = self.acknowledge.received.wrapping_add(bytes.len() as u32);
        let mut rest = bytes;
        if let Stage::Handshake(handshake) = &mut self.stage {
            let progress = handshake.feed(&mut rest)?;
            if !progress.send.is_empty() {
                out.push_back(Output::Send(progress.send));
            }
            if progress.done {
                self.stage = Stage::Idle;
            }
        }
        self.messages(now, rest, out)?;
        self.acknowledge(out);
        Ok(())
    }

    /// Takes messages until the bytes are used up, or the gate must be asked first.
    fn messages(&mut self, now: Instant, mut bytes: &[u8], out: &mut Outputs) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.stage {
                Stage::Closed => return Ok(()),
                Stage::Asking { .. } => {
                    self.kept.extend_from_slice(bytes);
                    return Ok(());
                }
                _ => {}
            }
            if let Some(message) = self.reader.next(&mut bytes)? {
                self.heard = now;
                self.message(now, message, out)?;
            }
        }
        Ok(())
    }

    fn message(&mut self, now: Instant, message: Message, out: &mut Outputs) -> Result<(), Error> {
        let Message { timestamp, kind, stream, mut payload } = message;
        match kind {
            kind::AUDIO | kind::VIDEO => self.media(now, kind, timestamp, &payload, out),
            kind::AGGREGATE => {
                for part in aggregate::parts(timestamp, payload) {
                    self.media(now, part.kind, part.timestamp, &part.payload, out);
                }
            }
            kind::COMMAND => self.command(now, stream, Command::parse(&payload)?, out)?,
            kind::COMMAND_AMF3 => {
                // Encoders that say AMF3 send AMF0 behind one byte.
                if payload.first() == Some(&0) {
                    payload.advance(1);
                }
                self.command(now, stream, Command::parse(&payload)?, out)?;
            }
            kind::DATA => self.data(&payload, out),
            kind::DATA_AMF3 => self.data(payload.strip_prefix(&[0]).unwrap_or(&payload), out),
            kind::USER_CONTROL => self.user_control(&payload, out),
            kind::WINDOW_SIZE => {
                let window = chunks::reader::control(kind, &payload)?;
                self.acknowledge.window = window.max(WINDOW_BYTES_MIN);
            }
            kind::ACKNOWLEDGEMENT | kind::PEER_BANDWIDTH => {}
            other => debug!(kind = other, "message of unknown type ignored"),
        }
        Ok(())
    }

    fn command(&mut self, now: Instant, stream: u32, command: Command, out: &mut Outputs) -> Result<(), Error> {
        debug!(name = command.name.get(..32).unwrap_or(&command.name), "command");
        if self.app.is_empty() && command.name != "connect" {
            return Err(Error::Command("something before connect"));
        }
        match command.name.as_str() {
            "connect" => self.connect(&command, out)?,
            "createStream" => {
                let id = f64::from(self.next_stream);
                self.next_stream = self.next_stream.wrapping_add(1).max(1);
                let answer = rml_amf0::Amf0Value::Number(id);
                self.say(
                    0,
                    command::body("_result", command.transaction, rml_amf0::Amf0Value::Null, vec![answer]),
                    out,
                );
            }
            "publish" => self.publish(stream, &command, out),
            "FCUnpublish" | "deleteStream" | "closeStream" => self.unpublish(now, out),
            "play" | "play2" => {
                self.close(
                    "NetStream.Play.Failed",
                    "This server sends no RTMP. Open the channel's page to watch.",
                    out,
                );
            }
            "FCPublish" => {
                self.answer(command.transaction, out);
                let status = command::status_object("status", "NetStream.Publish.Start", "");
                self.say(0, command::body("onFCPublish", 0.0, rml_amf0::Amf0Value::Null, vec![status]), out);
            }
            "releaseStream" | "_checkbw" => self.answer(command.transaction, out),
            "_result" | "_error" | "onStatus" => {}
            _ if command.transaction == 0.0 => {}
            _ => self.say(0, command::failed(command.transaction), out),
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command, out: &mut Outputs) -> Result<(), Error> {
        if !self.app.is_empty() {
            return Err(Error::Command("a second connect"));
        }
        // An empty application is as good as any other unknown one: publish refuses it in words.
        self.app = command.property("app").filter(|app| !app.is_empty()).unwrap_or("/").to_owned();
        let mut bytes = Vec::new();
        self.writer.control(kind::WINDOW_SIZE, &WINDOW_BYTES.to_be_bytes(), &mut bytes);
        let dynamic = 2;
        self.writer.control(kind::PEER_BANDWIDTH, &[&WINDOW_BYTES.to_be_bytes()[..], &[dynamic]].concat(), &mut bytes);
        self.writer.set_chunk_bytes(CHUNK_BYTES, &mut bytes);
        out.push_back(Output::Send(bytes));
        self.say(0, command::connected(command.transaction), out);
        Ok(())
    }

    fn publish(&mut self, stream: u32, command: &Command, out: &mut Outputs) {
        if let Stage::Publishing { .. } = self.stage {
            return self.refuse("This connection publishes already.", out);
        }
        self.stage = Stage::Asking { stream };
        match command::stream_key(&self.app, command.text().unwrap_or_default()) {
            Ok(key) => out.push_back(Output::AskGate(key)),
            Err(bad) => self.refuse(&bad.to_string(), out),
        }
    }

    fn granted(&mut self, now: Instant, out: &mut Outputs) -> Result<(), Error> {
        let Stage::Asking { stream } = self.stage else { return Ok(()) };
        self.stage = Stage::Publishing { stream, demuxer: Box::default() };
        self.heard = now;
        self.reader.set_limits(self.limits);
        let mut bytes = Vec::new();
        // Event 0: the stream begins (RTMP 1.0 §7.1.7).
        self.writer.control(kind::USER_CONTROL, &[&[0, 0], &stream.to_be_bytes()[..]].concat(), &mut bytes);
        out.push_back(Output::Send(bytes));
        self.say(stream, command::status("status", "NetStream.Publish.Start", "The stream is live."), out);
        let kept = std::mem::take(&mut self.kept);
        self.messages(now, &kept, out)
    }

    fn unpublish(&mut self, now: Instant, out: &mut Outputs) {
        let Stage::Publishing { stream, .. } = self.stage else { return };
        self.stage = Stage::Idle;
        self.login_deadline = now + self.timeouts.login;
        out.push_back(Output::Unpublish);
        self.say(stream, command::status("status", "NetStream.Unpublish.Success", "The stream has ended."), out);
    }

    /// Tells why there is no publish, or no longer one, and closes.
    fn refuse(&mut self, why: &str, out: &mut Outputs) {
        self.close("NetStream.Publish.BadName", why, out);
    }

    fn close(&mut self, code: &str, why: &str, out: &mut Outputs) {
        if let Stage::Closed = self.stage {
            return;
        }
        // Before connect there is nobody who would understand.
        if !self.app.is_empty() {
            let stream = match self.stage {
                Stage::Asking { stream } | Stage::Publishing { stream, .. } => stream,
                _ => 0,
            };
            self.say(stream, command::status("error", code, why), out);
        }
        self.stage = Stage::Closed;
        out.push_back(Output::Close(why.to_owned()));
    }

    fn data(&mut self, body: &[u8], out: &mut Outputs) {
        let Stage::Publishing { demuxer, .. } = &mut self.stage else { return };
        match amf0::parse(body).map(|values| Metadata::from_values(&values)) {
            Ok(Some(metadata)) => {
                demuxer.describe(metadata);
                out.push_back(Output::Announce(metadata.announced));
            }
            Ok(None) => {}
            // It is advice only, and some encoders write types in it that nobody reads.
            Err(error) => debug!(%error, "metadata ignored"),
        }
    }

    fn media(&mut self, now: Instant, kind: u8, timestamp: u32, body: &Bytes, out: &mut Outputs) {
        let Stage::Publishing { demuxer, .. } = &mut self.stage else { return };
        let media = match kind {
            kind::VIDEO => demuxer.video(timestamp, body, now),
            _ => demuxer.audio(timestamp, body, now),
        };
        match media {
            Ok(Media { track, frame }) => {
                out.extend(track.map(Output::Track));
                out.extend(frame.map(Output::Frame));
            }
            Err(Unsupported(why)) => self.refuse(&why, out),
        }
    }

    fn user_control(&self, payload: &[u8], out: &mut Outputs) {
        const PING_REQUEST: u8 = 6;
        const PING_RESPONSE: u8 = 7;
        if let [0, PING_REQUEST, a, b, c, d, ..] = *payload {
            let mut bytes = Vec::new();
            self.writer.control(kind::USER_CONTROL, &[0, PING_RESPONSE, a, b, c, d], &mut bytes);
            out.push_back(Output::Whisper(bytes));
        }
    }

    fn acknowledge(&mut self, out: &mut Outputs) {
        let Acknowledge { received, last, window } = self.acknowledge;
        if received.wrapping_sub(last) < window || self.app.is_empty() {
            return;
        }
        self.acknowledge.last = received;
        let mut bytes = Vec::new();
        self.writer.control(kind::ACKNOWLEDGEMENT, &received.to_be_bytes(), &mut bytes);
        out.push_back(Output::Whisper(bytes));
    }

    fn answer(&self, transaction: f64, out: &mut Outputs) {
        if transaction != 0.0 {
            self.say(0, command::done(transaction), out);
        }
    }

    fn say(&self, stream: u32, body: Vec<u8>, out: &mut Outputs) {
        let mut bytes = Vec::with_capacity(body.len() + 16);
        let chunk_stream = if stream == 0 { COMMANDS } else { STREAM };
        self.writer.message(chunk_stream, 0, kind::COMMAND, stream, &body, &mut bytes);
        out.push_back(Output::Send(bytes));
    }
}

#[cfg(test)]
mod tests;

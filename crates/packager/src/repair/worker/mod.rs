//! The process that converts one track: what it decodes comes from strangers, so it may fall.
//!
//! It reads messages from its standard input, a socket, and answers there. It has no other way to the server, gives up
//! what privileges it can, and ends with the socket. Frames are converted on its only thread: what is not yet read waits
//! in the socket, where the server sees it.

mod chain;
mod pictures;
mod sound;
mod steady;

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use bytes::BytesMut;
use weir_media::derive::Want;
use weir_worker::{Limits, confine, step_back};

use super::wire::{Bad, Coded, Coding, Job, MESSAGE_BYTES_MAX, Message, Reader};
#[cfg(test)]
pub(in crate::repair) use chain::{Chain, Out};
use pictures::Pictures;
use sound::Sound;

/// What a worker may take: address space for decoders of the largest pictures and the threads' stacks; the socket, and
/// the files that GStreamer loads. Its registry is written by whoever comes first.
const LIMITS: Limits = Limits { address_space_bytes: 4 << 30, open_files: 64, cpu: None, file_bytes: None };
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// Why a worker ends before the server wants it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket to the server failed.
    #[error("the server cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// The server said what cannot be understood.
    #[error("the server sent {0}")]
    Message(String),
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
}

impl From<Bad> for Error {
    fn from(bad: Bad) -> Self {
        Self::Message(bad.to_string())
    }
}

/// Converts what the server sends over standard input, until it ends that.
///
/// # Errors
/// [`Error`] when it cannot go on; the server was told why, if it can be.
pub fn run() -> Result<(), Error> {
    confine(LIMITS);
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let result = convert(&socket);
    if let Err(Error::Failed(why)) = &result {
        let mut bytes = BytesMut::new();
        Message::Failed(why.clone()).write(&mut bytes);
        (&socket).write_all(&bytes)?;
    }
    result
}

fn convert(mut socket: &UnixStream) -> Result<(), Error> {
    gst::init().map_err(|error| Error::Failed(format!("GStreamer is not usable: {error}")))?;
    let mut reader = Reader::new(MESSAGE_BYTES_MAX);
    let mut read = vec![0; READ_BYTES];
    let mut made = Vec::new();
    let mut work = None;
    loop {
        while let Some(message) = reader.next()? {
            match (message, &mut work) {
                (Message::Begin(job), None) => work = Some(Work::new(job)),
                (Message::Track(coding), Some(work)) => work.track(&coding, &mut made).map_err(Error::Failed)?,
                (Message::Frame(coded), Some(work)) => work.frame(&coded, &mut made).map_err(Error::Failed)?,
                (other, _) => return Err(Error::Message(format!("{other:?} where it has no place"))),
            }
            answer(socket, &mut made)?;
        }
        match socket.read(&mut read)? {
            0 => break,
            count => reader.held.extend_from_slice(&read[..count]),
        }
    }
    if let Some(work) = &mut work {
        work.end(&mut made).map_err(Error::Failed)?;
    }
    Ok(answer(socket, &mut made)?)
}

/// Sends what was made.
fn answer(mut socket: &UnixStream, made: &mut Vec<Message>) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    for message in made.drain(..) {
        message.write(&mut bytes);
    }
    socket.write_all(&bytes)
}

/// What is converted.
enum Work {
    Sound(Sound),
    Pictures(Pictures),
}

impl Work {
    fn new(job: Job) -> Self {
        match job.want {
            Want::Opus | Want::Aac => Self::Sound(Sound::new(job)),
            Want::PlainH264 => {
                step_back();
                Self::Pictures(Pictures::default())
            }
        }
    }

    fn track(&mut self, coding: &Coding, made: &mut Vec<Message>) -> Result<(), String> {
        match self {
            Self::Sound(sound) => sound.track(coding),
            Self::Pictures(pictures) => pictures.track(coding, made),
        }
    }

    fn frame(&mut self, coded: &Coded, made: &mut Vec<Message>) -> Result<(), String> {
        match self {
            Self::Sound(sound) => sound.frame(coded, made),
            Self::Pictures(pictures) => pictures.frame(coded, made),
        }
    }

    /// The source ended: what is held comes out.
    fn end(&mut self, made: &mut Vec<Message>) -> Result<(), String> {
        match self {
            // A few milliseconds that nobody misses.
            Self::Sound(_) => Ok(()),
            Self::Pictures(pictures) => pictures.drain(made),
        }
    }
}

/// The first of these elements that is installed.
fn first_of(names: &[&'static str]) -> Result<&'static str, String> {
    let installed = names.iter().find(|name| gst::ElementFactory::find(name).is_some());
    installed.copied().ok_or_else(|| format!("GStreamer's {} is missing.", names.join(" or ")))
}

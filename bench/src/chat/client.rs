//! One connection: its socket, its half-read frame, and the offset it has.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsRawFd as _, RawFd},
    time::Duration,
};

use memchr::memmem::{self, Finder};

use super::{
    adapter::{Adapter, Aside, MARK, MARK_DIGITS},
    tally::Tally,
};
use crate::Failure;

/// Longest wait for a server to let somebody in.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a socket that nobody reads may hold: little, so that its server notices.
const STALLED_BYTES: libc::c_int = 4 * 1024;
/// What it may hold once it is read again.
const READING_BYTES: libc::c_int = 1 << 20;
/// Longest answer to a handshake.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A frame's first byte, by its kind (RFC 6455 §5.2).
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// What all connections read with.
pub(crate) struct Reading {
    pub(crate) adapter: Box<dyn Adapter>,
    mark: Finder<'static>,
    offset: Finder<'static>,
    buffer: Vec<u8>,
}

impl Reading {
    /// Room for the longest frame, and for what is left of another.
    const BUFFER_BYTES: usize = 512 * 1024;

    pub(crate) fn new(adapter: Box<dyn Adapter>) -> Self {
        let offset = Finder::new(adapter.offset_key());
        Self { adapter, mark: Finder::new(MARK), offset, buffer: vec![0; Self::BUFFER_BYTES] }
    }
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Over {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("closed")]
    Closed,
    #[error("closed with {0}")]
    Goodbye(u16),
    #[error("no frame of WebSocket as expected")]
    Odd,
}

/// The connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// What was read and is not a whole frame.
    carry: Vec<u8>,
    /// What could not be sent yet.
    unsent: Vec<u8>,
    /// The offset that was read last.
    last: Option<u64>,
    pub(crate) is_in: bool,
    pub(crate) comes_back: bool,
    /// When that should have left which was said and is not answered.
    pub(crate) unanswered: VecDeque<u64>,
}

impl Client {
    /// Connects, and asks to be let in; that it is shows in [`Self::is_in`].
    pub(crate) fn connect(
        reading: &mut Reading,
        address: SocketAddr,
        host: &str,
        room: usize,
        speaks: bool,
        reads: bool,
    ) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        if !reads {
            hold(&stream, STALLED_BYTES)?;
        }
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            reading.adapter.path(room)
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = memmem::find(&answer, b"\r\n\r\n") {
                break end + 4;
            }
            let count = stream.read(&mut reading.buffer)?;
            answer.extend_from_slice(&reading.buffer[..count]);
            if count == 0 || answer.len() > HEAD_BYTES_MAX {
                return Err(format!("no handshake: {}", String::from_utf8_lossy(&answer)).into());
            }
        };
        if !answer.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&answer)).into());
        }
        let carry = answer.split_off(end);
        let (unsent, last, is_in, comes_back, unanswered) = Default::default();
        let mut client = Self { stream, carry, unsent, last, is_in, comes_back, unanswered };
        for frame in reading.adapter.hello(room, speaks) {
            client.send(TEXT, frame.as_bytes())?;
        }
        let mut nobody = Tally::new();
        while !client.is_in {
            client.read(reading, &mut nobody, || 0)?;
            if let Some(why) = nobody.errors.keys().next() {
                return Err(format!("not let in: {why}").into());
            }
        }
        client.stream.set_nonblocking(true)?;
        Ok(client)
    }

    /// Takes more at once than one who does not read.
    pub(crate) fn read_on(&self) -> io::Result<()> {
        hold(&self.stream, READING_BYTES)
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Says `text`, which should have left at `moment`.
    pub(crate) fn say(&mut self, reading: &Reading, number: u64, text: &str, moment: u64) -> Result<(), Over> {
        self.unanswered.push_back(moment);
        self.send(TEXT, reading.adapter.say(number, text).as_bytes())
    }

    /// Sends what could not be sent before.
    pub(crate) fn flush(&mut self) -> Result<(), Over> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A frame whose mask changes nothing (RFC 6455 §5.3 wants one).
    fn send(&mut self, first: u8, payload: &[u8]) -> Result<(), Over> {
        self.unsent.push(first);
        match payload.len() {
            length @ 0..=125 => self.unsent.push(0x80 | length as u8),
            length => {
                self.unsent.push(0x80 | 126);
                self.unsent.extend_from_slice(&u16::try_from(length).map_err(|_| Over::Odd)?.to_be_bytes());
            }
        }
        self.unsent.extend_from_slice(&[0; 4]);
        self.unsent.extend_from_slice(payload);
        self.flush()
    }

    /// Reads what is there, once, and adds it up; `now` is asked when it was read.
    pub(crate) fn read(
        &mut self,
        reading: &mut Reading,
        tally: &mut Tally,
        now: impl FnOnce() -> u64,
    ) -> Result<(), Over> {
        let begun = self.carry.len();
        let mut buffer = std::mem::take(&mut reading.buffer);
        let result = self.read_into(&mut buffer, begun).and_then(|filled| {
            let now = now();
            let mut at = 0;
            while let Some((first, payload, end)) = frame(&buffer[at..filled]) {
                let payload = at + payload..at + end;
                at += end;
                self.heard(first, &buffer[payload], reading, tally, now)?;
            }
            self.carry.clear();
            self.carry.extend_from_slice(&buffer[at..filled]);
            if self.carry.is_empty() {
                // Thousands of connections keep nothing.
                self.carry = Vec::new();
            }
            Ok(())
        });
        reading.buffer = buffer;
        result
    }

    fn read_into(&mut self, buffer: &mut [u8], begun: usize) -> Result<usize, Over> {
        buffer.get_mut(..begun).ok_or(Over::Odd)?.copy_from_slice(&self.carry);
        if begun == buffer.len() {
            return Err(Over::Odd);
        }
        match self.stream.read(&mut buffer[begun..]) {
            Ok(0) => Err(Over::Closed),
            Ok(count) => Ok(begun + count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(begun),
            Err(error) => Err(error.into()),
        }
    }

    fn heard(&mut self, first: u8, payload: &[u8], reading: &Reading, tally: &mut Tally, now: u64) -> Result<(), Over> {
        match first {
            TEXT => {}
            PING => return self.send(PONG, payload),
            PONG => return Ok(()),
            CLOSE => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                return Err(Over::Goodbye(code));
            }
            _ => return Err(Over::Odd),
        }
        let mut answer = None;
        let messages = reading.adapter.read(payload, &mut |aside| match aside {
            Aside::In => self.is_in = true,
            Aside::Taken => {
                let said = self.unanswered.pop_front();
                tally.taken += u64::from(said.is_some_and(|moment| tally.window.contains(&moment)));
            }
            Aside::Refused(why) => {
                self.unanswered.pop_front();
                tally.failed(why);
            }
            Aside::ComeBack => self.comes_back = true,
            Aside::Ping(text) => answer = Some(text),
            Aside::Other => {}
        });
        if let Some(answer) = answer {
            self.send(TEXT, answer.as_bytes())?;
        }
        if messages.is_empty() {
            return Ok(());
        }
        tally.frame(payload.len());
        for at in reading.offset.find_iter(messages) {
            let offset = number(&messages[at + reading.offset.needle().len()..]);
            if let Some(last) = self.last.replace(offset) {
                tally.offset(last, offset);
            }
        }
        for at in reading.mark.find_iter(messages) {
            let digits = messages[at + MARK.len()..].first_chunk::<MARK_DIGITS>().ok_or(Over::Odd)?;
            tally.message(number(digits), now);
        }
        Ok(())
    }
}

/// The first whole frame: its first byte, where its payload begins, and where it ends.
pub(super) fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &length) = (bytes.first()?, bytes.get(1)?);
    let (payload, length): (usize, usize) = match length {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        length => (2, usize::from(length)),
    };
    let end = payload.checked_add(length)?;
    (end <= bytes.len()).then_some((first, payload, end))
}

/// The number that `text` begins with.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().map_while(|byte| byte.is_ascii_digit().then(|| u64::from(byte - b'0')));
    digits.fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(digit))
}

fn hold(stream: &TcpStream, bytes: libc::c_int) -> io::Result<()> {
    // SAFETY: the option's value is a valid integer for the call.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const bytes).cast(),
            size_of_val(&bytes) as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_or_not_there() {
        let check = |bytes: &[u8], found| assert_eq!(frame(bytes), found, "{bytes:?}");
        check(&[], None);
        check(&[0x81, 3, b'a', b'b'], None);
        check(&[0x81, 2, b'a', b'b', 0x89], Some((0x81, 2, 4)));
        check(&[0x89, 0], Some((0x89, 2, 2)));
        check(&[0x81, 126, 0, 1, b'a'], Some((0x81, 4, 5)));
        check(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'a'], Some((0x81, 10, 11)));
        check(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, b'a'], None);
    }
}

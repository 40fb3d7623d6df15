//! A client of HTTP/1.1 that is cheap enough for thousands of viewers on one core: one connection kept alive, reused
//! buffers, and bodies that nobody reads are thrown away in the kernel.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{io::Interest, net::TcpStream, time::timeout};

/// Longest wait for an answer: longer than any server holds a request for the next part.
const PATIENCE: Duration = Duration::from_secs(15);
/// Room for headers in the first read; little enough that most of a body can be thrown away unread.
const HEAD_BYTES: usize = 1024;
/// Longest headers that are accepted.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Largest body that is kept.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no answer within 15 s")]
    Timeout,
    #[error("the answer is not HTTP/1.1 as expected: {0}")]
    Odd(&'static str),
}

/// What to do with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Keep it for [`Connection::body`].
    Body,
    /// Count its bytes only.
    Length,
}

/// The head of an answer whose body was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Headers and body, in bytes.
    pub(crate) bytes: usize,
}

/// One connection to one server. Connects when needed, and again when the server closed it.
pub(crate) struct Connection {
    server: SocketAddr,
    host: String,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    head: Vec<u8>,
    body: Vec<u8>,
}

enum Length {
    Known(usize),
    Chunked,
}

struct Head {
    status: u16,
    length: Length,
    closes: bool,
    /// Where the body begins.
    end: usize,
}

impl Connection {
    pub(crate) fn new(server: SocketAddr, host: &str) -> Self {
        Self { server, host: host.to_owned(), stream: None, request: vec![], head: vec![], body: vec![] }
    }

    /// The last answer's body, if it was wanted.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Asks for `path`, with query, and waits for the whole answer.
    pub(crate) async fn get(&mut self, path: &str, want: Want) -> Result<Answer, Error> {
        self.request.clear();
        for part in ["GET ", path, " HTTP/1.1\r\nHost: ", &self.host, "\r\n\r\n"] {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.patiently(want).await
    }

    /// Sends a request as it is written, head and body, and waits for the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8], want: Want) -> Result<Answer, Error> {
        self.request.clear();
        self.request.extend_from_slice(request);
        self.patiently(want).await
    }

    async fn patiently(&mut self, want: Want) -> Result<Answer, Error> {
        match timeout(PATIENCE, self.exchange(want)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.stream = None;
                Err(error)
            }
            Err(_) => {
                self.stream = None;
                Err(Error::Timeout)
            }
        }
    }

    async fn exchange(&mut self, want: Want) -> Result<Answer, Error> {
        let reused = self.stream.is_some();
        match self.send_and_read_head().await {
            // The server may close an idle connection whenever it likes.
            Err(Error::Io(_)) if reused => {
                self.stream = None;
                let head = self.send_and_read_head().await?;
                self.read_body(head, want).await
            }
            head => self.read_body(head?, want).await,
        }
    }

    async fn send_and_read_head(&mut self) -> Result<Head, Error> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.server).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_ref().ok_or(Error::Odd("no connection"))?;
        let mut rest = &self.request[..];
        while !rest.is_empty() {
            match stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.head.clear();
        loop {
            self.head.reserve(HEAD_BYTES);
            read_some(stream, &mut self.head, HEAD_BYTES).await?;
            if let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") {
                return parse_head(&self.head[..end + 2], end + 4);
            }
            if self.head.len() > HEAD_BYTES_MAX {
                return Err(Error::Odd("its head is too long"));
            }
        }
    }

    async fn read_body(&mut self, head: Head, want: Want) -> Result<Answer, Error> {
        let stream = self.stream.as_ref().ok_or(Error::Odd("no connection"))?;
        self.body.clear();
        let bytes = match head.length {
            Length::Known(length) if length > BODY_BYTES_MAX => return Err(Error::Odd("its body is too long")),
            Length::Known(length) => {
                let begun = &self.head[head.end..];
                let left = length.checked_sub(begun.len()).ok_or(Error::Odd("more came than announced"))?;
                match want {
                    Want::Length => discard(stream, left).await?,
                    Want::Body => {
                        self.body.reserve(length);
                        self.body.extend_from_slice(begun);
                        while self.body.len() < length {
                            let left = length - self.body.len();
                            read_some(stream, &mut self.body, left).await?;
                        }
                    }
                }
                head.end + length
            }
            Length::Chunked => {
                self.head.drain(..head.end);
                head.end + read_chunks(stream, &mut self.head, &mut self.body).await?
            }
        };
        if head.closes {
            self.stream = None;
        }
        Ok(Answer { status: head.status, bytes })
    }
}

fn parse_head(text: &[u8], end: usize) -> Result<Head, Error> {
    let status = text.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let mut head =
        Head { status: status.ok_or(Error::Odd("it has no status"))?, length: Length::Known(0), closes: false, end };
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', text) {
        let line = &text[from..at.saturating_sub(1)];
        from = at + 1;
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            head.length = Length::Known(number.ok_or(Error::Odd("its length is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            head.length = Length::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            head.closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(head)
}

/// Reads a chunked body (RFC 9112 §7.1) into `body`; gives the bytes on the wire. `buffer` holds what came already.
async fn read_chunks(stream: &TcpStream, buffer: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<usize, Error> {
    const READ_BYTES: usize = 64 * 1024;
    let (mut at, mut wire) = (0, 0);
    loop {
        let line = loop {
            match memchr::memchr(b'\n', &buffer[at..]) {
                Some(length) => break &buffer[at..at + length],
                None => read_some(stream, buffer, READ_BYTES).await?,
            }
        };
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.filter(|&size| size <= BODY_BYTES_MAX).ok_or(Error::Odd("a chunk has no size"))?;
        let data = at + line.len() + 1;
        while buffer.len() < data + size + 2 {
            read_some(stream, buffer, READ_BYTES).await?;
        }
        body.extend_from_slice(&buffer[data..data + size]);
        at = data + size + 2;
        if size == 0 {
            return Ok(wire + at);
        }
        wire += at;
        buffer.drain(..at);
        at = 0;
    }
}

/// Appends what is there, at most `limit` bytes, to `buffer`.
async fn read_some(stream: &TcpStream, buffer: &mut Vec<u8>, limit: usize) -> Result<(), Error> {
    let filled = buffer.len();
    buffer.resize(filled + limit, 0);
    let read = loop {
        match stream.try_read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Err(error) = stream.readable().await {
                    break Err(error);
                }
            }
            read => break read,
        }
    };
    buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
    match read? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}

/// Takes `left` bytes off the socket without copying them (`MSG_TRUNC`, tcp(7)).
async fn discard(stream: &TcpStream, mut left: usize) -> Result<(), Error> {
    use std::os::fd::AsRawFd as _;
    while left > 0 {
        let taken = stream.try_io(Interest::READABLE, || {
            // SAFETY: with MSG_TRUNC a TCP socket writes nothing into the buffer, which may be null.
            let count = unsafe { libc::recv(stream.as_raw_fd(), std::ptr::null_mut(), left, libc::MSG_TRUNC) };
            usize::try_from(count).map_err(|_| io::Error::last_os_error())
        });
        match taken {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => left -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

//! The client: one connection, from the handshake to the last frame.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    amf::{self, Value},
    chunk::{Message, Reader, TooLarge, Writer, kind},
    handshake::{Handshake, PACKET_BYTES},
    playout::Due,
};

/// Where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`.
    pub authority: String,
    /// Usually `live`.
    pub app: String,
    /// The stream key.
    pub key: String,
}

impl Target {
    /// Reads `rtmp://HOST[:PORT]/APP/KEY`. The key may have a query.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (authority, path) = url.strip_prefix("rtmp://")?.split_once('/')?;
        let (app, key) = path.split_once('/')?;
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:1935") };
        Some(Self { authority, app: app.to_owned(), key: key.to_owned() })
    }
}

/// How to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which handshake.
    pub handshake: Handshake,
    /// Chunk size to announce, in bytes; OBS sends 4096.
    pub chunk_bytes: u32,
    /// Whether `connect` lists FourCCs and `capsEx`, as Enhanced RTMP asks.
    pub enhanced: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { handshake: Handshake::Simple, chunk_bytes: 4096, enhanced: true }
    }
}

/// What a server says about a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// `status`, `warning` or `error`.
    pub level: String,
    /// Such as `NetStream.Publish.Start`.
    pub code: String,
    /// For people.
    pub description: String,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed or ended.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The server refuses or ends the publish.
    #[error("the server answers {}: {}", .0.code, .0.description)]
    Refused(Status),
    /// The server breaks the protocol.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Not an `rtmp://` URL with app and key.
    #[error("no RTMP URL: {0}")]
    Url(String),
}

/// One connection to an RTMP server.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    socket: S,
    writer: Writer,
    reader: Reader,
    incoming: BytesMut,
    outgoing: Vec<u8>,
    transaction: f64,
}

impl Client {
    /// Connects and publishes to `rtmp://HOST[:PORT]/APP/KEY`; the server has accepted when this returns.
    ///
    /// # Errors
    /// [`Error`], above all [`Error::Refused`].
    pub async fn publish(url: &str, options: &Options) -> Result<Self, Error> {
        let target = Target::parse(url).ok_or_else(|| Error::Url(url.to_owned()))?;
        let socket = TcpStream::connect(&target.authority).await?;
        socket.set_nodelay(true)?;
        Self::publish_over(socket, &target, options).await
    }

    /// Connects and shakes hands, no more.
    ///
    /// # Errors
    /// When the connection ends early.
    pub async fn shake_hands(address: SocketAddr, handshake: Handshake) -> Result<Self, Error> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Self::over(socket, handshake).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The same over a connection that is already there, such as one with TLS.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn publish_over(socket: S, target: &Target, options: &Options) -> Result<Self, Error> {
        let mut client = Self::over(socket, options.handshake).await?;
        client.connect(target, options.enhanced).await?;
        client.set_chunk_bytes(options.chunk_bytes).await?;
        client.begin(&target.key).await?;
        Ok(client)
    }

    /// Shakes hands over a connection.
    ///
    /// # Errors
    /// When it ends early.
    pub async fn over(mut socket: S, handshake: Handshake) -> Result<Self, Error> {
        socket.write_all(&handshake.hello()).await?;
        let mut answer = vec![0; 1 + PACKET_BYTES];
        socket.read_exact(&mut answer).await?;
        socket.write_all(&handshake.answer(&answer[1..])).await?;
        socket.read_exact(&mut answer[1..]).await?;
        Ok(Self {
            socket,
            writer: Writer::default(),
            reader: Reader::default(),
            incoming: BytesMut::new(),
            outgoing: Vec::new(),
            transaction: 0.0,
        })
    }

    /// Sends `connect` and waits for the answer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn connect(&mut self, target: &Target, enhanced: bool) -> Result<(), Error> {
        let mut object: Vec<(String, Value)> = vec![
            ("app".into(), target.app.as_str().into()),
            ("type".into(), "nonprivate".into()),
            ("flashVer".into(), "FMLE/3.0 (compatible; weir-testkit)".into()),
            ("tcUrl".into(), format!("rtmp://{}/{}", target.authority, target.app).as_str().into()),
        ];
        if enhanced {
            let codecs = ["avc1", "hvc1", "av01", "vp09", "Opus", "mp4a"].map(Value::from).to_vec();
            object.push(("fourCcList".into(), Value::Array(codecs)));
            // ModEx and nanosecond timestamps.
            object.push(("capsEx".into(), 12.0.into()));
        }
        let transaction = self.command("connect", &[Value::Object(object)]).await?;
        self.result(transaction).await?;
        Ok(())
    }

    /// Announces a chunk size and uses it.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn set_chunk_bytes(&mut self, bytes: u32) -> Result<(), Error> {
        self.send(&Message::control(kind::SET_CHUNK_SIZE, bytes.to_be_bytes().to_vec())).await?;
        self.writer.set_chunk_bytes(bytes as usize);
        Ok(())
    }

    /// Sends `releaseStream`, `FCPublish`, `createStream` and `publish`, and waits until the server has accepted.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn begin(&mut self, key: &str) -> Result<(), Error> {
        self.command("releaseStream", &[Value::Null, key.into()]).await?;
        self.command("FCPublish", &[Value::Null, key.into()]).await?;
        let transaction = self.command("createStream", &[Value::Null]).await?;
        self.result(transaction).await?;
        self.transaction += 1.0;
        let publish = ["publish".into(), self.transaction.into(), Value::Null, key.into(), "live".into()];
        self.send(&Message { kind: kind::COMMAND, stream: 1, timestamp: 0, payload: amf::encode(&publish).into() })
            .await?;
        let status = self.status().await?;
        if status.code == "NetStream.Publish.Start" { Ok(()) } else { Err(Error::Refused(status)) }
    }

    /// Ends the publish as OBS does, and waits until the server closes or everything is sent.
    ///
    /// # Errors
    /// When the connection ended before.
    pub async fn finish(mut self, key: &str) -> Result<(), Error> {
        self.command("FCUnpublish", &[Value::Null, key.into()]).await?;
        self.command("deleteStream", &[Value::Null, 1.0.into()]).await?;
        self.socket.shutdown().await?;
        Ok(())
    }

    /// Sends a sample.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_due(&mut self, due: &Due) -> Result<(), Error> {
        self.send_parts(due.head, &[&due.prefix, &due.data]).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send(&mut self, message: &Message) -> Result<(), Error> {
        self.send_parts((message.kind, message.stream, message.timestamp), &[&message.payload]).await
    }

    /// Sends a message whose payload lies in pieces. `head` is its type, message stream and timestamp.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_parts(&mut self, head: (u8, u32, u32), payload: &[&[u8]]) -> Result<(), Error> {
        self.writer.write_parts(head, payload, &mut self.outgoing);
        let sent = self.socket.write_all(&self.outgoing).await;
        self.outgoing.clear();
        Ok(sent?)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.socket.write_all(bytes).await?)
    }

    /// The chunk writer, to put messages on other chunk streams or send them interleaved by [`Self::send_raw`].
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The next message of the server. Pings are answered with the next message that goes out. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Io`] with `UnexpectedEof` when the server closed.
    pub async fn receive(&mut self) -> Result<Message, Error> {
        const PING: [u8; 2] = [0, 6];
        const PONG: [u8; 2] = [0, 7];
        loop {
            if let Some(message) = self.reader.next(&mut self.incoming)? {
                if message.kind == kind::USER_CONTROL && message.payload.starts_with(&PING) {
                    let pong = [&PONG, &message.payload[2..]].concat();
                    self.writer.write(&Message::control(kind::USER_CONTROL, pong), &mut self.outgoing);
                }
                return Ok(message);
            }
            if self.socket.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Waits until the server ends the publish; gives its last status, if it sent one.
    pub async fn ended(&mut self) -> Option<Status> {
        let mut last = None;
        while let Ok(status) = self.status().await {
            last = Some(status);
        }
        last
    }

    /// The next status that the server sends. Cancel safe.
    ///
    /// # Errors
    /// When the connection ends before one.
    pub async fn status(&mut self) -> Result<Status, Error> {
        loop {
            let message = self.receive().await?;
            if message.kind == kind::COMMAND {
                let values = amf::decode(&message.payload);
                if values.first().and_then(Value::text) == Some("onStatus") {
                    return Ok(status_in(&values));
                }
            }
        }
    }

    async fn command(&mut self, name: &str, rest: &[Value]) -> Result<f64, Error> {
        self.transaction += 1.0;
        let mut values = vec![name.into(), self.transaction.into()];
        values.extend_from_slice(rest);
        self.send(&Message::control(kind::COMMAND, amf::encode(&values))).await?;
        Ok(self.transaction)
    }

    /// Waits for the answer to a command.
    async fn result(&mut self, transaction: f64) -> Result<Vec<Value>, Error> {
        loop {
            let message = self.receive().await?;
            if message.kind != kind::COMMAND {
                continue;
            }
            let values = amf::decode(&message.payload);
            match (values.first().and_then(Value::text), values.get(1)) {
                (Some("_result"), Some(Value::Number(number))) if *number == transaction => return Ok(values),
                (Some("_error"), Some(Value::Number(number))) if *number == transaction => {
                    return Err(Error::Refused(status_in(&values)));
                }
                (Some("onStatus"), _) => {
                    let status = status_in(&values);
                    if status.level == "error" {
                        return Err(Error::Refused(status));
                    }
                }
                _ => {}
            }
        }
    }
}

/// The first object with a code among the values of an answer.
fn status_in(values: &[Value]) -> Status {
    let info = values.iter().find(|value| value.get("code").is_some());
    let text = |name| info.and_then(|info| info.get(name)).and_then(Value::text).unwrap_or_default().to_owned();
    Status { level: text("level"), code: text("code"), description: text("description") }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// Plays a server that says `code` and `description` about the publish.
    async fn server(mut socket: DuplexStream, code: &str, description: &str) {
        let mut hello = vec![0; 1 + PACKET_BYTES];
        socket.read_exact(&mut hello).await.unwrap();
        let answer = [&hello[..], &hello[1..]].concat();
        socket.write_all(&answer).await.unwrap();
        socket.read_exact(&mut hello[1..]).await.unwrap();

        let (mut reader, mut writer) = (Reader::default(), Writer::default());
        let mut incoming = BytesMut::new();
        loop {
            let Some(message) = reader.next(&mut incoming).unwrap() else {
                if socket.read_buf(&mut incoming).await.unwrap() == 0 {
                    return;
                }
                continue;
            };
            let command = if message.kind == kind::COMMAND { amf::decode(&message.payload) } else { vec![] };
            let answer = match command.first().and_then(Value::text) {
                Some("connect") => vec!["_result".into(), command[1].clone(), Value::Null, Value::Null],
                Some("createStream") => vec!["_result".into(), command[1].clone(), Value::Null, 1.0.into()],
                Some("publish") => {
                    let members = [("level", "status"), ("code", code), ("description", description)];
                    let info = members.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
                    vec!["onStatus".into(), 0.0.into(), Value::Null, Value::Object(info)]
                }
                _ => continue,
            };
            let mut out = Vec::new();
            writer.write(&Message::control(kind::COMMAND, amf::encode(&answer)), &mut out);
            socket.write_all(&out).await.unwrap();
        }
    }

    async fn publish(code: &str, description: &str) -> Result<(), Error> {
        let (ours, theirs) = duplex(1 << 16);
        let target = Target::parse("rtmp://host/live/key").unwrap();
        let options = Options::default();
        tokio::select! {
            published = Client::publish_over(ours, &target, &options) => published.map(drop),
            () = server(theirs, code, description) => panic!("the client left"),
        }
    }

    #[tokio::test]
    async fn a_publish_is_accepted_or_refused_with_the_servers_words() {
        publish("NetStream.Publish.Start", "").await.unwrap();
        let Err(Error::Refused(status)) = publish("NetStream.Publish.BadName", "No such key.").await else {
            panic!("accepted");
        };
        assert_eq!((status.code.as_str(), status.description.as_str()), ("NetStream.Publish.BadName", "No such key."));
    }

    #[test]
    fn a_target_is_a_url_in_three_parts() {
        let target = Target::parse("rtmp://[::1]/live/key?a=b").unwrap();
        assert_eq!((target.authority.as_str(), target.key.as_str()), ("[::1]:1935", "key?a=b"));
        assert_eq!(Target::parse("rtmp://host:99/live/key").unwrap().authority, "host:99");
        assert_eq!(Target::parse("rtmp://host/live"), None);
    }
}

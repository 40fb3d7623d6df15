//! Clients of chat, over a WebSocket library that is not the server's: one that does what a test says, a [`regular`] that
//! stays whatever happens, and the [`transcript`] of what they are told.

pub mod regular;
pub mod transcript;

use std::collections::VecDeque;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Error, Message, client::IntoClientRequest},
};

use crate::server::{PATIENCE, Server};

/// Somebody in a room.
pub struct Chatter {
    socket: WebSocketStream<TcpStream>,
    /// What came in one frame with others.
    waiting: VecDeque<Value>,
    /// What moderators are told of their queues.
    queues: VecDeque<Value>,
    /// What came while something else was waited for.
    passed: VecDeque<Value>,
}

fn is_queue(said: &Value) -> bool {
    said["type"] == "held" || said["type"] == "reported"
}

impl Chatter {
    /// Connects, and says nothing yet.
    ///
    /// # Errors
    /// When the server refuses the handshake.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(server: &Server, channel: &str, origin: Option<&str>) -> Result<Self, Error> {
        let headers = origin.map(|origin| ("Origin", origin));
        Self::connect_with(server, channel, headers.as_slice()).await
    }

    async fn connect_with(server: &Server, channel: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let stream = TcpStream::connect(server.http).await.expect("the server listens");
        let url = format!("ws://{}/api/v1/channels/{channel}/chat", server.http);
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("it is a header's value"));
        }
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket, waiting: VecDeque::new(), queues: VecDeque::new(), passed: VecDeque::new() })
    }

    /// Joins with what `join` has beside its type, and gives what `joined` says.
    ///
    /// # Panics
    /// When the room is not entered.
    pub async fn join(server: &Server, channel: &str, join: Value) -> (Self, Value) {
        let chatter = Self::connect(server, channel, None).await.expect("a connection");
        chatter.joined(join).await
    }

    /// Joins through a proxy that says whom it was called by.
    ///
    /// # Panics
    /// When the room is not entered.
    pub async fn join_from(server: &Server, channel: &str, address: &str, join: Value) -> (Self, Value) {
        let chatter = Self::connect_with(server, channel, &[("X-Forwarded-For", address)]).await;
        chatter.expect("a connection").joined(join).await
    }

    async fn joined(mut self, mut join: Value) -> (Self, Value) {
        let chatter = &mut self;
        join["type"] = json!("join");
        chatter.send(&join).await;
        let joined = chatter.next().await;
        assert_eq!(joined["type"], "joined", "{joined}");
        (self, joined)
    }

    /// Sends a frame. What cannot be sent is found out by who reads.
    pub async fn send(&mut self, frame: &Value) {
        let _ = self.socket.send(Message::text(frame.to_string())).await;
    }

    /// Sends bytes as a text frame, whatever they are.
    pub async fn send_raw(&mut self, text: String) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// Sends a frame of bytes.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        let _ = self.socket.send(Message::Binary(Bytes::from(bytes))).await;
    }

    /// Waits until a queue of moderators, `held` or `reported`, is said to hold so many.
    ///
    /// # Panics
    /// When it is not.
    pub async fn hears(&mut self, kind: &str, count: u64) {
        loop {
            while let Some(said) = self.queues.pop_front() {
                if said["type"] == kind && said["count"] == count {
                    return;
                }
            }
            let said = self.read().await;
            assert_ne!(said["type"], "close", "before {count} are {kind}");
            if is_queue(&said) {
                self.queues.push_back(said);
            } else {
                self.passed.push_back(said);
            }
        }
    }

    /// The next frame but `presence` and what moderators are told of their queues; `{"type": "close", "code": …}` at the end.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Value {
        if let Some(said) = self.passed.pop_front() {
            return said;
        }
        loop {
            let said = self.read().await;
            if !is_queue(&said) {
                return said;
            }
            self.queues.push_back(said);
        }
    }

    async fn read(&mut self) -> Value {
        loop {
            if let Some(said) = self.waiting.pop_front() {
                if said["type"] != "presence" {
                    return said;
                }
                continue;
            }
            match timeout(PATIENCE, self.socket.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text).expect("JSON") {
                    Value::Array(many) => self.waiting.extend(many),
                    one => self.waiting.push_back(one),
                },
                Some(Ok(Message::Close(close))) => {
                    return json!({"type": "close", "code": close.map(|close| u16::from(close.code))});
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return json!({"type": "close", "code": null}),
            }
        }
    }

    /// The next frame of that type.
    ///
    /// # Panics
    /// When the connection ends before.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let said = self.next().await;
            if said["type"] == kind {
                return said;
            }
            assert_ne!(said["type"], "close", "before {kind} came");
        }
    }

    /// Sends a request, and gives what it is answered: `ack` and its offset, or the code of an error.
    ///
    /// # Panics
    /// When the connection ends before.
    pub async fn answer(&mut self, request: &Value) -> String {
        self.send(request).await;
        loop {
            let said = self.next().await;
            match said["type"].as_str() {
                Some("ack") => return format!("ack {}", said["offset"]),
                Some("error") => return said["code"].as_str().unwrap_or_default().to_owned(),
                Some("close") => return said.to_string(),
                _ => {}
            }
        }
    }

    /// Says something, and gives the answer.
    pub async fn say(&mut self, id: &str, text: &str) -> String {
        self.answer(&json!({"type": "say", "id": id, "text": text})).await
    }
}

//! Clients of rooms that nobody wrote for that: each hurts itself, and whoever else is there hears everything.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use weir_testkit::{
    cassandra::Cassandra,
    chat::Chatter,
    http,
    redis::Redis,
    server::{PATIENCE, Server},
};

async fn register(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": "correct horse battery"}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = http::send("POST", &server.url("/api/v1/auth/register"), &headers, body.into()).await;
    let answer = answer.expect("the server answers");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let session: Value = serde_json::from_slice(&answer.body).expect("JSON");
    session["access_token"].as_str().expect("a token").to_owned()
}

/// A WebSocket without a library in between.
struct Raw(TcpStream);

impl Raw {
    /// Opens one, and asks for compression.
    async fn open(server: &Server, channel: &str) -> Self {
        let mut stream = TcpStream::connect(server.http).await.expect("the server listens");
        let request = format!(
            "GET /api/v1/channels/{channel}/chat HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            server.http
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(head.starts_with("http/1.1 101") && !head.contains("deflate"), "{head}");
        Self(stream)
    }

    /// Sends bytes. Who has closed reads no more.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// With which code the server closes.
    async fn closed(&mut self, what: &str) -> Option<u16> {
        let closed = timeout(PATIENCE, async {
            loop {
                let first = self.0.read_u8().await.ok()?;
                let length = match self.0.read_u8().await.ok()? {
                    126 => self.0.read_u16().await.ok()?.into(),
                    127 => self.0.read_u64().await.ok()?,
                    short => u64::from(short),
                };
                let mut payload = vec![0; usize::try_from(length).ok()?];
                self.0.read_exact(&mut payload).await.ok()?;
                if first == 0x88 {
                    return Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]));
                }
            }
        });
        closed.await.unwrap_or_else(|_| panic!("{what}: the connection ends"))
    }
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend([1, 2, 3, 4]);
    frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

const JOIN: &str = r#"{"type":"join","token":null}"#;

#[tokio::test]
async fn whoever_breaks_the_protocol_is_told_and_let_go_and_others_notice_nothing() {
    let server = Server::start().await;
    let anna = register(&server, "anna").await;
    let (mut owner, _) = Chatter::join(&server, "anna", json!({"token": anna})).await;
    let (mut reader, _) = Chatter::join(&server, "anna", json!({})).await;
    let mebibyte = "a".repeat(1 << 20);
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    let mut unmasked = vec![0x81, JOIN.len() as u8];
    unmasked.extend(JOIN.as_bytes());
    let huge = [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[1, 2, 3, 4]].concat();
    let late = |bytes: Vec<u8>| [text(JOIN), bytes].concat();
    let parts: Vec<u8> =
        std::iter::once(frame(0x01, b"[")).chain((0..20_000).map(|_| frame(0x00, b"["))).flatten().collect();
    let table: &[(&str, Vec<u8>, u16)] = &[
        ("no JSON", text("hello"), 1002),
        ("deep JSON", text(&deep), 1002),
        ("another request first", text(r#"{"type":"say","id":"1","text":"x"}"#), 1002),
        ("no token that counts", text(r#"{"type":"join","token":"forged"}"#), 1008),
        ("a mebibyte", text(&mebibyte), 1009),
        ("a mebibyte later", late(text(&mebibyte)), 1009),
        ("a length that nobody has", huge.clone(), 1009),
        ("parts without end", late(parts), 1009),
        ("not masked", unmasked, 1002),
        ("compressed", late(frame(0xc1, &[0xaa, 0x56])), 1002),
        ("a reserved bit", late(frame(0xa1, b"x")), 1002),
        ("a reserved opcode", late(frame(0x83, b"x")), 1002),
        ("a part of nothing", late(frame(0x80, b"x")), 1002),
        ("two texts in one", late([frame(0x01, b"x"), frame(0x81, b"y")].concat()), 1002),
        ("a control frame in parts", late(frame(0x09, b"x")), 1002),
        ("a long ping", late(frame(0x89, &[0; 126])), 1002),
        ("bytes", late(frame(0x82, b"x")), 1003),
        ("not UTF-8", late(frame(0x81, &[0xff, 0xfe])), 1007),
        ("no HTTP/1.1 any more", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
        ("a flood of pings", late(frame(0x89, b"").repeat(1_000)), 1008),
        ("a flood of nonsense", late(text("{}").repeat(1_000)), 1008),
    ];
    for (number, (what, bytes, code)) in (1..).zip(table) {
        let mut hostile = Raw::open(&server, "anna").await;
        // Fed while the server reads, as much as it takes.
        hostile.send(bytes).await;
        let closed = hostile.closed(what).await;
        // Who goes on sending may lose what it was told last: a reset overtakes it.
        let may_be_lost = bytes.len() > 16 * 1024;
        assert!(closed == Some(*code) || (may_be_lost && closed.is_none()), "{what}: {closed:?}");
        assert_eq!(owner.say(&number.to_string(), what).await, format!("ack {number}"), "{what}");
        let heard = reader.until("message").await;
        assert_eq!((&heard["offset"], &heard["text"]), (&json!(number), &json!(what)));
    }
    // What ends no connection: requests that are none, once joined.
    let mut clumsy = Chatter::join(&server, "anna", json!({"token": anna})).await.0;
    for nonsense in
        ["null", "[]", "{}", r#"{"type":"fly"}"#, r#"{"type":"join"}"#, r#"{"type":"say","id":"","text":""}"#]
    {
        clumsy.send_raw(nonsense.into()).await;
        assert_eq!(clumsy.until("error").await["code"], "bad_frame", "{nonsense}");
    }
    assert_eq!(clumsy.say("last", "still here").await, format!("ack {}", table.len() + 1));
}

#[tokio::test]
async fn one_account_over_two_hundred_sockets_on_two_servers_says_twenty_things() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_flood");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    // Within the time that it takes here, none grows old.
    let settings = [
        ("WEIR__STORE__URL", store.as_str()),
        ("WEIR__REDIS__URL", redis.url()),
        ("WEIR__CHAT__MESSAGES_WITHIN", "10m"),
    ];
    let servers = [Server::start_with(&settings).await, Server::start_with(&settings).await];
    let anna = register(&servers[0], "anna").await;
    let berta = register(&servers[1], "berta").await;
    let (mut innocent, _) = Chatter::join(&servers[1], "anna", json!({"token": anna})).await;
    let mut sockets = Vec::new();
    for number in 0..200 {
        sockets.push(Chatter::join(&servers[number % 2], "anna", json!({"token": berta})).await.0);
    }
    for round in 0..5 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            let id = format!("{number}-{round}");
            socket.send(&json!({"type": "say", "id": id, "text": format!("flood {id}")})).await;
        }
    }
    assert_eq!(innocent.say("1", "I am here as well").await.split(' ').next(), Some("ack"));
    let (mut taken, mut refused) = (0, 0);
    for socket in &mut sockets {
        for _ in 0..5 {
            loop {
                let said = socket.next().await;
                match said["type"].as_str() {
                    Some("ack") => taken += 1,
                    Some("error") => {
                        assert_eq!(said["code"], "rate_limited", "{said}");
                        refused += 1;
                    }
                    _ => continue,
                }
                break;
            }
        }
    }
    assert_eq!((taken, refused), (20, 980));
    assert_eq!(innocent.say("2", "and still").await, "ack 22");
    let (mut late, _) = Chatter::join(&servers[0], "anna", json!({})).await;
    for offset in 1..=22 {
        assert_eq!(late.until("message").await["offset"], offset);
    }
}

//! Rooms, as people and their programs meet them.

use serde_json::{Value, json};
use weir_testkit::{cassandra::Cassandra, chat::Chatter, http, redis::Redis, server::Server};

const PASSWORD: &str = "correct horse battery";

async fn post(server: &Server, path: &str, body: Value) -> Value {
    let headers = [("content-type", "application/json")];
    let answer = http::send("POST", &server.url(path), &headers, body.to_string().into()).await.expect("an answer");
    assert!(answer.status < 300, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// An account: its id and an access token.
async fn register(server: &Server, name: &str) -> (String, String) {
    let made = post(server, "/api/v1/auth/register", json!({"username": name, "password": PASSWORD})).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["user"]["id"]), text(&made["access_token"]))
}

async fn member(server: &Server, channel: &str, token: &str) -> Chatter {
    Chatter::join(server, channel, json!({"token": token})).await.0
}

#[tokio::test]
async fn two_talk_and_whoever_was_away_misses_nothing() {
    let server = Server::start().await;
    let (_, anna) = register(&server, "anna").await;
    let (_, berta) = register(&server, "berta").await;
    let (mut first, joined) = Chatter::join(&server, "anna", json!({"token": anna})).await;
    assert_eq!((&joined["you"]["name"], &joined["you"]["role"]), (&json!("anna"), &json!("owner")));
    let mut second = member(&server, "anna", &berta).await;
    let (mut reader, _) = Chatter::join(&server, "anna", json!({"batch": true})).await;
    assert_eq!(first.say("1", "hello").await, "ack 1");
    assert_eq!(second.say("1", "안녕하세요").await, "ack 2");
    assert_eq!(second.say("1", "안녕하세요").await, "ack 2", "sent again");
    for text in ["hello", "안녕하세요"] {
        assert_eq!(reader.until("message").await["text"], text);
    }
    assert_eq!(reader.say("1", "I only read").await, "read_only");
    drop(second);
    assert_eq!(first.say("2", "are you there?").await, "ack 3");
    let since = json!({"token": berta, "since": 2, "epoch": joined["epoch"]});
    let (mut second, again) = Chatter::join(&server, "anna", since).await;
    assert_eq!((&again["recovered"], &again["offset"]), (&json!(true), &json!(3)));
    assert_eq!(second.next().await["text"], "are you there?");
}

#[tokio::test]
async fn who_keeps_order_slows_bans_and_is_obeyed() {
    let server = Server::start().await;
    let (_, anna) = register(&server, "anna").await;
    let (id, berta) = register(&server, "berta").await;
    let (mut owner, mut viewer) = (member(&server, "anna", &anna).await, member(&server, "anna", &berta).await);
    owner.send(&json!({"type": "settings", "settings": {"slow": 600}})).await;
    assert_eq!(viewer.until("settings").await["settings"]["slow"], 600);
    assert_eq!(viewer.say("1", "one").await, "ack 1");
    assert_eq!(viewer.say("2", "two").await, "slow_mode");
    assert_eq!([owner.say("1", "not").await, owner.say("2", "me").await], ["ack 2", "ack 3"]);
    owner.send(&json!({"type": "ban", "user": id, "reason": "spam"})).await;
    assert_eq!(viewer.until("cleared").await["user"], json!(id));
    assert_eq!(viewer.say("3", "three").await, "banned");
    assert_eq!(member(&server, "anna", &berta).await.say("4", "four").await, "banned");
    assert_eq!(viewer.answer(&json!({"type": "unban", "user": id})).await, "forbidden");
    let (carla_id, carla) = register(&server, "carla").await;
    let mut other = member(&server, "anna", &carla).await;
    let path = server.url("/api/v1/channels/anna/bans/carla");
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {anna}"))];
    let banned = http::send("PUT", &path, &headers, "{}".into()).await.expect("an answer");
    assert_eq!(banned.status, 200, "{}", banned.text());
    while other.until("cleared").await["user"] != json!(carla_id) {}
    assert_eq!(other.say("1", "by the API").await, "banned");
    let lifted = http::send("DELETE", &path, &headers, "".into()).await.expect("an answer");
    assert_eq!(lifted.status, 204, "{}", lifted.text());
    assert!(other.say("2", "again").await.starts_with("ack"));
    let (mut late, _) = Chatter::join(&server, "anna", json!({})).await;
    let gone = late.until("message").await;
    assert_eq!((&gone["text"], &gone["deleted"]), (&json!(""), &json!(true)));
}

#[tokio::test]
async fn who_does_not_read_slows_nobody() {
    let server = Server::start_with(&[("WEIR__CHAT__RATE_LIMIT", "off")]).await;
    let (_, anna) = register(&server, "anna").await;
    let (mut slow, _) = Chatter::join(&server, "anna", json!({})).await;
    let mut quick = member(&server, "anna", &anna).await;
    let text = "x".repeat(500);
    // The kernel's buffers take some megabytes before the server's bound counts.
    let mut said = 0;
    while server.metric("weir_chat_slow_total").await < 1.0 {
        for _ in 0..500 {
            said += 1;
            quick.send(&json!({"type": "say", "id": said.to_string(), "text": text})).await;
        }
        for _ in 0..500 {
            quick.until("ack").await;
        }
    }
    loop {
        let next = slow.next().await;
        if next["type"] == "close" {
            break;
        }
        if next["type"] == "reconnect" {
            assert_eq!(next["reason"], "slow");
        }
    }
    assert_eq!(quick.say("last", "still here").await, format!("ack {}", said + 1));
}

#[tokio::test]
async fn hostile_clients_end_their_own_connection() {
    let server = Server::start().await;
    let (_, anna) = register(&server, "anna").await;
    let mut owner = member(&server, "anna", &anna).await;
    let (mut large, _) = Chatter::join(&server, "anna", json!({})).await;
    large.send_raw("a".repeat(1 << 20)).await;
    let (mut binary, _) = Chatter::join(&server, "anna", json!({})).await;
    binary.send_bytes(vec![1, 2, 3]).await;
    let (mut flood, _) = Chatter::join(&server, "anna", json!({})).await;
    for _ in 0..500 {
        flood.send_raw("[".repeat(10_000)).await;
    }
    let mut stranger = Chatter::connect(&server, "anna", None).await.expect("a connection");
    stranger.send(&json!({"type": "say", "id": "1", "text": "before joining"})).await;
    let mut forger = Chatter::connect(&server, "anna", None).await.expect("a connection");
    forger.send(&json!({"type": "join", "token": "forged"})).await;
    for client in [&mut large, &mut binary, &mut flood, &mut stranger, &mut forger] {
        while client.next().await["type"] != "close" {}
    }
    assert!(Chatter::connect(&server, "anna", Some("https://evil.example")).await.is_err(), "another site's page");
    let own = format!("http://{}", server.http);
    assert!(Chatter::connect(&server, "anna", Some(&own)).await.is_ok());
    assert_eq!(owner.say("1", "still here").await, "ack 1");
}

#[tokio::test]
async fn a_server_that_stops_tells_everybody_to_come_back() {
    let mut server = Server::start().await;
    let (mut reader, _) = Chatter::join(&server, "admin", json!({})).await;
    server.signal("TERM").await;
    assert_eq!(reader.until("reconnect").await["reason"], "stopping");
    assert_eq!(reader.next().await["type"], "close");
    assert!(server.ended().await.success(), "{}", server.output());
}

#[tokio::test]
async fn a_room_is_one_on_two_servers() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_rooms");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let settings = [("WEIR__STORE__URL", store.as_str()), ("WEIR__REDIS__URL", redis.url())];
    let (one, two) = (Server::start_with(&settings).await, Server::start_with(&settings).await);
    let (_, anna) = register(&one, "anna").await;
    let (id, berta) = register(&two, "berta").await;
    let (mut here, joined) = Chatter::join(&one, "anna", json!({"token": anna})).await;
    let (mut there, same) = Chatter::join(&two, "anna", json!({"token": berta})).await;
    assert_eq!(joined["epoch"], same["epoch"], "{joined} {same}");
    assert_eq!(here.say("1", "from one").await, "ack 1");
    assert_eq!(there.until("message").await["text"], "from one");
    assert_eq!(there.say("1", "from the other").await, "ack 2");
    while here.until("message").await["text"] != "from the other" {}
    let mut again = member(&one, "anna", &berta).await;
    assert_eq!(again.say("1", "from the other").await, "ack 2", "sent again to the other server");
    here.send(&json!({"type": "ban", "user": id})).await;
    there.until("cleared").await;
    assert_eq!(there.say("2", "banned on one, heard on the other").await, "banned");
    let since = json!({"since": 1, "epoch": joined["epoch"]});
    let (mut late, back) = Chatter::join(&two, "anna", since).await;
    assert_eq!(back["recovered"], true, "{back}");
    assert_eq!([late.next().await["offset"].clone(), late.next().await["offset"].clone()], [json!(2), json!(3)]);
}

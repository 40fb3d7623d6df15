//! Those around a channel: who follows it, its emotes, and who is there.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use weir_testkit::{
    cassandra::Cassandra,
    chat::Chatter,
    http::{self, Answer},
    redis::Redis,
    server::Server,
};

/// A red square that moves, 200 by 100 pixels.
const WAVE: &[u8] = include_bytes!("../../fixtures/wave.gif");
const PASSWORD: &str = "correct horse battery";

/// The access token of somebody new.
async fn register(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD}).to_string();
    let headers = [("content-type", "application/json")];
    let made = http::send("POST", &server.url("/api/v1/auth/register"), &headers, body.into()).await;
    let made = made.expect("an answer");
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body).expect("JSON");
    made["access_token"].as_str().expect("a token").to_owned()
}

async fn call(server: &Server, token: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    let token = format!("Bearer {token}");
    let url = server.url(&format!("/api/v1/channels/anna/{path}"));
    http::send(method, &url, &[("authorization", &token)], body.into()).await.expect("an answer")
}

fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("JSON: {} {}", answer.status, answer.text()))
}

async fn member(server: &Server, token: &str) -> Chatter {
    Chatter::join(server, "anna", json!({"token": token})).await.0
}

async fn set(owner: &mut Chatter, settings: Value) {
    owner.send(&json!({"type": "settings", "settings": settings})).await;
    owner.until("settings").await;
}

/// A PNG of a few bytes that claims to have 50 000 pixels a side.
fn bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend_from_slice(&50_000_u32.to_be_bytes());
    png.extend_from_slice(&50_000_u32.to_be_bytes());
    png.extend_from_slice(&[8, 6, 0, 0, 0]);
    let checksum = !png[12..].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    });
    png.extend_from_slice(&checksum.to_be_bytes());
    png.extend_from_slice(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

#[tokio::test]
async fn an_emote_is_made_anew_shown_to_all_and_all_that_may_be_said() {
    let server = Server::start().await;
    let (anna, berta) = (register(&server, "anna").await, register(&server, "berta").await);
    let (mut owner, mut viewer) = (member(&server, &anna).await, member(&server, &berta).await);
    assert_eq!(call(&server, &berta, "POST", "emotes?code=wave", WAVE).await.status, 403);
    let svg = &b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"[..];
    for (picture, why) in [(bomb(), "too large"), (svg.to_vec(), "no PNG"), (WAVE[..300].to_vec(), "damaged")] {
        let refused = call(&server, &anna, "POST", "emotes?code=wave", picture).await;
        assert!(refused.status == 422 && refused.text().contains(why), "{why}: {}", refused.text());
    }

    let made = call(&server, &anna, "POST", "emotes?code=wave", WAVE).await;
    assert_eq!(made.status, 201, "{}", made.text());
    viewer.until("emotes").await;
    let list = read(&http::get(&server.url("/api/v1/channels/anna/emotes")).await.expect("an answer"));
    let emote = &list["items"][0];
    assert_eq!((&emote["code"], &emote["scope"]), (&json!("wave"), &json!("channel")));
    assert_eq!((&emote["width"], &emote["height"], &emote["animated"]), (&json!(128), &json!(64), &json!(true)));
    let shown = http::get(&server.url(emote["url"].as_str().expect("an address"))).await.expect("an answer");
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/png"));
    assert!(shown.header("cache-control").contains("immutable"), "{:?}", shown.headers);
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    assert!(shown.header("content-security-policy").contains("sandbox"));
    assert!(shown.body.starts_with(b"\x89PNG") && shown.body.windows(4).any(|some| some == b"acTL"));

    set(&mut owner, json!({"emote_only": true})).await;
    viewer.until("settings").await;
    assert_eq!(viewer.say("words", "hello").await, "emote_only");
    assert_eq!(viewer.say("other", ":nope:").await, "emote_only");
    // The room looks up which there are when nothing else may be said: that takes a moment.
    let mut said = String::new();
    for number in 0..20 {
        said = viewer.say(&format!("emote {number}"), ":wave: 😀").await;
        if said != "emote_only" {
            break;
        }
    }
    assert_eq!(said, "ack 1");
    assert_eq!(call(&server, &anna, "DELETE", "emotes/wave", "").await.status, 204);
    owner.until("emotes").await;
    let (mut late, _) = Chatter::join(&server, "anna", json!({})).await;
    assert_eq!(late.until("message").await["text"], ":wave: 😀", "what was said can still be read");
}

#[tokio::test]
async fn followers_talk_where_only_they_may_once_they_have_followed_for_long_enough() {
    let server = Server::start().await;
    let (anna, berta) = (register(&server, "anna").await, register(&server, "berta").await);
    let (mut owner, mut viewer) = (member(&server, &anna).await, member(&server, &berta).await);
    set(&mut owner, json!({"followers_only": 0})).await;
    assert_eq!(viewer.say("1", "hello").await, "followers_only");
    assert_eq!(call(&server, &berta, "PUT", "follow", "").await.status, 204);
    assert_eq!(viewer.say("2", "hello").await, "ack 1", "over the connection that was there");
    set(&mut owner, json!({"followers_only": 1})).await;
    let wait = loop {
        viewer.send(&json!({"type": "say", "id": "3", "text": "hello"})).await;
        let answer = loop {
            let said = viewer.next().await;
            if said["type"] == "ack" || said["type"] == "error" {
                break said;
            }
        };
        match answer["retry_after"].as_f64() {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
            None => break answer,
        }
    };
    assert_eq!(wait["type"], "ack", "after as long as it was told: {wait}");
    set(&mut owner, json!({"followers_only": 600})).await;
    assert_eq!(viewer.say("4", "hello").await, "followers_only");
    set(&mut owner, json!({"followers_only": 0})).await;
    assert_eq!(call(&server, &berta, "DELETE", "follow", "").await.status, 204);
    assert_eq!(viewer.say("5", "hello").await, "followers_only");
    let channel = read(&http::get(&server.url("/api/v1/channels/anna")).await.expect("an answer"));
    assert_eq!(channel["followers"], 0);
}

/// Who is there, as one of them is told.
async fn viewers(chatter: &mut Chatter) -> (u64, Vec<String>) {
    chatter.send(&json!({"type": "viewers"})).await;
    let told = chatter.until("viewers").await;
    let people = told["people"].as_array().unwrap_or_else(|| panic!("{told}")).iter();
    let names = people.map(|person| person["name"].as_str().expect("a name").to_owned()).collect();
    (told["count"].as_u64().expect("a number"), names)
}

#[tokio::test]
async fn two_servers_show_who_is_there_the_same_emotes_and_the_same_followers() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_community");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let settings = [("WEIR__STORE__URL", store.as_str()), ("WEIR__REDIS__URL", redis.url())];
    let (one, two) = (Server::start_with(&settings).await, Server::start_with(&settings).await);
    let (anna, berta) = (register(&one, "anna").await, register(&two, "berta").await);
    let carla = register(&two, "carla").await;
    let (mut here, _again) = (member(&one, &anna).await, member(&one, &anna).await);
    let mut there = member(&two, &berta).await;
    let (_same, _other) = (member(&one, &berta).await, member(&two, &carla).await);
    let (mut reader, _) = Chatter::join(&two, "anna", json!({})).await;
    // Each once, the owner first.
    let all = ["anna", "berta", "carla"];
    for chatter in [&mut here, &mut there, &mut reader] {
        let (count, names) = viewers(chatter).await;
        assert!(names == all && count >= 3, "{count} {names:?}");
    }

    let made = call(&one, &anna, "POST", "emotes?code=wave", WAVE).await;
    assert_eq!(made.status, 201, "{}", made.text());
    there.until("emotes").await;
    let url = read(&made)["url"].as_str().expect("an address").to_owned();
    assert_eq!(http::get(&two.url(&url)).await.expect("an answer").status, 200, "any server has it");

    set(&mut here, json!({"followers_only": 0})).await;
    there.until("settings").await;
    assert_eq!(there.say("1", "hello").await, "followers_only");
    assert_eq!(call(&one, &berta, "PUT", "follow", "").await.status, 204);
    // It is told over Redis.
    let mut said = String::new();
    for number in 0..30 {
        said = there.say(&format!("again {number}"), "hello").await;
        if said != "followers_only" {
            break;
        }
        assert_eq!(read(&call(&two, &berta, "GET", "follow", "").await)["following"], true);
    }
    assert_eq!(said, "ack 1");
}

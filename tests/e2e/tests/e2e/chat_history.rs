//! What was said in rooms is there for good: it is read back, searched, and shown again after a restart.

use std::{collections::HashSet, fmt::Write as _, sync::Arc};

use serde_json::{Value, json};
use tokio::time::timeout;
use weir_testkit::{
    cassandra::Cassandra,
    chat::Chatter,
    http,
    server::{PATIENCE, Server},
};

const PASSWORD: &str = "correct horse battery";
/// Nobody is slowed down here.
const QUICK: (&str, &str) = ("WEIR__CHAT__RATE_LIMIT", "off");

/// An access token of somebody new, or of who registered before.
async fn token(server: &Server, name: &str, call: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD}).to_string();
    let headers = [("content-type", "application/json")];
    let path = server.url(&format!("/api/v1/auth/{call}"));
    let answer = http::send("POST", &path, &headers, body.into()).await.expect("an answer");
    assert!(answer.status < 300, "{}", answer.text());
    let made: Value = serde_json::from_slice(&answer.body).expect("JSON");
    made["access_token"].as_str().expect("a text").to_owned()
}

async fn join(server: &Server, token: &str) -> Chatter {
    Chatter::join(server, "anna", json!({"token": token})).await.0
}

/// A page of what was said in Anna's room.
async fn page(server: &Server, query: &str) -> Value {
    let answer = http::get(&server.url(&format!("/api/v1/channels/anna/messages?{query}"))).await.expect("an answer");
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn texts(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["text"].as_str().expect("a text")).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02x}").expect("a text grows");
        all
    })
}

/// Everything that a search finds, over all of its pages.
async fn find(server: &Server, words: &str, more: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let found = page(server, &format!("q={}{more}{next}", encoded(words))).await;
        all.extend(found["items"].as_array().expect("a list").iter().cloned());
        match found["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

/// Waits until a search finds so many.
async fn until_found(server: &Server, words: &str, count: usize) -> Vec<Value> {
    let look = async {
        loop {
            let found = find(server, words, "").await;
            if found.len() == count {
                return found;
            }
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{words:?} is not found {count} times"))
}

/// Ends a server and starts another on its data.
async fn restart(mut server: Server, settings: &[(&str, &str)]) -> Server {
    let dir: Arc<_> = server.dir.clone();
    server.signal("TERM").await;
    assert!(server.ended().await.success(), "{}", server.output());
    Server::start_in(dir, settings).await
}

#[tokio::test]
async fn what_was_said_is_read_back_and_searched_in_every_script() {
    let server = Server::start_with(&[QUICK]).await;
    let (anna, berta) = (token(&server, "anna", "register").await, token(&server, "berta", "register").await);
    let (mut one, mut two) = (join(&server, &anna).await, join(&server, &berta).await);
    for (n, text) in ["今天天气很好", "안녕하세요 여러분", "Hello World"].iter().enumerate() {
        assert!(one.say(&n.to_string(), text).await.starts_with("ack"));
        assert!(two.say(&n.to_string(), &format!("{text}!")).await.starts_with("ack"));
    }
    for (words, found) in
        [("天气", "今天天气很好"), ("好", "今天天气很好"), ("여러", "안녕하세요 여러분"), ("hello", "Hello World")]
    {
        let both = until_found(&server, words, 2).await;
        assert_eq!(texts(&both), [format!("{found}!").as_str(), found]);
        let hers = find(&server, words, "&user=berta").await;
        assert_eq!(texts(&hers), [format!("{found}!")]);
        assert_eq!(hers[0]["user"]["name"], "berta");
    }
    assert!(find(&server, "气天", "").await.is_empty());

    // Deleted: its place is there, its words are not.
    let gone = find(&server, "hello", "&user=berta").await[0]["id"].clone();
    one.send(&json!({"type": "delete", "id": gone})).await;
    until_found(&server, "hello", 1).await;
    let last = page(&server, "limit=1").await;
    assert_eq!((&last["items"][0]["id"], &last["items"][0]["deleted"]), (&gone, &json!(true)));
    assert_eq!(last["items"][0]["text"], "");

    // Back over many pages.
    for n in 0..250 {
        two.send(&json!({"type": "say", "id": format!("many {n}"), "text": format!("number {n}")})).await;
    }
    until_found(&server, "number", 250).await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let found = page(&server, &format!("limit=30{next}")).await;
        seen.extend(found["items"].as_array().expect("a list").iter().cloned());
        match found["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 256);
    let ids: HashSet<_> = seen.iter().map(|item| item["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 256, "none twice");
    let numbers: Vec<String> = (0..250).rev().map(|n| format!("number {n}")).collect();
    assert_eq!(texts(&seen[..250]), numbers, "none left out, in order");
    let before = encoded(seen[249]["at"].as_str().expect("a time"));
    let older = page(&server, &format!("before={before}")).await;
    let older = older["items"].as_array().expect("a list");
    assert!(older.iter().all(|item| item["id"].as_str() < seen[249]["id"].as_str()), "{older:?}");
}

#[tokio::test]
async fn a_room_is_as_it_was_after_a_restart() {
    let server = Server::start_with(&[QUICK]).await;
    let anna = token(&server, "anna", "register").await;
    let (mut owner, before) = Chatter::join(&server, "anna", json!({"token": anna})).await;
    for n in 0..60 {
        owner.say(&n.to_string(), &format!("line {n}")).await;
    }
    let pinned = until_found(&server, "line", 60).await[10]["id"].clone();
    owner.send(&json!({"type": "pin", "id": pinned})).await;
    owner.until("pinned").await;
    owner.send(&json!({"type": "settings", "settings": {"slow": 7, "links_off": true}})).await;
    owner.until("settings").await;
    drop(owner);

    let server = restart(server, &[QUICK]).await;
    let anna = token(&server, "anna", "login").await;
    let since = json!({"token": anna, "since": 60, "epoch": before["epoch"]});
    let (mut owner, joined) = Chatter::join(&server, "anna", since).await;
    assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(false), &json!(50)), "{joined}");
    assert_ne!(joined["epoch"], before["epoch"]);
    assert_eq!((&joined["settings"]["slow"], &joined["settings"]["links_off"]), (&json!(7), &json!(true)));
    assert_eq!(joined["pinned"]["id"], pinned, "{joined}");
    for (offset, n) in (1..=50).zip(10..60) {
        let message = owner.until("message").await;
        assert_eq!((&message["offset"], &message["text"]), (&json!(offset), &json!(format!("line {n}"))));
    }
    assert_eq!(owner.say("59", "line 59").await, "ack 50", "sent again after the restart");
    assert_eq!(owner.say("60", "goes on").await, "ack 51");
    until_found(&server, "goes", 1).await;
    assert_eq!(page(&server, "limit=200").await["items"].as_array().expect("a list").len(), 61);

    // Whoever is gone has said nothing, here and after the next start.
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {anna}"))];
    let body = json!({"password": PASSWORD}).to_string();
    let gone = http::send("DELETE", &server.url("/api/v1/me"), &headers, body.into()).await.expect("an answer");
    assert_eq!(gone.status, 204, "{}", gone.text());
    let messages = http::get(&server.url("/api/v1/channels/anna/messages")).await.expect("an answer");
    assert_eq!(messages.status, 404);
}

#[tokio::test]
async fn chat_goes_on_while_the_cluster_of_the_store_hangs_and_nothing_said_is_lost() {
    let cassandra = tokio::task::spawn_blocking(|| Cassandra::start(1)).await.expect("Cassandra starts");
    let url = cassandra.url("weir_hangs");
    let settings = [("WEIR__STORE__URL", url.as_str()), QUICK];
    let server = Server::start_with(&settings).await;
    let anna = token(&server, "anna", "register").await;
    let (mut owner, mut reader) = (join(&server, &anna).await, join(&server, &anna).await);
    owner.say("before", "said before 天气").await;
    until_found(&server, "said 天", 1).await;

    cassandra.pause(1);
    for n in 0..40 {
        assert_eq!(owner.say(&n.to_string(), "said meanwhile 안녕").await, format!("ack {}", n + 2));
    }
    let mut heard = 0;
    while heard < 41 {
        reader.until("message").await;
        heard += 1;
    }
    server.line_with("does not take what is said").await;
    cassandra.resume(1);
    let back = async {
        loop {
            let answer = http::get(&server.url("/api/v1/channels/anna/messages?limit=200")).await.expect("an answer");
            let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if answer.status == 200 && found["items"].as_array().is_some_and(|items| items.len() == 41) {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, back).await.is_ok(), "something is missing: {}", server.output());
    assert_eq!(until_found(&server, "meanwhile 안녕", 40).await.len(), 40);

    // An empty log on another server: the room begins as it was.
    let server = restart(server, &settings).await;
    let (mut late, joined) = Chatter::join(&server, "anna", json!({})).await;
    assert_eq!(joined["offset"], 41, "{joined}");
    assert_eq!(late.next().await["text"], "said before 天气");
}

//! What waits for moderators, a channel's own words, and rights that change while somebody is there.

use super::*;
use crate::{
    filter::{Action, Word},
    room::ClientId,
};

fn channel() -> ChannelId {
    ChannelId::from_bytes([7; 16])
}

impl Client {
    /// Waits until a queue is said to hold so many.
    async fn hears(&mut self, kind: &str, count: u64) {
        while self.until(kind).await["count"] != count {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_kept_and_only_moderators_hear_of_it() {
    let server = Server::start(|_| {}).await;
    let (mut moderator, mut anna) = (server.reader("mod:dora").await, server.reader("anna").await);
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "this is odd"})).await, "held");
    moderator.hears("held", 1).await;
    assert_eq!(*server.gate.held.lock(), ["this is odd"]);
    server.chat.queues_changed(channel(), None, Some(3));
    moderator.hears("reported", 3).await;
    assert_eq!(moderator.answer(json!({"type": "say", "id": "1", "text": "odd, isn't it"})).await, "ack 1");
    // Nothing of that came between.
    assert_eq!(anna.next().await["text"], "odd, isn't it");
    let mut late = server.reader("owner:emma").await;
    late.hears("held", 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_queue_and_what_cannot_be_kept_is_refused() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    server.gate.held.lock().extend(["x".to_owned(), "y".into(), "z".into()]);
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "odd"})).await, "queue_full");
    *server.gate.away.lock() = true;
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "odd"})).await, "unavailable");
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "odd"})).await, "held");
    for id in 2..30 {
        anna.say(&id.to_string(), "odd").await;
    }
    while anna.until("error").await["code"] != "rate_limited" {}
}

#[tokio::test(start_paused = true)]
async fn what_a_moderator_allows_is_said_once() {
    let server = Server::start(|_| {}).await;
    let mut reader = server.reader(Value::Null).await;
    let allow = |once: &str| {
        let (chat, once) = (server.chat.clone(), ClientId::parse(once).unwrap());
        async move { chat.allow(channel(), person("anna"), "odd".into(), None, once).await }
    };
    let (one, two) = tokio::join!(allow("held:1"), allow("held:1"));
    assert!(one && two && allow("held:2").await);
    let said = [reader.next().await, reader.next().await];
    assert_eq!(said.each_ref().map(|message| &message["offset"]), [&json!(1), &json!(2)]);
    assert_eq!((&said[0]["text"], &said[0]["user"]["name"]), (&json!("odd"), &json!("anna")));
    let id: MessageId = serde_json::from_value(said[0]["id"].clone()).unwrap();
    assert_eq!(server.chat.message(channel(), id).await.unwrap().text, "odd");
    assert!(server.chat.message(channel(), MessageId::new()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_channels_words_are_known_to_who_comes_first_and_change_while_people_talk() {
    let server = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let words =
        |version, word: &str| OwnWords { version, words: vec![Word { text: word.into(), action: Action::Block }] };
    *server.gate.words.lock() = words(1, "cabbage");
    let (mut anna, mut dora) = (server.reader("anna").await, server.reader("mod:dora").await);
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "C a b b a g e"})).await, "blocked");
    assert_eq!(anna.answer(json!({"type": "say", "id": "2", "text": "bad"})).await, "blocked", "nobody says this");
    assert_eq!(dora.answer(json!({"type": "say", "id": "1", "text": "no cabbage"})).await, "ack 1");
    *server.gate.words.lock() = words(2, "turnip");
    server.chat.words_changed(channel(), 2);
    let mut id = 3;
    while anna.answer(json!({"type": "say", "id": id.to_string(), "text": "turnip"})).await != "blocked" {
        id += 1;
    }
    assert!(anna.answer(json!({"type": "say", "id": "c", "text": "cabbage"})).await.starts_with("ack"));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_taken_counts_at_once() {
    let server = Server::start(|_| {}).await;
    let (mut dora, mut other) = (server.reader("mod:dora").await, server.reader("mod:other").await);
    server.gate.roles.lock().insert(person("mod:dora").id, Role::Viewer);
    server.chat.rights_changed(channel(), Some(person("mod:dora").id), true);
    assert_eq!(dora.until("you").await["you"]["role"], "viewer");
    assert_eq!(dora.answer(json!({"type": "pin"})).await, "forbidden");
    server.chat.queues_changed(channel(), Some(5), None);
    other.hears("held", 5).await;
    server.gate.held.lock().extend(["x".to_owned(), "y".into()]);
    server.gate.roles.lock().insert(person("mod:dora").id, Role::Owner);
    server.chat.account_changed(person("mod:dora").id);
    // What was told in between was not for her.
    let next = dora.next().await;
    assert_eq!((&next["type"], &next["you"]["role"]), (&json!("you"), &json!("owner")));
    dora.hears("held", 2).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_may_no_longer_be_there_is_put_out() {
    let server = Server::start(|_| {}).await;
    let (mut reader, mut anna) = (server.reader(Value::Null).await, server.reader("anna").await);
    let mut dora = server.reader("mod:dora").await;
    *server.gate.closed.lock() = true;
    server.chat.rights_changed(channel(), None, true);
    for client in [&mut reader, &mut anna] {
        assert_eq!(client.until("error").await["code"], "forbidden");
        assert_eq!(client.next().await["code"], 1008);
    }
    assert_eq!(dora.answer(json!({"type": "say", "id": "1", "text": "alone"})).await, "ack 1");
}

#[tokio::test(start_paused = true)]
async fn a_ban_of_an_address_holds_others_back_before_they_write_again() {
    let server = Server::start(|_| {}).await;
    let (mut dora, mut anna) = (server.reader("mod:dora").await, server.reader("anna").await);
    let mut other = server.reader("other").await;
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 1");
    assert_eq!(other.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 2");
    assert_eq!(server.gate.spoke.lock().len(), 2);
    dora.send(json!({"type": "ban", "user": person("anna").id, "address": true})).await;
    while other.until("cleared").await["user"] != json!(person("anna").id) {}
    assert_eq!(other.answer(json!({"type": "say", "id": "2", "text": "me again"})).await, "banned");
    dora.send(json!({"type": "unban", "user": person("anna").id})).await;
    loop {
        match &*other.answer(json!({"type": "say", "id": "3", "text": "me"})).await {
            "banned" => {}
            said => break assert_eq!(said, "ack 4"),
        }
    }
}

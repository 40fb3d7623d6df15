//! Who may say and do what.

use super::*;

#[tokio::test(start_paused = true)]
async fn so_much_may_be_said_and_no_more() {
    let server = Server::start(|_| {}).await;
    let say = |number: usize| json!({"type": "say", "id": number.to_string(), "text": "hello"});
    let mut anna = server.reader("anna").await;
    for number in 0..20 {
        assert!(anna.answer(say(number)).await.starts_with("ack"));
    }
    assert_eq!(anna.answer(say(20)).await, "rate_limited");
    assert_eq!(server.reader("anna").await.answer(say(21)).await, "rate_limited", "over another connection");
    let mut moderator = server.reader("mod:berta").await;
    for number in 0..100 {
        assert!(moderator.answer(say(number)).await.starts_with("ack"), "{number}");
    }
    assert_eq!(moderator.answer(say(100)).await, "rate_limited");
    let unlimited = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let mut anna = unlimited.reader("anna").await;
    for number in 0..500 {
        assert!(anna.answer(say(number)).await.starts_with("ack"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_kept_told_and_lifted() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    let say = |id: &str| json!({"type": "say", "id": id, "text": "hello"});
    assert_eq!(anna.answer(say("1")).await, "ack 1");
    let id = person("anna").id;
    assert_eq!(anna.answer(json!({"type": "ban", "user": id})).await, "forbidden");
    moderator.send(json!({"type": "ban", "user": id, "reason": "spam"})).await;
    let cleared = moderator.until("cleared").await;
    assert_eq!((&cleared["user"], &cleared["offset"]), (&json!(id), &json!(2)));
    assert_eq!(anna.answer(say("2")).await, "banned");
    assert_eq!(server.reader("anna").await.answer(say("3")).await, "banned", "after a reconnect");
    let (mut carl, _) = server.join(json!({"type": "join"})).await;
    let gone = carl.until("message").await;
    assert_eq!((&gone["text"], &gone["deleted"]), (&json!(""), &json!(true)));
    moderator.send(json!({"type": "unban", "user": id})).await;
    moderator.send(json!({"type": "ping"})).await;
    moderator.until("pong").await;
    assert_eq!(anna.answer(say("4")).await, "ack 3");
    moderator.send(json!({"type": "timeout", "user": id, "seconds": 60})).await;
    moderator.until("cleared").await;
    assert_eq!(anna.answer(say("5")).await, "timed_out");
    let owner = person("owner:carl").id;
    assert_eq!(moderator.answer(json!({"type": "ban", "user": owner})).await, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn messages_are_deleted_by_who_said_them_and_who_keeps_order() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut berta) = (server.reader("anna").await, server.reader("berta").await);
    let mut moderator = server.reader("mod:carl").await;
    anna.say("1", "one").await;
    let one = anna.until("message").await["id"].clone();
    anna.say("2", "two").await;
    let two = anna.until("message").await["id"].clone();
    assert_eq!(berta.answer(json!({"type": "delete", "id": one})).await, "forbidden");
    anna.send(json!({"type": "delete", "id": one})).await;
    let deleted = berta.until("deleted").await;
    assert_eq!((&deleted["id"], &deleted["offset"]), (&one, &json!(3)));
    moderator.send(json!({"type": "pin", "id": two})).await;
    assert_eq!(berta.until("pinned").await["message"]["text"], "two");
    assert_eq!(server.join(json!({"type": "join"})).await.1["pinned"]["text"], "two");
    moderator.send(json!({"type": "delete", "id": two})).await;
    berta.until("deleted").await;
    assert_eq!(server.join(json!({"type": "join"})).await.1["pinned"], Value::Null);
    assert_eq!(berta.answer(json!({"type": "clear"})).await, "forbidden");
    moderator.send(json!({"type": "clear"})).await;
    assert_eq!(berta.until("cleared").await["user"], Value::Null);
    assert_eq!(*server.gate.deeds.lock(), ["chat.clear"]);
}

#[tokio::test(start_paused = true)]
async fn settings_hold_for_everybody_at_once() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    assert_eq!(anna.answer(json!({"type": "settings", "settings": {"slow": 5}})).await, "forbidden");
    assert_eq!(moderator.answer(json!({"type": "settings", "settings": {"slow": 100_000}})).await, "bad_frame");
    moderator.send(json!({"type": "settings", "settings": {"slow": 60}})).await;
    assert_eq!(anna.until("settings").await["settings"]["slow"], 60);
    assert_eq!(anna.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 1");
    anna.say("2", "hello").await;
    let refused = anna.until("error").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("slow_mode"), &json!("2")));
    assert!(refused["retry_after"].as_f64().unwrap() > 50.0);
    assert_eq!(server.join(json!({"type": "join"})).await.1["settings"]["slow"], 60);
}

#[tokio::test(start_paused = true)]
async fn words_that_must_not_be_said_are_not_said() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut moderator) = (server.reader("anna").await, server.reader("mod:berta").await);
    let say = |id: &str, text: &str| json!({"type": "say", "id": id, "text": text});
    assert_eq!(anna.answer(say("1", "that is b.a.d")).await, "blocked");
    assert_eq!(anna.answer(say("2", "how odd")).await, "held");
    anna.say("3", "you ＳＩＬＬＹ one").await;
    anna.until("ack").await;
    assert_eq!(moderator.until("message").await["text"], "you ***** one");
    assert_eq!(moderator.answer(say("4", "do not say bad")).await, "ack 2");
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "bad"})).await, "blocked");
}

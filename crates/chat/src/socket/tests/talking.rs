//! What is said, and who hears it.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_one_says_both_hear_in_order() {
    let server = Server::start(|_| {}).await;
    let (mut anna, joined) = server.join(json!({"type": "join", "token": "anna"})).await;
    assert_eq!((&joined["offset"], &joined["recovered"]), (&json!(0), &json!(false)));
    assert_eq!((&joined["you"]["name"], &joined["you"]["role"]), (&json!("anna"), &json!("viewer")));
    let mut berta = server.reader(Value::Null).await;
    anna.say("a1", "hello").await;
    anna.say("a2", "world").await;
    let acks = [anna.until("ack").await, anna.until("ack").await];
    assert_eq!(acks.each_ref().map(|ack| ack["id"].as_str().unwrap()), ["a1", "a2"]);
    for (offset, text) in [(1, "hello"), (2, "world")] {
        let message = berta.until("message").await;
        assert_eq!((&message["offset"], &message["text"]), (&json!(offset), &json!(text)));
        assert_eq!(message["user"]["name"], "anna");
        assert_eq!(acks[offset - 1]["message"], message["id"]);
    }
    assert_eq!(berta.answer(json!({"type": "say", "id": "b", "text": "I only read"})).await, "read_only");
}

#[tokio::test(start_paused = true)]
async fn an_id_is_said_once_over_every_connection_of_its_user() {
    let server = Server::start(|_| {}).await;
    let (mut one, mut other) = (server.reader("anna").await, server.reader("anna").await);
    let say = json!({"type": "say", "id": "same", "text": "hello"});
    assert_eq!(one.answer(say.clone()).await, "ack 1");
    assert_eq!(one.answer(say.clone()).await, "ack 1");
    assert_eq!(other.answer(say.clone()).await, "ack 1");
    assert_eq!(server.reader("berta").await.answer(say).await, "ack 2");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_brought_what_was_missed() {
    let server = Server::start(|config| config.history_shown = 2).await;
    let mut anna = server.reader("anna").await;
    for number in 1..=5 {
        anna.answer(json!({"type": "say", "id": number.to_string(), "text": "hello"})).await;
    }
    let epoch = server.join(json!({"type": "join"})).await.1["epoch"].clone();
    for (join, recovered, offsets) in [
        (json!({"type": "join", "since": 2, "epoch": epoch}), true, &[3, 4, 5][..]),
        (json!({"type": "join", "since": 5, "epoch": epoch}), true, &[]),
        (json!({"type": "join", "since": 6, "epoch": epoch}), false, &[4, 5]),
        (json!({"type": "join", "since": 2, "epoch": "another"}), false, &[4, 5]),
        (json!({"type": "join"}), false, &[4, 5]),
    ] {
        let (mut client, joined) = server.join(join.clone()).await;
        assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(recovered), &json!(5)), "{join}");
        for offset in offsets {
            assert_eq!(client.next().await["offset"], *offset, "{join}");
        }
        client.send(json!({"type": "ping"})).await;
        assert_eq!(client.next().await["type"], "pong", "{join}: and nothing more");
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_back_after_the_room_was_empty_finds_it_as_it_was() {
    let server = Server::start(|_| {}).await;
    let (mut anna, joined) = server.join(json!({"type": "join", "token": "anna"})).await;
    anna.answer(json!({"type": "say", "id": "a", "text": "hello"})).await;
    drop(anna);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (mut anna, again) =
        server.join(json!({"type": "join", "token": "anna", "since": 0, "epoch": joined["epoch"]})).await;
    assert_eq!((&again["epoch"], &again["recovered"]), (&joined["epoch"], &json!(true)));
    assert_eq!(anna.next().await["text"], "hello");
    assert_eq!(anna.answer(json!({"type": "say", "id": "a", "text": "hello"})).await, "ack 1");
}

#[tokio::test(start_paused = true)]
async fn many_come_in_one_frame_to_whoever_asked_for_that() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let (mut berta, _) = server.join(json!({"type": "join", "batch": true})).await;
    anna.say("a", "hello").await;
    let many = berta.next().await;
    assert_eq!(many[0]["text"], "hello", "{many}");
    let (mut carl, _) = server.join(json!({"type": "join", "batch": true})).await;
    assert_eq!(carl.next().await[0]["text"], "hello");
}

#[tokio::test(start_paused = true)]
async fn comments_over_the_picture_take_no_offset() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut berta) = (server.reader("anna").await, server.reader(Value::Null).await);
    anna.send(json!({"type": "danmaku", "text": "wow", "color": "#ff0000", "mode": "top"})).await;
    let comment = berta.until("danmaku").await;
    assert_eq!((&comment["text"], &comment["mode"]), (&json!("wow"), &json!("top")));
    assert_eq!(comment.get("offset"), None);
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "wow", "color": "red"})).await, "bad_color");
    for _ in 0..19 {
        anna.send(json!({"type": "danmaku", "text": "wow"})).await;
    }
    assert_eq!(anna.answer(json!({"type": "danmaku", "text": "wow"})).await, "rate_limited");
    assert_eq!(server.join(json!({"type": "join"})).await.1["offset"], 0);
}

#[tokio::test(start_paused = true)]
async fn how_many_are_there_is_told() {
    let server = Server::start(|_| {}).await;
    let (mut anna, _) = server.join(json!({"type": "join"})).await;
    let _others = [server.join(json!({"type": "join"})).await, server.join(json!({"type": "join"})).await];
    loop {
        let (_, payload) = anna.frame().await.unwrap();
        let said: Value = serde_json::from_slice(&payload).unwrap_or_default();
        if said["type"] == "presence" && said["count"] == 3 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_tells_everybody_to_come_back() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let chat = server.chat.clone();
    let drained = tokio::spawn(async move { chat.drain().await });
    let told = anna.until("reconnect").await;
    assert_eq!(told["reason"], "stopping");
    assert_eq!(anna.next().await["code"], 1012);
    drop(anna.io);
    drained.await.unwrap();
    assert_eq!(server.chat.connections(), 0);
}

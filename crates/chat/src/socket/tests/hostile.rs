//! Clients that do what none should, and those that just vanish.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_told_to_come_back_and_slows_nobody() {
    let server = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let mut slow = server.connect("anna", 1_000);
    slow.send(json!({"type": "join", "token": null})).await;
    slow.until("joined").await;
    let mut anna = server.reader("anna").await;
    let text = "a".repeat(500);
    let (many, mut number) = (3_000, 0);
    while number < many {
        number += 1;
        anna.say(&number.to_string(), &text).await;
        anna.until("message").await;
    }
    let mut last = Value::Null;
    loop {
        let next = slow.next().await;
        if next["type"] == "close" {
            break;
        }
        last = next;
    }
    assert_eq!((&last["type"], &last["reason"]), (&json!("reconnect"), &json!("slow")));
    slow.task.await.unwrap();
    assert_eq!(anna.answer(json!({"type": "say", "id": "x", "text": "hello"})).await, format!("ack {}", many + 1));
}

#[tokio::test(start_paused = true)]
async fn what_no_client_sends_ends_its_connection_only() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.reader("anna").await;
    let text = |text: &str| (0x81, text.as_bytes().to_vec());
    for ((first, payload), code) in [
        (text(&"a".repeat(1 << 20)), 1009),
        ((0x82, b"bytes".to_vec()), 1003),
        ((0x81, vec![0xff, 0xfe]), 1007),
        ((0xc1, b"deflated".to_vec()), 1002),
        (text("no JSON"), 1002),
        (text(r#"{"type":"say","id":"1","text":"before joining"}"#), 1002),
    ] {
        let mut client = server.connect("anna", 1 << 21);
        client.send_bytes(first, &payload).await;
        loop {
            let next = client.next().await;
            if next["type"] == "close" {
                assert_eq!(next["code"], code);
                break;
            }
        }
    }
    for request in [json!([]), json!({"type": "fly"}), json!({"type": "join"}), json!({"type": "say", "id": ""})] {
        assert_eq!(anna.answer(request).await, "bad_frame");
    }
    let flood = json!({"type": "nonsense"}).to_string();
    for _ in 0..300 {
        anna.send_bytes(0x81, flood.as_bytes()).await;
    }
    loop {
        let next = anna.next().await;
        if next["type"] == "close" {
            assert_eq!(next["code"], 1008);
            break;
        }
    }
    assert_eq!(server.reader("anna").await.answer(json!({"type": "say", "id": "1", "text": "hello"})).await, "ack 1");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_join_hears_why() {
    let server = Server::start(|_| {}).await;
    let mut silent = server.connect("anna", 1_000);
    assert_eq!(silent.next().await["code"], "silent");
    let mut lost = server.connect("nobody", 1_000);
    lost.send(json!({"type": "join"})).await;
    assert_eq!(lost.next().await["code"], "not_found");
    let mut forged = server.connect("anna", 1_000);
    forged.send(json!({"type": "join", "token": ""})).await;
    assert_eq!(
        (forged.next().await["code"].clone(), forged.next().await["code"].clone()),
        (json!("unauthorized"), json!(1008))
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_without_a_word_is_noticed() {
    let server = Server::start(|_| {}).await;
    let (anna, _) = server.join(json!({"type": "join"})).await;
    // It reads nothing and answers no ping.
    anna.task.await.unwrap();
    drop(anna.io);
    let (mut berta, _) = server.join(json!({"type": "join"})).await;
    for _ in 0..20 {
        let (first, payload) = berta.frame().await.unwrap();
        if first == 0x89 {
            berta.send_bytes(0x8a, &payload).await;
        }
    }
    assert!(!berta.task.is_finished());
}

#[test]
fn pages_of_other_sites_may_not_open_rooms() {
    #[track_caller]
    fn check(origin: Option<&'static str>, host: &'static str, may: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        origin.into_iter().for_each(|origin| drop(headers.insert(header::ORIGIN, HeaderValue::from_static(origin))));
        assert_eq!(may_open(&headers, &["https://friend.example".into()]), may, "{origin:?} {host}");
    }
    check(None, "weir.example", true);
    check(Some("https://weir.example"), "weir.example", true);
    check(Some("https://Weir.example"), "weir.example:443", true);
    check(Some("http://weir.example"), "weir.example:80", true);
    check(Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true);
    check(Some("https://friend.example"), "weir.example", true);
    for origin in ["null", "https://evil.example", "https://weir.example.evil", "http://weir.example@evil", ""] {
        check(Some(origin), "weir.example", false);
    }
    check(Some("https://"), "", false);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_come_and_go_and_whoever_stays_hears_everything() {
    let server = Server::start(|_| {}).await;
    let (mut anna, mut reader) = (server.reader("mod:anna").await, server.reader(Value::Null).await);
    for round in 1..=100 {
        let mut crowd = Vec::new();
        for _ in 0..1_000 {
            let mut one = server.connect("anna", 4_096);
            one.send_bytes(0x81, br#"{"type":"join","token":null}"#).await;
            crowd.push(one);
        }
        for one in &mut crowd {
            let (_, payload) = one.frame().await.unwrap();
            assert!(payload.starts_with(br#"{"type":"joined""#));
        }
        assert_eq!(
            anna.answer(json!({"type": "say", "id": round.to_string(), "text": "hello"})).await,
            format!("ack {round}")
        );
        // Some go without a word, some in the middle of one.
        for (number, mut one) in crowd.into_iter().enumerate() {
            if number % 2 == 0 {
                let _ = one.io.write_all(&[0x81, 0xfe, 0x01]).await;
            }
        }
        assert_eq!(reader.until("message").await["offset"], round);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_with_the_join_is_done_at_once() {
    let server = Server::start(|_| {}).await;
    let mut anna = server.connect("anna", 1_000);
    let text = |text: &str| [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0][..], text.as_bytes()].concat();
    let say = r#"{"type":"say","id":"1","text":"hello"}"#;
    let together = [text(r#"{"type":"join","token":"anna"}"#), text(say), vec![0x83, 0x80, 0, 0, 0, 0]].concat();
    anna.io.write_all(&together).await.unwrap();
    let mut kinds = Vec::new();
    loop {
        let next = anna.next().await;
        if next["type"] == "close" {
            assert_eq!(next["code"], 1002);
            break;
        }
        kinds.push(next["type"].clone());
    }
    assert_eq!(kinds[0], "joined");
    let (mut reader, _) = server.join(json!({"type": "join"})).await;
    assert_eq!(reader.until("message").await["text"], "hello");
}

//! Hooks as their owners and receivers see them: over the routes, on a real store, posted to a real listener.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use weir_identity::{AccountId, ChannelId, HookId};

use super::{Client, Config, Courier, Event, Failed, Hook, Secret, Whose, seal_secret};
use crate::testing::Server;

#[test]
fn what_is_kept_reads_back() {
    for event in Event::ALL {
        assert_eq!(Event::parse(event.as_str()), Some(event));
    }
    assert_eq!(Event::list(&Event::join(&Event::ALL)), Event::ALL);
    assert_eq!(Event::list("ban,of.tomorrow"), [Event::Ban]);
    for whose in [Whose::Installation, Whose::Channel(ChannelId::new())] {
        assert_eq!(Whose::parse(&whose.to_text()), Some(whose));
    }
}

/// A receiver that notes what it is told, and answers the first with 500.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (told, hears) = mpsc::unbounded_channel();
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let take = async move |State(first): State<Arc<std::sync::atomic::AtomicBool>>, headers: HeaderMap, body: Bytes| {
        let failed = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        let _ = told.send((headers, body));
        if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
    };
    let moved = async || -> Response { Redirect::temporary("/hook").into_response() };
    let around = async || -> Response { Redirect::temporary("/around").into_response() };
    let routes = Router::new()
        .route("/hook", post(take))
        .route("/moved", post(moved))
        .route("/around", post(around))
        .route("/inside", post(async || Redirect::temporary("http://169.254.169.254/latest/").into_response()))
        .with_state(first);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (address, hears)
}

#[tokio::test]
async fn what_happens_is_told_signed_and_told_again_when_it_was_not_taken() {
    let server = Server::start().await;
    let token = server.token("anna").await;
    let (address, mut hears) = receiver().await;
    let hooks = "/api/v1/channels/anna/webhooks";
    let anna = "anna".parse().unwrap();
    let channel = server.store.channel_named(&anna).await.unwrap().unwrap();
    let (id, secret) = (HookId::new(), Secret::random());
    let hook = Hook {
        id,
        whose: Whose::Channel(channel.id),
        url: format!("{address}/moved"),
        events: vec![Event::StreamStarted],
        secret: seal_secret(&server.secret, id, &secret),
        by: AccountId::new(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    };
    server.store.add_hook(hook).await.unwrap();
    assert_eq!(server.with(&token, "GET", hooks, Value::Null).await.body["items"][0]["last"], Value::Null);

    let config = Config { allow_private: true, ..Config::default() };
    let courier = Courier::new(server.store.clone(), server.secret.clone(), &server.announcer, config);
    let running = tokio::spawn(courier.run());
    server.announcer.announce_in(&anna, Event::StreamEnded, json!({})).await;
    server.announcer.announce_in(&anna, Event::StreamStarted, json!({"protocol": "rtmp"})).await;
    let (first, body) = hears.recv().await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(message["type"], "stream.started", "the hook wants nothing else");
    assert_eq!(message["data"], json!({"protocol": "rtmp", "channel": "anna"}));
    let text = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    let seconds = text(&first, "webhook-timestamp").parse().unwrap();
    let signed = secret.headers(&text(&first, "webhook-id"), seconds, std::str::from_utf8(&body).unwrap());
    assert_eq!(text(&first, "webhook-signature"), signed[2].1);

    let (second, again) = hears.recv().await.unwrap();
    assert_eq!((text(&second, "webhook-id"), again), (text(&first, "webhook-id"), body), "it was not taken");
    loop {
        let last = server.with(&token, "GET", hooks, Value::Null).await.body["items"][0]["last"].clone();
        if last["ok"] == true {
            assert_eq!(last["note"], "answered 204");
            break;
        }
        tokio::task::yield_now().await;
    }
    let due = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    assert_eq!(server.store.claim_deliveries(due, due, 9).await.unwrap(), [], "nothing waits any more");
    running.abort();
}

#[tokio::test]
async fn hooks_are_made_and_removed_by_those_whose_they_are() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let hooks = "/api/v1/channels/anna/webhooks";
    let wanted = json!({"url": "https://example.org/hook?a=1", "events": ["ban", "ban"]});
    assert_eq!(server.with(&berta, "POST", hooks, wanted.clone()).await.status, 403);
    assert_eq!(server.with(&berta, "GET", hooks, Value::Null).await.status, 403);
    assert_eq!(server.with(&anna, "POST", "/api/v1/admin/webhooks", wanted.clone()).await.status, 403);
    let made = server.with(&anna, "POST", hooks, wanted.clone()).await;
    assert_eq!((made.status, &made.body["events"]), (201, &json!(["ban"])));
    assert!(made.text("secret").starts_with("whsec_"));
    let listed = server.with(&anna, "GET", hooks, Value::Null).await;
    assert_eq!(listed.body["items"][0]["url"], "https://example.org/hook?a=1");
    assert_eq!(listed.body["items"][0]["secret"], Value::Null, "it was shown once");
    let one = format!("{hooks}/{}", made.text("id"));
    assert_eq!(server.with(&berta, "DELETE", &one, Value::Null).await.status, 403);
    assert_eq!(server.with(&anna, "DELETE", &one, Value::Null).await.status, 204);
    assert_eq!(server.with(&anna, "DELETE", &one, Value::Null).await.status, 404);
    for _ in 0..super::HOOKS_MAX {
        assert_eq!(server.with(&anna, "POST", hooks, wanted.clone()).await.status, 201);
    }
    assert_eq!(server.with(&anna, "POST", hooks, wanted).await.text("type"), "urn:weir:problem:too-many-webhooks");
}

#[tokio::test]
async fn nonsense_is_refused() {
    let server = Server::start().await;
    let anna = server.token("anna").await;
    for url in [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user:password@example.org/",
        "http://127.0.0.1/",
        "http://[::1]:9000/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://10.0.0.1:8080/",
    ] {
        let wanted = json!({"url": url, "events": ["ban"]});
        let refused = server.with(&anna, "POST", "/api/v1/channels/anna/webhooks", wanted).await;
        assert_eq!((refused.status, refused.text("type")), (422, "urn:weir:problem:invalid-webhook"), "{url}");
    }
    for events in [json!([]), json!(["stream.paused"])] {
        let wanted = json!({"url": "https://example.org/", "events": events});
        assert_eq!(server.with(&anna, "POST", "/api/v1/channels/anna/webhooks", wanted).await.status, 422);
    }
}

#[tokio::test]
async fn nothing_of_ours_is_reached_by_name_or_by_redirect() {
    let (address, mut hears) = receiver().await;
    let (careful, trusting, limit) = (Client::new(false), Client::new(true), Duration::from_secs(10));
    let port = address.rsplit(':').next().unwrap();
    let posted = careful.post(&format!("http://localhost:{port}/hook"), &[], Bytes::new(), limit).await;
    assert_eq!(posted.unwrap_err(), Failed::Private, "what the name leads to is looked at");
    assert!(hears.try_recv().is_err(), "nobody was called");

    let around = trusting.post(&format!("{address}/around"), &[], Bytes::new(), limit).await;
    assert_eq!(around.unwrap_err(), Failed::Redirects);
    // As one that was reached at a public address would redirect.
    let inside = url::Url::parse(&format!("{address}/inside")).unwrap();
    let (_, location) = trusting.once(&inside, &[], Bytes::new()).await.unwrap();
    let next = inside.join(&location.unwrap()).unwrap();
    assert_eq!(careful.check_parsed(&next), Err(Failed::Private));
}

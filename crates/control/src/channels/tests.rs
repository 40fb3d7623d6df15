//! Channels and keys as clients see them: over the routes, on a real store.

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_identity::StreamKey;

use crate::{
    admission::{Refusal, admit},
    audit::Scope,
    playback::PlaybackTokens,
    roles::{ChannelRole, Given},
    testing::Server,
};

#[tokio::test]
async fn an_owner_changes_their_channel_and_strangers_do_not() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let path = "/api/v1/channels/anna";
    let change =
        json!({"title": "My show 오늘", "tags": ["Rust", "rust", " live "], "language": "ko", "latency": "normal"});
    let refused = server.with(&berta, "PATCH", path, change.clone()).await;
    assert_eq!((refused.status, refused.text("type")), (403, "urn:weir:problem:forbidden"));
    assert_eq!(server.call("PATCH", path, &[], change.clone()).await.status, 401);
    let changed = server.with(&anna, "PATCH", path, change).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (200, Some("\"2\"")), "{}", changed.body);
    assert_eq!(changed.body["tags"], json!(["Rust", "live"]));
    assert_eq!(server.get(path).await.body["title"], "My show 오늘");

    let stale = [("authorization", format!("Bearer {anna}")), ("if-match", "\"1\"".to_owned())];
    let stale: Vec<_> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(server.call("PATCH", path, &stale, json!({"title": "Other"})).await.status, 412);
    for nonsense in [
        json!({"title": ""}),
        json!({"title": "a".repeat(141)}),
        json!({"title": "two\nlines"}),
        json!({"tags": vec!["a"; 11]}),
        json!({"tags": [""]}),
        json!({"visibility": "secret"}),
        json!({"latency": "none"}),
        json!({"language": "../"}),
        json!({"title": 7}),
    ] {
        let refused = server.with(&anna, "PATCH", path, nonsense.clone()).await;
        assert_eq!(refused.status, 422, "{nonsense}");
    }
}

#[tokio::test]
async fn a_moderator_ends_a_stream_and_it_stands_in_the_log() {
    let server = Server::start().await;
    let (_, berta) = (server.token("anna").await, server.token("berta").await);
    let path = "/api/v1/channels/anna/session";
    assert_eq!(server.with(&berta, "DELETE", path, Value::Null).await.status, 403);
    let channel = server.store.channel_named(&"anna".parse().unwrap()).await.unwrap().unwrap();
    let account = server.store.account_named(&"berta".parse().unwrap()).await.unwrap().unwrap().id;
    let given = Given { account, role: ChannelRole::Moderator, at: crate::store_time(Timestamp::now()) };
    server.store.give_role(channel.id, given).await.unwrap();
    assert_eq!(server.with(&berta, "DELETE", path, Value::Null).await.status, 204);
    assert_eq!(server.told(), ["end anna"]);
    let log = server.store.audit(Scope::Channel(channel.id), None, 9).await.unwrap();
    assert_eq!((log.len(), log[0].action.as_str()), (1, "session.end"));
}

#[tokio::test]
async fn a_closed_channel_is_there_for_those_who_may_watch() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let path = "/api/v1/channels/anna";
    server.with(&anna, "PATCH", path, json!({"visibility": "unlisted"})).await;
    assert_eq!(server.get("/api/v1/channels?live=true").await.body["items"], json!([]));
    assert_eq!(server.get(path).await.body["playback"]["hls"], "/live/anna/index.m3u8");

    server.with(&anna, "PATCH", path, json!({"visibility": "members"})).await;
    assert_eq!(server.get(path).await.body["playback"], json!({"hls": null, "dash": null, "whep": null}));
    server.with(&anna, "PATCH", path, json!({"visibility": "private"})).await;
    let told = ["anna is unlisted", "anna is members", "anna is private"];
    assert_eq!(server.told(), told.map(|visibility| [visibility, "rights of channel"]).concat());
    for hidden in [server.get(path).await, server.with(&berta, "GET", path, Value::Null).await] {
        assert_eq!(hidden.status, 404);
    }
    let seen = server.with(&anna, "GET", path, Value::Null).await;
    let hls = seen.body["playback"]["hls"].as_str().unwrap().to_owned();
    let signed = server.with(&anna, "POST", &format!("{path}/playback-tokens"), json!({"expires_in": 60})).await;
    assert_eq!(signed.status, 201);
    let tokens = PlaybackTokens::new(&server.store.key_secret().await.unwrap());
    for token in [hls.split_once("?token=").unwrap().1, signed.text("token")] {
        assert!(tokens.opens(token, &"anna".parse().unwrap(), Timestamp::now()).is_some(), "{token}");
    }
    let long = server.with(&anna, "POST", &format!("{path}/playback-tokens"), json!({"expires_in": 9_999_999})).await;
    assert_eq!(long.status, 422);
}

#[tokio::test]
async fn a_key_is_shown_once_listed_and_revoked() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let made = server.with(&anna, "POST", "/api/v1/me/keys", json!({"name": "OBS 집"})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, key) = (made.text("id").to_owned(), StreamKey::parse(made.text("key")).unwrap());
    assert_eq!(made.body["rtmp"], json!({"server": "rtmp://localhost:1935/live", "key": key.reveal()}));
    assert_eq!(made.body["whip"], json!({"url": "http://localhost:8080/whip", "token": key.reveal()}));
    let secret = server.store.key_secret().await.unwrap();
    let grant = admit(&*server.store, &secret, &key, Timestamp::now()).await.unwrap();
    assert_eq!(grant.channel.as_str(), "anna");

    let listed = server.with(&anna, "GET", "/api/v1/me/keys", Value::Null).await;
    assert_eq!((&listed.body["items"][0]["id"], &listed.body["items"][0]["name"]), (&json!(id), &json!("OBS 집")));
    assert!(!listed.body.to_string().contains(key.reveal()));

    let path = format!("/api/v1/me/keys/{id}");
    assert_eq!(server.with(&berta, "DELETE", &path, Value::Null).await.status, 404, "it is somebody else's");
    assert_eq!(server.with(&anna, "DELETE", "/api/v1/me/keys/nonsense", Value::Null).await.status, 404);
    assert_eq!(server.with(&anna, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(server.told(), [format!("revoked {id}")]);
    let refused = admit(&*server.store, &secret, &key, Timestamp::now()).await;
    assert!(matches!(refused, Err(Refusal::Revoked)), "{refused:?}");

    for nonsense in
        [json!({"name": "two\nlines"}), json!({"expires_at": "2001-01-01T00:00:00Z"}), json!({"expires_at": "soon"})]
    {
        assert_eq!(server.with(&anna, "POST", "/api/v1/me/keys", nonsense).await.status, 422);
    }
    let others = server.with(&anna, "POST", "/api/v1/me/keys", json!({"channel": "berta"})).await;
    assert_eq!(others.status, 404);
}

#[tokio::test]
async fn a_request_that_comes_twice_makes_one_key() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let make = async |token: &str, key: &str| {
        let headers = [("authorization", format!("Bearer {token}")), ("idempotency-key", key.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.call("POST", "/api/v1/me/keys", &headers, json!({})).await
    };
    let (one, two) = (make(&anna, "k1").await, make(&anna, "k1").await);
    assert_eq!((one.status, &one.body), (two.status, &two.body));
    assert_ne!(make(&anna, "k2").await.body["id"], one.body["id"]);
    assert_ne!(make(&berta, "k1").await.body["id"], one.body["id"]);
    assert_eq!(make(&anna, &"k".repeat(300)).await.status, 400);
}

#[tokio::test]
async fn a_streamer_hears_how_the_stream_is() {
    let server = Server::start().await;
    let (_, _) = (server.token("anna").await, server.token("berta").await);
    let live = server.get("/api/v1/channels/anna/health").await;
    assert_eq!((live.status, &live.body["live"], &live.body["b_frames"]), (200, &json!(true), &json!(true)));
    assert_eq!(live.body["messages"], json!([{"subject": "b-frames", "text": "Set B-frames to 0."}]));
    let quiet = server.get("/api/v1/channels/berta/health").await;
    assert_eq!((quiet.status, &quiet.body["live"], &quiet.body["messages"]), (200, &json!(false), &json!([])));
    assert_eq!(server.get("/api/v1/channels/nobody/health").await.status, 404);
}

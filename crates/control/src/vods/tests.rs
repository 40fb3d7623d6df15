//! The routes of recordings, over a real store.

use serde_json::{Value, json};
use weir_identity::{NodeId, VodId};

use super::{Finish, State, Vod};
use crate::{
    channels::{Channel, Visibility},
    testing::Server,
};

/// A server with Anna, who owns a channel, and Berta.
async fn start() -> (Server, String, String, Channel) {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let channel = server.store.channel_named(&"anna".parse().unwrap()).await.unwrap().unwrap();
    (server, anna, berta, channel)
}

async fn recorded(server: &Server, channel: &Channel, state: State, visibility: Visibility) -> VodId {
    let vod = Vod { visibility, ..Vod::begin(channel, NodeId::new()) };
    server.store.begin_vod(vod.clone()).await.unwrap();
    if state != State::Recording {
        let finish = Finish { state, note: String::new(), duration_ms: 10_000, bytes: 1_000 };
        assert!(server.store.finish_vod(vod.id, finish).await.unwrap());
    }
    vod.id
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|vod| vod["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_channel_is_told_to_record() {
    let (server, anna, berta, _) = start().await;
    assert_eq!(server.get("/api/v1/channels/anna").await.body["record"], false);
    let refused = server.with(&berta, "PATCH", "/api/v1/channels/anna", json!({"record": true})).await;
    assert_eq!(refused.status, 403);
    let changed = server.with(&anna, "PATCH", "/api/v1/channels/anna", json!({"record": true})).await;
    assert_eq!((changed.status, &changed.body["record"]), (200, &json!(true)));
    let kept = server.with(&anna, "PATCH", "/api/v1/channels/anna", json!({"title": "Hi"})).await;
    assert_eq!(kept.body["record"], true);
}

#[tokio::test]
async fn a_list_shows_what_is_public_and_its_owner_everything() {
    let (server, anna, berta, channel) = start().await;
    let mut made = Vec::new();
    for (state, visibility) in [
        (State::Ready, Visibility::Public),
        (State::Ready, Visibility::Private),
        (State::Failed, Visibility::Public),
        (State::Ready, Visibility::Unlisted),
        (State::Recording, Visibility::Public),
    ] {
        made.push(recorded(&server, &channel, state, visibility).await.to_string());
    }
    let open = server.get("/api/v1/channels/anna/vods").await;
    assert_eq!((ids(&open.body), &open.body["next"]), (vec![made[4].as_str(), &made[0]], &Value::Null));
    assert_eq!(ids(&server.with(&berta, "GET", "/api/v1/channels/anna/vods", Value::Null).await.body).len(), 2);
    let all = server.with(&anna, "GET", "/api/v1/channels/anna/vods?limit=3", Value::Null).await;
    assert_eq!(ids(&all.body), [made[4].as_str(), &made[3], &made[2]]);
    let next = format!("/api/v1/channels/anna/vods?limit=3&cursor={}", all.text("next"));
    let rest = server.with(&anna, "GET", &next, Value::Null).await;
    assert_eq!((ids(&rest.body), &rest.body["next"]), (vec![made[1].as_str(), &made[0]], &Value::Null));
    assert_eq!(server.get("/api/v1/channels/nobody/vods").await.status, 404);

    let one = server.get(&format!("/api/v1/vods/{}", made[0])).await;
    let hls = format!("/vod/{}/index.m3u8", made[0]);
    assert_eq!((one.status, &one.body["playback"]["hls"]), (200, &json!(hls)));
    assert_eq!(
        (one.text("channel"), &one.body["duration_ms"], one.etag.as_deref()),
        ("anna", &json!(10_000), Some("\"1\""))
    );
    for hidden in [&made[1], &made[2], &VodId::new().to_string(), &"..%2f..".to_owned()] {
        let answer = server.get(&format!("/api/v1/vods/{hidden}")).await;
        assert_eq!((answer.status, answer.text("type")), (404, "urn:weir:problem:vod-not-found"), "{hidden}");
    }
    let private = server.with(&anna, "GET", &format!("/api/v1/vods/{}", made[1]), Value::Null).await;
    assert!(private.body["playback"]["hls"].as_str().unwrap().contains("?token="), "{}", private.body);
    let failed = server.with(&anna, "GET", &format!("/api/v1/vods/{}", made[2]), Value::Null).await;
    assert_eq!((failed.status, &failed.body["playback"]["hls"]), (200, &Value::Null));
}

#[tokio::test]
async fn who_sees_an_old_version_changes_nothing_and_another_visibility_has_other_addresses() {
    let (server, anna, berta, channel) = start().await;
    let id = recorded(&server, &channel, State::Ready, Visibility::Public).await;
    let path = format!("/api/v1/vods/{id}");
    assert_eq!(server.with(&berta, "PATCH", &path, json!({"title": "Mine"})).await.status, 403);
    assert_eq!(server.call("PATCH", &path, &[], json!({"title": "Mine"})).await.status, 401);
    let before = server.store.vod(id).await.unwrap().unwrap();
    let renamed = server.with(&anna, "PATCH", &path, json!({"title": "밤 방송"})).await;
    assert_eq!((renamed.status, renamed.text("title"), renamed.etag.as_deref()), (200, "밤 방송", Some("\"2\"")));
    assert_eq!(server.store.vod(id).await.unwrap().unwrap().watch, before.watch);
    assert_eq!(server.told(), [""; 0]);
    let old = [("authorization", &*format!("Bearer {anna}")), ("if-match", "\"1\"")];
    assert_eq!(server.call("PATCH", &path, &old, json!({"visibility": "private"})).await.status, 412);
    let new = [("authorization", &*format!("Bearer {anna}")), ("if-match", "\"2\"")];
    assert_eq!(server.call("PATCH", &path, &new, json!({"visibility": "private"})).await.status, 200);
    assert_ne!(server.store.vod(id).await.unwrap().unwrap().watch, before.watch);
    assert_eq!(server.told(), [format!("vod {id}")]);
    assert_eq!(server.get(&path).await.status, 404);
    for wrong in [json!({"title": " "}), json!({"title": "x".repeat(141)}), json!({"visibility": "all"})] {
        assert_eq!(server.with(&anna, "PATCH", &path, wrong).await.status, 422);
    }
}

#[tokio::test]
async fn its_owner_removes_a_recording() {
    let (server, anna, berta, channel) = start().await;
    let id = recorded(&server, &channel, State::Recording, Visibility::Public).await;
    let path = format!("/api/v1/vods/{id}");
    assert_eq!(server.with(&berta, "DELETE", &path, Value::Null).await.status, 403);
    assert_eq!(server.with(&anna, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(server.told(), [format!("vod {id}")]);
    assert_eq!(server.with(&anna, "DELETE", &path, Value::Null).await.status, 404);
}

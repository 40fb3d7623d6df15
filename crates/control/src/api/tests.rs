use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{presence::LiveInfo, store, store::Config};

/// Anna is live with three viewers; nobody else is.
struct AnnaIsLive;

impl Presence for AnnaIsLive {
    fn live(&self, channel: &ChannelName) -> Option<LiveInfo> {
        let started_at = "2026-11-21T07:00:00Z".parse().unwrap();
        (channel.as_str() == "anna").then(|| LiveInfo { started_at, viewers: 3, renditions: Vec::new() })
    }

    fn live_channels(&self) -> Vec<ChannelName> {
        vec!["anna".parse().unwrap()]
    }

    fn end(&self, _: &ChannelName) {}

    fn revoked(&self, _: &[weir_identity::KeyId]) {}
}

/// Channels anna, berta and carla; `path` answers `status` and what `look` finds in the body.
async fn check(path: &str, status: u16, look: &str, found: Value) {
    let directory = std::env::temp_dir().join(format!("weir-api-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&directory).unwrap();
    let store = store::open(&Config::default(), &directory).await.unwrap();
    for name in ["carla", "anna", "berta"] {
        store.add_channel(Channel::new(name.parse().unwrap(), None)).await.unwrap();
    }
    let secret = store.key_secret().await.unwrap();
    let auth = Auth::open(store.clone(), &secret, auth::Config::default()).await.unwrap();
    let router = router(Api { store, presence: Arc::new(AnnaIsLive), auth });
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let got = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((got, body.pointer(look)), (status, Some(&found)), "{path}: {body}");
    assert_eq!(kind, if status == 200 { "application/json" } else { "application/problem+json" });
}

#[tokio::test]
async fn a_live_channel_tells_when_it_began_and_where_to_watch() {
    let anna = json!({
        "name": "anna", "title": "anna", "live": true, "started_at": "2026-11-21T07:00:00Z", "viewers": 3,
        "renditions": [], "playback": {"hls": "/live/anna/index.m3u8", "dash": null, "whep": null}
    });
    check("/api/v1/channels/anna", 200, "", anna.clone()).await;
    check("/api/v1/channels/ANNA", 200, "", anna.clone()).await;
    check("/api/v1/channels?live=true", 200, "", json!({"items": [anna], "next": null})).await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    check("/api/v1/channels?limit=2", 200, "/next", json!("berta")).await;
    check("/api/v1/channels?limit=2&cursor=berta", 200, "/items/0/name", json!("carla")).await;
    check("/api/v1/channels?limit=2&cursor=berta", 200, "/next", Value::Null).await;
    check("/api/v1/channels?live=false&limit=1", 200, "/items/0/name", json!("berta")).await;
    check("/api/v1/channels?live=true&cursor=anna", 200, "/items", json!([])).await;
}

#[tokio::test]
async fn problems_have_a_stable_type() {
    let not_found = json!("urn:weir:problem:channel-not-found");
    check("/api/v1/channels/nobody", 404, "/type", not_found.clone()).await;
    check("/api/v1/channels/%2e%2e", 404, "/type", not_found).await;
    check("/api/v1/nothing", 404, "/type", json!("urn:weir:problem:not-found")).await;
    for query in ["limit=0", "limit=201", "limit=many", "live=maybe", "cursor=%00"] {
        let path = format!("/api/v1/channels?{query}");
        check(&path, 400, "/type", json!("urn:weir:problem:bad-request")).await;
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    check("/api/openapi.json", 200, "/info/title", json!("Weir")).await;
}

#[test]
fn the_committed_description_is_the_served_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/openapi.json");
    let (committed, served) = (std::fs::read_to_string(path).unwrap_or_default(), openapi_json());
    if committed != served {
        std::fs::write(path, served).unwrap();
        panic!("configs/openapi.json was out of date and is rewritten now: look at it and commit it");
    }
}

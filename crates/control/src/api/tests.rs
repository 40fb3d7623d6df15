use serde_json::{Value, json};

use super::*;
use crate::{channels::Channel, testing::Server};

/// Channels anna, berta and carla; `path` answers `status` and what `look` finds in the body.
async fn check(path: &str, status: u16, look: &str, found: Value) {
    let server = Server::start().await;
    for name in ["carla", "anna", "berta"] {
        server.store.add_channel(Channel::new(name.parse().unwrap(), None)).await.unwrap();
    }
    let answer = server.get(path).await;
    assert_eq!((answer.status, answer.body.pointer(look)), (status, Some(&found)), "{path}: {}", answer.body);
    assert_eq!(answer.kind, if status == 200 { "application/json" } else { "application/problem+json" });
}

#[tokio::test]
async fn a_live_channel_tells_when_it_began_and_where_to_watch() {
    let anna = json!({
        "name": "anna", "title": "anna", "description": "", "tags": [], "category": "", "language": "",
        "visibility": "public", "latency": "low", "conflict": "take_over", "record": false, "live": true, "started_at": "2026-11-21T07:00:00Z", "viewers": 3,
        "renditions": [], "playback": {"hls": "/live/anna/index.m3u8", "dash": null, "whep": "/whep/anna"}
    });
    // Followers are not counted for lists.
    let mut one = anna.clone();
    one["followers"] = json!(0);
    check("/api/v1/channels/anna", 200, "", one.clone()).await;
    check("/api/v1/channels/ANNA", 200, "", one).await;
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

//! A channel's words, as its moderators write them.

use serde_json::{Value, json};

use crate::testing::{Answer, Server};

const PATH: &str = "/api/v1/channels/carla/words";

async fn put(server: &Server, token: &str, if_match: Option<&str>, words: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(if_match.map(|etag| ("if-match", etag)));
    server.call("PUT", PATH, &headers, json!({"words": words})).await
}

#[tokio::test]
async fn words_are_replaced_by_who_saw_the_newest_and_rooms_hear_of_it() {
    let server = Server::start().await;
    let (owner, other) = (server.token("carla").await, server.token("other").await);
    let first = server.with(&owner, "GET", PATH, Value::Null).await;
    assert_eq!((first.status, first.etag.as_deref(), &first.body), (200, Some("\"0\""), &json!({"words": []})));
    let words = json!([{"word": "*spam*", "action": "block"}, {"word": "나쁜 말", "action": "hold"}]);
    let set = put(&server, &owner, Some("\"0\""), words.clone()).await;
    assert_eq!((set.status, set.etag.as_deref(), &set.body["words"]), (200, Some("\"1\""), &words));
    assert_eq!(server.told(), ["words 1"]);
    assert_eq!(put(&server, &owner, Some("\"0\""), json!([])).await.status, 412);
    assert_eq!(put(&server, &owner, None, json!([])).await.etag.as_deref(), Some("\"2\""));
    assert_eq!(put(&server, &other, None, json!([])).await.status, 403);
    assert_eq!(server.with(&other, "GET", PATH, Value::Null).await.status, 403);
}

#[tokio::test]
async fn what_is_no_word_is_refused() {
    let server = Server::start().await;
    let owner = server.token("carla").await;
    for word in ["", " ", " a", "a\n", "**", &"a".repeat(65)] {
        let answer = put(&server, &owner, None, json!([{"word": word, "action": "mask"}])).await;
        assert_eq!(answer.status, 422, "{word:?}");
    }
    assert_eq!(put(&server, &owner, None, json!([{"word": "a", "action": "burn"}])).await.status, 422);
    let many = |count: usize| (0..count).map(|n| json!({"word": format!("word{n}"), "action": "mask"})).collect();
    assert_eq!(put(&server, &owner, None, many(10_000)).await.status, 200);
    assert_eq!(put(&server, &owner, None, many(10_001)).await.status, 422);
    assert_eq!(put(&server, &owner, None, many(40_000)).await.status, 413);
}

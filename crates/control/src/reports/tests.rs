//! Reports, as viewers make them and moderators read them.

use serde_json::{Value, json};

use crate::testing::Server;

const PATH: &str = "/api/v1/channels/carla/reports";
/// Stands in the room; another one does not.
const MESSAGE: &str = "01932c07-209c-7bf6-8f5c-5e1a2f3b4c07";
const OTHER: &str = "01932c07-209c-7bf6-8f5c-5e1a2f3b4c08";

#[tokio::test]
async fn a_report_is_read_and_settled() {
    let server = Server::start().await;
    let (owner, one, two) = (server.token("carla").await, server.token("one").await, server.token("two").await);
    let report = async |token: &str, body: Value| server.with(token, "POST", PATH, body).await.status;
    server.told();
    assert_eq!(report(&one, json!({"message": MESSAGE, "reason": "rude"})).await, 201);
    assert_eq!(report(&one, json!({"message": MESSAGE})).await, 201, "it changes nothing");
    assert_eq!(report(&two, json!({"message": MESSAGE})).await, 201);
    assert_eq!(server.told(), ["Reported(1)", "Reported(1)"]);
    assert_eq!(report(&one, json!({"message": OTHER})).await, 404);
    assert_eq!(report(&one, json!({"message": "x"})).await, 422);
    assert_eq!(report(&one, json!({"message": MESSAGE, "reason": "x".repeat(501)})).await, 422);
    assert_eq!(server.post(PATH, json!({"message": MESSAGE})).await.status, 401);

    let page = server.with(&owner, "GET", PATH, Value::Null).await.body;
    let item = &page["items"][0];
    assert_eq!((&item["count"], &item["reasons"]), (&json!(2), &json!(["rude"])));
    assert_eq!((&item["message"]["id"], &item["message"]["text"]), (&json!(MESSAGE), &json!("bad")));
    assert_eq!(item["message"]["user"]["name"], "somebody");
    assert_eq!(server.with(&one, "GET", PATH, Value::Null).await.status, 403);
    let settle =
        async |token: &str| server.with(token, "DELETE", &format!("{PATH}/{MESSAGE}"), Value::Null).await.status;
    assert_eq!([settle(&one).await, settle(&owner).await, settle(&owner).await], [403, 204, 404]);
    assert_eq!(server.told(), ["Reported(0)"]);
    assert_eq!(report(&two, json!({"message": MESSAGE})).await, 201);
    assert_eq!(server.with(&owner, "GET", PATH, Value::Null).await.body["items"], json!([]), "it stays settled");
}

#[tokio::test]
async fn whoever_may_not_watch_reports_nothing() {
    let server = Server::start().await;
    let (owner, one) = (server.token("carla").await, server.token("one").await);
    for (visibility, status) in [("members", 403), ("private", 404), ("unlisted", 201)] {
        server.with(&owner, "PATCH", "/api/v1/channels/carla", json!({"visibility": visibility})).await;
        let answer = server.with(&one, "POST", PATH, json!({"message": MESSAGE})).await;
        assert_eq!(answer.status, status, "{visibility}");
    }
}

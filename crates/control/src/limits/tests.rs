//! Limits as clients meet them: over the routes, on a real store.

use serde_json::{Value, json};

use crate::{limits::Config, testing::Server};

fn login(password: &str) -> Value {
    json!({"username": "anna", "password": password})
}

#[tokio::test]
async fn whoever_registers_too_often_is_told_when_to_come_back() {
    let server = Server::limited(&Config { registrations_per_minute: 2, ..Config::default() }).await;
    for name in ["anna", "berta"] {
        assert_eq!(server.register(name).await.status, 201);
    }
    let refused = server.register("carla").await;
    assert_eq!((refused.status, refused.text("type")), (429, "urn:weir:problem:too-many-requests"));
    assert!((1..=30).contains(&refused.retry_after.unwrap()));
    assert_eq!(server.from("192.0.2.9").register("carla").await.status, 201, "another address");
    assert_eq!(server.get("/api/v1/channels").await.status, 200, "another class");
}

#[tokio::test]
async fn guessing_is_slowed_and_the_owner_gets_in_where_they_are_logged_in() {
    let server = Server::limited(&Config { registrations_per_minute: 0, ..Config::default() }).await;
    let home = server.from("2001:db8:1::5");
    let token = home.token("anna").await;
    let stranger = server.from("192.0.2.7");
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(stranger.post("/api/v1/auth/login", login("wrong horse")).await.status);
    }
    assert!(statuses.contains(&401) && statuses.last() == Some(&429), "{statuses:?}");
    let refused = server.from("198.51.100.1").post("/api/v1/auth/login", login("correct horse")).await;
    assert_eq!(refused.status, 429, "an address that nobody knows waits");
    assert!(refused.retry_after.unwrap() <= 30);

    for _ in 0..20 {
        let right = server.from("2001:db8:1::6").post("/api/v1/auth/login", login("correct horse")).await;
        assert_eq!(right.status, 200, "the owner's own network");
    }
    let other = json!({"username": "berta", "password": "correct horse"});
    home.register("berta").await;
    assert_eq!(stranger.post("/api/v1/auth/login", other).await.status, 200, "another account");

    let mut last = 0;
    for _ in 0..40 {
        last = home.with(&token, "POST", "/api/v1/me/password", json!({"current": "x", "new": "y"})).await.status;
    }
    assert_eq!(last, 429, "a browser that was left open is no way around it");
}

#[tokio::test]
async fn an_account_has_its_own_budget_wherever_it_calls_from() {
    let server = Server::limited(&Config { writes_per_minute: 3, ..Config::default() }).await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let end = "/api/v1/channels/anna/session";
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(server.from(address).with(&anna, "DELETE", end, Value::Null).await.status, 204);
    }
    assert_eq!(server.with(&anna, "DELETE", end, Value::Null).await.status, 429);
    assert_eq!(server.with(&anna, "GET", "/api/v1/me", Value::Null).await.status, 200, "asking is another class");
    assert_eq!(server.with(&berta, "DELETE", end, Value::Null).await.status, 403);
}

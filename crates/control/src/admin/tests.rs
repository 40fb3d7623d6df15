//! Roles, bans, suspensions and the log as clients see them: over the routes, on a real store.

use serde_json::{Value, json};

use crate::{
    accounts::{Account, Role},
    testing::Server,
};

/// Logs somebody in whom an operator made an operator.
async fn operator(server: &Server, name: &str) -> String {
    server.register(name).await;
    let account = server.store.account_named(&name.parse().unwrap()).await.unwrap().unwrap();
    assert!(server.store.update_account(Account { role: Role::Admin, ..account }).await.unwrap());
    let login = server.post("/api/v1/auth/login", json!({"username": name, "password": "correct horse"})).await;
    login.text("access_token").to_owned()
}

#[tokio::test]
async fn an_owner_gives_and_takes_roles() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let (roles, role) = ("/api/v1/channels/anna/roles", "/api/v1/channels/anna/roles/BERTA");
    assert_eq!(server.with(&berta, "PUT", role, json!({"role": "moderator"})).await.status, 403);
    assert_eq!(server.with(&berta, "GET", roles, Value::Null).await.status, 403);
    assert_eq!(server.with(&anna, "PUT", role, json!({"role": "king"})).await.status, 422);
    let given = server.with(&anna, "PUT", role, json!({"role": "moderator"})).await;
    assert_eq!((given.status, given.text("username"), given.text("role")), (200, "berta", "moderator"));
    let listed = server.with(&berta, "GET", roles, Value::Null).await;
    let names: Vec<_> = listed.body["items"].as_array().unwrap().iter().map(|it| it["username"].clone()).collect();
    assert_eq!(names, ["anna", "berta"]);
    assert_eq!(server.with(&berta, "PUT", role, json!({"role": "vip"})).await.status, 403, "moderators give none");
    let own = format!("{roles}/anna");
    assert_eq!(server.with(&anna, "PUT", &own, json!({"role": "vip"})).await.text("type"), "urn:weir:problem:is-owner");
    let nobody = format!("{roles}/nobody");
    assert_eq!(server.with(&anna, "PUT", &nobody, json!({"role": "vip"})).await.status, 404);

    assert_eq!(server.with(&berta, "GET", role, Value::Null).await.text("role"), "moderator");
    assert_eq!(server.with(&berta, "DELETE", role, Value::Null).await.status, 204, "one may lay down one's own");
    assert_eq!(server.with(&anna, "DELETE", role, Value::Null).await.status, 404);
    let log = server.with(&anna, "GET", "/api/v1/channels/anna/audit", Value::Null).await;
    let deeds: Vec<_> = log.body["items"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
    assert_eq!(deeds, ["role.take", "role.give"]);
    assert_eq!(log.body["items"][0]["actor"], "berta");
    assert_eq!(server.with(&berta, "GET", "/api/v1/channels/anna/audit", Value::Null).await.status, 403);
}

#[tokio::test]
async fn moderators_ban_and_hooks_are_told() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let (carla, bans) = (server.token("carla").await, "/api/v1/channels/anna/bans");
    let made = json!({"url": "https://example.org/", "events": ["ban"]});
    server.with(&anna, "POST", "/api/v1/channels/anna/webhooks", made).await;
    for name in ["berta", "dora"] {
        server.register(name).await;
        server.with(&anna, "PUT", &format!("/api/v1/channels/anna/roles/{name}"), json!({"role": "moderator"})).await;
    }
    let ban = |name: &str| format!("{bans}/{name}");
    assert_eq!(server.with(&carla, "PUT", &ban("berta"), json!({})).await.status, 403);
    for name in ["anna", "berta", "dora"] {
        assert_eq!(server.with(&berta, "PUT", &ban(name), json!({})).await.status, 403, "{name}");
    }
    for nonsense in [json!({"reason": "a".repeat(501)}), json!({"until": "2001-01-01T00:00:00Z"})] {
        assert_eq!(server.with(&berta, "PUT", &ban("carla"), nonsense).await.status, 422);
    }
    let banned = server.with(&berta, "PUT", &ban("carla"), json!({"reason": "spam"})).await;
    assert_eq!((banned.status, banned.text("username"), banned.text("by")), (200, "carla", "berta"));
    let due = jiff::Timestamp::now();
    let told = server.store.claim_deliveries(due, due + jiff::SignedDuration::from_secs(60), 9).await.unwrap();
    let message: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!((&message["type"], &message["data"]["username"]), (&json!("ban"), &json!("carla")));

    let later = json!({"until": "2100-01-01T00:00:00Z"});
    assert_eq!(server.with(&berta, "PUT", &ban("carla"), later).await.status, 200);
    let listed = server.with(&berta, "GET", bans, Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["items"][0]["until"], "2100-01-01T00:00:00Z");
    assert_eq!(server.with(&berta, "DELETE", &ban("carla"), Value::Null).await.status, 204);
    assert_eq!(server.with(&berta, "DELETE", &ban("carla"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn who_is_suspended_is_out() {
    let server = Server::start().await;
    let (anna, admin) = (server.register("anna").await, operator(&server, "olga").await);
    let token = anna.text("access_token");
    let suspension = "/api/v1/admin/accounts/anna/suspension";
    assert_eq!(server.with(token, "PUT", suspension, Value::Null).await.status, 403);
    assert_eq!(server.with(&admin, "PUT", "/api/v1/admin/accounts/olga/suspension", Value::Null).await.status, 403);
    for _ in 0..2 {
        assert_eq!(server.with(&admin, "PUT", suspension, Value::Null).await.status, 204);
    }
    assert_eq!(server.told()[..2], ["rights of account", "end anna"]);
    assert_eq!(server.with(token, "GET", "/api/v1/channels/anna", Value::Null).await.status, 401, "the token is void");
    let refresh = json!({"refresh_token": anna.body["refresh_token"]});
    assert_eq!(server.post("/api/v1/auth/refresh", refresh).await.status, 401);
    let login = json!({"username": "anna", "password": "correct horse"});
    let refused = server.post("/api/v1/auth/login", login.clone()).await;
    assert_eq!(refused.text("type"), "urn:weir:problem:account-suspended");

    let listed = server.with(&admin, "GET", "/api/v1/admin/accounts?limit=1", Value::Null).await;
    assert_eq!((&listed.body["items"][0]["username"], &listed.body["next"]), (&json!("anna"), &json!("anna")));
    assert!(listed.body["items"][0]["suspended_at"].is_string());
    let next = server.with(&admin, "GET", "/api/v1/admin/accounts?limit=1&cursor=anna", Value::Null).await;
    assert_eq!((&next.body["items"][0]["username"], &next.body["next"]), (&json!("olga"), &Value::Null));
    assert_eq!(server.with(&admin, "DELETE", suspension, Value::Null).await.status, 204);
    assert_eq!(server.post("/api/v1/auth/login", login).await.status, 200);
    let log = server.with(&admin, "GET", "/api/v1/admin/audit?limit=2", Value::Null).await;
    assert_eq!(log.body["items"][0]["action"], "account.unsuspend");
    assert_eq!(log.body["items"][0]["address"], "0.0.0.0");
    let older = format!("/api/v1/admin/audit?cursor={}", log.text("next"));
    assert_eq!(server.with(&admin, "GET", &older, Value::Null).await.body["items"][0]["action"], "account.suspend");
}

#[tokio::test]
async fn what_is_for_operators_is_for_nobody_else() {
    let server = Server::start().await;
    let anna = server.token("anna").await;
    for path in ["accounts", "accounts/anna", "audit", "webhooks"] {
        let path = format!("/api/v1/admin/{path}");
        assert_eq!(server.with(&anna, "GET", &path, Value::Null).await.status, 403, "{path}");
        assert_eq!(server.get(&path).await.status, 401, "{path}");
    }
}

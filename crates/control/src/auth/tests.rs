//! Logging in as clients see it: over the routes, on a real store.

use serde_json::{Value, json};

use crate::testing::{Answer, Server};

#[tokio::test]
async fn somebody_registers_logs_in_and_is_known() {
    let server = Server::start().await;
    let made = server.register("Anna").await;
    assert_eq!((made.status, made.body["expires_in"].as_u64()), (201, Some(600)));
    assert_eq!(made.body["user"]["username"], "anna");
    let channel = server.call("GET", "/api/v1/channels/anna", &[], Value::Null).await;
    assert_eq!(channel.status, 200, "a channel comes with it");

    let me = server.with(made.text("access_token"), "GET", "/api/v1/me", Value::Null).await;
    assert_eq!((me.status, me.etag.as_deref()), (200, Some("\"1\"")));
    let again = server.register("ANNA").await;
    assert_eq!((again.status, again.text("type")), (409, "urn:weir:problem:username-taken"));

    let login = |name: &str, password: &str| json!({"username": name, "password": password});
    let right = server.post("/api/v1/auth/login", login("ANNA", "correct horse")).await;
    assert_eq!(right.status, 200);
    for (name, password) in [("anna", "wrong horse"), ("nobody", "correct horse"), ("../anna", "x"), ("", "")] {
        let wrong = server.post("/api/v1/auth/login", login(name, password)).await;
        assert_eq!((wrong.status, wrong.text("type")), (401, "urn:weir:problem:wrong-credentials"), "{name:?}");
    }
    for (name, password, status) in
        [("ab", "correct horse", 422), ("api", "correct horse", 422), ("berta", "short", 422)]
    {
        let refused = server.post("/api/v1/auth/register", login(name, password)).await;
        assert_eq!(refused.status, status, "{name}: {}", refused.body);
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_logs_its_device_out() {
    let server = Server::start().await;
    let made = server.register("anna").await;
    let refresh = |token: &str| json!({ "refresh_token": token });
    let first = made.text("refresh_token").to_owned();
    let second = server.post("/api/v1/auth/refresh", refresh(&first)).await;
    assert_eq!(second.status, 200);
    let second = second.text("refresh_token").to_owned();
    assert_eq!(server.post("/api/v1/auth/refresh", refresh(&first)).await.status, 401);
    assert_eq!(server.post("/api/v1/auth/refresh", refresh(&second)).await.status, 401, "the family has ended");

    let other = server.post("/api/v1/auth/login", json!({"username": "anna", "password": "correct horse"})).await;
    let other = other.text("refresh_token").to_owned();
    assert_eq!(server.post("/api/v1/auth/logout", refresh(&other)).await.status, 204);
    assert_eq!(server.post("/api/v1/auth/refresh", refresh(&other)).await.status, 401);
    assert_eq!(server.post("/api/v1/auth/logout", refresh("nonsense")).await.status, 204);
}

#[tokio::test]
async fn a_browser_keeps_its_refresh_token_in_a_cookie_that_other_sites_cannot_use() {
    let server = Server::start().await;
    let browser = ("sec-fetch-mode", "cors");
    let wanted = json!({"username": "anna", "password": "correct horse"});
    let made = server.call("POST", "/api/v1/auth/register", &[browser], wanted).await;
    assert_eq!((made.status, &made.body["refresh_token"]), (201, &Value::Null));
    let cookie = made.cookie.unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let from = |site| [browser, ("sec-fetch-site", site), ("cookie", pair)];
    let cross = server.call("POST", "/api/v1/auth/refresh", &from("cross-site"), json!({})).await;
    assert_eq!(cross.status, 403);
    let own = server.call("POST", "/api/v1/auth/refresh", &from("same-origin"), json!({})).await;
    assert_eq!(own.status, 200);
    assert_ne!(own.cookie.unwrap().split(';').next().unwrap(), pair);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_it_is_confirmed() {
    let server = Server::start().await;
    let made = server.register("anna").await;
    let token = made.text("access_token");
    let path = "/api/v1/me/second-factor";
    let wrong = server.with(token, "POST", path, json!({"password": "wrong horse"})).await;
    assert_eq!((wrong.status, wrong.text("type")), (403, "urn:weir:problem:wrong-password"));
    let setup = server.with(token, "POST", path, json!({"password": "correct horse"})).await;
    assert_eq!(setup.status, 201);
    let login = |otp: Option<&str>| json!({"username": "anna", "password": "correct horse", "otp": otp});
    assert_eq!(server.post("/api/v1/auth/login", login(None)).await.status, 200, "it is not confirmed");

    let totp = totp_rs::TOTP::from_url(setup.text("url")).unwrap();
    let code = |offset: u64| totp.generate(u64::try_from(jiff::Timestamp::now().as_second()).unwrap() + offset);
    let confirm = format!("{path}/confirm");
    assert_eq!(server.with(token, "POST", &confirm, json!({"otp": "abcdef"})).await.status, 422);
    assert_eq!(server.with(token, "POST", &confirm, json!({"otp": code(0)})).await.status, 204);
    let asked = server.post("/api/v1/auth/login", login(None)).await;
    assert_eq!((asked.status, asked.text("type")), (401, "urn:weir:problem:second-factor-needed"));
    assert_eq!(server.post("/api/v1/auth/login", login(Some(&code(30)))).await.status, 200);
    let recovery = setup.body["recovery_codes"][0].as_str().unwrap();
    assert_eq!(server.post("/api/v1/auth/login", login(Some(recovery))).await.status, 200);
    assert_eq!(server.post("/api/v1/auth/login", login(Some(recovery))).await.status, 401, "it counts once");
    assert_eq!(server.with(token, "POST", path, json!({"password": "correct horse"})).await.status, 409);
    assert_eq!(server.with(token, "DELETE", path, json!({"password": "correct horse"})).await.status, 204);
    assert_eq!(server.post("/api/v1/auth/login", login(None)).await.status, 200);
}

#[tokio::test]
async fn a_new_password_logs_other_devices_out() {
    let server = Server::start().await;
    let made = server.register("anna").await;
    let token = made.text("access_token");
    let other = server.post("/api/v1/auth/login", json!({"username": "anna", "password": "correct horse"})).await;
    let devices = server.with(token, "GET", "/api/v1/me/devices", Value::Null).await;
    let current: Vec<_> = devices.body["items"].as_array().unwrap().iter().map(|it| it["current"].clone()).collect();
    assert_eq!(current.iter().filter(|current| **current == true).count(), 1);
    assert_eq!(current.len(), 2);
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    let path = "/api/v1/me/password";
    assert_eq!(server.with(token, "POST", path, change("wrong", "better horse")).await.status, 403);
    assert_eq!(server.with(token, "POST", path, change("correct horse", "short")).await.status, 422);
    assert_eq!(server.with(token, "POST", path, change("correct horse", "better horse")).await.status, 204);
    let refresh = |answer: &Answer| json!({"refresh_token": answer.body["refresh_token"]});
    assert_eq!(server.post("/api/v1/auth/refresh", refresh(&other)).await.status, 401);
    assert_eq!(server.post("/api/v1/auth/refresh", refresh(&made)).await.status, 200);
    let old = json!({"username": "anna", "password": "correct horse"});
    assert_eq!(server.post("/api/v1/auth/login", old).await.status, 401);
}

#[tokio::test]
async fn an_account_is_changed_by_who_saw_it_and_removed_by_who_has_the_password() {
    let server = Server::start().await;
    let made = server.register("anna").await;
    let token = format!("Bearer {}", made.text("access_token"));
    let patch = |etag: &'static str, body: Value| {
        let headers = [("authorization", token.clone()), ("if-match", etag.to_owned())];
        let server = &server;
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            server.call("PATCH", "/api/v1/me", &headers, body).await
        }
    };
    let changed = patch("\"1\"", json!({"display_name": "Anna 안나", "email": "a@example.org"})).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (200, Some("\"2\"")));
    assert_eq!(changed.body["display_name"], "Anna 안나");
    assert_eq!(patch("\"1\"", json!({"display_name": "Other"})).await.status, 412);
    assert_eq!(patch("\"2\"", json!({"display_name": "a\u{202e}b"})).await.status, 422);
    assert_eq!(patch("\"2\"", json!({"email": "nonsense"})).await.status, 422);
    server.register("berta").await;
    assert_eq!(patch("\"2\"", json!({"display_name": "Bеrta"})).await.status, 409, "the second letter is Cyrillic");

    let token = made.text("access_token");
    assert_eq!(server.with(token, "DELETE", "/api/v1/me", json!({"password": "wrong"})).await.status, 403);
    assert_eq!(server.with(token, "DELETE", "/api/v1/me", json!({"password": "correct horse"})).await.status, 204);
    assert_eq!(server.with(token, "GET", "/api/v1/me", Value::Null).await.status, 401);
    assert_eq!(server.call("GET", "/api/v1/channels/anna", &[], Value::Null).await.status, 404);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let server = Server::start().await;
    for token in ["", "nonsense", "a.b.c"] {
        assert_eq!(server.with(token, "GET", "/api/v1/me", Value::Null).await.status, 401, "{token:?}");
    }
    assert_eq!(server.call("GET", "/api/v1/me", &[], Value::Null).await.status, 401);
    let long = json!({"username": "a".repeat(100_000), "password": "x"});
    assert_eq!(server.post("/api/v1/auth/login", long).await.status, 413);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        server.call("POST", "/api/v1/auth/login", &form, Value::Null).await.status,
        415,
        "no cross-site form logs in"
    );
}

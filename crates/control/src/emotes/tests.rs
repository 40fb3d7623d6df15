//! Emotes over the API, with a maker that takes what begins with `picture`.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{accounts::Role, emotes::Code, testing::Server};

/// Sends a picture, and gives the status and what was answered.
async fn send(server: &Server, token: &str, path: &str, picture: &[u8]) -> (u16, Value) {
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(picture.to_vec()))
        .unwrap();
    let response = server.send(request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn codes(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| format!("{} {}", item["code"].as_str().unwrap(), item["scope"].as_str().unwrap())).collect()
}

/// The access token of an operator.
async fn operator(server: &Server, name: &str) -> String {
    server.register(name).await;
    let mut account = server.store.account_named(&name.parse().unwrap()).await.unwrap().unwrap();
    account.role = Role::Admin;
    assert!(server.store.update_account(account).await.unwrap());
    let login = json!({"username": name, "password": "correct horse"});
    server.post("/api/v1/auth/login", login).await.text("access_token").to_owned()
}

#[test]
fn codes_are_short_words() {
    for code in ["ab", "Wave_2", &"x".repeat(32)] {
        assert!(code.parse::<Code>().is_ok(), "{code}");
    }
    for code in ["", "a", "a b", ":a:", "é_", "a-b", &"x".repeat(33)] {
        assert!(code.parse::<Code>().is_err(), "{code}");
    }
}

#[tokio::test]
async fn whoever_owns_a_channel_gives_it_emotes() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let emotes = "/api/v1/channels/anna/emotes";
    let (status, made) = send(&server, &anna, &format!("{emotes}?code=wave"), b"picture").await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["code"], &made["scope"], &made["width"]), (&json!("wave"), &json!("channel"), &json!(128)));
    assert!(server.told().contains(&"emotes of a channel".to_owned()));

    let answers = [
        (&anna, "wave", &b"picture"[..], 409),
        (&anna, "no code", b"picture", 400),
        (&anna, "", b"picture", 400),
        (&anna, "svg", b"<svg/>", 422),
        (&anna, "busy", b"busy", 503),
        (&anna, "large", &[b'x'; (1 << 20) + 1], 413),
        (&berta, "mine", b"picture", 403),
    ];
    for (token, code, picture, wanted) in answers {
        let path = format!("{emotes}?code={}", code.replace(' ', "%20"));
        let (status, body) = send(&server, token, &path, picture).await;
        assert_eq!(status, wanted, "{code}: {body}");
    }
    let list = server.get(emotes).await;
    assert_eq!((list.status, codes(&list.body)), (200, vec!["wave channel".to_owned()]));
}

#[tokio::test]
async fn a_picture_is_served_as_nothing_but_a_picture() {
    let server = Server::start().await;
    let anna = server.token("anna").await;
    let (_, made) = send(&server, &anna, "/api/v1/channels/anna/emotes?code=wave", b"picture").await;
    let url = made["url"].as_str().unwrap();
    let shown = server.respond("GET", url, &[], Value::Null).await;
    let header = |name: &str| shown.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((shown.status().as_u16(), header("content-type")), (200, "image/png".to_owned()));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").contains("sandbox"));
    assert!(header("cache-control").contains("immutable"));
    let tag = header("etag");
    let body = shown.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"made of picture");
    let again = server.respond("GET", url, &[("if-none-match", &tag)], Value::Null).await;
    assert_eq!(again.status().as_u16(), 304);
    for other in ["/emotes/x.png", "/emotes/..%2f..%2fetc.png", &url.replace(".png", ".svg"), &url.to_uppercase()] {
        assert_eq!(server.get(other).await.status, 404, "{other}");
    }

    let removed = server.with(&anna, "DELETE", "/api/v1/channels/anna/emotes/wave", Value::Null).await;
    assert_eq!(removed.status, 204);
    assert_eq!(server.get(url).await.status, 404, "at this node at once");
    let again = server.with(&anna, "DELETE", "/api/v1/channels/anna/emotes/wave", Value::Null).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn operators_give_emotes_to_every_channel() {
    let server = Server::start().await;
    let (anna, root) = (server.token("anna").await, operator(&server, "root_2").await);
    for code in ["wave", "heart"] {
        let (status, body) = send(&server, &root, &format!("/api/v1/admin/emotes?code={code}"), b"picture").await;
        assert_eq!(status, 201, "{body}");
    }
    let (status, _) = send(&server, &anna, "/api/v1/admin/emotes?code=mine", b"picture").await;
    assert_eq!(status, 403);
    send(&server, &anna, "/api/v1/channels/anna/emotes?code=wave", b"picture").await;
    let list = server.get("/api/v1/channels/anna/emotes").await;
    assert_eq!(codes(&list.body), ["wave channel", "heart global"], "the channel's own goes first");
    let all = server.with(&root, "GET", "/api/v1/admin/emotes", Value::Null).await;
    assert_eq!(codes(&all.body), ["heart global", "wave global"]);
    let gone = server.with(&root, "DELETE", "/api/v1/admin/emotes/wave", Value::Null).await;
    assert_eq!(gone.status, 204);
    assert!(server.told().contains(&"emotes of all".to_owned()));
}

#[tokio::test]
async fn following_is_told_and_counted() {
    let server = Server::start().await;
    let (anna, berta) = (server.token("anna").await, server.token("berta").await);
    let follow = "/api/v1/channels/anna/follow";
    assert_eq!(server.get("/api/v1/channels/anna").await.body["followers"], 0);
    assert_eq!(server.with(&berta, "PUT", follow, Value::Null).await.status, 204);
    assert_eq!(server.with(&berta, "PUT", follow, Value::Null).await.status, 204);
    assert_eq!(server.with(&anna, "PUT", follow, Value::Null).await.status, 403);
    assert_eq!(server.get(follow).await.status, 401);
    assert_eq!(server.get("/api/v1/channels/anna").await.body["followers"], 1);
    assert_eq!(server.get("/api/v1/channels").await.body["items"][0].get("followers"), None);
    let shown = server.with(&berta, "GET", follow, Value::Null).await;
    assert!(shown.body["following"] == true && shown.body["since"].is_string(), "{}", shown.body);
    let list = server.with(&berta, "GET", "/api/v1/me/follows", Value::Null).await;
    assert_eq!((&list.body["items"][0]["name"], &list.body["items"][0]["live"]), (&json!("anna"), &json!(true)));
    assert!(server.told().contains(&"follows".to_owned()));
    assert_eq!(server.with(&berta, "DELETE", follow, Value::Null).await.status, 204);
    assert_eq!(server.get("/api/v1/channels/anna").await.body["followers"], 0);
    let shown = server.with(&berta, "GET", follow, Value::Null).await;
    assert_eq!(shown.body, json!({"following": false, "since": null}));
}

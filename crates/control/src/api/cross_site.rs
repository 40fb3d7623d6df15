//! Pages of other sites, as browsers let them call: with the visitor's cookies, and without a way to read the answer.

use serde_json::{Value, json};

use crate::testing::{Answer, Server};

/// What browsers send with requests that a page of another site caused.
const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("origin", "https://evil.example")],
    &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("origin", "https://evil.weir.example")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("origin", "null")],
    // Over plain HTTP they say less.
    &[("origin", "http://evil.example")],
    &[("origin", "http://weir.example:8081")],
    &[("origin", "null")],
];

const HOST: (&str, &str) = ("host", "weir.example:8080");

async fn call(server: &Server, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    server.call("POST", path, &[headers, &[HOST]].concat(), body).await
}

fn anna() -> Value {
    json!({"username": "anna", "password": "correct horse"})
}

#[tokio::test]
async fn no_other_site_logs_anybody_in_or_out() {
    let server = Server::start().await;
    let made = call(&server, "/api/v1/auth/register", &[("sec-fetch-site", "same-origin")], anna()).await;
    let cookie = made.cookie.expect("a browser gets a cookie");
    let cookie = ("cookie", cookie.split(';').next().unwrap());
    for headers in FOREIGN {
        for (path, body) in [
            ("/api/v1/auth/register", json!({"username": "berta", "password": "correct horse"})),
            ("/api/v1/auth/login", anna()),
            ("/api/v1/auth/refresh", json!({})),
            ("/api/v1/auth/logout", json!({})),
        ] {
            let refused = call(&server, path, &[headers, &[cookie]].concat(), body).await;
            let seen = (refused.status, refused.text("type"), refused.cookie.as_deref());
            assert_eq!(seen, (403, "urn:weir:problem:cross-site", None), "{path} {headers:?}");
        }
    }
    assert_eq!(server.get("/api/v1/channels/berta").await.status, 404, "nobody was registered");
    let own = [("sec-fetch-site", "same-origin"), cookie];
    assert_eq!(call(&server, "/api/v1/auth/refresh", &own, json!({})).await.status, 200, "and nobody logged out");
}

#[tokio::test]
async fn what_a_form_can_send_is_no_request() {
    let server = Server::start().await;
    let token = server.token("anna").await;
    let bearer = format!("Bearer {token}");
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        for path in ["register", "login", "refresh", "logout"].map(|name| format!("/api/v1/auth/{name}")) {
            let answer = server.call("POST", &path, &[("content-type", kind)], Value::Null).await;
            assert_eq!(answer.status, 415, "{path} {kind}");
        }
        let headers = [("content-type", kind), ("authorization", bearer.as_str())];
        assert_eq!(server.call("POST", "/api/v1/me/keys", &headers, Value::Null).await.status, 415, "{kind}");
    }
    // Nor does a cookie open anything else.
    let made = call(&server, "/api/v1/auth/login", &[("sec-fetch-site", "same-origin")], anna()).await;
    let cookie = made.cookie.unwrap();
    let cookie = [("cookie", cookie.split(';').next().unwrap())];
    assert_eq!(server.call("GET", "/api/v1/me", &cookie, Value::Null).await.status, 401);
    assert_eq!(server.call("POST", "/api/v1/me/keys", &cookie, json!({})).await.status, 401);
}

#[tokio::test]
async fn over_plain_http_a_browser_is_known_by_its_origin() {
    let server = Server::start().await;
    let page = [("origin", "http://weir.example:8080")];
    let made = call(&server, "/api/v1/auth/register", &page, anna()).await;
    assert_eq!((made.status, &made.body["refresh_token"]), (201, &Value::Null));
    let cookie = made.cookie.expect("a cookie that scripts cannot read");
    assert!(cookie.contains("HttpOnly") && !cookie.contains("Secure"), "{cookie}");
    let cookie = ("cookie", cookie.split(';').next().unwrap());
    let next = call(&server, "/api/v1/auth/refresh", &[page[0], cookie], json!({})).await;
    assert_eq!((next.status, &next.body["refresh_token"]), (200, &Value::Null));
    let ended = call(&server, "/api/v1/auth/logout", &[page[0], cookie], json!({})).await;
    assert!(ended.status == 204 && ended.cookie.unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn no_answer_may_be_read_by_other_sites() {
    let server = Server::start().await;
    let token = server.token("anna").await;
    let bearer = format!("Bearer {token}");
    let preflight = [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    for path in ["/api/v1/me", "/api/v1/channels", "/api/v1/channels/anna", "/api/v1/auth/refresh", "/api/openapi.json"]
    {
        for method in ["GET", "POST", "OPTIONS", "HEAD"] {
            for headers in FOREIGN {
                let headers = [headers, &preflight, &[("authorization", bearer.as_str()), HOST]].concat();
                let answer = server.call(method, path, &headers, Value::Null).await;
                assert_eq!(answer.allowed, [None, None], "{method} {path} {headers:?}");
            }
        }
    }
}

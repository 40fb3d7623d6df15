//! The API, as its description promises it, and as browsers meet it.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_testkit::{browser::Browser, http, server::Server, tools};

use crate::watching::pictures;

const PASSWORD: &str = "correct horse battery";

/// A server whose limits do not stand in a test's way, and whose operator has a known password.
pub(crate) async fn server() -> Server {
    let unlimited = ["REGISTRATIONS", "LOGINS", "WRITES", "READS", "ANONYMOUS"];
    let mut settings: Vec<_> =
        unlimited.map(|class| (format!("WEIR__LIMITS__{class}_PER_MINUTE"), "0".to_owned())).into();
    for guesses in ["WRONG_PASSWORDS", "WRONG_PASSWORDS_PER_ADDRESS"] {
        settings.push((format!("WEIR__LIMITS__{guesses}"), "0".into()));
    }
    settings.push(("WEIR__FIRST_START__ADMIN_PASSWORD".into(), PASSWORD.into()));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Server::start_with(&settings).await
}

/// The answer to a call with JSON.
async fn post(server: &Server, path: &str, body: Value) -> Value {
    let headers = [("content-type", "application/json")];
    let answer = http::send("POST", &server.url(path), &headers, Bytes::from(body.to_string())).await;
    let answer = answer.expect("an answer");
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// An access token of the operator, whose account and channel are `admin`.
pub(crate) async fn operator(server: &Server) -> String {
    let login = json!({"username": "admin", "password": PASSWORD});
    let answer = post(server, "/api/v1/auth/login", login).await;
    answer["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn the_api_does_what_its_description_says() {
    let server = server().await;
    let anna = json!({"username": "anna", "password": PASSWORD});
    let anna = post(&server, "/api/v1/auth/register", anna).await;
    let anna = anna["access_token"].as_str().expect("a token");
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let (operator, anna) = (bearer(&operator(&server).await), bearer(anna));
    // Of those who may less, most calls are refused, which is a promise as well.
    let few = ["--phases", "examples,coverage"];
    for (who, arguments) in [
        ("the operator", vec!["--header", &operator]),
        ("anna", [&["--header", &anna], &few[..]].concat()),
        ("nobody", few.to_vec()),
    ] {
        let (well, said) = tools::schemathesis(&server.url("/api/openapi.json"), &arguments).await;
        assert!(well, "as {who}:\n{said}");
    }
    assert!(!server.output().contains("panicked"), "{}", server.output());
}

#[tokio::test]
async fn the_description_is_read_and_tried_out_in_a_browser() {
    let server = server().await;
    let described = http::get(&server.url("/api/openapi.json")).await.expect("an answer");
    let described: Value = serde_json::from_slice(&described.body).expect("JSON");
    let paths = described["paths"].as_object().expect("paths").values();
    let calls: usize = paths.map(|calls| calls.as_object().map_or(0, serde_json::Map::len)).sum();

    let mut browser = Browser::launch();
    browser.goto(&server.url("/api/docs")).await;
    browser.wait(&format!("document.querySelectorAll('.opblock').length === {calls}")).await;
    assert_eq!(browser.eval("location.pathname").await, "/api/docs/");
    for button in ["opblock-summary-control", "try-out__btn", "execute"] {
        browser.click(&format!("#operations-channels-getChannels .{button}")).await;
    }
    let answered = "document.querySelector('.live-responses-table tbody .response-col_status')?.innerText";
    assert_eq!(browser.wait(answered).await.as_str().map(str::trim), Some("200"));
    browser.screenshot(&pictures().join("api-docs.png")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "no errors and no CSP violations");
    browser.close().await;
}

#[tokio::test]
async fn over_plain_http_a_browser_stays_logged_in_in_all_its_tabs() {
    let server = server().await;
    let mut browser = Browser::launch();
    let page = format!("http://weir.test:{}/", server.http.port());
    browser.goto(&page).await;
    assert_eq!(browser.eval("isSecureContext || 'locks' in navigator").await, false, "as from another machine");
    let asked = |path: &str, body: Value| {
        let body = Value::String(body.to_string());
        format!(
            "fetch('{path}', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: {body}}})\
             .then(async (it) => [it.status, (await it.json()).refresh_token])"
        )
    };
    let made = browser.eval(&asked("/api/v1/auth/register", json!({"username": "anna", "password": PASSWORD}))).await;
    assert_eq!(made, json!([201, null]), "scripts do not see the refresh token");
    assert_eq!(browser.eval("document.cookie").await, "");
    let renewed = asked("/api/v1/auth/refresh", json!({}));
    browser.goto(&page).await;
    assert_eq!(browser.eval(&renewed).await, json!([200, null]));

    // Tabs that are opened all at once renew in turn: a refresh token that comes twice would end the login.
    browser.eval("localStorage.setItem('weir.account', '1')").await;
    let tabs = 5;
    browser.eval(&format!("void (window.tabs = Array.from({{length: {tabs}}}, () => open('/studio')))")).await;
    let asked =
        "tab.performance.getEntriesByType('resource').some((it) => it.name.endsWith('/refresh') && it.responseEnd)";
    let all = format!("tabs.filter((tab) => {asked}).length === {tabs}");
    browser.wait(&all).await;
    assert_eq!(browser.eval(&renewed).await, json!([200, null]), "still logged in");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
}

//! Logging in.

use serde_json::{Value, json};
use url::Url;

use super::{Browser, provider, providers};
use crate::testing::Server;

#[tokio::test]
async fn somebody_new_says_their_name_once_and_is_known_from_then_on() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let listed = server.get("/api/v1/auth/providers").await;
    let expected = json!([{"name": "dead", "display_name": "dead"}, {"name": "home", "display_name": "Home"}]);
    assert_eq!(listed.body, json!({"items": expected, "next": null}));

    let mut first = Browser::new(&server);
    let page = first.through(provider(), "Anna.M").await;
    assert_eq!((page.status, page.location.as_str()), (303, "/register?ticket"), "{}", page.body);
    assert_eq!(first.name().await, None);
    let waiting = first.ask("GET", "/api/v1/auth/ticket", &[], Value::Null).await;
    assert_eq!(
        waiting.body,
        json!({"wants": "username", "provider": "Home", "username": "anna_m", "return_to": "/studio"})
    );
    server.register("carla").await;
    first.post("/api/v1/auth/ticket", json!({"username": "carla"})).await.is_problem(409, "username-taken");
    first.post("/api/v1/auth/ticket", json!({"username": "api"})).await.is_problem(422, "invalid-username");
    let made = first.post("/api/v1/auth/ticket", json!({"username": "anna_m"})).await;
    assert_eq!((made.status, &made.body["refresh_token"]), (201, &Value::Null), "{}", made.body);
    assert_eq!(made.body["user"]["email"], "Anna.M@example.org");
    assert_eq!(server.get("/api/v1/channels/anna_m").await.status, 200, "a channel comes with it");
    assert_eq!(first.name().await.as_deref(), Some("anna_m"));
    first.post("/api/v1/auth/ticket", json!({"username": "anna_n"})).await.is_problem(400, "login-attempt");

    let mut second = Browser::new(&server);
    let page = second.through(provider(), "Anna.M").await;
    assert_eq!((page.status, page.location.as_str()), (303, "/studio"), "{}", page.body);
    assert_eq!(second.name().await.as_deref(), Some("anna_m"));
}

#[tokio::test]
async fn a_taken_name_gets_a_number() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    server.register("berta").await;
    server.register("berta2").await;
    let mut browser = Browser::new(&server);
    browser.through(provider(), "berta").await;
    let waiting = browser.ask("GET", "/api/v1/auth/ticket", &[], Value::Null).await;
    assert_eq!(waiting.body["username"], "berta3");
}

#[tokio::test]
async fn an_account_with_a_second_factor_asks_for_its_code() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let token = Browser::new(&server).register("doris", "doris").await;
    let setup = server.with(&token, "POST", "/api/v1/me/second-factor", json!({})).await;
    let totp = totp_rs::TOTP::from_url(setup.text("url")).unwrap();
    let code = |offset: u64| totp.generate(u64::try_from(jiff::Timestamp::now().as_second()).unwrap() + offset);
    let confirmed = server.with(&token, "POST", "/api/v1/me/second-factor/confirm", json!({"otp": code(0)})).await;
    assert_eq!(confirmed.status, 204);

    let mut browser = Browser::new(&server);
    let page = browser.through(provider(), "doris").await;
    assert_eq!((page.status, page.location.as_str()), (303, "/login?ticket"));
    assert_eq!(browser.name().await, None, "the provider alone opens nothing");
    let waiting = browser.ask("GET", "/api/v1/auth/ticket", &[], Value::Null).await;
    assert_eq!(waiting.body, json!({"wants": "code", "provider": "Home", "username": null, "return_to": "/studio"}));
    let ticket = "/api/v1/auth/ticket";
    browser.post(ticket, json!({})).await.is_problem(401, "second-factor-needed");
    browser.post(ticket, json!({"username": "other"})).await.is_problem(401, "second-factor-needed");
    browser.post(ticket, json!({"otp": "abcdef"})).await.is_problem(401, "wrong-second-factor");
    let done = browser.post(ticket, json!({"otp": code(30)})).await;
    assert_eq!((done.status, &done.body["user"]["username"]), (200, &json!("doris")), "{}", done.body);
    assert_eq!(browser.name().await.as_deref(), Some("doris"));
}

#[tokio::test]
async fn the_provider_is_told_what_openid_connect_asks_for() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let away = Url::parse(&Browser::new(&server).begin().await).unwrap();
    let said: std::collections::HashMap<_, _> = away.query_pairs().into_owned().collect();
    assert_eq!(said["redirect_uri"], super::CALLBACK);
    assert_eq!(said["scope"], "openid profile email");
    assert_eq!((said["response_type"].as_str(), said["code_challenge_method"].as_str()), ("code", "S256"));
    for random in ["state", "nonce", "code_challenge"] {
        assert!(said[random].len() >= 22, "{random} has 128 bits");
    }
    assert!(!away.as_str().contains("secret"), "{away}");
}

#[tokio::test]
async fn a_browser_goes_on_to_the_page_that_it_wanted_and_nowhere_else() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    Browser::new(&server).register("elsa", "elsa").await;
    for (wanted, page) in
        [("/anna?x=1", "/anna?x=1"), ("//evil.example/", "/studio"), ("https://evil.example", "/studio")]
    {
        let mut browser = Browser::new(&server);
        let begun = browser.post("/api/v1/auth/oidc/home", json!({"return_to": wanted})).await;
        let back = provider().log_in(begun.body["url"].as_str().unwrap(), "elsa").await;
        assert_eq!(browser.come_back(&back).await.location, page);
    }
}

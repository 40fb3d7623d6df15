//! What is not let in.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use weir_testkit::oidc_provider::OidcProvider;

use super::{Browser, CALLBACK, provider, providers};
use crate::{
    accounts::Account,
    oidc::attempt::{Attempt, STEP_MAX, Steps},
    testing::Server,
};

const COOKIE: &str = "weir_oidc";

/// Somebody known comes back from the provider, but `spoil` changes what their browser has or where it goes.
async fn check(spoil: impl AsyncFnOnce(&mut Browser, &mut String), status: u16, slug: &str) {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    Browser::new(&server).register("anna", "anna").await;
    let mut browser = Browser::new(&server);
    let away = browser.begin().await;
    let mut back = provider().log_in(&away, "anna").await;
    spoil(&mut browser, &mut back).await;
    browser.come_back(&back).await.is_problem(status, slug);
    assert!(!browser.cookies.contains_key("weir_refresh"));
}

/// What the browser carries, changed, and sealed at `at`.
fn reseal(browser: &mut Browser, at: Timestamp, change: impl FnOnce(Attempt) -> Attempt) {
    let steps = Steps::new(&browser.server.secret);
    let attempt: Attempt = steps.open(&browser.cookies[COOKIE], Timestamp::now()).unwrap();
    browser.cookies.insert(COOKIE.into(), steps.seal(change(attempt), at));
}

#[tokio::test]
async fn a_callback_that_comes_twice() {
    check(
        async |browser, back| {
            let carried = browser.cookies[COOKIE].clone();
            assert_eq!(browser.come_back(back).await.location, "/studio");
            browser.cookies = [(COOKIE.to_owned(), carried)].into();
        },
        400,
        "login-attempt",
    )
    .await;
}

#[tokio::test]
async fn a_callback_in_another_browser() {
    check(async |browser, _| browser.cookies.clear(), 400, "login-attempt").await;
    // It has begun a login of its own.
    check(
        async |browser, _| {
            browser.cookies.clear();
            browser.begin().await;
        },
        400,
        "login-attempt",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_state() {
    check(async |_, back| *back = back.replace("state=", "state=A"), 400, "login-attempt").await;
    check(async |_, back| *back = back.replace("state=", "other="), 400, "login-attempt").await;
}

#[tokio::test]
async fn a_wrong_nonce() {
    check(
        async |browser, _| {
            reseal(browser, Timestamp::now(), |attempt| Attempt { nonce: "other".into(), ..attempt });
        },
        502,
        "provider-answer",
    )
    .await;
}

#[tokio::test]
async fn a_code_that_was_meant_for_somebody_else() {
    check(
        async |browser, _| {
            let verifier = "v".repeat(43);
            reseal(browser, Timestamp::now(), |attempt| Attempt { verifier, ..attempt });
        },
        400,
        "login-attempt",
    )
    .await;
    check(async |_, back| *back = back.replace("code=", "code=A"), 400, "login-attempt").await;
    check(async |_, back| *back = back.replace("code=", "other="), 400, "login-attempt").await;
}

#[tokio::test]
async fn a_login_that_took_too_long() {
    let begun = Timestamp::now() - STEP_MAX - SignedDuration::from_secs(1);
    check(async |browser, _| reseal(browser, begun, |attempt| attempt), 400, "login-attempt").await;
}

#[tokio::test]
async fn a_callback_in_the_name_of_another_provider() {
    check(async |_, back| *back = back.replace("/home/", "/dead/"), 400, "login-attempt").await;
    check(async |_, back| *back = back.replace("/home/", "/nobody/"), 404, "provider-not-found").await;
    check(async |_, back| *back = back.replace("iss=http", "iss=https"), 400, "login-attempt").await;
}

#[tokio::test]
async fn whom_the_provider_does_not_vouch_for() {
    let denied = async |_: &mut Browser, back: &mut String| *back = back.replace("code=", "error=access_denied&x=");
    check(denied, 403, "provider-denied").await;
}

#[tokio::test]
async fn a_person_reads_it_on_a_page() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let path = "/api/v1/auth/oidc/home/callback?code=a&state=b";
    let headers = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    let page = Browser::new(&server).ask("GET", path, &headers, Value::Null).await;
    assert_eq!((page.status, page.location.as_str()), (303, "/login?problem=login-attempt"));
}

#[tokio::test]
async fn suspended_people_and_strangers_where_nobody_may_register() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    Browser::new(&server).register("anna", "anna").await;
    let anna = server.store.account_named(&"anna".parse().unwrap()).await.unwrap().unwrap();
    let suspended_at = Some(Timestamp::now());
    assert!(server.store.update_account(Account { suspended_at, ..anna }).await.unwrap());
    Browser::new(&server).through(provider(), "anna").await.is_problem(403, "account-suspended");

    let closed = Server::closed(providers(&provider().issuer)).await;
    Browser::new(&closed).through(provider(), "berta").await.is_problem(403, "registration-closed");
}

#[tokio::test]
async fn pages_of_other_sites_begin_nothing() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let cross = [("sec-fetch-site", "cross-site")];
    let mut browser = Browser::new(&server);
    browser.ask("POST", "/api/v1/auth/oidc/home", &cross, json!({})).await.is_problem(403, "cross-site");
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_dead_provider_is_told_of_and_disturbs_nobody_else() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let mut browser = Browser::new(&server);
    for _ in 0..3 {
        browser.post("/api/v1/auth/oidc/dead", json!({})).await.is_problem(503, "provider-unavailable");
    }
    browser.post("/api/v1/auth/oidc/nobody", json!({})).await.is_problem(404, "provider-not-found");
    browser.register("anna", "anna").await;
    assert_eq!(server.get("/api/v1/auth/providers").await.status, 200);
}

#[tokio::test]
async fn a_provider_may_go_and_come_back_with_new_keys() {
    let first = OidcProvider::start(CALLBACK);
    let (port, server) = (first.port(), Server::with_providers(providers(&first.issuer)).await);
    assert_eq!(Browser::new(&server).through(&first, "anna").await.status, 303);

    let mut browser = Browser::new(&server);
    let away = browser.begin().await;
    let back = first.log_in(&away, "anna").await;
    drop(first);
    browser.come_back(&back).await.is_problem(503, "provider-unavailable");

    let second = OidcProvider::start_at(port, CALLBACK);
    let page = Browser::new(&server).through(&second, "anna").await;
    assert_eq!(page.location, "/register?ticket", "{}", page.body);
}

//! Logging in with an account elsewhere, in a browser, through a real provider.

use weir_testkit::{
    browser::Browser,
    oidc_provider::{CLIENT_ID, CLIENT_SECRET, OidcProvider},
    server::{Server, free_port},
};

use crate::watching::pictures;

/// A server with one login provider, and that provider.
async fn start() -> (Server, OidcProvider) {
    let http = format!("127.0.0.1:{}", free_port());
    let provider = OidcProvider::start(&format!("http://{http}/api/v1/auth/oidc/home/callback"));
    let settings = [
        ("WEIR__HTTP__LISTEN", http.as_str()),
        ("WEIR__AUTH__OIDC__HOME__DISPLAY_NAME", "Home"),
        ("WEIR__AUTH__OIDC__HOME__ISSUER", provider.issuer.as_str()),
        ("WEIR__AUTH__OIDC__HOME__CLIENT_ID", CLIENT_ID),
        ("WEIR__AUTH__OIDC__HOME__CLIENT_SECRET", CLIENT_SECRET),
    ];
    (Server::start_with(&settings).await, provider)
}

/// JavaScript: the studio is open for somebody.
const IN: &str = "location.pathname === '/studio' && document.querySelector('main[data-state=in]') !== null";

#[tokio::test]
async fn somebody_comes_through_a_provider_chooses_a_name_and_comes_back() {
    let (server, _provider) = start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/login")).await;
    browser.wait("document.querySelector('#providers button')").await;
    assert_eq!(browser.barriers().await, [""; 0]);
    browser.screenshot(&pictures().join("login-providers.png")).await;
    browser.click("#providers button").await;
    browser.wait("document.querySelector('input[name=login]')").await;
    browser.fill("input[name=login]", "Anna.Müller").await;
    browser.fill("input[name=password]", "any").await;
    browser.click("button[type=submit]").await;

    browser.wait("document.querySelector('#finish #username')?.value === 'anna_muller'").await;
    assert_eq!(browser.barriers().await, [""; 0]);
    browser.screenshot(&pictures().join("login-new-name.png")).await;
    browser.fill("#username", "anna").await;
    browser.click("#go-on").await;
    browser.wait(IN).await;
    browser.goto(&server.url("/studio#account")).await;
    browser.wait("document.querySelectorAll('#identities li').length === 1").await;
    assert_eq!(browser.barriers().await, [""; 0]);

    // It is the account's only door.
    browser.click("#identities button").await;
    browser.click("dialog button.danger").await;
    browser.wait("document.querySelector('dialog .trouble')").await;
    browser.press("Escape").await;
    browser.click("#log-out").await;
    browser.wait("document.querySelector('#providers button')").await;
    // The provider knows the browser still.
    browser.click("#providers button").await;
    browser.wait(IN).await;
    browser.wait("document.querySelector('.head').innerText.includes('/anna')").await;

    let complaints = browser.complaints().await;
    let here = server.http.to_string();
    let own = complaints.iter().filter(|line| line.contains(&here) && !line.contains("401") && !line.contains("409"));
    let own: Vec<_> = own.collect();
    assert!(own.is_empty(), "{own:?}");
    assert!(!server.output().contains(CLIENT_SECRET));
    browser.close().await;
}

#[tokio::test]
async fn who_is_not_let_in_reads_why() {
    let (server, provider) = start().await;
    let mut browser = Browser::launch();
    // Its way back leads to a login that this browser never began.
    browser.goto(&server.url("/api/v1/auth/oidc/home/callback?code=a&state=b")).await;
    browser.wait("location.pathname === '/login' && document.querySelector('.trouble')").await;
    assert_eq!(browser.eval("location.search").await, "");

    drop(provider);
    browser.goto(&server.url("/login")).await;
    browser.wait("document.querySelector('#providers button')").await;
    browser.click("#providers button").await;
    let told = browser.wait("document.querySelector('.trouble')?.innerText").await;
    assert!(told.as_str().is_some_and(|told| told.contains("does not answer")), "{told}");
    browser.close().await;
}

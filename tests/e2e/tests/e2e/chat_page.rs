//! Chat beside the player, in two Chromiums: people talk, keep order, and need no mouse for it.

use serde_json::json;
use weir_testkit::{browser::Browser, server::Server};

use crate::{
    studio::{anybody_can_use, complaints, register},
    watching::pictures,
};

/// Where one types.
const INPUT: &str = ".chat form input";

/// JavaScript: whether the room is joined.
const JOINED: &str = "!!document.querySelector('.chat[data-state=joined]')";

/// Somebody in their own browser, in the room of `channel`.
async fn viewer(server: &Server, name: &str, channel: &str) -> Browser {
    let mut browser = Browser::launch();
    register(&mut browser, server, name).await;
    browser.goto(&server.url(&format!("/{channel}"))).await;
    browser.wait(JOINED).await;
    browser
}

async fn say(browser: &mut Browser, text: &str) {
    browser.fill(INPUT, text).await;
    browser.press("Enter").await;
}

/// Waits until a selector finds something that says `text`.
async fn reads(browser: &mut Browser, selector: &str, text: &str) {
    let (selector, text) = (json!(selector), json!(text));
    let found = format!("[...document.querySelectorAll({selector})].some((e) => e.innerText.includes({text}))");
    browser.wait(&found).await;
}

/// Complains of nothing, beside that nobody is live.
async fn is_content(browser: &mut Browser) {
    let mut all = complaints(browser).await;
    all.retain(|line| !(line.contains("responded with a status of 404") && line.contains("/whep/")));
    assert_eq!(all, Vec::<String>::new());
}

#[tokio::test]
async fn two_talk_in_the_page_and_the_owner_bans_one_by_keyboard() {
    let server = Server::start().await;
    let mut anna = viewer(&server, "anna", "anna").await;
    let mut berta = viewer(&server, "berta", "anna").await;
    say(&mut anna, "Welcome! https://example.org/a and javascript:alert(1)").await;
    reads(&mut berta, ".log .line", "Welcome!").await;
    let links = "[...document.querySelectorAll('.log a')].map((a) => [a.href, a.rel])";
    assert_eq!(
        berta.eval(links).await,
        json!([["https://example.org/a", "nofollow noopener noreferrer ugc"]]),
        "only what leads to the web is a link"
    );
    say(&mut berta, "hello @anna 안녕하세요").await;
    reads(&mut anna, ".log .mine", "hello @anna").await;
    anna.wait("!!document.querySelector('.danmaku .flying')").await;
    for (browser, name) in [(&mut anna, "chat-owner"), (&mut berta, "chat-viewer")] {
        anybody_can_use(browser, name).await;
    }

    anna.eval("document.querySelector('.log').focus()").await;
    anna.press("ArrowUp").await;
    anna.press("Enter").await;
    anna.wait("document.activeElement?.matches('.chat [role=menuitem]')").await;
    anna.screenshot(&pictures().join("chat-menu.png")).await;
    anna.press("End").await;
    anna.press("Enter").await;
    reads(&mut berta, ".log em", "Message removed").await;
    say(&mut berta, "am I still here?").await;
    reads(&mut berta, ".chat .problem", "You are banned").await;
    assert_eq!(berta.eval("document.querySelector('.chat form input').value").await, "am I still here?");
    berta.screenshot(&pictures().join("chat-banned.png")).await;

    anna.click(".chat .deed button").await;
    // Whether the ban is lifted is known where she is a moment later.
    let again = "(() => { const input = document.querySelector('.chat form input'); \
                 if (input.value) input.form.requestSubmit(); return !input.value && \
                 [...document.querySelectorAll('.log .line')].some((e) => e.innerText.includes('still here')); })()";
    berta.wait(again).await;
    reads(&mut anna, ".log .line", "am I still here?").await;
    is_content(&mut anna).await;
    is_content(&mut berta).await;
    anna.close().await;
    berta.close().await;
}

#[tokio::test]
async fn whoever_is_not_logged_in_reads_and_is_shown_the_way_in() {
    let server = Server::start().await;
    let mut anna = viewer(&server, "anna", "anna").await;
    let mut guest = Browser::launch();
    guest.goto(&server.url("/anna")).await;
    guest.wait(JOINED).await;
    say(&mut anna, "who is there?").await;
    reads(&mut guest, ".log .line", "who is there?").await;
    guest.wait("!!document.querySelector('.chat a[href=\"/login\"]')").await;
    assert_eq!(guest.eval("!!document.querySelector('.chat form, .log .more')").await, false);
    anybody_can_use(&mut guest, "chat-guest").await;
    is_content(&mut guest).await;
    anna.close().await;
    guest.close().await;
}

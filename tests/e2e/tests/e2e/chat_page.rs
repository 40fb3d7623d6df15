//! Chat beside the player, in two Chromiums: people talk, keep order, and need no mouse for it.

use serde_json::json;
use weir_testkit::{browser::Browser, cassandra::Cassandra, redis::Redis, server::Server};

use crate::{
    studio::{anybody_can_use, complaints, register},
    watching::pictures,
};

/// Where one types.
const INPUT: &str = "#say";

/// JavaScript: whether the room is joined.
pub(crate) const JOINED: &str = "!!document.querySelector('.chat[data-state=joined]')";

/// Somebody in their own browser, in the room of `channel`.
pub(crate) async fn viewer(server: &Server, name: &str, channel: &str) -> Browser {
    let mut browser = Browser::launch();
    register(&mut browser, server, name).await;
    browser.goto(&server.url(&format!("/{channel}"))).await;
    browser.wait(JOINED).await;
    browser
}

pub(crate) async fn say(browser: &mut Browser, text: &str) {
    browser.fill(INPUT, text).await;
    browser.press("Enter").await;
}

/// Waits until a selector finds something that says `text`.
pub(crate) async fn reads(browser: &mut Browser, selector: &str, text: &str) {
    let (selector, text) = (json!(selector), json!(text));
    let found = format!("[...document.querySelectorAll({selector})].some((e) => e.innerText.includes({text}))");
    browser.wait(&found).await;
}

/// Complains of nothing, beside that nobody is live.
pub(crate) async fn is_content(browser: &mut Browser) {
    let mut all = complaints(browser).await;
    all.retain(|line| !(line.contains("responded with a status of 404") && line.contains("/whep/")));
    assert_eq!(all, Vec::<String>::new());
}

/// The last thing in an open menu, and the dialog that it opens: by keyboard.
async fn bans(browser: &mut Browser) {
    browser.press("End").await;
    browser.press("Enter").await;
    browser.wait("document.activeElement?.id === 'ban-why'").await;
    browser.press("Enter").await;
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
    bans(&mut anna).await;
    reads(&mut berta, ".log em", "Message removed").await;
    say(&mut berta, "am I still here?").await;
    reads(&mut berta, ".chat .problem", "You are banned").await;
    assert_eq!(berta.eval("document.querySelector('#say').value").await, "am I still here?");
    berta.screenshot(&pictures().join("chat-banned.png")).await;

    anna.click(".chat .deed button").await;
    // Whether the ban is lifted is known where she is a moment later.
    let again = "(() => { const input = document.querySelector('#say'); \
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

#[tokio::test]
async fn two_browsers_on_two_servers_talk_find_what_was_said_and_one_bans_the_other() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_pages");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let settings = [("WEIR__STORE__URL", store.as_str()), ("WEIR__REDIS__URL", redis.url())];
    let (one, two) = (Server::start_with(&settings).await, Server::start_with(&settings).await);
    let mut anna = viewer(&one, "anna", "anna").await;
    let mut berta = viewer(&two, "berta", "anna").await;
    say(&mut anna, "the password of the day is 물고기").await;
    reads(&mut berta, ".log .line", "the password of the day").await;
    say(&mut berta, "hello @anna").await;
    reads(&mut anna, ".log .mine", "hello @anna").await;

    berta.click(".above[aria-pressed]").await;
    berta.click(".way:has([value=top])").await;
    say(&mut berta, "over the picture").await;
    reads(&mut anna, ".danmaku .flying", "over the picture").await;
    anna.screenshot(&pictures().join("chat-two-servers.png")).await;

    search(&mut berta, "물고기 from:anna").await;
    reads(&mut berta, ".result", "the password of the day").await;
    berta.press("Escape").await;

    anna.eval("document.querySelector('.log').focus()").await;
    anna.press("ArrowUp").await;
    anna.press("Enter").await;
    anna.wait("document.activeElement?.matches('.chat [role=menuitem]')").await;
    bans(&mut anna).await;
    reads(&mut berta, ".log em", "Message removed").await;
    berta.click(".above[aria-pressed]").await;
    say(&mut berta, "am I still here?").await;
    reads(&mut berta, ".chat .problem", "You are banned").await;
    is_content(&mut anna).await;
    is_content(&mut berta).await;
    anna.close().await;
    berta.close().await;
}

/// Looks for something in the chat.
pub(crate) async fn search(browser: &mut Browser, text: &str) {
    browser.click("#open-search").await;
    browser.wait("!!document.querySelector('#chat-search')").await;
    browser.fill("#chat-search", text).await;
    browser.press("Enter").await;
}

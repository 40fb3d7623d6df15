//! Chat in Chromium, for those who keep order: rules, words, what is held and what is reported, pictures to write with.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;
use weir_testkit::{browser::Browser, server::Server};

use crate::{
    chat_page::{JOINED, is_content, reads, say, viewer},
    studio::anybody_can_use,
    watching::pictures,
};

/// Opens a part of what moderators see.
async fn desk(browser: &mut Browser, part: &str) {
    browser.click("#open-desk").await;
    browser.click(&format!("#desk-{part}")).await;
    browser.wait(&format!("document.querySelector('#desk-{part}')?.ariaSelected === 'true'")).await;
}

/// Chooses in the menu of the last message.
async fn chooses(browser: &mut Browser, what: &str) {
    browser.eval("document.querySelector('.log').focus()").await;
    browser.press("ArrowUp").await;
    browser.press("Enter").await;
    browser.wait("document.activeElement?.matches('.chat [role=menuitem]')").await;
    let item = format!(
        "[...document.querySelectorAll('.chat [role=menuitem]')].find((e) => e.innerText.startsWith({}))?.click()",
        json!(what)
    );
    browser.eval(&item).await;
}

#[tokio::test]
async fn rules_are_set_in_the_page_and_hold_for_everybody() {
    let server = Server::start().await;
    let mut anna = viewer(&server, "anna", "anna").await;
    let mut berta = viewer(&server, "berta", "anna").await;
    desk(&mut anna, "rules").await;
    anybody_can_use(&mut anna, "chat-rules").await;
    anna.choose("#rule-slow", "120").await;
    anna.click("#rule-links_off").await;
    anna.click("#rules button").await;
    reads(&mut anna, "#rules .fine", "Saved").await;
    reads(&mut berta, ".chat .rules", "Slow mode: 120 s · No links").await;
    say(&mut berta, "see https://a.example").await;
    reads(&mut berta, ".chat .problem", "Links may not be sent").await;
    say(&mut berta, "one").await;
    reads(&mut berta, ".log .line", "one").await;
    berta.wait("+document.querySelector('.send').innerText > 60").await;
    say(&mut berta, "two").await;
    reads(&mut berta, ".chat .problem", "Slow mode is on").await;
    berta.screenshot(&pictures().join("chat-slow.png")).await;
    is_content(&mut anna).await;
    is_content(&mut berta).await;
    anna.close().await;
    berta.close().await;
}

#[tokio::test]
async fn what_is_held_or_reported_waits_for_a_moderator_who_decides_in_the_page() {
    let server = Server::start().await;
    let mut anna = viewer(&server, "anna", "anna").await;
    let mut berta = viewer(&server, "berta", "anna").await;
    let mut carla = viewer(&server, "carla", "anna").await;
    anna.goto(&server.url("/studio#chat")).await;
    anna.wait("!!document.querySelector('#words-text')").await;
    anna.fill("#words-text", "gadget").await;
    anna.choose("#words-action", "hold").await;
    anna.click("#add-words").await;
    anna.wait("!!document.querySelector('#words [data-word=gadget]')").await;
    anybody_can_use(&mut anna, "studio-chat").await;
    anna.goto(&server.url("/anna")).await;
    anna.wait(JOINED).await;

    say(&mut berta, "buy my gadget").await;
    reads(&mut berta, ".chat .problem", "A moderator reads this").await;
    reads(&mut anna, "#open-desk .badge", "1").await;
    desk(&mut anna, "held").await;
    reads(&mut anna, "#held li", "buy my gadget").await;
    anybody_can_use(&mut anna, "chat-held").await;
    anna.click("#held .main").await;
    reads(&mut carla, ".log .line", "buy my gadget").await;
    anna.wait("!document.querySelector('#open-desk .badge')").await;
    anna.press("Escape").await;

    chooses(&mut carla, "Report").await;
    carla.fill("#report-why", "this is an advertisement").await;
    anybody_can_use(&mut carla, "chat-report").await;
    carla.press("Enter").await;
    reads(&mut carla, ".chat .deed", "The moderators know").await;
    reads(&mut anna, "#open-desk .badge", "1").await;
    desk(&mut anna, "reports").await;
    reads(&mut anna, "#reports li", "this is an advertisement").await;
    anybody_can_use(&mut anna, "chat-reports").await;
    anna.click("#reports .acts button:nth-child(2)").await;
    reads(&mut berta, ".log em", "Message removed").await;
    anna.wait("!document.querySelector('#reports li .acts')").await;
    for browser in [&mut anna, &mut berta, &mut carla] {
        is_content(browser).await;
    }
    for browser in [anna, berta, carla] {
        browser.close().await;
    }
}

/// A picture in a file.
async fn picture(path: &Path) {
    let drawn = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "color=orange:s=200x200", "-frames:v", "1"])
        .arg(path)
        .status()
        .await;
    assert!(drawn.expect("ffmpeg starts").success());
}

#[tokio::test]
async fn an_owner_uploads_a_picture_that_everybody_writes_and_sees() {
    let server = Server::start().await;
    let mut anna = viewer(&server, "anna", "anna").await;
    let file = server.dir.path().join("wave.png");
    picture(&file).await;
    anna.goto(&server.url("/studio#chat")).await;
    anna.wait("!!document.querySelector('#emote-code')").await;
    anna.fill("#emote-code", "wave").await;
    anna.attach("#emote-file", &file).await;
    anna.click("#add-emote").await;
    anna.wait("!!document.querySelector('#emotes [data-code=wave] img')?.naturalWidth").await;

    let mut berta = viewer(&server, "berta", "anna").await;
    berta.click("[aria-label=Emotes]").await;
    berta.wait("!!document.querySelector('.picker img')?.naturalWidth").await;
    anybody_can_use(&mut berta, "chat-emotes").await;
    berta.press("Enter").await;
    berta.wait("document.querySelector('#say').value === ':wave: '").await;
    berta.press("Enter").await;
    anna.goto(&server.url("/anna")).await;
    anna.wait("!!document.querySelector('.log .emote[alt=\":wave:\"]')?.naturalWidth").await;
    anna.screenshot(&pictures().join("chat-emote.png")).await;

    berta.click("#follow").await;
    reads(&mut berta, ".follow", "Following").await;
    reads(&mut berta, ".follow .count", "1 followers").await;
    berta.click(".present").await;
    reads(&mut berta, ".sheet .person", "anna").await;
    anybody_can_use(&mut berta, "chat-people").await;
    is_content(&mut anna).await;
    is_content(&mut berta).await;
    anna.close().await;
    berta.close().await;
}

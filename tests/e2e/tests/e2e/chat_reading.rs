//! Chat in Chromium, for those who read: what was said before, and what flies over the picture.

use serde_json::{Value, json};
use weir_testkit::{
    browser::Browser,
    chat::Chatter,
    clock::ClockPublisher,
    hls, http,
    server::{ADMIN_KEY, Server},
};

use crate::{
    chat_page::{JOINED, is_content, reads, say, search, viewer},
    studio::anybody_can_use,
    watching::{pictures, wait_for_frames},
};

const PASSWORD: &str = "correct horse battery";

/// Messages that stand in the room before anybody reads.
const SAID: u32 = 400;

/// JavaScript: the numbers of the messages that are in the page.
const NUMBERS: &str = "[...document.querySelectorAll('.log .line')].map((e) => +/#(\\d+)/.exec(e.innerText)?.[1])";

/// Asks the API as somebody.
async fn call(server: &Server, method: &str, path: &str, token: &str, body: Value) -> Value {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let answer = http::send(method, &server.url(path), &headers, body.to_string().into()).await.expect("an answer");
    assert!(answer.status < 300, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// An access token of a new account.
async fn token(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD}).to_string();
    let headers = [("content-type", "application/json")];
    let made = http::send("POST", &server.url("/api/v1/auth/register"), &headers, body.into()).await;
    let made: Value = serde_json::from_slice(&made.expect("an answer").body).expect("JSON");
    made["access_token"].as_str().expect("a token").to_owned()
}

/// Somebody who says things without a page.
async fn speaker(server: &Server, name: &str, channel: &str) -> Chatter {
    let token = token(server, name).await;
    Chatter::join(server, channel, json!({"token": token})).await.0
}

/// Scrolls up until a message of this number is in the page.
async fn scrolls_up_to(browser: &mut Browser, number: u32) {
    let up = format!(
        "(() => {{ const log = document.querySelector('.log'); log.scrollTop = 0; \
         return {NUMBERS}.includes({number}); }})()"
    );
    browser.wait(&up).await;
}

#[tokio::test]
async fn who_scrolls_up_reads_everything_once_and_search_shows_a_message_where_it_was_said() {
    let server = Server::start_with(&[("WEIR__CHAT__RATE_LIMIT", "off")]).await;
    let mut reader = viewer(&server, "anna", "anna").await;
    let mut berta = speaker(&server, "berta", "anna").await;
    for number in 1..=SAID {
        let text = if number == 30 { "#30 여기 물고기 있어요".to_owned() } else { format!("#{number} hello") };
        berta.say(&number.to_string(), &text).await;
    }
    reads(&mut reader, ".log .line", &format!("#{SAID} ")).await;
    reader.goto(&server.url("/anna")).await;
    reader.wait(JOINED).await;
    reads(&mut reader, ".log .line", &format!("#{SAID} ")).await;

    scrolls_up_to(&mut reader, 1).await;
    let numbers = reader.eval(NUMBERS).await;
    let numbers: Vec<u64> = numbers.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    let whole = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert!(whole && numbers.len() < 200, "each once, in order, and not all of them: {numbers:?}");
    reads(&mut reader, ".log .note", "began here").await;
    berta.say("new", "#401 something new").await;
    reads(&mut reader, ".chat .new", "1 new messages").await;
    assert!(!reader.eval(NUMBERS).await.as_array().expect("a list").contains(&json!(401)), "what is read stays");
    reader.screenshot(&pictures().join("chat-scrolled-back.png")).await;
    reader.click(".chat .new").await;
    reads(&mut reader, ".log .line", "something new").await;

    search(&mut reader, "물고기 from:berta").await;
    reads(&mut reader, ".result", "#30 ").await;
    anybody_can_use(&mut reader, "chat-search").await;
    reader.click(".result button").await;
    reads(&mut reader, ".log .found", "#30 ").await;
    let around = reader.eval(NUMBERS).await;
    assert!([29, 31].iter().all(|number| around.as_array().expect("a list").contains(&json!(number))), "{around}");
    reader.screenshot(&pictures().join("chat-found.png")).await;
    is_content(&mut reader).await;
    reader.close().await;
}

#[tokio::test]
async fn comments_fly_over_a_picture_that_fills_the_screen_and_late_pictures_are_waited_for() {
    let server = Server::start().await;
    let _publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let mut anna = viewer(&server, "anna", "admin").await;
    let mut berta = viewer(&server, "berta", "admin").await;
    wait_for_frames(&mut anna, 5).await;
    anna.eval("document.activeElement?.blur()").await;
    anna.press("f").await;
    anna.wait("!!document.fullscreenElement?.contains(document.querySelector('.danmaku'))").await;
    berta.click(".above[aria-pressed]").await;
    berta.click(".way:has([value=bottom])").await;
    berta.click(".color:has([value='#ffd75e'])").await;
    anybody_can_use(&mut berta, "chat-paint").await;
    say(&mut berta, "from below").await;
    reads(&mut anna, ".danmaku .flying", "from below").await;
    let color = anna.eval("document.querySelector('.danmaku .flying').style.color").await;
    assert_eq!(color, "rgb(255, 215, 94)");
    anna.screenshot(&pictures().join("danmaku-fullscreen.png")).await;
    is_content(&mut berta).await;
    anna.close().await;
    berta.close().await;
}

#[tokio::test]
async fn a_recording_plays_with_the_chat_of_its_time_beside_and_over_it() {
    let server = Server::start().await;
    let anna = token(&server, "anna").await;
    call(&server, "PATCH", "/api/v1/channels/anna", &anna, json!({"record": true})).await;
    let key = call(&server, "POST", "/api/v1/me/keys", &anna, json!({})).await;
    let _publisher = ClockPublisher::start(&server.rtmp_url(key["key"].as_str().expect("a key")), &[]);
    hls::open(&server.playlist("anna")).await;
    let mut berta = speaker(&server, "berta", "anna").await;
    berta.say("1", "what a start").await;
    berta.send(&json!({"type": "danmaku", "text": "over it only", "mode": "top"})).await;
    let mut reader = Browser::launch();
    reader.goto(&server.url("/anna")).await;
    // Asked once a second: more often is too often for the API.
    let begun = "new Promise((done) => setTimeout(async () => { \
                 const { items } = await (await fetch('/api/v1/channels/anna/vods')).json(); \
                 done(items[0] && (await fetch(items[0].playback.hls)).ok && items[0].id); }, 1000))";
    let vod = reader.wait(begun).await.as_str().expect("an id").to_owned();
    reader.goto(&server.url(&format!("/vod/{vod}"))).await;
    let playing = "(() => { const video = document.querySelector('video'); \
                   if (video?.paused) document.querySelector('.start')?.click(); return video?.currentTime > 1; })()";
    reader.wait(playing).await;
    reads(&mut reader, ".log .line", "what a start").await;
    reads(&mut reader, ".danmaku .flying", "what a start").await;
    reads(&mut reader, ".danmaku .flying", "over it only").await;
    let beside = reader.eval("document.querySelector('.log').innerText").await;
    assert!(!beside.as_str().expect("a text").contains("over it only"), "{beside}");
    reader.screenshot(&pictures().join("vod-chat.png")).await;
    anybody_can_use(&mut reader, "vod").await;
    is_content(&mut reader).await;
    reader.close().await;
}

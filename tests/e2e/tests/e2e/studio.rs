//! The studio in Chromium: accounts, the second factor, keys, how a stream is, people, devices. And that people who
//! cannot see or use a mouse can use every page, as far as axe knows.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_testkit::{
    browser::Browser,
    clock::ClockPublisher,
    http,
    server::{ADMIN_KEY, Server},
};

use crate::watching::{pictures, wait_for_frames};

const PASSWORD: &str = "correct horse battery";

/// JavaScript: whether the studio is shown to somebody who is logged in.
const IN_STUDIO: &str = "!!document.querySelector('main[data-state=in] #tab-heading')";

/// JavaScript: whether a form asks who one is.
const AT_LOGIN: &str = "!!document.querySelector('#log-in')";

/// Makes an account in the browser, which is logged in from then on.
pub(crate) async fn register(browser: &mut Browser, server: &Server, name: &str) {
    browser.goto(&server.url("/register")).await;
    browser.wait("!!document.querySelector('#register')").await;
    browser.fill("#username", name).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#register").await;
    browser.wait(IN_STUDIO).await;
}

/// Opens a tab of the studio.
async fn tab(browser: &mut Browser, name: &str) {
    browser.click(&format!("nav a[href='#{name}']")).await;
    browser.wait(&format!("!!document.querySelector('nav a[href=\"#{name}\"][aria-current=page]')")).await;
}

/// Waits until a selector finds something that says `text`.
async fn says(browser: &mut Browser, selector: &str, text: &str) {
    let selector = json!(selector);
    let found =
        format!("[...document.querySelectorAll({selector})].some((e) => e.innerText.includes({}))", json!(text));
    browser.wait(&found).await;
}

/// Waits until a selector finds so many elements.
async fn there_are(browser: &mut Browser, selector: &str, count: usize) {
    browser.wait(&format!("document.querySelectorAll({}).length === {count}", json!(selector))).await;
}

/// Has axe look at the page, wide and on a phone, and keeps pictures of both.
pub(crate) async fn anybody_can_use(browser: &mut Browser, name: &str) {
    for (shape, width, height) in [("phone", 390, 844), ("wide", 1280, 800)] {
        browser.size(width, height).await;
        assert_eq!(browser.barriers().await, Vec::<String>::new(), "{name}, {shape}");
        let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
        assert!(over.as_i64() <= Some(0), "{name}, {shape}: {over} px are out of sight");
        browser.whole_screenshot(&pictures().join(format!("{name}-{shape}.png"))).await;
    }
}

/// What the pages complained of, without answers such as "wrong password" that Chromium counts as errors.
pub(crate) async fn complaints(browser: &mut Browser) -> Vec<String> {
    let mut all = browser.complaints().await;
    all.retain(|line| !(line.contains("responded with a status of 4") && line.contains("/api/v1/")));
    all
}

/// The answer to a POST of JSON.
async fn post(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let headers = [("content-type", "application/json"), ("user-agent", "curl/8.5.0")];
    let body = Bytes::from(body.to_string());
    let answer = http::send("POST", &server.url(path), &headers, body).await.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// JavaScript: the code that an authenticator app shows `ahead` steps of 30 s from now (RFC 6238).
fn code(secret: &str, ahead: u32) -> String {
    format!(
        "(async () => {{ \
         const bits = [...'{secret}'].map((c) => \
             'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join(''); \
         const bytes = Uint8Array.from(bits.match(/.{{8}}/g), (byte) => parseInt(byte, 2)); \
         const hmac = {{ name: 'HMAC', hash: 'SHA-1' }}; \
         const key = await crypto.subtle.importKey('raw', bytes, hmac, false, ['sign']); \
         const counter = new DataView(new ArrayBuffer(8)); \
         counter.setBigUint64(0, BigInt(Math.floor(Date.now() / 30000) + {ahead})); \
         const mac = new DataView(await crypto.subtle.sign('HMAC', key, counter)); \
         const at = mac.getUint8(19) & 15; \
         return String((mac.getUint32(at) & 0x7fffffff) % 1000000).padStart(6, '0'); }})()"
    )
}

async fn text_of(browser: &mut Browser, code: &str) -> String {
    browser.wait(code).await.as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn an_account_with_a_second_factor_is_opened_by_password_and_code() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/register")).await;
    browser.wait("!!document.querySelector('#register')").await;
    anybody_can_use(&mut browser, "register").await;
    register(&mut browser, &server, "anna").await;

    tab(&mut browser, "account").await;
    browser.fill("#second-factor input", PASSWORD).await;
    browser.click("#second-factor button.main").await;
    let secret = text_of(&mut browser, "document.querySelector('#second-factor .two input')?.value").await;
    there_are(&mut browser, "#second-factor .codes li", 10).await;
    anybody_can_use(&mut browser, "studio-second-factor").await;
    let first = text_of(&mut browser, &code(&secret, 0)).await;
    browser.fill("#first-code", &first).await;
    browser.click("#second-factor button.main").await;
    browser.wait("!!document.querySelector('#second-factor button.danger')").await;
    anybody_can_use(&mut browser, "studio-account").await;

    browser.click("#log-out").await;
    browser.wait(AT_LOGIN).await;
    browser.fill("#username", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#log-in").await;
    browser.wait("document.activeElement?.id === 'otp'").await;
    anybody_can_use(&mut browser, "login").await;
    // It counted once.
    browser.fill("#otp", &first).await;
    browser.click("#log-in").await;
    browser.wait("!!document.querySelector('[role=alert]')").await;
    let next = text_of(&mut browser, &code(&secret, 1)).await;
    browser.fill("#otp", &next).await;
    browser.click("#log-in").await;
    browser.wait(IN_STUDIO).await;

    // The cookie keeps the login across a reload.
    browser.goto(&server.url("/studio")).await;
    browser.wait(IN_STUDIO).await;
    assert_eq!(complaints(&mut browser).await, Vec::<String>::new());
    browser.close().await;
}

/// JavaScript: the number that stands above a graph.
fn figure(name: &str) -> String {
    format!("parseFloat(document.querySelector('[data-figure={name}] strong')?.innerText)")
}

/// JavaScript: whether a graph has a line, in the page's accent colour.
fn drawn(name: &str) -> String {
    format!(
        "(() => {{ const canvas = document.querySelector('[data-figure={name}] canvas'); if (!canvas) return false; \
         const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
         for (let at = 0; at < data.length; at += 4) \
             if (data[at] === 76 && data[at + 1] === 201 && data[at + 2] === 224 && data[at + 3] === 255) return true; \
         return false; }})()"
    )
}

#[tokio::test]
async fn a_streamer_sees_how_the_stream_is_and_a_revoked_key_ends_it() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    register(&mut browser, &server, "anna").await;
    anybody_can_use(&mut browser, "studio-obs").await;
    browser.click("#make-obs-key").await;
    let key = text_of(&mut browser, "document.querySelector('section input[type=password]')?.value").await;
    anybody_can_use(&mut browser, "studio-obs-key").await;
    tab(&mut browser, "health").await;
    browser.wait("!!document.querySelector('#health[data-live=false]')").await;
    anybody_can_use(&mut browser, "studio-health-offline").await;

    let publisher = ClockPublisher::start(&server.rtmp_url(&key), &["-bf", "2"]);
    browser.wait("!!document.querySelector('#health[data-live=true]')").await;
    says(&mut browser, "#advice [data-subject=b-frames]", "B-frames").await;
    browser.wait(&format!("{} > 0", figure("bitrate"))).await;
    browser.wait(&format!("{} > 10", figure("frameRate"))).await;
    browser.wait(&format!("{0} > 0.5 && {0} < 2", figure("keyframeInterval"))).await;
    for name in ["bitrate", "frameRate", "keyframeInterval"] {
        browser.wait(&drawn(name)).await;
    }
    browser.click("summary").await;
    browser.wait("document.querySelectorAll('tbody tr').length > 0").await;
    anybody_can_use(&mut browser, "studio-health").await;

    tab(&mut browser, "keys").await;
    says(&mut browser, "#keys li", "last used").await;
    browser.click("#keys button").await;
    browser.wait("!!document.querySelector('dialog[open]')").await;
    anybody_can_use(&mut browser, "studio-revoke").await;
    browser.click("dialog button.danger").await;
    says(&mut browser, "#keys li", "Revoked").await;
    publisher.cut().await;
    // Whichever panel is open.
    says(&mut browser, ".head [role=status]", "The stream ended at").await;
    tab(&mut browser, "health").await;
    says(&mut browser, "#health", "The stream ended at").await;
    assert_eq!(complaints(&mut browser).await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_streamer_ends_the_stream_from_the_studio() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    register(&mut browser, &server, "anna").await;
    browser.click("#make-obs-key").await;
    let key = text_of(&mut browser, "document.querySelector('section input[type=password]')?.value").await;
    tab(&mut browser, "health").await;
    let publisher = ClockPublisher::start(&server.rtmp_url(&key), &[]);
    says(&mut browser, "#health .fine", "All is well").await;
    browser.click("#end-stream").await;
    browser.click("dialog button.danger").await;
    publisher.cut().await;
    says(&mut browser, "#health", "The stream ended at").await;
    browser.close().await;
}

#[tokio::test]
async fn roles_bans_webhooks_and_settings_are_kept() {
    let server = Server::start().await;
    let (status, _) = post(&server, "/api/v1/auth/register", json!({"username": "berta", "password": PASSWORD})).await;
    assert_eq!(status, 201);
    let mut browser = Browser::launch();
    register(&mut browser, &server, "anna").await;

    tab(&mut browser, "people").await;
    browser.fill("#role-username", "nobody_there").await;
    browser.click("#give-role").await;
    says(&mut browser, "[role=alert]", "no account of that name").await;
    browser.fill("#role-username", "berta").await;
    browser.click("#give-role").await;
    says(&mut browser, "#roles [data-username=berta]", "Moderator").await;
    browser.fill("#role-username", "berta").await;
    browser.choose("#role", "vip").await;
    browser.click("#give-role").await;
    says(&mut browser, "#roles [data-username=berta]", "VIP").await;
    browser.click("#roles [data-username=berta] button").await;
    there_are(&mut browser, "#roles li", 1).await;
    browser.fill("#ban-username", "berta").await;
    browser.fill("#ban-reason", "Advertises").await;
    browser.choose("#ban-length", "24").await;
    browser.click("#ban").await;
    says(&mut browser, "#bans [data-username=berta]", "Advertises").await;
    anybody_can_use(&mut browser, "studio-people").await;
    browser.click("#bans [data-username=berta] button").await;
    there_are(&mut browser, "#bans li", 0).await;

    tab(&mut browser, "webhooks").await;
    browser.fill("#hook-url", "http://127.0.0.1/hook").await;
    browser.click("#add-hook").await;
    says(&mut browser, "[role=alert]", "private network").await;
    browser.fill("#hook-url", "https://example.org/hook").await;
    browser.click("#add-hook").await;
    says(&mut browser, "#hooks li", "https://example.org/hook").await;
    let secret = text_of(&mut browser, "document.querySelector('form .line input')?.value").await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    anybody_can_use(&mut browser, "studio-webhooks").await;
    browser.click("#hooks button").await;
    browser.click("dialog button.danger").await;
    there_are(&mut browser, "#hooks li", 0).await;

    tab(&mut browser, "channel").await;
    browser.fill("#channel-title", "Chess at night").await;
    browser.choose("#channel-conflict", "refuse").await;
    browser.click("#save-channel").await;
    says(&mut browser, "form .fine", "Saved").await;
    anybody_can_use(&mut browser, "studio-channel").await;
    browser.goto(&server.url("/studio#channel")).await;
    browser.wait("document.querySelector('#channel-title')?.value === 'Chess at night'").await;
    assert_eq!(browser.eval("document.querySelector('#channel-conflict').value").await, "refuse");

    tab(&mut browser, "keys").await;
    browser.fill("#key-name", "Phone").await;
    browser.choose("#key-end", "30").await;
    browser.click("#make-key").await;
    says(&mut browser, "#keys li", "Expires").await;
    anybody_can_use(&mut browser, "studio-keys").await;
    assert_eq!(complaints(&mut browser).await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn devices_are_logged_out_and_the_account_goes_for_good() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    register(&mut browser, &server, "anna").await;
    let login = json!({"username": "anna", "password": PASSWORD});
    let (status, phone) = post(&server, "/api/v1/auth/login", login.clone()).await;
    assert_eq!(status, 200);

    tab(&mut browser, "account").await;
    there_are(&mut browser, "#devices li", 2).await;
    says(&mut browser, "#devices li", "curl/8.5.0").await;
    browser.click("#devices button").await;
    there_are(&mut browser, "#devices li", 1).await;
    let token = json!({"refresh_token": phone["refresh_token"]});
    assert_eq!(post(&server, "/api/v1/auth/refresh", token).await.0, 401, "the phone is logged out");

    browser.click("#delete-account").await;
    browser.fill("dialog input", PASSWORD).await;
    browser.click("dialog button.danger").await;
    browser.wait(AT_LOGIN).await;
    assert_eq!(post(&server, "/api/v1/auth/login", login).await.0, 401, "the account is gone");
    assert_eq!(complaints(&mut browser).await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn who_is_logged_in_goes_live_from_the_browser_without_a_key() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/golive")).await;
    browser.wait("!!document.querySelector('#use-camera')").await;
    anybody_can_use(&mut browser, "golive-welcome").await;
    register(&mut browser, &server, "anna").await;
    browser.goto(&server.url("/golive")).await;
    browser.click("#use-camera").await;
    browser.wait("!!document.querySelector('.stage video')?.videoWidth").await;
    browser.wait("!!document.querySelector('#own-channel')").await;
    anybody_can_use(&mut browser, "golive").await;
    browser.click("#go").await;
    browser.wait("!!document.querySelector('main[data-state=live]')").await;
    browser.wait("Number(document.querySelector('[data-figure=fps]')?.innerText) > 0").await;
    anybody_can_use(&mut browser, "golive-live").await;
    browser.click("#go").await;
    // The key is revoked as soon as the stream is over.
    browser.wait("performance.getEntriesByType('resource').some((r) => r.name.includes('/me/keys/'))").await;
    browser.goto(&server.url("/studio#keys")).await;
    says(&mut browser, "#keys li", "Revoked").await;
    assert_eq!(complaints(&mut browser).await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn anybody_can_use_the_pages_of_viewers() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/")).await;
    browser.wait("document.body.innerText.length > 40").await;
    anybody_can_use(&mut browser, "home-empty").await;
    browser.goto(&server.url("/no/such/page")).await;
    browser.wait("document.body.innerText.length > 20").await;
    anybody_can_use(&mut browser, "missing").await;
    browser.goto(&server.url("/admin")).await;
    browser.wait("!!document.querySelector('.player[data-state=offline]')").await;
    anybody_can_use(&mut browser, "watch-offline").await;

    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    wait_for_frames(&mut browser, 60).await;
    anybody_can_use(&mut browser, "watch").await;
    browser.goto(&server.url("/")).await;
    browser.wait("!!document.querySelector('a[href=\"/admin\"]')").await;
    anybody_can_use(&mut browser, "home").await;
    browser.close().await;
    publisher.stop().await;
}

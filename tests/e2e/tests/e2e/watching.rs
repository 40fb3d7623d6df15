//! From an encoder to eyes: the watch page in Chromium, fed over RTMP.

use std::path::{Path, PathBuf};

use weir_testkit::{
    browser::Browser,
    clock::{ClockPublisher, READ_CLOCK},
    server::{ADMIN_KEY, Server},
};

/// JavaScript: the page's video, wherever it is nested, as `video` in an expression. The watch page has two, one in
/// front.
pub(crate) fn with_video(expression: &str) -> String {
    format!(
        "(() => {{ const find = (root) => {{ \
         const v = root.querySelector('video[slot=media]') ?? root.querySelector('video'); if (v) return v; \
         for (const e of root.querySelectorAll('*')) {{ const i = e.shadowRoot && find(e.shadowRoot); \
         if (i) return i; }} return null; }}; const video = find(document); return video && ({expression}); }})()"
    )
}

/// Where pictures of the pages go, to be looked at.
pub(crate) fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pictures");
    std::fs::create_dir_all(&folder).expect("a folder for pictures");
    folder
}

/// Waits until the page has shown so many pictures.
pub(crate) async fn wait_for_frames(browser: &mut Browser, count: u32) {
    browser.wait(&with_video(&format!("video.getVideoPlaybackQuality().totalVideoFrames >= {count}"))).await;
}

#[tokio::test]
async fn a_browser_plays_what_is_pushed_over_rtmp() {
    let server = Server::start().await;
    // B-frames, as OBS sends them by default.
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &["-bf", "2"]);
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    wait_for_frames(&mut browser, 60).await;
    assert_eq!(browser.eval(&with_video("video.muted")).await, true, "pages start muted");
    assert_eq!(browser.eval(&with_video("video.videoWidth")).await, 640);

    // The clock in the picture moves, and the picture is never from the future.
    let mut readings = Vec::new();
    while readings.len() < 20 {
        let last = readings.last().copied().unwrap_or(0_i64);
        let newer = browser.wait(&format!("(() => {{ const c = {READ_CLOCK}; return c > {last} && c; }})()")).await;
        let clock = newer.as_i64().expect("a number");
        let delay = browser.eval("Date.now()").await.as_f64().expect("a number") as i64 - clock;
        assert!(delay > 0, "a picture from the future: {delay} ms");
        readings.push(clock);
        println!("delay from frame to eye: {delay} ms");
    }

    browser.screenshot(&pictures().join("watch-wide.png")).await;
    browser.size(390, 844).await;
    wait_for_frames(&mut browser, 150).await;
    browser.screenshot(&pictures().join("watch-phone.png")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "no errors and no CSP violations");
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn the_front_page_lists_who_is_live() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/")).await;
    browser.wait("document.body.innerText.length > 40").await;
    browser.screenshot(&pictures().join("front-empty.png")).await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    browser.wait("!!document.querySelector('a[href=\"/admin\"]')").await;
    browser.screenshot(&pictures().join("front-live.png")).await;
    browser.click("a[href=\"/admin\"]").await;
    wait_for_frames(&mut browser, 30).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_waiting_viewer_sees_the_stream_begin_and_come_back() {
    let server = Server::start().await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait("document.body.innerText.length > 10").await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    wait_for_frames(&mut browser, 30).await;

    // The encoder's network breaks, and it comes back within the grace time: the same page plays on.
    publisher.kill().await;
    server.line_with("grace").await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let restarted = browser.eval("Date.now()").await.as_f64().expect("a number") as i64;
    browser.wait(&format!("{READ_CLOCK} > {restarted}")).await;
    browser.close().await;
    publisher.stop().await;
}

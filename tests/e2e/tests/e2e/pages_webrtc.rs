//! The pages in real time: the watch page over WHEP, its choice between that and LL-HLS, and going live from a browser.

use weir_testkit::{
    browser::Browser,
    clock::{ClockPublisher, READ_CLOCK},
    server::{ADMIN_KEY, Server},
};

use crate::watching::{pictures, wait_for_frames, with_video};

/// JavaScript: whether the watch page shows moving pictures that came a way, `whep` or `hls`.
fn live_over(way: &str) -> String {
    format!("!!document.querySelector('.player[data-state=live][data-way={way}]')")
}

/// JavaScript: the number that the page shows as its delay.
const SHOWN_DELAY: &str = "Number(document.querySelector('.player').dataset.latency)";

/// Takes an entry of the player's menu of ways.
async fn choose(browser: &mut Browser, way: &str) {
    browser.click("#way-button").await;
    browser.click(&format!("#way-menu media-chrome-menu-item[value={way}]")).await;
}

/// Goes live from the page, with the fake camera and microphone.
async fn go_live(browser: &mut Browser, server: &Server, key: &str) {
    browser.goto(&server.url("/golive")).await;
    browser.click("#use-camera").await;
    browser.wait("!!document.querySelector('.stage video')?.videoWidth").await;
    browser.fill("#stream-key", key).await;
    browser.click("#go").await;
}

/// JavaScript: whether the page is on the air and knows how it fares.
const ON_AIR: &str = "!!document.querySelector('[data-state=live]') && \
                      Number(document.querySelector('[data-figure=fps]')?.innerText) > 0";

#[tokio::test]
async fn the_page_plays_an_rtmp_stream_in_real_time() {
    let server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("whep")).await;
    wait_for_frames(&mut browser, 60).await;
    assert_eq!(browser.eval(&with_video("video.videoWidth")).await, 640);
    let mut last = 0;
    for _ in 0..10 {
        let newer = browser.wait(&format!("(() => {{ const c = {READ_CLOCK}; return c > {last} && c; }})()")).await;
        last = newer.as_i64().expect("a number");
        let delay = browser.eval("Date.now()").await.as_f64().expect("a number") as i64 - last;
        assert!(delay > 0, "a picture from the future: {delay} ms");
        println!("delay from frame to eye: {delay} ms");
    }
    browser.wait(&format!("{SHOWN_DELAY} > 0 && {SHOWN_DELAY} < 1")).await;
    browser.screenshot(&pictures().join("watch-real-time.png")).await;
    let loaded = "performance.getEntriesByType('resource').filter((r) => /pick/.test(r.name)).length";
    println!("hls.js was fetched {} times", browser.eval(loaded).await);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_viewer_chooses_the_way_and_the_page_remembers() {
    let server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("whep")).await;
    browser.click("#way-button").await;
    browser.screenshot(&pictures().join("watch-ways.png")).await;
    browser.click("#way-menu media-chrome-menu-item[value=hls]").await;
    browser.wait(&live_over("hls")).await;
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("hls")).await;
    choose(&mut browser, "whep").await;
    browser.wait(&live_over("whep")).await;
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("whep")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn going_back_in_time_takes_ll_hls_and_returning_real_time() {
    let server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("whep")).await;
    let then = browser.wait(READ_CLOCK).await.as_i64().expect("a number");
    // There is nothing to go back to before the stream has run for a while.
    browser.wait(&format!("{READ_CLOCK} > {then} + 14000")).await;
    browser.press("j").await;
    browser.wait(&live_over("hls")).await;
    browser.wait(&format!("Date.now() - {READ_CLOCK} > 7000")).await;
    browser.screenshot(&pictures().join("watch-back.png")).await;
    browser.press("l").await;
    browser.wait(&live_over("whep")).await;
    browser.wait(&format!("Date.now() - {READ_CLOCK} < 2000")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn where_webrtc_does_not_get_through_the_page_plays_ll_hls_and_says_so() {
    // An address for documentation (RFC 5737): nothing answers there.
    let server = Server::start_with(&[("WEIR__WEBRTC__PUBLIC_ADDRESSES", "[\"192.0.2.1\"]")]).await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("hls")).await;
    println!("LL-HLS after {} ms", browser.eval("Math.round(performance.now())").await);
    browser.wait("!!document.querySelector('.player[data-fallen=true]')").await;
    browser.wait("!!document.querySelector('.notice')").await;
    browser.screenshot(&pictures().join("watch-fallen.png")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn the_end_of_a_stream_is_seen_in_real_time_and_so_is_the_next_one() {
    let server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let mut browser = Browser::launch();
    browser.goto(&server.url("/admin")).await;
    browser.wait(&live_over("whep")).await;
    publisher.stop().await;
    browser.wait("!!document.querySelector('.player[data-state=ended]')").await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    browser.wait(&live_over("whep")).await;
    browser.close().await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_browser_goes_live_and_others_watch_it_either_way() {
    let server = Server::start().await;
    let mut streamer = Browser::launch();
    go_live(&mut streamer, &server, ADMIN_KEY).await;
    streamer.wait(ON_AIR).await;
    let mut viewer = Browser::launch();
    viewer.goto(&server.url("/admin")).await;
    viewer.wait(&live_over("whep")).await;
    wait_for_frames(&mut viewer, 60).await;
    viewer.screenshot(&pictures().join("watch-browser.png")).await;
    choose(&mut viewer, "hls").await;
    viewer.wait(&live_over("hls")).await;
    wait_for_frames(&mut viewer, 60).await;
    streamer.screenshot(&pictures().join("golive-live.png")).await;

    // Another picture in the same stream.
    streamer.click("input[value=screen]").await;
    streamer.wait("document.querySelector('input[value=screen]').checked").await;
    streamer.wait(ON_AIR).await;
    streamer.screenshot(&pictures().join("golive-screen.png")).await;
    streamer.size(390, 844).await;
    streamer.screenshot(&pictures().join("golive-phone.png")).await;

    streamer.click("#go").await;
    streamer.wait("!!document.querySelector('[data-state=idle]')").await;
    viewer.wait("!!document.querySelector('.player[data-state=ended]')").await;
    assert_eq!(streamer.complaints().await, Vec::<String>::new());
    assert_eq!(viewer.complaints().await, Vec::<String>::new());
    viewer.close().await;
    streamer.close().await;
}

#[tokio::test]
async fn layers_of_a_browser_are_watched_too() {
    let server = Server::start().await;
    let mut streamer = Browser::launch();
    streamer.goto(&server.url("/golive")).await;
    streamer.click("#use-camera").await;
    streamer.wait("!!document.querySelector('.stage video')?.videoWidth").await;
    streamer.click("#simulcast").await;
    streamer.fill("#stream-key", ADMIN_KEY).await;
    streamer.click("#go").await;
    streamer.wait(ON_AIR).await;
    let mut viewer = Browser::launch();
    viewer.goto(&server.url("/admin")).await;
    viewer.wait(&live_over("whep")).await;
    wait_for_frames(&mut viewer, 60).await;
    viewer.close().await;
    streamer.close().await;
}

#[tokio::test]
async fn a_wrong_key_is_told_in_words() {
    let server = Server::start().await;
    let mut streamer = Browser::launch();
    go_live(&mut streamer, &server, "a-key-that-nobody-has-0123456789").await;
    streamer.wait("!!document.querySelector('[role=alert]')").await;
    let text = streamer.eval("document.querySelector('[role=alert]').innerText").await;
    assert!(text.as_str().is_some_and(|text| text.contains("stream key")), "{text}");
    streamer.screenshot(&pictures().join("golive-refused.png")).await;
    streamer.close().await;
}

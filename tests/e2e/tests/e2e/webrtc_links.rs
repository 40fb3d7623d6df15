//! Watching over WebRTC behind links that lose, delay, limit and block, and on a network that changes.
//!
//! Figures are printed; what is asserted are counts and events. The browser is at the far end of a [`Net`].

use std::time::Duration;

use weir_testkit::{
    browser::Browser,
    hls, media,
    net::{Link, Net},
    realtime::{self, Picture, Pictures},
    rtmp::{self, flv::Style},
    server::{ADMIN_KEY, Server},
};

/// 50 ms there and back.
const DELAY: Duration = Duration::from_millis(25);

/// 720p30 of 2.5 Mbit/s with Opus, live.
async fn streamer(server: &Server) -> rtmp::Playing {
    let playing = rtmp::play(&server.rtmp_url(ADMIN_KEY), &media::streamer_opus(), Style::default()).await;
    hls::open(&server.playlist("admin")).await;
    playing.expect("the server takes it")
}

/// A browser at the far end that watches.
async fn viewer(net: &Net, server: &Server) -> Browser {
    let mut browser = Browser::launch_behind(net, server);
    browser.goto(&server.url("/")).await;
    realtime::watch(&mut browser, "admin").await;
    browser
}

#[tokio::test]
async fn lost_packets_are_sent_again_and_the_picture_goes_on() {
    let link = Link { delay: DELAY, ..Link::default() };
    let Some(net) = Net::start(link) else { return };
    let server = Server::start_behind(&net, &[]).await;
    let _streamer = streamer(&server).await;
    let mut browser = viewer(&net, &server).await;
    let mut before = Pictures::default().more(&mut browser, 60, "true").await;
    for percent in [0, 1, 3, 5] {
        net.set(Link { loss: f64::from(percent) / 100.0, ..link });
        let after = before.more(&mut browser, 150, "true").await;
        let figures = after.since(&before);
        eprintln!("{percent} % loss, 50 ms: {figures:?}");
        assert_eq!(figures.width, 1280);
        assert!(figures.freezes <= 5, "{figures:?}");
        assert!(percent == 0 || (figures.nacks > 0 && figures.repaired > 0), "{figures:?}");
        before = after;
    }
    eprintln!("retransmissions of the server: {}", server.metric("weir_whep_retransmissions_total").await);
    browser.close().await;
}

#[tokio::test]
async fn a_narrow_link_gets_a_lower_layer_and_slows_nobody() {
    let layers = "[{ rid: 'h', maxBitrate: 1800000 }, { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 500000 }, \
                  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150000 }]";
    let Some(net) = Net::start(Link { delay: DELAY, ..Link::default() }) else { return };
    let server = Server::start_behind(&net, &[]).await;
    let mut streamer = Browser::launch();
    streamer.goto(&server.url("/")).await;
    realtime::publish(&mut streamer, ADMIN_KEY, Picture::Noise, layers).await;
    let all = "window.whip.layers().then((layers) => \
               Object.keys(layers).length === 3 && Object.values(layers).every((layer) => layer.framesSent > 30))";
    streamer.wait(all).await;
    eprintln!("layers sent: {}", streamer.eval("window.whip.layers()").await);

    let mut near = Browser::launch();
    near.goto(&server.url("/")).await;
    realtime::watch(&mut near, "admin").await;
    let near_before = Pictures::default().more(&mut near, 30, "stats.frameWidth === 960").await;
    let mut far = viewer(&net, &server).await;
    let best = Pictures::default().more(&mut far, 30, "stats.frameWidth === 960").await;
    eprintln!("without a limit: {best:?}");

    net.set(Link { delay: DELAY, rate: Some(1_000_000), ..Link::default() });
    let limited = best.more(&mut far, 1, "stats.frameWidth < 960").await;
    eprintln!("1 Mbit/s, the lower layer came after: {:?}", limited.since(&best));
    let settled = limited.more(&mut far, 150, "true").await;
    eprintln!("1 Mbit/s, on the lower layer: {:?}", settled.since(&limited));
    assert!(settled.width < 960, "{settled:?}");
    // The same stream at the same time, without a limit.
    let near_after = near_before.more(&mut near, settled.decoded, "stats.frameWidth === 960").await;
    eprintln!("the other viewer meanwhile: {:?}", near_after.since(&near_before));
    let still = Pictures::of(&mut far).await;
    assert!(still.width < 960, "{still:?}");

    net.set(Link { delay: DELAY, ..Link::default() });
    // A layer that had to be left before is climbed to more slowly: this may take half a minute.
    let pictures = settled.decoded + 900;
    let again =
        settled.more(&mut far, 30, &format!("stats.frameWidth === 960 || stats.framesDecoded >= {pictures}")).await;
    let again = again.more(&mut far, 0, "stats.frameWidth === 960").await;
    eprintln!("without a limit again, the best layer came after: {:?}", again.since(&settled));
    eprintln!("layers sent: {}", streamer.eval("window.whip.layers()").await);
    for browser in [streamer, near, far] {
        browser.close().await;
    }
}

#[tokio::test]
async fn where_udp_is_blocked_the_picture_comes_over_tcp() {
    let Some(net) = Net::start(Link { delay: DELAY, udp: false, ..Link::default() }) else { return };
    let server = Server::start_behind(&net, &[]).await;
    let _streamer = streamer(&server).await;
    let mut browser = viewer(&net, &server).await;
    let begun = Pictures::default().more(&mut browser, 30, "stats.protocol === 'tcp'").await;
    let seen = begun.more(&mut browser, 90, "true").await;
    eprintln!("over TCP: {:?}", seen.since(&begun));
    assert!(server.metric("weir_webrtc_tcp_connections").await >= 1.0);
    browser.close().await;
}

#[tokio::test]
async fn the_page_goes_on_from_another_address() {
    let Some(mut net) = Net::start(Link { delay: DELAY, ..Link::default() }) else { return };
    let server = Server::start_behind(&net, &[]).await;
    let _streamer = streamer(&server).await;
    let mut browser = Browser::launch_behind(&net, &server);
    browser.goto(&server.url("/admin")).await;
    let real_time = "!!document.querySelector('.player[data-state=live][data-way=whep]')";
    browser.wait(real_time).await;
    // What the page asks of the server from here on, and whether it ever leaves real time.
    let listen = r"(() => {
      window.__asked = [], window.__ways = [];
      const plain = window.fetch;
      window.fetch = (url, options) => {
        const answered = plain(url, options);
        const note = ({ status }) => window.__asked.push(`${options?.method ?? 'GET'} ${status ?? 'lost'}`);
        if (/whep/.test(String(url))) answered.then(note, note);
        return answered;
      };
      const player = document.querySelector('.player');
      new MutationObserver(() => window.__ways.push(player.dataset.way))
        .observe(player, { attributes: true, attributeFilter: ['data-way'] });
    })()";
    browser.eval(listen).await;
    let frames = crate::watching::with_video("video.getVideoPlaybackQuality().totalVideoFrames");
    net.readdress();
    browser.wait("window.__asked.includes('PATCH 200')").await;
    browser.wait(real_time).await;
    let before = browser.eval(&frames).await.as_u64().expect("a number");
    browser.wait(&format!("{frames} > {before} + 60")).await;
    let asked = browser.eval("window.__asked").await.to_string();
    eprintln!("after the address changed the page asked {asked}");
    assert!(asked.contains("PATCH 200") && !asked.contains("POST") && !asked.contains("DELETE"), "{asked}");
    assert_eq!(browser.eval("window.__ways").await.to_string(), "[]");
    browser.close().await;
}

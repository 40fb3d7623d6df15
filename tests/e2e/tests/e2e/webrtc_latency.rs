//! How old a picture is when a viewer sees it over WebRTC. Times are printed, not asserted: they depend on the machine.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep_until};
use weir_testkit::{
    browser::Browser,
    clock::READ_CLOCK,
    media::{self, Codec, Movie},
    realtime::{self, Picture, Pictures},
    rtmp::{self, Playout, flv::Style},
    server::{ADMIN_KEY, Server},
};

/// Pictures to look at: ten seconds.
const SAMPLES: usize = 300;

/// Pictures in the file whose pictures are numbered.
const NUMBERS: usize = 240;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1e3
}

/// What a viewer reads from [`SAMPLES`] pictures, and when each is on its screen, in milliseconds since 1970.
async fn seen(server: &Server) -> Vec<(f64, f64)> {
    let mut viewer = Browser::launch();
    viewer.goto(&server.url("/")).await;
    realtime::watch(&mut viewer, "admin").await;
    Pictures::default().more(&mut viewer, 90, "true").await;
    let collect = format!(
        "(() => {{ const {{ video }} = window.whep, seen = (window.seen = []); \
         const look = (_, {{ expectedDisplayTime }}) => {{ \
           seen.push([{READ_CLOCK}, Date.now() + Math.max(0, expectedDisplayTime - performance.now())]); \
           video.requestVideoFrameCallback(look); }}; \
         video.requestVideoFrameCallback(look); }})()"
    );
    viewer.eval(&collect).await;
    let seen = viewer.wait(&format!("window.seen.length >= {SAMPLES} && window.seen")).await;
    eprintln!("{:?}", Pictures::of(&mut viewer).await);
    viewer.close().await;
    let pair = |pair: &serde_json::Value| (pair[0].as_f64().expect("read"), pair[1].as_f64().expect("a time"));
    seen.as_array().expect("a list").iter().map(pair).collect()
}

fn tell(what: &str, mut ages: Vec<f64>) {
    ages.sort_by(f64::total_cmp);
    let at = |share: usize| ages.get(ages.len() * share / 100).copied().unwrap_or(f64::NAN);
    let count = ages.len();
    eprintln!("{what}: p50 {:.0} ms, p95 {:.0} ms, most {:.0} ms of {count} pictures", at(50), at(95), at(100 - 1));
    assert!(count >= SAMPLES, "{count} pictures");
    assert!(ages.first().is_some_and(|age| *age > 0.0), "no picture is from the future");
}

#[tokio::test]
async fn a_camera_is_seen_over_webrtc() {
    let server = Server::start().await;
    let mut streamer = Browser::launch();
    streamer.goto(&server.url("/")).await;
    realtime::publish(&mut streamer, ADMIN_KEY, Picture::Clock, "[{}]").await;
    server.line_with("track=0 codec").await;
    let ages = seen(&server).await.into_iter().map(|(drawn, shown)| shown - drawn).collect();
    tell("from a page's canvas over WHIP to the screen of a WHEP viewer", ages);
    streamer.close().await;
}

#[tokio::test]
async fn a_coded_picture_is_seen_over_webrtc() {
    let server = Server::start().await;
    let mut playout = Playout::new(Arc::new(Movie::open(&media::numbered())), Style::default());
    let mut client =
        rtmp::Client::publish(&server.rtmp_url(ADMIN_KEY), &rtmp::Options::default()).await.expect("taken");
    for header in playout.headers() {
        client.send(&header).await.expect("it reads");
    }
    // When each picture left.
    let left = Arc::new(Mutex::new(Vec::new()));
    let (noting, start) = (Arc::clone(&left), Instant::now());
    let sending = tokio::spawn(async move {
        loop {
            let due = playout.advance();
            sleep_until(start + due.at).await;
            if matches!(due.codec, Codec::Video(_)) {
                noting.lock().expect("nobody panics").push(now());
            }
            if client.send_due(&due).await.is_err() {
                return;
            }
        }
    });
    server.line_with("publishing").await;
    weir_testkit::hls::open(&server.playlist("admin")).await;
    let seen = seen(&server).await;
    let left = left.lock().expect("nobody panics").clone();
    // The file is sent again and again: what is seen is the last picture of its number that had left by then.
    let age = |(number, shown): (f64, f64)| {
        let sent = left.iter().skip(number as usize).step_by(NUMBERS).take_while(|sent| **sent <= shown);
        sent.last().map(|sent| shown - sent)
    };
    tell(
        "from an encoder's output over RTMP to the screen of a WHEP viewer",
        seen.into_iter().filter_map(age).collect(),
    );
    sending.abort();
}

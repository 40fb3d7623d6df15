//! Watching over WebRTC (WHEP), in Chromium.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_testkit::{
    browser::Browser,
    http, media,
    rtmp::{self, flv::Style},
    server::{ADMIN_KEY, Server},
    tools,
};

/// JavaScript: watches `/whep/admin` with plain means, as `window.whep`.
const WATCH: &str = r"(async () => {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const stream = new MediaStream();
  pc.ontrack = (event) => stream.addTrack(event.track);
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.addTransceiver('audio', { direction: 'recvonly' });
  const video = document.createElement('video');
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
  document.body.replaceChildren(video);
  await pc.setLocalDescription(await pc.createOffer());
  const posted = await fetch('/whep/admin', {
    method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp,
  });
  const answer = await posted.text();
  window.whep = { pc, video, status: posted.status, answer, location: posted.headers.get('location'),
    etag: posted.headers.get('etag'), began: performance.now() };
  if (posted.status !== 201) return posted.status;
  video.requestVideoFrameCallback(() => { window.whep.first = performance.now() - window.whep.began; });
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  window.whep.stats = async (kind) => {
    const found = {};
    (await pc.getStats()).forEach((report) => {
      if (report.type === 'inbound-rtp' && report.kind === kind) Object.assign(found, report);
    });
    return found;
  };
  return posted.status;
})()";

/// JavaScript: a figure of what comes in of `kind`, once it is more than `than`.
fn more(kind: &str, figure: &str, than: u64) -> String {
    format!("window.whep.stats('{kind}').then((stats) => stats.{figure} > {than} && stats.{figure})")
}

/// A browser that watches.
async fn watching(server: &Server) -> Browser {
    let mut browser = Browser::launch();
    browser.goto(&server.url("/")).await;
    let status = browser.eval(WATCH).await;
    let answer = browser.eval("window.whep.answer").await;
    assert_eq!(status, 201, "{answer}");
    browser
}

/// Waits until the channel is live.
async fn live(server: &Server) {
    weir_testkit::hls::open(&server.playlist("admin")).await;
}

async fn channel(server: &Server) -> Value {
    let answer = http::get(&server.url("/api/v1/channels/admin")).await.expect("the API answers");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_browser_watches_over_webrtc_what_is_pushed_over_rtmp() {
    let server = Server::start().await;
    let publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 60)).await;
    assert_eq!(browser.eval("window.whep.video.videoWidth").await, 320);
    println!("first picture after {} ms", browser.eval("window.whep.first").await);
    let stats = browser.eval("window.whep.stats('video')").await;
    println!("video: {stats}");
    assert_eq!(channel(&server).await["viewers"], 1);
    assert_eq!(channel(&server).await["playback"]["whep"], "/whep/admin");
    assert!((server.metric("weir_whep_viewers").await - 1.0).abs() < f64::EPSILON);

    // The session's own URL ends it.
    let deleted =
        browser.eval("fetch(window.whep.location, { method: 'DELETE' }).then((answer) => answer.status)").await;
    assert_eq!(deleted, 200);
    browser.wait("window.whep.pc.getReceivers()[0].transport.state === 'closed'").await;
    assert_eq!(channel(&server).await["viewers"], 0);
    let again = browser.eval("fetch(window.whep.location, { method: 'DELETE' }).then((answer) => answer.status)").await;
    assert_eq!(again, 404);
    browser.close().await;
    drop(publisher);
}

#[tokio::test]
async fn what_obs_sends_by_default_is_seen_and_heard() {
    let server = Server::start().await;
    // B-frames and AAC, neither of which browsers take over WebRTC.
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "2"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 60)).await;
    // A muted element has no level to look at; a tone is more bytes than silence.
    let heard = "stats.totalSamplesReceived - stats.concealedSamples > 48000 && stats.bytesReceived > 5000";
    browser.wait(&format!("window.whep.stats('audio').then((stats) => {heard})")).await;
    server.line_with("PlainH264").await;
    browser.close().await;
}

/// Publishes a fixture with Opus; Chromium must decode it as `codec`, with sound.
async fn check(file: PathBuf, style: Style, codec: &str) {
    let server = Server::start().await;
    let _publisher = rtmp::play(&server.rtmp_url(ADMIN_KEY), &file, style).await.expect("the server takes it");
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 30)).await;
    browser.wait(&more("audio", "totalSamplesReceived", 24_000)).await;
    let used = "window.whep.pc.getStats().then((stats) => [...stats.values()].map((report) => report.mimeType ?? ''))";
    let used = browser.eval(used).await.to_string();
    assert!(used.contains(codec) && used.contains("audio/opus"), "{used}");
    browser.close().await;
}

#[tokio::test]
async fn av1_is_seen() {
    check(media::av1_opus(), Style::EnhancedNanos, "video/AV1").await;
}

#[tokio::test]
async fn vp9_is_seen() {
    check(media::vp9_opus(), Style::Enhanced, "video/VP9").await;
}

#[tokio::test]
async fn a_publisher_that_comes_back_continues_the_picture() {
    let server = Server::start().await;
    let mut publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 30)).await;
    publisher.kill().await.expect("it runs");
    server.line_with("grace").await;
    let before = browser.eval("window.whep.stats('video').then((stats) => stats.framesDecoded)").await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    let before = before.as_u64().expect("a number");
    browser.wait(&more("video", "framesDecoded", before + 60)).await;
    assert_eq!(browser.eval("window.whep.pc.connectionState").await, "connected");
    browser.close().await;
}

#[tokio::test]
async fn a_browser_starts_ice_anew() {
    let server = Server::start().await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 30)).await;
    let restart = r"(async () => {
      const { pc, location, etag, answer } = window.whep;
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      const lines = pc.localDescription.sdp.split('\r\n');
      const pick = (start) => lines.find((line) => line.startsWith(start));
      const fragment = [pick('a=ice-ufrag'), pick('a=ice-pwd'), pick('m='), pick('a=mid')].join('\r\n') + '\r\n';
      const patched = await fetch(location, {
        method: 'PATCH', body: fragment,
        headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': etag },
      });
      const text = (await patched.text()).split('\r\n');
      const fresh = (start) => text.find((line) => line.startsWith(start));
      const sdp = answer.split('\r\n').map((line) =>
        line.startsWith('a=ice-ufrag') ? fresh('a=ice-ufrag') : line.startsWith('a=ice-pwd') ? fresh('a=ice-pwd') : line,
      ).join('\r\n');
      await pc.setRemoteDescription({ type: 'answer', sdp });
      return [patched.status, patched.headers.get('etag') !== etag];
    })()";
    assert_eq!(browser.eval(restart).await.to_string(), "[200,true]");
    browser
        .wait("window.whep.pc.iceConnectionState === 'connected' || window.whep.pc.iceConnectionState === 'completed'")
        .await;
    let decoded = browser.eval("window.whep.stats('video').then((stats) => stats.framesDecoded)").await;
    browser.wait(&more("video", "framesDecoded", decoded.as_u64().expect("a number") + 60)).await;
    browser.close().await;
}

#[tokio::test]
async fn a_stream_that_ends_closes_its_viewers() {
    let server = Server::start_with(&[("WEIR__STREAMS__GRACE_TIME", "1s")]).await;
    let mut publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 10)).await;
    publisher.kill().await.expect("it runs");
    browser.wait("window.whep.pc.getReceivers()[0].transport.state === 'closed'").await;
    browser.close().await;
}

#[tokio::test]
async fn a_viewer_that_vanishes_is_forgotten() {
    let server = Server::start().await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let mut browser = watching(&server).await;
    browser.wait(&more("video", "framesDecoded", 10)).await;
    // Dropped, it is killed: nobody says goodbye.
    drop(browser);
    while channel(&server).await["viewers"] != 0 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn requests_that_cannot_be_answered_hear_why() {
    let server = Server::start().await;
    let sdp: &[(&str, &str)] = &[("content-type", "application/sdp")];
    let post = async |channel: &str, headers: &[(&str, &str)], body: &'static str| {
        let url = server.url(&format!("/whep/{channel}"));
        http::send("POST", &url, headers, Bytes::from_static(body.as_bytes())).await.expect("an answer")
    };
    let slug = |answer: &http::Answer| {
        let problem: Value = serde_json::from_slice(&answer.body).expect("a problem document");
        (answer.status, problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned())
    };
    let check = |answer: http::Answer, status: u16, kind: &str| assert_eq!(slug(&answer), (status, kind.to_owned()));
    check(post("admin", sdp, OFFER).await, 404, "not-live");
    check(post("nobody_here", sdp, OFFER).await, 404, "not-live");
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    check(post("admin", sdp, "").await, 400, "no-offer");
    check(post("admin", sdp, "v=1\r\n").await, 400, "bad-sdp");
    check(post("admin", &[("content-type", "text/plain")], OFFER).await, 415, "media-type");
    check(post("admin", sdp, VP8).await, 406, "no-common-codec");
    // Little more than is taken, so that it is all sent before the answer.
    let long = Bytes::from(vec![b'a'; (64 << 10) + 1]);
    let answer = http::send("POST", &server.url("/whep/admin"), sdp, long).await.expect("an answer");
    check(answer, 413, "too-long");
    let answer = http::send("GET", &server.url("/whep/admin"), &[], Bytes::new()).await.expect("an answer");
    check(answer, 405, "method-not-allowed");
    let options = http::send("OPTIONS", &server.url("/whep/admin"), &[], Bytes::new()).await.expect("an answer");
    assert_eq!((options.status, options.header("accept-post")), (204, "application/sdp"));
    assert_eq!(options.header("access-control-allow-origin"), "*");

    // A good offer is answered, and a session that never connects may be ended.
    let made = post("admin", sdp, OFFER).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let session = server.url(made.header("location"));
    let trickle: &[(&str, &str)] = &[("content-type", "application/trickle-ice-sdpfrag")];
    let fragment = || Bytes::from_static(b"a=end-of-candidates\r\n");
    let patched = http::send("PATCH", &session, trickle, fragment()).await.expect("an answer");
    check(patched, 428, "precondition-required");
    let with_tag = |tag: &'static str| [trickle[0], ("if-match", tag)];
    let patched = http::send("PATCH", &session, &with_tag("\"other\""), fragment()).await.expect("an answer");
    check(patched, 412, "precondition-failed");
    let patched = http::send("PATCH", &session, &with_tag("*"), fragment()).await.expect("an answer");
    assert_eq!(patched.status, 204);
    let deleted = http::send("DELETE", &session, &[], Bytes::new()).await.expect("an answer");
    assert_eq!(deleted.status, 200);
    let patched = http::send("PATCH", &session, &with_tag("*"), fragment()).await.expect("an answer");
    check(patched, 404, "session-not-found");
}

#[tokio::test]
async fn viewers_are_limited() {
    let server = Server::start_with(&[("WEIR__EDGE__WHEP__VIEWERS_MAX", "1")]).await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &["-bf", "0"]);
    live(&server).await;
    let sdp: &[(&str, &str)] = &[("content-type", "application/sdp")];
    let post = async || http::send("POST", &server.url("/whep/admin"), sdp, OFFER.into()).await.expect("an answer");
    let first = post().await;
    assert_eq!(first.status, 201);
    let second = post().await;
    assert_eq!((second.status, second.header("retry-after")), (503, "5"));
    let session = server.url(first.header("location"));
    http::send("DELETE", &session, &[], Bytes::new()).await.expect("an answer");
    assert_eq!(post().await.status, 201);
}

/// An offer to receive H.264.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n";

/// An offer to receive VP8 and nothing else.
const VP8: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\n";

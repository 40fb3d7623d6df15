//! Publishing over WebRTC (WHIP), from Chromium with its fake camera and microphone.

use serde_json::Value;
use weir_testkit::{
    browser::Browser,
    hls,
    server::{ADMIN_KEY, Server},
    tools,
};

/// JavaScript: publishes with plain means, as `window.whip`. `KEY`, `WIDTH` and `ENCODINGS` are put in.
const PUBLISH: &str = r"(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, height: WIDTH * 9 / 16 }, audio: true });
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  for (const track of stream.getTracks()) {
    const encodings = track.kind === 'video' ? ENCODINGS : [{}];
    pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings: encodings });
  }
  await pc.setLocalDescription(await pc.createOffer());
  const posted = await fetch('/whip', {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: 'Bearer KEY' },
    body: pc.localDescription.sdp,
  });
  const answer = await posted.text();
  window.whip = { pc, answer, status: posted.status, location: posted.headers.get('location'),
    etag: posted.headers.get('etag') };
  if (posted.status !== 201) return { status: posted.status, answer };
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  window.whip.sent = async () => {
    let sent = 0;
    (await pc.getStats()).forEach((it) => { if (it.type === 'outbound-rtp') sent += it.framesSent ?? 0; });
    return sent;
  };
  window.whip.sentTo = async (ufrag) => {
    const stats = await pc.getStats();
    const pairs = [...stats.values()].filter((it) => it.type === 'candidate-pair' && it.nominated);
    return pairs.some((it) => stats.get(it.remoteCandidateId)?.usernameFragment === ufrag && it.bytesSent > 0);
  };
  window.whip.dtls = () => pc.getSenders()[0].transport.state;
  return { status: posted.status };
})()";

/// JavaScript: restarts ICE as RFC 9725 §4.3.3 has it.
const RESTART: &str = r"(async () => {
  const { pc, answer, location } = window.whip;
  pc.restartIce();
  await pc.setLocalDescription(await pc.createOffer());
  const of = (sdp, name) => new RegExp(`a=${name}:(\\S+)`).exec(sdp)[1];
  const offer = pc.localDescription.sdp;
  const fragment = ['m=audio 9 UDP/TLS/RTP/SAVPF 111', `a=mid:${of(offer, 'mid')}`,
    `a=ice-ufrag:${of(offer, 'ice-ufrag')}`, `a=ice-pwd:${of(offer, 'ice-pwd')}`, ''].join('\r\n');
  const patched = await fetch(location, {
    method: 'PATCH',
    headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
    body: fragment,
  });
  const told = await patched.text();
  if (patched.status !== 200) return patched.status;
  const renewed = ['ice-ufrag', 'ice-pwd'].reduce(
    (sdp, name) => sdp.replaceAll(of(answer, name), of(told, name)), answer);
  await pc.setRemoteDescription({ type: 'answer', sdp: renewed });
  window.whip.ufrag = of(told, 'ice-ufrag');
  return patched.status;
})()";

/// One layer: its width in pixels, and its encodings.
const ONE: (u32, &str) = (640, "[{}]");
/// Three layers. Chromium makes fewer of pictures less than 960 pixels wide.
const THREE: (u32, &str) =
    (960, "[{ rid: 'h' }, { rid: 'm', scaleResolutionDownBy: 2 }, { rid: 'l', scaleResolutionDownBy: 4 }]");

/// A browser that publishes, and what its offer was answered with.
async fn publish(server: &Server, key: &str, (width, encodings): (u32, &str)) -> (Browser, Value) {
    let mut browser = Browser::launch();
    browser.goto(&server.url("/")).await;
    let script = PUBLISH.replace("KEY", key).replace("WIDTH", &width.to_string()).replace("ENCODINGS", encodings);
    let told = browser.eval(&script).await;
    (browser, told)
}

/// A browser that is on the air.
async fn live(server: &Server, layers: (u32, &str)) -> Browser {
    let (mut browser, told) = publish(server, ADMIN_KEY, layers).await;
    assert_eq!(told["status"], 201, "{told}");
    browser.wait("window.whip.dtls() === 'connected'").await;
    browser
}

/// JavaScript: whether more than so many pictures were sent.
fn sent(pictures: u64) -> String {
    format!("window.whip.sent().then((sent) => sent > {pictures})")
}

#[tokio::test]
async fn a_browser_goes_live_and_is_played_over_hls_until_it_says_goodbye() {
    let server = Server::start().await;
    let mut browser = live(&server, ONE).await;
    let opened = hls::open(&server.playlist("admin")).await;
    let video =
        hls::Playlist::read(&opened.variant).await.reload_until(|playlist| playlist.segments().len() >= 3).await;
    for line in video.tags("#EXTINF") {
        let duration: f64 = line.trim_start_matches("#EXTINF:").trim_end_matches(',').parse().expect("a number");
        assert!(duration < 3.0, "a keyframe is asked for every 2 s, not {duration} s");
    }
    let sound = opened.audio.expect("sound has a playlist of its own");
    for (url, codec) in [(&opened.variant, "h264"), (&sound, "opus")] {
        let (probed, warnings) = tools::ffprobe(url).await;
        assert_eq!(tools::codecs(&probed), [codec]);
        assert_eq!(warnings, "");
    }
    let ended = browser.eval("fetch(window.whip.location, { method: 'DELETE' }).then((it) => it.status)").await;
    assert_eq!(ended, 200);
    browser.wait("window.whip.dtls() === 'closed'").await;
    server.line_with("publish ended").await;
    let output = server.output();
    let mut logged = output.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN "));
    assert!(logged.all(|line| !line.contains(ADMIN_KEY)), "the key is in a line of log: {output}");
    browser.close().await;
}

#[tokio::test]
async fn the_layers_of_a_simulcast_are_renditions() {
    let server = Server::start().await;
    let browser = live(&server, THREE).await;
    for track in [0, 2, 3] {
        server.line_with(&format!("track={track} codec=\"avc1.")).await;
    }
    let widths = |playlist: &str| {
        let resolutions = playlist.lines().filter_map(|line| hls::attribute(line, "RESOLUTION"));
        let mut widths: Vec<u32> =
            resolutions.filter_map(|it| it.split('x').next().and_then(|width| width.parse().ok())).collect();
        widths.dedup();
        widths
    };
    loop {
        let playlist = hls::get_when_ready(&server.playlist("admin")).await.text();
        if widths(&playlist) == [960, 480, 240] {
            break;
        }
    }
    browser.close().await;
}

#[tokio::test]
async fn ice_restarts_and_the_publish_goes_on() {
    let server = Server::start().await;
    let mut browser = live(&server, ONE).await;
    browser.wait(&sent(10)).await;
    assert_eq!(browser.eval(RESTART).await, 200);
    // The browser checks with the new credentials and sends over the pair that it nominates.
    browser.wait("window.whip.sentTo(window.whip.ufrag)").await;
    let before = browser.eval("window.whip.sent()").await.as_u64().expect("a number");
    browser.wait(&sent(before + 60)).await;
    assert_eq!(browser.eval("window.whip.dtls()").await, "connected");
    assert!(!server.output().contains("publish ended"));
    browser.close().await;
}

#[tokio::test]
async fn a_newer_publisher_takes_the_channel_and_the_browser_is_told() {
    let server = Server::start().await;
    let mut browser = live(&server, ONE).await;
    browser.wait(&sent(10)).await;
    let _newer = tools::publish(&server.rtmp_url(ADMIN_KEY), &[]);
    browser.wait("window.whip.dtls() === 'closed'").await;
    server.line_with("TakenOver").await;
    browser.close().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_words() {
    let server = Server::start().await;
    let (browser, told) = publish(&server, "not-the-key-of-anybody", ONE).await;
    assert_eq!(told["status"], 401);
    let document: Value = serde_json::from_str(told["answer"].as_str().expect("text")).expect("JSON");
    assert_eq!(document["type"], "urn:weir:problem:unknown-stream-key");
    assert!(document["detail"].as_str().expect("words").contains("stream key"), "{document}");
    browser.close().await;
}

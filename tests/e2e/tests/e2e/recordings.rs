//! What is recorded can be watched afterwards: nothing is missing, hooks hear of it, a killed server and a full disk lose
//! as little as they can.

use std::{path::Path, process::Stdio, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};
use weir_testkit::{
    browser::Browser,
    hls::{self, Playlist},
    http, media,
    server::{ADMIN_KEY, PATIENCE, Server},
    tools,
};

use crate::watching::{wait_for_frames, with_video};

const PASSWORD: &str = "correct horse battery";
/// Pictures of the published file: 8 s.
const PICTURES: u64 = 240;

/// A server whose channel `admin` is recorded, and its operator's `Authorization`.
async fn recording(settings: &[(&str, &str)]) -> (Server, String) {
    let password = [("WEIR__FIRST_START__ADMIN_PASSWORD", PASSWORD), ("WEIR__STREAMS__GRACE_TIME", "4s")];
    let server = Server::start_with(&[&password, settings].concat()).await;
    let bearer = log_in(&server).await;
    let channel = call(&server, &bearer, "PATCH", "/api/v1/channels/admin", json!({"record": true})).await;
    assert_eq!(channel["record"], true);
    (server, bearer)
}

async fn log_in(server: &Server) -> String {
    let login = json!({"username": "admin", "password": PASSWORD});
    let session = call(server, "", "POST", "/api/v1/auth/login", login).await;
    format!("Bearer {}", session["access_token"].as_str().expect("a token"))
}

async fn call(server: &Server, bearer: &str, method: &str, path: &str, body: Value) -> Value {
    let headers = [("content-type", "application/json"), ("authorization", bearer)];
    let headers = if bearer.is_empty() { &headers[..1] } else { &headers[..] };
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let answer = http::send(method, &server.url(path), headers, body).await.expect("an answer");
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// The channel's only recording, once it is in that state.
async fn vod(server: &Server, bearer: &str, state: &str) -> Value {
    let found = async {
        loop {
            let vods = call(server, bearer, "GET", "/api/v1/channels/admin/vods", Value::Null).await;
            let items = vods["items"].as_array().expect("a list");
            assert!(items.len() <= 1, "{vods}");
            if let Some(vod) = items.first().filter(|vod| vod["state"] == state) {
                return vod.clone();
            }
            // Between two looks at what is on its way.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match timeout(PATIENCE, found).await {
        Ok(vod) => vod,
        Err(_) => panic!("no recording is {state}:\n{}", server.output()),
    }
}

/// ffmpeg publishing a file in real time, as it is.
fn publish(server: &Server, file: &Path) -> Child {
    Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-re", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "flv", &server.rtmp_url(ADMIN_KEY)])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg starts")
}

/// Packets of the stream that ffprobe finds in a playlist, and their time stamps.
async fn packets(url: &str, stream: &str) -> Vec<f64> {
    let arguments =
        ["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", url];
    let output = tools::run("ffprobe", &arguments).await;
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// Somebody who is told by hooks: what came, with its headers in lower case.
async fn heard(listener: &TcpListener) -> (String, String) {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("a hook is called").expect("a call");
    let mut text = Vec::new();
    loop {
        let mut some = [0; 4096];
        let length = stream.read(&mut some).await.expect("a request");
        text.extend_from_slice(&some[..length]);
        let request = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let wanted = header(&head, "content-length").parse().expect("a length");
        if body.len() >= wanted {
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.expect("it is answered");
            return (head, body.to_owned());
        }
        assert!(length > 0, "the request is whole: {request}");
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// The signature that a receiver makes of what came, with the secret that it was given.
async fn signature(secret: &str, signed: &str) -> String {
    let program = "import base64,hashlib,hmac,sys; \
                   key=base64.b64decode(sys.argv[1].removeprefix('whsec_')); \
                   print(base64.b64encode(hmac.new(key,sys.argv[2].encode(),hashlib.sha256).digest()).decode())";
    let output = tools::run("python3", &["-c", program, secret, signed]).await;
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn a_stream_with_a_break_is_one_recording_without_a_missing_picture_and_hooks_hear_of_it() {
    let (server, bearer) = recording(&[("WEIR__WEBHOOKS__ALLOW_PRIVATE", "true")]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let hook = json!({"url": url, "events": ["vod.ready"]});
    let hook = call(&server, &bearer, "POST", "/api/v1/channels/admin/webhooks", hook).await;

    let file = media::h264_aac(true);
    assert!(publish(&server, &file).wait().await.expect("ffmpeg ends").success());
    let running = vod(&server, &bearer, "recording").await;
    // Within the grace time, the same recording goes on.
    assert!(publish(&server, &file).wait().await.expect("ffmpeg ends").success());

    let (head, body) = heard(&listener).await;
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("vod.ready"), &running["id"]));
    assert_eq!((&told["data"]["title"], &told["data"]["channel"]), (&json!("admin"), &json!("admin")));
    let duration = told["data"]["duration"].as_f64().expect("seconds");
    assert!((15.5..17.0).contains(&duration), "{duration}");
    let signed = format!("{}.{}.{body}", header(&head, "webhook-id"), header(&head, "webhook-timestamp"));
    let secret = hook["secret"].as_str().expect("a secret");
    // Base64 is compared without case, as the whole head is.
    let expected = format!("v1,{}", signature(secret, &signed).await).to_lowercase();
    assert_eq!(header(&head, "webhook-signature"), expected);

    let ready = vod(&server, &bearer, "ready").await;
    assert_eq!((&ready["note"], &ready["id"]), (&json!(""), &running["id"]));
    let path = ready["playback"]["hls"].as_str().expect("an address");
    let url = server.url(path);
    assert!(told["data"]["url"].as_str().expect("an address").ends_with(path));
    let playlist = Playlist::read(&hls::open(&url).await.variant).await;
    assert!(playlist.ended() && playlist.tags("EXT-X-DISCONTINUITY").len() == 1, "{}", playlist.text);
    assert_eq!(playlist.value("EXT-X-PLAYLIST-TYPE"), Some("VOD"));
    let lengths = playlist.text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let listed: f64 = lengths.map(|length| length.parse::<f64>().expect("seconds")).sum();
    assert!((listed - 16.0).abs() < 0.1, "{listed}");

    let (probed, warnings) = tools::ffprobe(&url).await;
    assert_eq!((tools::codecs(&probed), warnings.as_str()), (vec!["aac".to_owned(), "h264".to_owned()], ""));
    let length: f64 = probed["format"]["duration"].as_str().expect("a length").parse().expect("seconds");
    assert!((length - 16.0).abs() < 0.2, "{length}");
    let mut pictures = packets(&url, "v").await;
    pictures.sort_by(f64::total_cmp);
    assert_eq!(pictures.len() as u64, 2 * PICTURES, "every picture is there");
    let steps = pictures.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.clone().all(|step| step > 0.001 && step < 0.2), "{:?}", steps.collect::<Vec<_>>());
    let sound = packets(&url, "a").await;
    assert!(sound.len() as u64 >= 2 * (PICTURES / 30 * 46), "{} pieces of sound", sound.len());

    // A part of a segment, and what caches are told.
    let segment = hls::resolve(&playlist.url, playlist.segments()[0]);
    let part = http::get_with(&segment, &[("range", "bytes=4-7")]).await.expect("an answer");
    assert_eq!(
        (part.status, &*part.body, part.header("cache-control")),
        (206, &b"styp"[..], "public, max-age=31536000, immutable")
    );

    // A private one needs its token, and has other addresses than before.
    let own = format!("/api/v1/vods/{}", ready["id"].as_str().expect("an id"));
    let private = call(&server, &bearer, "PATCH", &own, json!({"visibility": "private", "title": "Ours"})).await;
    hls::wait_for_status(&url, 403).await;
    assert_eq!(http::get(&segment).await.expect("an answer").status, 404);
    let signed = server.url(private["playback"]["hls"].as_str().expect("an address"));
    assert_eq!(http::get(&signed).await.expect("an answer").header("cache-control"), "no-store");
    assert_eq!(packets(&signed, "v").await.len() as u64, 2 * PICTURES);

    // Removed, it is gone, with its media.
    let media = server.dir.path().join("data/vods").join(ready["id"].as_str().expect("an id"));
    assert!(media.join("video.mp4").exists());
    call(&server, &bearer, "DELETE", &own, Value::Null).await;
    hls::wait_for_status(&signed, 404).await;
    while media.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_server_leaves_what_it_recorded() {
    let settings = [("WEIR__FIRST_START__ADMIN_PASSWORD", PASSWORD)];
    let (mut server, bearer) = recording(&[]).await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &[]);
    let running = vod(&server, &bearer, "recording").await;
    // What is still recorded can be watched from its beginning.
    let url = server.url(running["playback"]["hls"].as_str().expect("an address"));
    let start = hls::open(&url).await;
    let mut playlist = Playlist::read(&start.variant).await;
    while playlist.segments().len() < 4 {
        // It is a plain playlist: nobody holds a request until there is more.
        tokio::time::sleep(Duration::from_millis(200)).await;
        playlist = Playlist::read(&start.variant).await;
    }
    assert!(playlist.value("EXT-X-PLAYLIST-TYPE") == Some("EVENT") && !playlist.ended(), "{}", playlist.text);
    server.signal("KILL").await;
    server.ended().await;

    let server = Server::start_in(server.dir.clone(), &settings).await;
    let ready = vod(&server, &log_in(&server).await, "ready").await;
    assert_eq!(ready["id"], running["id"]);
    assert!(ready["note"].as_str().expect("a note").starts_with("The server stopped"), "{ready}");
    let url = server.url(ready["playback"]["hls"].as_str().expect("an address"));
    let playlist = Playlist::read(&hls::open(&url).await.variant).await;
    assert!(playlist.ended() && playlist.segments().len() >= 4, "{}", playlist.text);
    let (probed, warnings) = tools::ffprobe(&url).await;
    assert_eq!((tools::codecs(&probed), warnings.as_str()), (vec!["aac".to_owned(), "h264".to_owned()], ""));
    let seconds = ready["duration_ms"].as_f64().expect("milliseconds") / 1_000.0;
    let pictures = packets(&url, "v").await.len() as f64;
    assert!((pictures / 30.0 - seconds).abs() < 0.1, "{pictures} pictures in {seconds} s");
}

#[tokio::test]
async fn a_full_disk_ends_the_recording_and_the_stream_goes_on() {
    let (server, bearer) = recording(&[("WEIR__RECORDING__DISK_FREE_MIN", "1000000000000000")]).await;
    let _publisher = tools::publish(&server.rtmp_url(ADMIN_KEY), &[]);
    let failed = vod(&server, &bearer, "failed").await;
    assert!(failed["note"].as_str().expect("a note").contains("disk is full"), "{failed}");
    assert_eq!(failed["playback"]["hls"], Value::Null);
    server.line_with("disk_free_min").await;
    let playlist = Playlist::read(&hls::open(&server.playlist("admin")).await.variant).await;
    let segments = playlist.segments().len();
    let later = playlist.reload_until(|playlist| playlist.segments().len() > segments + 1).await;
    assert!(!later.ended());
    assert_eq!(server.metric("weir_recordings_ended_total").await, 1.0);
}

#[tokio::test]
async fn a_browser_plays_a_recording() {
    let (server, bearer) = recording(&[("WEIR__STREAMS__GRACE_TIME", "0s")]).await;
    assert!(publish(&server, &media::h264_aac(false)).wait().await.expect("ffmpeg ends").success());
    let ready = vod(&server, &bearer, "ready").await;
    let mut browser = Browser::launch();
    browser.goto(&server.url(&format!("/vod/{}", ready["id"].as_str().expect("an id")))).await;
    browser.wait(&with_video("video.readyState >= 2")).await;
    browser.eval(&with_video("(video.muted = true, video.play(), true)")).await;
    wait_for_frames(&mut browser, 30).await;
    let length = browser.eval(&with_video("video.duration")).await.as_f64().expect("a length");
    assert!((length - 8.0).abs() < 0.2, "{length}");
    browser.eval(&with_video("(video.currentTime = 6, true)")).await;
    browser.wait(&with_video("video.currentTime > 6.2 && !video.error")).await;
    browser.screenshot(&crate::watching::pictures().join("recording.png")).await;
}

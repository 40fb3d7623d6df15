//! Start, stop and settings, as an operator meets them.

use weir_testkit::{
    clock::ClockPublisher,
    hls::{self, Playlist},
    http,
    server::{ADMIN_KEY, Server},
    tools,
};

#[tokio::test]
async fn the_first_start_prints_once_what_a_newcomer_needs() {
    let mut server = Server::start_with(&[("WEIR__FIRST_START__ADMIN_PASSWORD", "correct horse battery")]).await;
    let said = server.output();
    for part in ["rtmp://", "/live", "/admin", "/whip", "correct horse battery", ADMIN_KEY] {
        assert!(said.contains(part), "{part} in {said}");
    }
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    let again = Server::start_in(server.dir.clone(), &[]).await;
    assert!(!again.output().contains(ADMIN_KEY), "printed only once");
    let _publisher = ClockPublisher::start(&again.rtmp_url(ADMIN_KEY), &[]);
    hls::open(&again.playlist("admin")).await;
    assert!(!again.output().contains(ADMIN_KEY), "never in a log");
}

#[tokio::test]
async fn sigterm_ends_playlists_and_answers_who_waits() {
    let mut server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let playlist = Playlist::read(&start.variant).await;
    let (segment, _) = playlist.next();
    let held = tokio::spawn(async move {
        http::get(&format!("{}?_HLS_msn={}", start.variant, segment + 1)).await.expect("the held request is answered")
    });
    // The request is held once the server counts it.
    while server.metric("weir_hls_held_requests").await < 1.0 {
        tokio::task::yield_now().await;
    }
    server.signal("TERM").await;
    let answer = held.await.expect("no panic");
    assert_eq!(answer.status, 200, "{}", answer.text());
    publisher.cut().await;
    assert!(server.ended().await.success(), "{}", server.output());
}

#[tokio::test]
async fn the_command_line_manages_channels() {
    let server = Server::start().await;
    let (well, said) = server.weir(&["channel", "create", "Anna_7"]).await;
    assert!(well, "{said}");
    assert!(said.contains("rtmp://"), "what OBS needs: {said}");
    let (well, said) = server.weir(&["channel", "create", "anna_7"]).await;
    assert!(!well, "a name is given once: {said}");
    let (well, said) = server.weir(&["channel", "create", "api"]).await;
    assert!(!well && said.contains("reserved"), "{said}");
    let (well, said) = server.weir(&["channel", "list"]).await;
    assert!(well && said.contains("anna_7") && said.contains("admin"), "{said}");
}

#[tokio::test]
async fn health_metrics_and_the_api_answer() {
    let server = Server::start().await;
    let internal = |path: &str| format!("http://{}{path}", server.internal);
    assert_eq!(http::get(&internal("/livez")).await.expect("an answer").status, 200);
    assert_eq!(http::get(&internal("/readyz")).await.expect("an answer").status, 200);
    let metrics = http::get(&internal("/metrics")).await.expect("an answer").text();
    assert!(metrics.lines().any(|line| line.starts_with("weir_")), "{metrics}");
    assert_eq!(http::get(&server.url("/metrics")).await.expect("an answer").status, 404, "never public");

    let _publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    hls::open(&server.playlist("admin")).await;
    let list = http::get(&server.url("/api/v1/channels?live=true")).await.expect("an answer");
    let list: serde_json::Value = serde_json::from_slice(&list.body).expect("JSON");
    assert_eq!(list["items"][0]["name"], "admin", "{list}");
    assert_eq!(list["items"][0]["live"], true, "{list}");
    assert_eq!(list["next"], serde_json::Value::Null);
    let one = http::get(&server.url("/api/v1/channels/ADMIN")).await.expect("an answer");
    let one: serde_json::Value = serde_json::from_slice(&one.body).expect("JSON");
    assert_eq!(one["playback"]["hls"], "/live/admin/index.m3u8", "{one}");
    let none = http::get(&server.url("/api/v1/channels/nobody")).await.expect("an answer");
    assert_eq!((none.status, none.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn a_certificate_brings_https_with_http2_and_rtmps() {
    let folder = std::env::temp_dir().join(format!("weir-test-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let made = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    assert!(tools::run("openssl", &made).await.status.success());
    let settings = [("WEIR__TLS__CERTIFICATE", certificate.as_str()), ("WEIR__TLS__KEY", key.as_str())];
    let server = Server::start_with(&settings).await;
    let _publisher = tools::publish(&format!("rtmps://{}/live/{ADMIN_KEY}", server.rtmps), &[]);
    // The playlist over HTTPS; curl negotiates HTTP/2 and says so behind the body.
    hls::open(&server.playlist("admin")).await;
    let url = format!("https://{}/live/admin/index.m3u8", server.https);
    let answer = tools::run("curl", &["-sk", "--http2", "-w", "%{http_version} %{http_code}", &url]).await;
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.contains("#EXTM3U") && answer.ends_with("2 200"), "{answer}");
    std::fs::remove_dir_all(folder).expect("our own folder");
}

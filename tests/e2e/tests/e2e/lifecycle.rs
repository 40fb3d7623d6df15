//! Publishers come, go, come back, and are sent away.

use weir_testkit::{
    clock::ClockPublisher,
    hls::{self, Playlist},
    server::{ADMIN_KEY, Server},
    tools,
};

const OTHER_KEY: &str = "another-key-of-the-same-channel";

#[tokio::test]
async fn an_encoder_that_comes_back_continues_the_same_playlist() {
    let server = Server::start().await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let before = Playlist::read(&start.variant).await;
    publisher.kill().await;
    server.line_with("grace").await;
    let _publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let after = before.reload_until(|playlist| !playlist.tags("EXT-X-DISCONTINUITY").is_empty()).await;
    assert!(!after.ended());
    // Sound has the discontinuity on the same media sequence number.
    let sound = Playlist::read(&start.audio.expect("an audio rendition")).await;
    let sound = sound.reload_until(|playlist| !playlist.tags("EXT-X-DISCONTINUITY").is_empty()).await;
    assert_eq!(number_of_discontinuity(&after), number_of_discontinuity(&sound));
    assert_eq!(hls::open(&server.playlist("admin")).await.variant, start.variant, "the same session goes on");
}

/// Media sequence number of the first segment after a DISCONTINUITY.
fn number_of_discontinuity(playlist: &Playlist) -> u64 {
    let first: u64 = playlist.value("EXT-X-MEDIA-SEQUENCE").expect("a number").parse().expect("a number");
    let before = playlist.text.split("#EXT-X-DISCONTINUITY\n").next().expect("split gives one");
    first + before.lines().filter(|line| line.starts_with("#EXTINF")).count() as u64
}

#[tokio::test]
async fn a_stream_that_is_over_ends_its_playlist_and_then_is_gone() {
    let server = Server::start_with(&[("WEIR__STREAMS__GRACE_TIME", "1s")]).await;
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let playlist = Playlist::read(&start.variant).await;
    publisher.stop().await;
    let ended = playlist.reload_until(Playlist::ended).await;
    assert!(ended.tags("EXT-X-PRELOAD-HINT").is_empty());
    // It can still be watched to its end.
    for uri in ended.segments() {
        ended.fetch(uri).await;
    }
}

#[tokio::test]
async fn a_newer_publisher_takes_over_without_ending_the_playlist() {
    let server = Server::start().await;
    let older = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let playlist = Playlist::read(&start.variant).await;
    let _newer = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    older.cut().await;
    let after = playlist.reload_until(|playlist| !playlist.tags("EXT-X-DISCONTINUITY").is_empty()).await;
    assert!(!after.ended());
}

#[tokio::test]
async fn a_revoked_key_cuts_the_publisher() {
    let server = Server::start().await;
    server.channel("berta", OTHER_KEY).await;
    let publisher = ClockPublisher::start(&server.rtmp_url(OTHER_KEY), &[]);
    let start = hls::open(&server.playlist("berta")).await;
    let playlist = Playlist::read(&start.variant).await;
    let (well, said) = server.weir(&["channel", "rotate-key", "berta"]).await;
    assert!(well, "{said}");
    publisher.cut().await;
    playlist.reload_until(Playlist::ended).await;
    let again = tools::publish(&server.rtmp_url(OTHER_KEY), &[]).wait_with_output().await.expect("ffmpeg ends");
    assert!(!again.status.success(), "the old key is refused");
}

#[tokio::test]
async fn revoking_one_key_of_several_cuts_its_publisher_only() {
    let server = Server::start().await;
    let (well, said) =
        server.weir(&["channel", "add-key", "admin", "--name", "phone", "--expires", "30d", "--key", OTHER_KEY]).await;
    assert!(well && said.contains(OTHER_KEY), "{said}");
    let (_, keys) = server.weir(&["channel", "keys", "admin"]).await;
    assert!(!keys.contains(OTHER_KEY) && !keys.contains(ADMIN_KEY), "{keys}");
    let [first, phone] = keys.lines().skip(1).map(|line| line[..36].to_owned()).collect::<Vec<_>>().try_into().unwrap();

    let publisher = ClockPublisher::start(&server.rtmp_url(OTHER_KEY), &[]);
    let start = hls::open(&server.playlist("admin")).await;
    let playlist = Playlist::read(&start.variant).await;
    assert!(server.weir(&["channel", "revoke-key", "admin", &first]).await.0);
    let segments = playlist.tags("EXTINF").len();
    let playlist = playlist.reload_until(|playlist| playlist.tags("EXTINF").len() > segments).await;
    assert!(!playlist.ended(), "the other key's publisher goes on");

    let (well, said) = server.weir(&["channel", "revoke-key", "admin", &phone]).await;
    assert!(well && said.contains("was cut"), "{said}");
    publisher.cut().await;
    playlist.reload_until(Playlist::ended).await;
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_words() {
    let server = Server::start().await;
    let refused = tools::publish(&server.rtmp_url("no-such-key-anywhere"), &["-loglevel", "verbose"]);
    let output = refused.wait_with_output().await.expect("ffmpeg ends");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.to_lowercase().contains("key"), "ffmpeg shows our sentence: {said}");
    assert!(!server.output().contains("no-such-key-anywhere"), "keys are not logged");
}

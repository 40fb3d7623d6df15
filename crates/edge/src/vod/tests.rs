//! Recordings over the service, from files written by hand.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use weir_hls::{
    RenditionId, RenditionKind, RenditionSpec,
    recorded::{Extent, Segment, line::Line},
};

use super::*;
use crate::Edge;

/// One recording of two segments of sound.
struct One {
    id: VodId,
    place: Place,
    away: AtomicBool,
}

impl Library for One {
    fn find(&self, id: VodId) -> Pin<Box<dyn Future<Output = Result<Place, Absent>> + Send + '_>> {
        Box::pin(async move {
            if self.away.load(Relaxed) {
                return Err(Absent::Elsewhere);
            }
            if id == self.id { Ok(self.place.clone()) } else { Err(Absent::Missing) }
        })
    }

    fn opens(&self, _: VodId, token: &str) -> bool {
        token == "sesame"
    }
}

struct Shown {
    edge: Edge,
    library: Arc<One>,
    directory: tempfile::TempDir,
}

fn segment(msn: u64) -> Line {
    let segment = Segment {
        msn,
        extent: Extent { at: 6 + 9 * msn, bytes: 9 },
        duration: Duration::from_secs(2),
        program_date_time: SystemTime::UNIX_EPOCH + Duration::from_secs(2 * msn),
        discontinuity: false,
        independent: true,
        gap: false,
        init: Some(0),
    };
    Line::Segment { rendition: RenditionId::audio(), segment }
}

impl Shown {
    fn new(closed: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kind = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
        let spec = RenditionSpec { id: RenditionId::audio(), codecs: "mp4a.40.2".into(), kind };
        let init = Line::Init { rendition: RenditionId::audio(), number: 0, extent: Extent { at: 0, bytes: 6 } };
        std::fs::write(directory.path().join("audio.mp4"), "<init><segment0<segment1").unwrap();
        let place = Place { directory: directory.path().into(), watch: WatchId::random(), closed };
        let library = Arc::new(One { id: VodId::new(), place, away: AtomicBool::new(false) });
        let edge = crate::service(weir_hls::Store::new(weir_hls::Limits::default()), None);
        let shown = Self { edge: edge.with_recordings(Vod::new(library.clone())), library, directory };
        shown.add(&[Line::Begin { target: 2 }, Line::Rendition(spec), init, segment(0), segment(1)]);
        shown
    }

    fn add(&self, lines: &[Line]) {
        use std::io::Write as _;
        let path = self.directory.path().join("index");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(lines.iter().map(Line::write).collect::<String>().as_bytes()).unwrap();
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.edge.call(&request.body(()).unwrap()).await
    }

    /// Status, `Cache-Control` and text.
    async fn get(&self, path: &str) -> (u16, String, String) {
        let response = self.ask(Method::GET, path, &[]).await;
        let cache = response.headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, cache, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A path below the recording.
    fn path(&self, file: &str) -> String {
        format!("/vod/{}/{file}", self.library.id)
    }

    /// A path below its sound.
    fn media(&self, file: &str) -> String {
        self.path(&format!("{}/audio/{file}", self.library.place.watch))
    }
}

#[tokio::test]
async fn a_recording_is_played_from_its_files() {
    let shown = Shown::new(false);
    shown.add(&[Line::End]);
    let (status, cache, multivariant) = shown.get(&shown.path("index.m3u8")).await;
    assert_eq!((status, cache.as_str()), (200, "public, max-age=60"));
    assert!(multivariant.contains(&format!("\n{}/audio/index.m3u8\n", shown.library.place.watch)), "{multivariant}");
    let (status, cache, playlist) = shown.get(&shown.media("index.m3u8")).await;
    assert_eq!((status, cache.as_str()), (200, "public, max-age=60"));
    assert!(playlist.contains("#EXT-X-MAP:URI=\"init-0.mp4\"") && playlist.ends_with("seg-1.m4s\n#EXT-X-ENDLIST\n"));
    let immutable = "public, max-age=31536000, immutable".to_owned();
    assert_eq!(shown.get(&shown.media("init-0.mp4")).await, (200, immutable.clone(), "<init>".into()));
    assert_eq!(shown.get(&shown.media("seg-1.m4s")).await, (200, immutable, "<segment1".into()));
    for nothing in ["seg-2.m4s", "part-0.m4s", "init-1.mp4", "../index", "index"] {
        assert_eq!(shown.get(&shown.media(nothing)).await.0, 404, "{nothing}");
    }
    let video = shown.path(&format!("{}/video/index.m3u8", shown.library.place.watch));
    assert_eq!(shown.get(&video).await.0, 404);
}

#[tokio::test]
async fn ranges_and_tags_are_those_of_live_segments() {
    let shown = Shown::new(false);
    let response = shown.ask(Method::GET, &shown.media("seg-0.m4s"), &[("range", "bytes=1-3")]).await;
    assert_eq!(
        (response.status(), &response.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 1-3/9".parse::<HeaderValue>().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "seg");
    let known = shown.ask(Method::GET, &shown.media("seg-0.m4s"), &[("if-none-match", "\"immutable\"")]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let head = shown.ask(Method::HEAD, &shown.media("seg-0.m4s"), &[]).await;
    assert_eq!(
        (&head.headers()["content-length"], head.headers().contains_key("etag")),
        (&"9".parse::<HeaderValue>().unwrap(), true)
    );
    assert_eq!(shown.ask(Method::POST, &shown.path("index.m3u8"), &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_still_recorded_grows() {
    let shown = Shown::new(false);
    let (_, cache, playlist) = shown.get(&shown.media("index.m3u8")).await;
    assert_eq!(cache, "public, max-age=1");
    assert!(playlist.contains("TYPE:EVENT") && !playlist.contains("seg-2"), "{playlist}");
    std::fs::write(shown.directory.path().join("audio.mp4"), "<init><segment0<segment1<segment2").unwrap();
    shown.add(&[segment(2), Line::End]);
    // What was read a moment ago is good enough for a moment.
    loop {
        let (.., playlist) = shown.get(&shown.media("index.m3u8")).await;
        if playlist.ends_with("seg-2.m4s\n#EXT-X-ENDLIST\n") {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(shown.get(&shown.media("seg-2.m4s")).await.2, "<segment2");
}

#[tokio::test]
async fn a_closed_recording_opens_to_a_token_and_its_media_to_who_knows_its_secret() {
    let shown = Shown::new(true);
    assert_eq!(shown.get(&shown.path("index.m3u8")).await.0, 403);
    assert_eq!(shown.get(&shown.path("index.m3u8?token=no")).await.0, 403);
    let (status, cache, _) = shown.get(&shown.path("index.m3u8?token=sesame")).await;
    assert_eq!((status, cache.as_str()), (200, "no-store"));
    assert_eq!(shown.get(&shown.media("index.m3u8")).await.0, 200);
    let guessed = shown.path(&format!("{}/audio/index.m3u8", WatchId::random()));
    assert_eq!(shown.get(&guessed).await.0, 404);
}

#[tokio::test]
async fn what_is_not_here_is_said() {
    let shown = Shown::new(false);
    assert_eq!(shown.get(&format!("/vod/{}/index.m3u8", VodId::new())).await.0, 404);
    shown.library.away.store(true, Relaxed);
    let (status, cache, text) = shown.get(&shown.path("index.m3u8")).await;
    assert_eq!((status, cache.as_str()), (404, "no-store"));
    assert!(text.contains("urn:weir:problem:vod-on-another-node"), "{text}");
    shown.library.away.store(false, Relaxed);
    std::fs::write(shown.directory.path().join("audio.mp4"), "<init>").unwrap();
    assert_eq!(shown.get(&shown.media("seg-0.m4s")).await.0, 503, "the file is shorter than its index says");
    std::fs::remove_file(shown.directory.path().join("audio.mp4")).unwrap();
    assert_eq!(shown.get(&shown.media("seg-0.m4s")).await.0, 404);
}

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use weir_hls::{
    Body, Completed, RenditionId, RenditionKind, RenditionSpec, Resource, Sink,
    recorded::{self, Index},
};
use weir_identity::VodId;

use super::{
    recovery::{Found, make_whole},
    *,
};

fn spec(id: &str) -> RenditionSpec {
    let kind = RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 };
    RenditionSpec { id: RenditionId::new(id).unwrap(), codecs: "avc1.64001f".into(), kind }
}

fn segment(msn: u64, init: u32) -> Completed {
    Completed {
        msn,
        duration: Duration::from_secs(2),
        program_date_time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_244_400 + 2 * msn),
        discontinuity: false,
        independent: true,
        gap: false,
        init: Some((init, Bytes::from(format!("<init {init}>")))),
        target: Duration::from_secs(2),
        body: Body::Many([Bytes::from(format!("<{msn}")), Bytes::from_static(b" whole>")].into()),
    }
}

struct Studio {
    recorder: Recorder,
    directory: tempfile::TempDir,
}

impl Studio {
    fn new(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { recorder: Recorder::start(&directory.path().join("vods"), config).unwrap(), directory }
    }

    fn of(&self, id: VodId) -> std::path::PathBuf {
        self.directory.path().join("vods").join(id.to_string())
    }
}

fn anywhere() -> Config {
    Config { disk_free_min: 0, ..Config::default() }
}

fn index(directory: &Path) -> Index {
    let mut index = Index::default();
    index.read(&std::fs::read(directory.join(recorded::INDEX)).unwrap());
    index
}

/// What a player gets for a file.
fn file(directory: &Path, rendition: &str, name: &str) -> Option<String> {
    let (id, extent, _) = index(directory).resource(rendition, Resource::parse(name).unwrap())?;
    let media = std::fs::read(directory.join(recorded::media(&id))).unwrap();
    Some(String::from_utf8(media[extent.at as usize..extent.end() as usize].to_vec()).unwrap())
}

#[tokio::test]
async fn what_was_recorded_is_there_byte_for_byte() {
    let studio = Studio::new(anywhere());
    let (recording, ended) = studio.recorder.begin(VodId::new());
    for (msn, init) in [(0, 0), (1, 0), (2, 1)] {
        recording.segment(&spec("video"), segment(msn, init));
        recording.segment(&spec("audio"), segment(msn, 0));
    }
    recording.ended();
    recording.stop();
    recording.segment(&spec("video"), segment(3, 1));
    let ended = ended.await.unwrap();
    assert_eq!((ended.why, ended.duration, ended.gaps), (Why::StreamEnded, Duration::from_secs(6), 0));
    let directory = studio.of(recording.id());
    let on_disk: u64 = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(ended.bytes, on_disk);
    assert!(index(&directory).ended());
    let has = |name: &str| file(&directory, "video", name);
    assert_eq!(has("seg-1.m4s").as_deref(), Some("<1 whole>"));
    assert_eq!((has("init-0.mp4").as_deref(), has("init-1.mp4").as_deref()), (Some("<init 0>"), Some("<init 1>")));
    assert_eq!(has("seg-3.m4s"), None);
    let whole = std::fs::read_to_string(directory.join("audio.mp4")).unwrap();
    assert_eq!(whole, "<init 0><0 whole><1 whole><2 whole>", "it plays as a file, too");
}

#[tokio::test]
async fn a_full_disk_ends_a_recording_and_tells_why() {
    let studio = Studio::new(Config { disk_free_min: u64::MAX, ..Config::default() });
    let (recording, ended) = studio.recorder.begin(VodId::new());
    recording.segment(&spec("video"), segment(0, 0));
    let ended = ended.await.unwrap();
    assert_eq!((ended.why, ended.duration, ended.bytes), (Why::DiskFull, Duration::ZERO, 0));
    recording.segment(&spec("video"), segment(1, 0));
    recording.ended();
    assert!(!studio.of(recording.id()).exists());
}

#[tokio::test]
async fn a_disk_that_fails_ends_its_recording_with_what_it_has_and_no_other() {
    let studio = Studio::new(anywhere());
    let ((one, one_ended), (two, two_ended)) =
        (studio.recorder.begin(VodId::new()), studio.recorder.begin(VodId::new()));
    std::fs::write(studio.of(one.id()), "no folder").unwrap();
    for recording in [&one, &two] {
        recording.segment(&spec("video"), segment(0, 0));
    }
    two.ended();
    assert!(matches!(one_ended.await.unwrap().why, Why::Disk(_)));
    assert_eq!(two_ended.await.unwrap().duration, Duration::from_secs(2));
}

#[tokio::test]
async fn a_recording_is_as_long_as_it_may_be() {
    let studio = Studio::new(Config { duration_max: Duration::from_secs(60), ..anywhere() });
    let (recording, ended) = studio.recorder.begin(VodId::new());
    for msn in 0..40 {
        recording.segment(&spec("video"), segment(msn, 0));
    }
    let ended = ended.await.unwrap();
    assert_eq!((ended.why, ended.duration), (Why::Long, Duration::from_secs(60)));
}

#[tokio::test]
async fn a_recording_without_a_segment_is_nothing() {
    let studio = Studio::new(anywhere());
    let (recording, ended) = studio.recorder.begin(VodId::new());
    recording.ended();
    assert_eq!(ended.await.unwrap().duration, Duration::ZERO);
    assert!(!studio.of(recording.id()).exists());
}

#[test]
fn a_disk_that_stands_still_costs_segments_and_no_memory() {
    // Nobody takes from the queue.
    let queue = Arc::new(Queue::default());
    let (tell, _told) = oneshot::channel();
    let (over, gaps) = Default::default();
    let shared = Arc::new(Shared { id: VodId::new(), tell: Mutex::new(Some(tell)), over, gaps });
    let duration_max = Duration::from_secs(99_999);
    let recording = Recording { shared, queue: queue.clone(), duration_max, progress: Mutex::default() };
    let large = Bytes::from(vec![0; 64 << 20]);
    for msn in 0..8 {
        let body = Body::One(large.clone());
        recording.segment(&spec("video"), Completed { body, ..segment(msn, 0) });
    }
    assert_eq!(recording.shared.gaps.load(Relaxed), 4);
    for _ in 0..4 {
        assert!(queue.take().is_some());
    }
    recording.segment(&spec("video"), segment(8, 0));
    let Some(queue::Job::Write(write)) = queue.take() else { panic!("it goes on") };
    let missed: Vec<_> = write.missed.iter().map(|gap| (gap.msn, gap.gap)).collect();
    assert_eq!(missed, [(4, true), (5, true), (6, true), (7, true)]);
    for msn in 9..2_000 {
        recording.segment(&spec("video"), segment(msn, 0));
    }
    assert!(recording.shared.over.load(Relaxed), "it is given up in the end");
}

/// A recording of three segments that nobody ended.
async fn cut_short() -> (Studio, std::path::PathBuf) {
    let studio = Studio::new(anywhere());
    let (recording, ended) = studio.recorder.begin(VodId::new());
    for msn in 0..3 {
        recording.segment(&spec("video"), segment(msn, 0));
    }
    recording.ended();
    ended.await.unwrap();
    let directory = studio.of(recording.id());
    let path = directory.join(recorded::INDEX);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.strip_suffix(&recorded::line::Line::End.write()).unwrap()).unwrap();
    (studio, directory)
}

fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    disk::append_to(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn what_a_crash_left_is_made_whole() {
    let (_studio, directory) = cut_short().await;
    append(&directory.join("video.mp4"), "<half of");
    append(&directory.join(recorded::INDEX), "segment video 3 100");
    let Some(Found { duration, bytes }) = make_whole(&directory).unwrap() else { panic!("it plays") };
    let on_disk: u64 = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert_eq!((duration, bytes), (Duration::from_secs(6), on_disk));
    assert!(index(&directory).ended());
    assert_eq!(std::fs::read_to_string(directory.join("video.mp4")).unwrap(), "<init 0><0 whole><1 whole><2 whole>");
    assert_eq!(make_whole(&directory).unwrap(), Some(Found { duration, bytes }), "once more changes nothing");
}

#[tokio::test]
async fn media_that_did_not_reach_the_disk_is_left_out() {
    let (_studio, directory) = cut_short().await;
    let media = std::fs::OpenOptions::new().write(true).open(directory.join("video.mp4")).unwrap();
    media.set_len(media.metadata().unwrap().len() - 1).unwrap();
    assert_eq!(make_whole(&directory).unwrap().unwrap().duration, Duration::from_secs(4));
    assert_eq!(file(&directory, "video", "seg-2.m4s"), None);
    media.set_len(3).unwrap();
    assert_eq!(make_whole(&directory).unwrap(), None, "nothing is left");
    assert_eq!(make_whole(&directory.join("nowhere")).unwrap(), None);
}

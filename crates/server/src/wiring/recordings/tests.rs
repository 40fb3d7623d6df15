use std::{path::PathBuf, time::SystemTime};

use bytes::Bytes;
use jiff::ToSpan;
use serde_json::Value;
use weir_control::{
    channels::Visibility,
    webhooks::{Hook, Whose},
};
use weir_edge::vod::{Absent, Library as _};
use weir_hls::{Limits, Part, RenditionId, RenditionKind, RenditionSpec, StreamWriter, Timing};
use weir_identity::{AccountId, HookId, NodeId, PublishId};

use super::*;

/// A node with a channel that is recorded, and a hook that wants to hear of recordings.
struct Node {
    store: Arc<dyn Store>,
    recordings: Recordings,
    playlists: weir_hls::Store,
    channel: Channel,
    directory: PathBuf,
    config: record::Config,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn recordings(directory: &Path, config: &record::Config, store: &Arc<dyn Store>) -> Recordings {
    let secret = store.key_secret().await.unwrap();
    let announcer = Announcer::new(store.clone());
    Recordings::open(directory, config, store.clone(), &secret, announcer).unwrap()
}

impl Node {
    async fn start(config: record::Config) -> Self {
        let directory = std::env::temp_dir().join(format!("weir-{}", PublishId::random()));
        std::fs::create_dir(&directory).unwrap();
        let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
        let channel = Channel { record: true, ..Channel::new("anna".parse().unwrap(), None) };
        store.add_channel(channel.clone()).await.unwrap();
        let hook = Hook {
            id: HookId::new(),
            whose: Whose::Channel(channel.id),
            url: "https://example.org/".into(),
            events: vec![Event::VodReady],
            // Nobody signs here.
            secret: Vec::new(),
            by: AccountId::new(),
            created_at: Timestamp::now(),
        };
        store.add_hook(hook).await.unwrap();
        let recordings = recordings(&directory, &config, &store).await;
        let playlists = weir_hls::Store::new(Limits::default());
        playlists.observe(Arc::new(recordings.clone()));
        Self { store, recordings, playlists, channel, directory, config }
    }

    async fn with_room() -> Self {
        Self::start(record::Config { disk_free_min: 0, ..record::Config::default() }).await
    }

    /// A stream of that many segments of two seconds of sound.
    fn stream(&self, segments: u64) -> StreamWriter {
        let writer = self.playlists.open(self.channel.name.clone(), PublishId::random(), false).unwrap();
        let timing = Timing { part_target: Duration::from_secs(2), target_duration: Duration::from_secs(2) };
        let kind = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
        writer.describe(timing, vec![RenditionSpec { id: RenditionId::audio(), codecs: "mp4a.40.2".into(), kind }]);
        writer.init(&RenditionId::audio(), Bytes::from_static(b"<init>"));
        self.goes_on(&writer, 0..segments);
        writer
    }

    /// Segments of these numbers.
    fn goes_on(&self, writer: &StreamWriter, segments: std::ops::Range<u64>) {
        for segment in segments {
            let at = Duration::from_secs(2 * segment);
            let part = Part {
                data: Bytes::from_static(b"<a segment>"),
                duration: Duration::from_secs(2),
                independent: true,
                gap: false,
                program_date_time: SystemTime::UNIX_EPOCH + at,
                media_time: at,
            };
            writer.part(&RenditionId::audio(), part);
            writer.end_segment(&RenditionId::audio());
        }
    }

    /// The channel's recordings, newest first, once there are enough in that state.
    async fn vods(&self, count: usize, state: State) -> Vec<Vod> {
        loop {
            let vods = self.store.vods_of(self.channel.id, None, 9).await.unwrap();
            if vods.len() == count && vods.iter().all(|vod| vod.state == state) {
                return vods;
            }
            tokio::task::yield_now().await;
        }
    }

    /// What hooks are told now.
    async fn told(&self) -> Vec<Value> {
        let due = self.store.claim_deliveries(Timestamp::now(), Timestamp::now(), 9).await.unwrap();
        due.iter().map(|delivery| serde_json::from_str(&delivery.body).unwrap()).collect()
    }

    fn media(&self, vod: &Vod) -> PathBuf {
        self.directory.join("vods").join(vod.id.to_string()).join("audio.mp4")
    }
}

#[tokio::test]
async fn a_stream_of_a_channel_that_records_becomes_a_recording_and_hooks_hear_of_it() {
    let node = Node::with_room().await;
    let stream = node.stream(3);
    let running = node.vods(1, State::Recording).await.remove(0);
    assert_eq!((running.title.as_str(), running.visibility), ("anna", Visibility::Public));
    stream.end();
    node.recordings.written().await;
    let ready = node.vods(1, State::Ready).await.remove(0);
    assert_eq!((ready.duration_ms, ready.note.as_str(), ready.id), (6_000, "", running.id));
    assert!(ready.bytes > 33, "{}", ready.bytes);
    let media = std::fs::read_to_string(node.media(&ready)).unwrap();
    assert_eq!(media, "<init><a segment><a segment><a segment>");
    let told = node.told().await;
    assert_eq!((told.len(), &told[0]["type"]), (1, &json!("vod.ready")));
    let data = &told[0]["data"];
    assert_eq!((&data["id"], &data["duration"]), (&json!(ready.id.to_string()), &json!(6.0)));
    assert_eq!((&data["channel"], &data["title"]), (&json!("anna"), &json!("anna")));
}

#[tokio::test]
async fn a_channel_that_does_not_record_is_not_recorded_nor_is_a_stream_without_media() {
    let node = Node::with_room().await;
    let empty = node.stream(0);
    node.vods(1, State::Recording).await;
    empty.end();
    node.vods(0, State::Ready).await;
    let channel = node.store.channel(node.channel.id).await.unwrap().unwrap();
    assert!(node.store.update_channel(Channel { record: false, ..channel }).await.unwrap());
    let stream = node.stream(3);
    stream.end();
    node.recordings.written().await;
    node.vods(0, State::Ready).await;
    assert_eq!(node.told().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_full_disk_fails_the_recording_and_not_the_stream() {
    let node = Node::start(record::Config { disk_free_min: u64::MAX, ..record::Config::default() }).await;
    let stream = node.stream(2);
    let failed = node.vods(1, State::Failed).await.remove(0);
    assert_eq!(failed.note, "The server's disk is full: what came after is missing.");
    assert!(stream.stream().ended().is_none());
    assert_eq!(node.recordings.library().find(failed.id).await, Err(Absent::Missing));
    assert_eq!(node.told().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_long_stream_is_several_recordings() {
    let config = record::Config { disk_free_min: 0, duration_max: Duration::from_secs(60), ..Default::default() };
    let node = Node::start(config).await;
    let stream = node.stream(1);
    let first = node.vods(1, State::Recording).await.remove(0);
    while !node.media(&first).exists() {
        tokio::task::yield_now().await;
    }
    // The window keeps what the second recording begins with.
    node.goes_on(&stream, 1..35);
    while node.store.vods_of(node.channel.id, None, 9).await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    stream.end();
    let vods = node.vods(2, State::Ready).await;
    assert_eq!(vods[1].duration_ms, 60_000);
    assert_eq!(vods[1].note, "The stream goes on in the next recording.");
    assert_eq!((vods[0].note.as_str(), vods[0].duration_ms), ("", 10_000));
}

#[tokio::test]
async fn what_a_crash_left_is_made_whole_at_the_next_start() {
    let node = Node::with_room().await;
    let stream = node.stream(2);
    let vod = node.vods(1, State::Recording).await.remove(0);
    while std::fs::read_to_string(node.media(&vod)).unwrap_or_default().len() < 28 {
        tokio::task::yield_now().await;
    }
    let never_begun = Vod::begin(&node.channel, vod.node);
    node.store.begin_vod(never_begun.clone()).await.unwrap();
    let elsewhere = Vod::begin(&node.channel, NodeId::new());
    node.store.begin_vod(elsewhere.clone()).await.unwrap();

    // Another process on the same directory, as after a restart.
    let again = recordings(&node.directory, &node.config, &node.store).await;
    again.recover().await;
    let state = async |vod: &Vod| node.store.vod(vod.id).await.unwrap().unwrap();
    let found = state(&vod).await;
    assert_eq!((found.state, found.duration_ms), (State::Ready, 4_000));
    assert!(found.note.starts_with("The server stopped"), "{}", found.note);
    assert_eq!(state(&never_begun).await.state, State::Failed);
    assert_eq!(state(&elsewhere).await.state, State::Recording, "that is another node's");
    assert_eq!(node.told().await.len(), 1);
    drop(stream);
}

#[tokio::test]
async fn a_recording_that_is_removed_ends_and_its_media_goes() {
    let node = Node::with_room().await;
    let stream = node.stream(2);
    let vod = node.vods(1, State::Recording).await.remove(0);
    assert!(node.store.delete_vod(vod.id).await.unwrap());
    node.recordings.look_at(vod.id);
    while node.recordings.0.running.lock().contains_key(&vod.id) || node.media(&vod).exists() {
        tokio::task::yield_now().await;
    }
    assert!(stream.stream().ended().is_none(), "the stream goes on");
    stream.end();
    node.recordings.written().await;
    assert!(!node.media(&vod).exists());
    assert_eq!(node.told().await, [Value::Null; 0]);
}

#[tokio::test]
async fn what_is_too_old_or_unknown_is_removed() {
    let node = Node::with_room().await;
    let keep = record::Config { keep: Duration::from_secs(3600), ..node.config.clone() };
    for _ in 0..3 {
        node.stream(1).end();
        node.recordings.0.following.close();
        node.recordings.0.following.wait().await;
    }
    let vods = node.vods(3, State::Ready).await;
    assert!(node.store.delete_vod(vods[0].id).await.unwrap());
    let now = Timestamp::now();
    node.recordings.tidy_once(now + 240.hours()).await.unwrap();
    assert!(!node.media(&vods[0]).exists(), "the store does not know it");
    assert!(node.media(&vods[1]).exists(), "it is kept for good");
    let strict = recordings(&node.directory, &keep, &node.store).await;
    strict.tidy_once(now + 59.minutes()).await.unwrap();
    assert!(node.media(&vods[1]).exists());
    strict.tidy_once(now + 61.minutes()).await.unwrap();
    node.vods(0, State::Ready).await;
    assert!(!node.media(&vods[1]).exists() && !node.media(&vods[2]).exists());
}

#[tokio::test]
async fn another_store_removes_nothing() {
    let node = Node::with_room().await;
    let media = node.directory.join("vods").join(VodId::new().to_string());
    std::fs::create_dir(&media).unwrap();
    std::fs::write(node.directory.join("vods/installation"), "another").unwrap();
    recordings(&node.directory, &node.config, &node.store).await.tidy_once(Timestamp::now()).await.unwrap();
    assert!(media.exists());
}

#[tokio::test]
async fn viewers_find_what_is_here_and_closed_ones_open_to_their_token() {
    let node = Node::with_room().await;
    let vod = Vod { visibility: Visibility::Private, ..Vod::begin(&node.channel, node.recordings.0.home.node) };
    node.store.begin_vod(vod.clone()).await.unwrap();
    let library = node.recordings.library();
    let place = library.find(vod.id).await.unwrap();
    assert_eq!((place.closed, place.watch), (true, vod.watch));
    let token = node.recordings.0.playback.sign_vod(vod.id, Timestamp::now() + 1.minute());
    assert!(library.opens(vod.id, &token) && !library.opens(VodId::new(), &token));
    assert!(!library.opens(vod.id, "sesame"));
    let old = node.recordings.0.playback.sign_vod(vod.id, Timestamp::now() - 1.minute());
    assert!(!library.opens(vod.id, &old));
    let elsewhere = Vod::begin(&node.channel, NodeId::new());
    node.store.begin_vod(elsewhere.clone()).await.unwrap();
    assert_eq!(library.find(elsewhere.id).await, Err(Absent::Elsewhere));
    assert_eq!(library.find(VodId::new()).await, Err(Absent::Missing));
}

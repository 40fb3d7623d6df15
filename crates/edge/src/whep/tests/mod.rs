//! Viewers with real sockets and a publisher that is a value: what they get, and when it ends.

mod watcher;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use weir_identity::{ChannelName, KeyId};
use weir_media::{
    AudioCodec, AudioParams, Conflict, Feed, Frame, Kick, Live, Publish, Publisher, Registry, Timestamp, Track,
    TrackId, TrackParams, VideoCodec, VideoParams,
    derive::{Derived, Repair, Unavailable, Want},
};
use weir_peer::{socket::Sockets, transport::Certificate};

use self::watcher::{PATIENCE, Watcher};
use super::{Args, Config, Whep};

/// The server's part.
struct Stage {
    whep: Whep,
    registry: Registry,
    certificate: Certificate,
    frames: Mutex<i64>,
}

struct Nobody;

impl Actor for Nobody {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl Stage {
    async fn new() -> Self {
        Self::with(None, Duration::from_secs(60)).await
    }

    async fn with(repair: Option<Arc<dyn Repair>>, grace_time: Duration) -> Self {
        Self::configured(Config::default(), repair, grace_time).await
    }

    async fn configured(whep: Config, repair: Option<Arc<dyn Repair>>, grace_time: Duration) -> Self {
        let config = weir_peer::Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..weir_peer::Config::default() };
        let (registry, certificate) = (Registry::new(9), Certificate::generate().unwrap());
        registry.keep_gops(true);
        let args = Args {
            config: whep,
            registry: registry.clone(),
            sockets: Sockets::bind(&config).unwrap(),
            certificate: certificate.clone(),
            ice_servers: Vec::new(),
            repair,
            grace_time,
            access: None,
        };
        let whep = Whep::lingering(args, Duration::ZERO);
        let (owner, _) = Actor::spawn(None, Nobody, ()).await.unwrap();
        whep.start(owner.get_cell()).await.unwrap();
        Self { whep, registry, certificate, frames: Mutex::new(0) }
    }

    /// Someone publishes to `anna`.
    fn publish(&self) -> Publisher {
        self.publish_to(false)
    }

    /// The same, while the channel is closed or open.
    fn publish_to(&self, private: bool) -> Publisher {
        let channel = ChannelName::parse("anna").unwrap();
        let publish = Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, private, protocol: "rtmp" };
        let publisher = self.registry.publish(publish).unwrap();
        self.whep.began(publisher.live());
        publisher
    }

    /// Someone publishes H.264 to `anna`, and has sent a keyframe and another picture.
    fn live(&self) -> Publisher {
        let publisher = self.publish();
        publisher.set_track(video(VideoCodec::H264));
        self.send(&publisher, true);
        self.send(&publisher, false);
        publisher
    }

    /// Sends the next picture, which says its number.
    fn send(&self, publisher: &Publisher, keyframe: bool) -> i64 {
        let mut frames = self.frames.lock();
        *frames += 1;
        publisher.send(picture(*frames, keyframe));
        *frames
    }

    async fn watch(&self) -> Watcher {
        Watcher::offer(&self.whep, &self.certificate).await.unwrap()
    }
}

fn video(codec: VideoCodec) -> Track {
    let params = VideoParams {
        codec,
        // Baseline, with a sequence and a picture parameter set of 4 and 2 bytes.
        config: Bytes::from_static(&[1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x1f, 1, 0, 2, 0x68, 1]),
        width: 2,
        height: 2,
        frame_rate: None,
        rfc6381: if codec == VideoCodec::H264 { "avc1.42c01f" } else { "vp8" }.into(),
    };
    Track { id: TrackId::VIDEO, params: TrackParams::Video(params) }
}

fn sound(codec: AudioCodec) -> Track {
    let params = AudioParams { codec, config: Bytes::new(), sample_rate: 48_000, channels: 2, rfc6381: String::new() };
    Track { id: TrackId::AUDIO, params: TrackParams::Audio(params) }
}

/// A picture of one NAL unit that holds its number.
fn picture(number: i64, keyframe: bool) -> Frame {
    let time = Timestamp::from_millis(number * 33);
    let nal = [&[if keyframe { 0x65 } else { 0x41 }][..], &number.to_be_bytes()].concat();
    let data = [&(nal.len() as u32).to_be_bytes()[..], &nal].concat().into();
    Frame { track: TrackId::VIDEO, pts: time, dts: time, keyframe, arrived: Instant::now(), data }
}

fn opus(at: i64) -> Frame {
    let time = Timestamp::from_millis(at);
    let (track, data) = (TrackId::AUDIO, Bytes::from_static(b"\xfcopus"));
    Frame { track, pts: time, dts: time, keyframe: true, arrived: Instant::now(), data }
}

/// Waits for what no event tells.
async fn wait(mut until: impl FnMut() -> bool) {
    let waiting = async {
        while !until() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it never came true");
}

#[tokio::test]
async fn a_viewer_begins_with_the_last_keyframe_and_misses_nothing_after_it() {
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    for _ in 0..20 {
        stage.send(&publisher, false);
    }
    watcher.until(|watcher| watcher.pictures.len() == 22).await;
    assert_eq!(watcher.pictures, (1..=22).collect::<Vec<_>>());
    assert_eq!(stage.whep.viewers(&publisher.live().publish.channel), 1);

    // Who comes later gets the same from the shard.
    let mut second = stage.watch().await;
    second.until(|second| second.pictures.len() == 22).await;
    stage.send(&publisher, true);
    watcher.until(|watcher| watcher.pictures.len() == 23).await;
    second.until(|second| second.pictures.len() == 23).await;
    assert_eq!(stage.whep.all_viewers(), 2);
}

#[tokio::test]
async fn a_viewer_that_lost_a_picture_has_the_publisher_asked() {
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    watcher.lost_a_picture();
    let asked = tokio::time::timeout(PATIENCE, publisher.keyframe_wanted());
    tokio::select! {
        asked = asked => asked.expect("it is asked"),
        () = watcher.until(|_| false) => unreachable!("that never ends"),
    }
}

#[tokio::test]
async fn a_publisher_that_comes_back_goes_on_where_time_is() {
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    drop(publisher);
    // Who comes in the grace time sees the last picture.
    let mut waiting = stage.watch().await;
    waiting.until(|waiting| waiting.pictures.len() == 2).await;
    let publisher = stage.live();
    watcher.until(|watcher| watcher.pictures.len() == 4).await;
    waiting.until(|waiting| waiting.pictures.len() == 4).await;
    let span = watcher.timestamps[3].wrapping_sub(watcher.timestamps[1]);
    assert!((1..90_000 * 60).contains(&span), "{span} units from the last picture before to the second after");
    // One who takes over goes on as well.
    let _newer = stage.live();
    watcher.until(|watcher| watcher.pictures.len() == 6).await;
    drop(publisher);
    assert!(!watcher.closed);
}

#[tokio::test]
async fn another_codec_closes_those_who_did_not_agree_to_it() {
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    publisher.set_track(video(VideoCodec::Vp8));
    let data = Bytes::from_static(&[0x10, 0, 0, 0x9d, 1, 0x2a, 2, 0, 2, 0]);
    publisher.send(Frame { data, ..picture(3, true) });
    watcher.until(|watcher| watcher.closed).await;
    wait(|| stage.whep.all_viewers() == 0).await;
}

#[tokio::test]
async fn the_end_of_the_channel_is_told_to_its_viewers() {
    let stage = Stage::with(None, Duration::from_millis(50)).await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    drop(publisher);
    watcher.until(|watcher| watcher.closed).await;
    wait(|| stage.whep.all_viewers() == 0).await;

    // Who is told to go for good ends it without a grace time.
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    publisher.live().kick(Kick::Ended);
    drop(publisher);
    watcher.until(|watcher| watcher.closed).await;
}

#[tokio::test]
async fn who_watched_an_open_channel_sees_nothing_of_it_once_it_is_closed() {
    let stage = Stage::new().await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| !watcher.pictures.is_empty()).await;
    drop(publisher);
    let publisher = stage.publish_to(true);
    publisher.set_track(video(VideoCodec::H264));
    let secret = stage.send(&publisher, true);
    watcher.until(|watcher| watcher.closed).await;
    assert!(!watcher.pictures.contains(&secret), "{:?}", watcher.pictures);
    assert_eq!(Watcher::offer(&stage.whep, &stage.certificate).await.err().unwrap().status, 403);
}

#[tokio::test]
async fn offers_that_lead_to_nothing_keep_nobody_out() {
    let whep = Config { connecting_max: 3, ..Config::default() };
    let stage = Stage::configured(whep, None, Duration::from_secs(60)).await;
    let _publisher = stage.live();
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(stage.watch().await);
    }
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| !watcher.pictures.is_empty()).await;
    assert_eq!(stage.whep.all_viewers(), 1);
}

#[tokio::test]
async fn draining_says_goodbye_to_everyone() {
    let stage = Stage::new().await;
    let _publisher = stage.live();
    let mut watchers = [stage.watch().await, stage.watch().await];
    for watcher in &mut watchers {
        watcher.until(|watcher| watcher.pictures.len() == 2).await;
    }
    tokio::time::timeout(PATIENCE, stage.whep.drain()).await.expect("it ends");
    for watcher in &mut watchers {
        watcher.until(|watcher| watcher.closed).await;
    }
    assert_eq!(stage.whep.all_viewers(), 0);
    let late = Watcher::offer(&stage.whep, &stage.certificate).await;
    assert!(late.is_err_and(|problem| problem.status == 503));
}

#[tokio::test]
async fn a_session_ends_by_its_address() {
    let stage = Stage::new().await;
    let _publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    assert!(stage.whep.delete("berta", &watcher.id).is_err(), "another channel has no such session");
    stage.whep.delete("anna", &watcher.id).unwrap();
    watcher.until(|watcher| watcher.closed).await;
    assert_eq!(stage.whep.delete("anna", &watcher.id).unwrap_err().status, 404);
    assert_eq!(stage.whep.all_viewers(), 0);
}

/// Makes Opus, by hand.
#[derive(Default)]
struct ByHand {
    made: Mutex<Option<(Arc<Feed>, Weak<()>)>>,
}

impl Repair for ByHand {
    fn derive(&self, _: &Arc<Live>, want: Want) -> Result<Derived, Unavailable> {
        if want != Want::Opus {
            return Err(Unavailable::Busy);
        }
        let (feed, keep) = (Arc::new(Feed::default()), Arc::new(()));
        feed.set_track(sound(AudioCodec::Opus));
        *self.made.lock() = Some((feed.clone(), Arc::downgrade(&keep)));
        Ok(Derived { subscriber: feed.subscribe(), keep })
    }
}

#[tokio::test]
async fn sound_is_made_to_opus_while_someone_watches() {
    let by_hand = Arc::new(ByHand::default());
    let stage = Stage::with(Some(by_hand.clone()), Duration::from_secs(60)).await;
    let publisher = stage.live();
    publisher.set_track(sound(AudioCodec::Aac));
    assert!(by_hand.made.lock().is_none(), "nobody watches");
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    let (feed, keep) = by_hand.made.lock().clone().expect("somebody watches");
    publisher.send(opus(66));
    feed.send(opus(66));
    feed.send(opus(86));
    watcher.until(|watcher| watcher.sounds == 2).await;
    stage.whep.delete("anna", &watcher.id).unwrap();
    wait(|| keep.strong_count() == 0).await;
}

#[tokio::test]
async fn the_streamer_hears_why_viewers_do_not_see_it_well() {
    let stage = Stage::with(Some(Arc::new(ByHand::default())), Duration::from_secs(60)).await;
    let publisher = stage.live();
    let mut watcher = stage.watch().await;
    watcher.until(|watcher| watcher.pictures.len() == 2).await;
    for (number, shown) in [(3, 200), (4, 133)] {
        publisher.send(Frame { pts: Timestamp::from_millis(shown), ..picture(number, false) });
    }
    watcher.until(|watcher| watcher.pictures.len() == 4).await;
    let notices = publisher.live().notices();
    assert!(notices.iter().any(|notice| notice.text.contains("B-frames")), "{notices:?}");
    stage.whep.delete("anna", &watcher.id).unwrap();
    wait(|| publisher.live().notices().is_empty()).await;
}

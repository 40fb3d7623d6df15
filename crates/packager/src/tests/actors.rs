//! The actors: who continues, who ends, and that a failure stays where it is.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;
use weir_hls::{Limits, Store, reload};
use weir_identity::{ChannelName, KeyId};
use weir_media::{Conflict, Frame, Kick, Publish, Publisher, Registry};

use super::{
    clip::{Clip, interleave},
    seen::Seen,
};
use crate::{
    Config,
    stream::{Args, Msg, Stream, spawn},
};

/// Tells of every actor below it that stopped.
struct Owner;

impl Actor for Owner {
    type Msg = ();
    type State = mpsc::UnboundedSender<()>;
    type Arguments = mpsc::UnboundedSender<()>;

    async fn pre_start(&self, _: ActorRef<()>, told: Self::Arguments) -> Result<Self::State, ActorProcessingErr> {
        Ok(told)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        told: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if matches!(event, SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..)) {
            let _ = told.send(());
        }
        Ok(())
    }
}

struct House {
    registry: Registry,
    store: Store,
    owner: ActorRef<()>,
    stopped: mpsc::UnboundedReceiver<()>,
}

impl House {
    async fn new() -> Self {
        crate::init().expect("GStreamer is installed");
        let (told, stopped) = mpsc::unbounded_channel();
        let (owner, _) = Actor::spawn(None, Owner, told).await.expect("it starts");
        Self { registry: Registry::new(9), store: Store::new(Limits::default()), owner, stopped }
    }

    async fn stream(&self, name: &str, grace_time: Duration) -> Stream {
        let args = Args {
            config: Config { grace_time, ..Config::default() },
            channel: ChannelName::parse(name).expect("a good name"),
            private: false,
            store: self.store.clone(),
            spool: None,
            repair: None,
        };
        spawn(args, self.owner.get_cell()).await.expect("it starts")
    }

    fn publish(&self, stream: &Stream, name: &str, clips: &[&Clip]) -> Publisher {
        let channel = ChannelName::parse(name).expect("a good name");
        let publish =
            Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, private: false, protocol: "rtmp" };
        let publisher = self.registry.publish(publish).expect("there is room");
        let live = publisher.live();
        stream.actor.cast(Msg::Publish(live.clone(), live.subscribe())).expect("it runs");
        for clip in clips {
            publisher.set_track(clip.track.clone());
        }
        publisher
    }

    async fn live(&self, name: &str) -> Arc<weir_hls::Stream> {
        loop {
            match self.store.current(name) {
                Some(stream) if stream.ended().is_none() => return stream,
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

/// Sends frames no faster than they are read: a part must be out before the bus could overflow.
async fn send(publisher: &Publisher, frames: &[Frame]) {
    for chunk in frames.chunks(40) {
        for frame in chunk {
            publisher.send(frame.clone());
        }
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

async fn ended(stream: &weir_hls::Stream) {
    while stream.ended().is_none() {
        tokio::task::yield_now().await;
    }
}

/// Whether the playlist has a DISCONTINUITY, or had one that left it.
async fn has_break(stream: &weir_hls::Stream) -> bool {
    let reply = stream.media_playlist("video", reload::Query::default()).await.expect("a playlist");
    let text = String::from_utf8(reply.playlist.plain().to_vec()).expect("text");
    let left = text.lines().find_map(|line| line.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:"));
    text.contains("#EXT-X-DISCONTINUITY\n") || left.is_some_and(|left| left != "0")
}

fn clips() -> (Clip, Clip) {
    (Clip::h264(100, 30), Clip::aac(3.3, 48_000))
}

#[tokio::test]
async fn a_publisher_that_leaves_has_the_grace_time() {
    let mut house = House::new().await;
    let (video, audio) = clips();
    let stream = house.stream("anna", Duration::from_millis(300)).await;
    for at in [0, 50_000] {
        let publisher = house.publish(&stream, "anna", &[&video, &audio]);
        send(&publisher, &interleave(&[&video, &audio], at)).await;
        house.live("anna").await;
    }
    let playlist = house.live("anna").await;
    assert!(house.stopped.recv().await.is_some(), "after the grace time the stream stops");
    ended(&playlist).await;
    let seen = Seen::of(&playlist, "video").await;
    assert!(seen.text.ends_with("#EXT-X-ENDLIST\n"), "{}", seen.text);
    assert_eq!(seen.text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "both publishes share it");
}

#[tokio::test]
async fn a_publisher_told_to_go_for_good_ends_the_stream_at_once() {
    let mut house = House::new().await;
    let (video, audio) = clips();
    let stream = house.stream("anna", Duration::from_secs(3600)).await;
    let publisher = house.publish(&stream, "anna", &[&video, &audio]);
    send(&publisher, &interleave(&[&video, &audio], 0)).await;
    let playlist = house.live("anna").await;
    publisher.live().kick(Kick::KeyRevoked);
    drop(publisher);
    ended(&playlist).await;
    assert!(house.stopped.recv().await.is_some());
}

#[tokio::test]
async fn a_newer_publisher_continues_at_once() {
    let house = House::new().await;
    let (video, audio) = clips();
    let stream = house.stream("anna", Duration::from_secs(3600)).await;
    let older = house.publish(&stream, "anna", &[&video, &audio]);
    send(&older, &interleave(&[&video, &audio], 0)).await;
    let before = house.live("anna").await;
    // The older one is still there, and still sends.
    let newer = house.publish(&stream, "anna", &[&video, &audio]);
    send(&older, &interleave(&[&video, &audio], 4_000)[..30]).await;
    let after = house.live("anna").await;
    let mut at = 70_000;
    while !has_break(&after).await {
        send(&newer, &interleave(&[&video, &audio], at)).await;
        at += 3_400;
    }
    drop((older, newer));
    assert_eq!(before.session(), after.session());
    stream.actor.cast(Msg::Drain).expect("it runs");
    ended(&after).await;
    assert!(Seen::of(&after, "video").await.text.ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn draining_ends_the_playlist_and_shows_the_newest_part() {
    let mut house = House::new().await;
    let (video, audio) = clips();
    let stream = house.stream("anna", Duration::from_secs(3600)).await;
    let publisher = house.publish(&stream, "anna", &[&video, &audio]);
    send(&publisher, &interleave(&[&video, &audio], 0)).await;
    let playlist = house.live("anna").await;
    stream.actor.cast(Msg::Drain).expect("it runs");
    assert!(house.stopped.recv().await.is_some());
    ended(&playlist).await;
    let seen = Seen::of(&playlist, "video").await;
    let seconds: f64 = seen.segments.iter().map(|segment| segment.duration).sum();
    assert!((seconds - 100.0 / 30.0).abs() < 0.01, "{seconds}");
}

#[tokio::test]
async fn a_panic_restarts_its_packager_and_touches_no_other_stream() {
    let house = House::new().await;
    let (video, audio) = clips();
    let (anna, berta) =
        (house.stream("anna", Duration::from_secs(3600)).await, house.stream("berta", Duration::from_secs(3600)).await);
    let (first, second) =
        (house.publish(&anna, "anna", &[&video, &audio]), house.publish(&berta, "berta", &[&video, &audio]));
    let frames = interleave(&[&video, &audio], 0);
    send(&first, &frames).await;
    send(&second, &frames).await;
    let (anna_before, berta_before) = (house.live("anna").await, house.live("berta").await);
    let poison = Frame { data: crate::package::POISON.into(), ..frames[0].clone() };
    first.send(poison);
    while anna.health().restarts == 0 {
        tokio::task::yield_now().await;
    }
    let more = interleave(&[&video, &audio], 3_400);
    send(&second, &more).await;
    // The packager begins again after its backoff: frames until then are lost, as a keyframe must come first.
    let mut at = 4_000;
    while !has_break(&anna_before).await {
        send(&first, &interleave(&[&video, &audio], at)).await;
        at += 3_400;
    }
    assert_eq!(house.live("anna").await.session(), anna_before.session(), "the playlist goes on");
    assert_eq!(house.live("berta").await.session(), berta_before.session());
    assert_eq!(berta.health().restarts, 0);
    assert!(!has_break(&berta_before).await);
    assert!(first.live().end_reason().is_none(), "the publisher does not notice");
    drop((first, second));
}

#[tokio::test]
async fn what_cannot_be_packaged_is_refused_in_words() {
    let mut house = House::new().await;
    let (mut video, _) = clips();
    if let weir_media::TrackParams::Video(params) = &mut video.track.params {
        (params.width, params.height) = (100_000, 100_000);
    }
    let stream = house.stream("anna", Duration::from_secs(3600)).await;
    let publisher = house.publish(&stream, "anna", &[&video]);
    for frame in video.frames_at(0) {
        publisher.send(frame);
    }
    let Kick::Refused(why) = publisher.kicked().await else { panic!("it is refused") };
    assert_eq!(why, "A picture of 100000x100000 cannot be packaged.");
    assert!(house.stopped.recv().await.is_some());
}

#[tokio::test]
async fn a_part_is_there_as_soon_as_the_frame_after_it_came() {
    let house = House::new().await;
    for (video, name) in [(Clip::h264(200, 60), "anna"), (Clip::h264_with_b_frames(200, 60), "berta")] {
        let stream = house.stream(name, Duration::from_secs(3600)).await;
        let publisher = house.publish(&stream, name, &[&video]);
        publisher.announce(weir_media::registry::Announced { video: true, audio: false });
        let frames = video.frames_at(0);
        // One frame after the second segment: its last part too must be out.
        send(&publisher, &frames[..121]).await;
        let playlist = house.live(name).await;
        let until = |cursor| reload::Query { cursor: Some(cursor), ..reload::Query::default() };
        let two = playlist.media_playlist("video", until(reload::Cursor::Segment(1))).await;
        two.expect("both segments are there without another frame");
        for (from, part) in [(121, 0), (127, 1), (133, 2)] {
            send(&publisher, &frames[from..from + 6]).await;
            let listed = playlist.media_playlist("video", until(reload::Cursor::Part(2, part))).await;
            listed.expect("the part is there without another frame");
        }
        drop(publisher);
    }
}

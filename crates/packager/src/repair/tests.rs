//! Real workers: the tests' own program, called again.

use std::ffi::OsString;

use weir_identity::{ChannelName, KeyId};
use weir_media::{
    AudioCodec, Conflict, Event, Frame, Publish, Publisher, Registry, Track, VideoCodec,
    derive::{Repair as _, Want},
};

use super::{
    worker::{Chain, Out},
    *,
};
use crate::tests::Clip;

/// Tells the tests' program that it is called as a worker.
const AS_WORKER: &str = "WEIR_TEST_WORKER";

/// A file that a worker leaves behind which falls once.
const MARKER: &str = "WEIR_TEST_MARKER";

/// The tests' program as a worker: only this test runs there, and it is one.
#[test]
fn a_worker_when_called_as_one() {
    match std::env::var(AS_WORKER).as_deref() {
        Ok("repair") => worker::run().expect("it works"),
        Ok("falls") => std::process::abort(),
        Ok("is stuck") => loop {
            std::thread::park();
        },
        Ok("lies") => lie(),
        Ok("falls once") => {
            let marker = std::env::var(MARKER).expect("a place for it");
            if std::fs::File::create_new(marker).is_ok() {
                std::process::abort();
            }
            worker::run().expect("it works");
        }
        _ => {}
    }
}

/// Says something that is no message.
fn lie() {
    use std::{io::Write as _, os::fd::AsFd as _};
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let _ = std::os::unix::net::UnixStream::from(socket).write_all(&[0, 0, 0, 2, 9, 9]);
    std::thread::park();
}

fn program(kind: &str) -> Program {
    let arguments = ["--exact", "repair::tests::a_worker_when_called_as_one", "--nocapture"];
    let environment = vec![(AS_WORKER.into(), OsString::from(kind))];
    Program { environment, ..Program::this(&arguments) }
}

/// Real workers.
pub(crate) fn workers() -> Workers {
    Workers::new(Config::default(), program("repair"))
}

fn publish() -> Publisher {
    let channel = ChannelName::parse("anna").expect("a good name");
    let publish =
        Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, private: false, protocol: "rtmp" };
    Registry::new(9).publish(publish).expect("there is room")
}

/// What a worker makes of a whole clip that begins at 5 s.
async fn convert(clip: &Clip, want: Want) -> (Arc<Track>, Vec<Frame>) {
    let publisher = publish();
    publisher.set_track(clip.track.clone());
    let workers = workers();
    let mut derived = workers.derive(publisher.live(), want).expect("it begins");
    // No more than the bus holds.
    clip.frames_at(5_000).into_iter().for_each(|frame| publisher.send(frame));
    let live = publisher.live().clone();
    drop(publisher);
    let (mut track, mut made) = (None, Vec::new());
    while let Some(event) = derived.subscriber.recv().await {
        match event {
            Event::Track(new) => track = Some(new),
            Event::Frame(frame) => made.push(frame),
            Event::Lost => panic!("something was lost"),
        }
    }
    (track.unwrap_or_else(|| panic!("{:?}", live.notices())), made)
}

/// When clicks are heard in milliseconds: the loudest sample of every stretch that follows silence.
fn clicks(track: &Track, frames: &[Frame]) -> Vec<f64> {
    let TrackParams::Audio(params) = &track.params else { panic!("sound") };
    let (decoder, caps) = match params.codec {
        AudioCodec::Aac => {
            let caps = gst::Caps::builder("audio/mpeg")
                .field("mpegversion", 4)
                .field("stream-format", "raw")
                .field("framed", true)
                .field("codec_data", gst::Buffer::from_slice(params.config.clone()));
            ("avdec_aac", caps)
        }
        AudioCodec::Opus => ("opusdec", gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0)),
    };
    let caps = caps.field("rate", params.sample_rate as i32).field("channels", i32::from(params.channels)).build();
    let raw = "capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,channels=1";
    let chain = Chain::new(&format!("{decoder} ! audioconvert ! {raw}"), &caps).expect("a decoder");
    let mut loud: Vec<(f64, i16)> = Vec::new();
    for frame in frames {
        chain.push(gst::Buffer::from_slice(frame.data.clone())).expect("it decodes");
        let mut position = 0;
        for out in chain.take() {
            let Out::Buffer(buffer) = out else { continue };
            for two in buffer.map_readable().expect("readable").chunks_exact(2) {
                let at = frame.pts.nanos() as f64 / 1e6 + f64::from(position) * 1e3 / f64::from(params.sample_rate);
                let sample = i16::from_le_bytes([two[0], two[1]]).saturating_abs();
                position += 1;
                if sample < 4_000 {
                    continue;
                }
                match loud.last_mut() {
                    Some(last) if at - last.0 < 100.0 => *last = if sample > last.1 { (at, sample) } else { *last },
                    _ => loud.push((at, sample)),
                }
            }
        }
    }
    loud.into_iter().map(|(at, _)| at).collect()
}

/// Sound is heard when it was before, within 2 ms.
async fn check_clicks(clip: &Clip, want: Want) {
    crate::init().expect("GStreamer is installed");
    let before = clicks(&clip.track, &clip.frames_at(5_000));
    let (track, made) = convert(clip, want).await;
    let after = clicks(&track, &made);
    assert!(before.len() >= 5, "{before:?}");
    // The first frame may have been off, and the encoder keeps the end for itself.
    for before in &before[2..before.len() - 1] {
        let off = after.iter().map(|after| (after - before).abs()).fold(f64::INFINITY, f64::min);
        assert!(off < 2.0, "{before} {after:?}");
    }
}

#[tokio::test]
async fn aac_becomes_opus_that_is_heard_when_it_was() {
    check_clicks(&Clip::aac_clicks(4.0, 48_000), Want::Opus).await;
    check_clicks(&Clip::aac_clicks(4.0, 44_100), Want::Opus).await;
}

#[tokio::test]
async fn opus_becomes_aac_that_is_heard_when_it_was() {
    check_clicks(&Clip::opus_clicks(4.0), Want::Aac).await;
}

/// When frames are shown, in milliseconds, first things first.
fn times<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<i64> {
    let mut times: Vec<_> = frames.into_iter().map(|frame| frame.pts.nanos() / 1_000_000).collect();
    times.sort_unstable();
    times
}

#[tokio::test]
async fn b_frames_go_and_keyframes_stay_where_they_were() {
    let clip = Clip::h264_with_b_frames(200, 45);
    let (track, made) = convert(&clip, Want::PlainH264).await;
    let TrackParams::Video(params) = &track.params else { panic!("pictures") };
    assert_eq!((params.codec, params.width, params.height), (VideoCodec::H264, 320, 180));
    assert!(params.rfc6381.starts_with("avc1.42"), "{}", params.rfc6381);
    let before = clip.frames_at(5_000);
    assert_eq!(times(&made), times(&before), "every picture is shown when it was");
    let keyframes = |frames: &[Frame]| times(frames.iter().filter(|frame| frame.keyframe));
    assert_eq!(keyframes(&made), keyframes(&before), "keyframes are where they were");
    assert!(made.iter().all(|frame| frame.pts == frame.dts) && made.is_sorted_by_key(|frame| frame.dts));
}

#[tokio::test]
async fn other_codecs_become_h264() {
    for clip in [Clip::hevc(60), Clip::vp9(60), Clip::vp8(60), Clip::av1(60)] {
        let (track, made) = convert(&clip, Want::PlainH264).await;
        let TrackParams::Video(params) = &track.params else { panic!("pictures") };
        assert_eq!((params.codec, params.width, params.height), (VideoCodec::H264, 320, 180));
        assert_eq!(times(&made), times(&clip.frames_at(5_000)), "{:?}", clip.track.params.rfc6381());
    }
}

/// Sends a clip over and over, in its own time's pace but twenty times as fast, until it is dropped.
struct Sending(tokio::task::JoinHandle<()>);

impl Sending {
    fn start(publisher: Publisher, clip: Clip) -> Self {
        publisher.set_track(clip.track.clone());
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            for round in 0.. {
                for frame in clip.frames_at(5_000 + round * 2_000) {
                    ticks.tick().await;
                    publisher.send(frame);
                }
            }
        }))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A worker of this kind is given up in the end, and the streamer hears of it.
async fn check_given_up(kind: &str) {
    crate::init().expect("GStreamer is installed");
    let workers = Workers::with_silence(Config::default(), program(kind), Duration::from_millis(100));
    let publisher = publish();
    let live = publisher.live().clone();
    let _sending = Sending::start(publisher, Clip::aac(2.0, 48_000));
    let mut derived = workers.derive(&live, Want::Opus).expect("it begins");
    assert!(derived.subscriber.recv().await.is_none(), "{kind}: nothing, and then the end");
    assert_eq!(live.notices().len(), 1, "{kind}");
    assert!(matches!(workers.derive(&live, Want::Opus), Err(Unavailable::Unsupported(_))), "{kind}: not at once again");
}

#[tokio::test]
async fn a_worker_that_falls_again_and_again_is_given_up() {
    check_given_up("falls").await;
}

#[tokio::test]
async fn a_worker_that_gives_no_answer_is_killed() {
    check_given_up("is stuck").await;
}

#[tokio::test]
async fn a_worker_that_talks_nonsense_is_killed() {
    check_given_up("lies").await;
}

#[tokio::test]
async fn what_cannot_be_done_is_not_tried_again() {
    crate::init().expect("GStreamer is installed");
    let mut clip = Clip::opus(0.2);
    if let TrackParams::Audio(params) = &mut clip.track.params {
        // Eight channels, of which the worker says that it takes them not.
        params.config = bytes::Bytes::from_static(
            b"OpusHead\x01\x08\x38\x01\x80\xbb\0\0\0\0\x01\x05\x03\0\x06\x01\x02\x03\x04\x05\x07",
        );
    }
    let publisher = publish();
    let live = publisher.live().clone();
    let workers = workers();
    let _sending = Sending::start(publisher, clip);
    let mut derived = workers.derive(&live, Want::Aac).expect("it begins");
    assert!(derived.subscriber.recv().await.is_none());
    assert!(live.notices()[0].text.contains("8 channels"), "{:?}", live.notices());
}

#[tokio::test]
async fn after_a_fall_it_goes_on() {
    crate::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = program("falls once");
    program.environment.push((MARKER.into(), folder.path().join("fell").into()));
    let workers = Workers::new(Config::default(), program);
    let publisher = publish();
    let live = publisher.live().clone();
    let _sending = Sending::start(publisher, Clip::aac(2.0, 48_000));
    let mut derived = workers.derive(&live, Want::Opus).expect("it begins");
    assert!(matches!(derived.subscriber.recv().await, Some(Event::Track(_))));
    assert!(matches!(derived.subscriber.recv().await, Some(Event::Frame(_))));
    assert!(folder.path().join("fell").exists(), "it fell before");
    assert!(live.notices().is_empty());
}

#[tokio::test]
async fn one_worker_serves_all_who_want_the_same_and_leaves_its_place_with_the_last() {
    crate::init().expect("GStreamer is installed");
    let workers = Workers::new(Config { sound_max: 1, ..Config::default() }, program("repair"));
    let (anna, berta) = (publish(), publish());
    let lives = [anna.live().clone(), berta.live().clone()];
    let _sending = [anna, berta].map(|publisher| Sending::start(publisher, Clip::aac(2.0, 48_000)));
    let first = workers.derive(&lives[0], Want::Opus).expect("it begins");
    let mut second = workers.derive(&lives[0], Want::Opus).expect("it is shared");
    assert_eq!(workers.derive(&lives[1], Want::Opus).map(drop), Err(Unavailable::Busy));
    drop(first);
    assert!(matches!(second.subscriber.recv().await, Some(Event::Track(_))), "the other one goes on");
    drop(second);
    // The place is free once the task has heard of it.
    let mut other = loop {
        match workers.derive(&lives[1], Want::Opus) {
            Err(Unavailable::Busy) => tokio::task::yield_now().await,
            derived => break derived.expect("it begins"),
        }
    };
    assert!(matches!(other.subscriber.recv().await, Some(Event::Track(_))));
}

#[tokio::test]
async fn what_is_sent_already_or_not_at_all_is_not_made() {
    crate::init().expect("GStreamer is installed");
    let publisher = publish();
    let why = |want| workers().derive(publisher.live(), want).map(drop).expect_err("nothing is there").to_string();
    assert!(why(Want::Opus).contains("nothing that could"));
    publisher.set_track(Clip::opus(0.1).track);
    assert!(why(Want::Opus).contains("already"));
    let off = Workers::new(Config { enabled: false, ..Config::default() }, program("repair"));
    assert!(off.derive(publisher.live(), Want::Aac).is_err());
}

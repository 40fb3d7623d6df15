//! Real workers: the tests' own program, called again.

use std::ffi::OsString;

use weir_identity::{ChannelName, KeyId};
use weir_media::{
    AudioCodec, Conflict, Event, Publish, Publisher, Registry, TrackParams,
    derive::{Repair as _, Want},
};

use super::*;
use crate::tests::Clip;

/// Tells the tests' program that it is called as a worker.
const AS_WORKER: &str = "WEIR_TEST_WORKER";

/// The tests' program as a worker: only this test runs there, and it is one.
#[test]
fn a_worker_when_called_as_one() {
    match std::env::var(AS_WORKER).as_deref() {
        Ok("repair") => worker::run().expect("it works"),
        _ => {}
    }
}

fn program(kind: &str) -> Program {
    let arguments = ["--exact", "repair::tests::a_worker_when_called_as_one", "--nocapture"];
    let environment = vec![(AS_WORKER.into(), OsString::from(kind))];
    Program { environment, ..Program::this(&arguments) }
}

fn publish() -> (Registry, Publisher) {
    let registry = Registry::new(9);
    let channel = ChannelName::parse("anna").expect("a good name");
    let publish = Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, protocol: "rtmp" };
    let publisher = registry.publish(publish).expect("there is room");
    (registry, publisher)
}

#[tokio::test]
async fn aac_becomes_opus() {
    let workers = Workers::new(Config::default(), program("repair"));
    let clip = Clip::aac(2.0, 48_000);
    let (_registry, publisher) = publish();
    publisher.set_track(clip.track.clone());
    let mut derived = workers.derive(publisher.live(), Want::Opus).expect("it begins");
    for frame in clip.frames_at(5_000) {
        publisher.send(frame);
    }
    let Some(Event::Track(track)) = derived.subscriber.recv().await else { panic!("a track") };
    assert!(matches!(&track.params, TrackParams::Audio(audio) if audio.codec == AudioCodec::Opus));
    drop(publisher);
    let mut frames = Vec::new();
    while let Some(event) = derived.subscriber.recv().await {
        if let Event::Frame(frame) = event {
            frames.push(frame);
        }
    }
    assert!(frames.len() > 90, "{}", frames.len());
}

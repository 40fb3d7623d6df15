//! Viewers against our own origin, whose parts come when every viewer waits for one.

use bytes::Bytes;
use tokio::{net::TcpListener, task::LocalSet};
use tokio_util::sync::CancellationToken;
use weir_edge::{Listener, serve::NothingElse};
use weir_hls::{Limits, Part, RenditionId, RenditionKind, RenditionSpec, Store, StreamWriter, Timing};
use weir_identity::{ChannelName, PublishId};
use weir_testkit::stamp::Stamp;

use super::*;

const VIEWERS: usize = 3;
const PARTS: u64 = 40;

fn describe(writer: &StreamWriter, video: &RenditionId, audio: &RenditionId) {
    let timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
    let picture = RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 };
    let sound = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
    let spec = |id: &RenditionId, codecs: &str, kind| RenditionSpec { id: id.clone(), codecs: codecs.into(), kind };
    writer.describe(timing, vec![spec(video, "avc1.64001f", picture), spec(audio, "mp4a.40.2", sound)]);
}

/// Part `number`, with one stamped picture.
fn part(number: u64) -> Part {
    Part {
        data: Bytes::copy_from_slice(&Stamp::now(number).h264_nal()),
        duration: Duration::from_millis(200),
        independent: number.is_multiple_of(10),
        gap: false,
        program_date_time: std::time::SystemTime::now(),
        media_time: Duration::from_millis(200 * number),
    }
}

#[tokio::test]
async fn viewers_of_a_low_latency_stream_get_every_part_once() {
    let store = Store::new(Limits::default());
    let writer = store.open(ChannelName::parse("anna").unwrap(), PublishId::random(), false).unwrap();
    let (video, audio) = (RenditionId::video(), RenditionId::audio());
    describe(&writer, &video, &audio);
    let write = |number: u64| {
        for id in [&video, &audio] {
            writer.part(id, part(number));
            if number % 10 == 9 {
                writer.end_segment(id);
            }
        }
    };
    for id in [&video, &audio] {
        writer.init(id, Bytes::from_static(b"init"));
    }
    (0..25).for_each(write);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let (edge, stop) = (weir_edge::service(store.clone(), None), CancellationToken::new());
    let config = weir_edge::Config::default();
    let served =
        tokio::spawn(weir_edge::serve(vec![Listener::plain(listener)], edge, NothingElse, config, stop.clone()));

    let tally = Rc::new(RefCell::new(Tally::new()));
    tally.borrow_mut().counts = true;
    let watch = Watch { server, host: server.to_string().into(), tally: tally.clone(), measured: true };
    let path = "/live/anna/index.m3u8".to_owned();
    LocalSet::new()
        .run_until(async {
            let viewers: Vec<_> = (0..VIEWERS).map(|_| spawn_local(viewer(watch.clone(), path.clone()))).collect();
            // A playlist and a part, of pictures and of sound.
            let all_wait = async |parts: u64| {
                while tally.borrow().parts < VIEWERS as u64 * 2 * parts || store.held_requests() < VIEWERS * 4 {
                    tokio::task::yield_now().await;
                }
            };
            for number in 0..PARTS {
                all_wait(number).await;
                write(25 + number);
            }
            all_wait(PARTS).await;
            writer.end();
            for viewer in viewers {
                viewer.await.unwrap();
            }
        })
        .await;
    stop.cancel();
    served.await.unwrap();
    let tally = tally.borrow();
    assert_eq!(tally.errors, std::collections::BTreeMap::new());
    assert_eq!((tally.parts, tally.pictures_missed, tally.fell_behind), (VIEWERS as u64 * 2 * PARTS, 0, 0));
    assert_eq!(tally.newest().count, VIEWERS as u64 * PARTS);
}

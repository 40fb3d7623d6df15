//! Our own HLS origin without ingest and packager: made-up parts of 2.5 Mbit/s each 200 ms, stamped as they are made.
//!
//! Shows what viewers cost by themselves, and profiles well:
//! `taskset -c 0 origin 127.0.0.1:8080`, then `taskset -c 1 weir-bench hls --url http://127.0.0.1:8080/live/bench/index.m3u8`.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::{net::TcpListener, time::MissedTickBehavior};
use weir_edge::{Listener, serve::NothingElse};
use weir_hls::{Limits, Part, RenditionId, RenditionKind, RenditionSpec, Store, StreamWriter, Timing};
use weir_identity::{ChannelName, PublishId};
use weir_testkit::stamp::Stamp;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PART: Duration = Duration::from_millis(200);
const PICTURES_A_PART: u64 = 6;
const PARTS_A_SEGMENT: u64 = 10;
const PICTURE_BYTES: usize = 10_400;
const SOUND_BYTES: usize = 3_300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::new(Limits::default());
        let writer = store.open(ChannelName::parse("bench")?, PublishId::random(), false)?;
        let listener = TcpListener::bind(address).await?;
        println!("http://{}/live/bench/index.m3u8", listener.local_addr()?);
        tokio::spawn(write(writer));
        let stop = tokio_util::sync::CancellationToken::new();
        let config = weir_edge::Config::default();
        weir_edge::serve(vec![Listener::plain(listener)], weir_edge::service(store, None), NothingElse, config, stop)
            .await;
        Ok(())
    })
}

async fn write(writer: StreamWriter) {
    let (video, audio) = (RenditionId::video(), RenditionId::audio());
    let timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
    let picture = RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 };
    let sound = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
    let spec = |id: &RenditionId, codecs: &str, kind| RenditionSpec { id: id.clone(), codecs: codecs.into(), kind };
    writer.describe(timing, vec![spec(&video, "avc1.64001f", picture), spec(&audio, "mp4a.40.2", sound)]);
    writer.init(&video, Bytes::from_static(b"init"));
    writer.init(&audio, Bytes::from_static(b"init"));
    let mut clock = tokio::time::interval(PART);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0.. {
        clock.tick().await;
        let part = |data| Part {
            data,
            duration: PART,
            independent: number % PARTS_A_SEGMENT == 0,
            gap: false,
            program_date_time: SystemTime::now(),
            media_time: PART * number as u32,
        };
        let mut pictures = Vec::with_capacity(PICTURE_BYTES * PICTURES_A_PART as usize);
        for at in 0..PICTURES_A_PART {
            pictures.extend(Stamp::now(number * PICTURES_A_PART + at).h264_nal());
            pictures.resize(PICTURE_BYTES * (at as usize + 1), 7);
        }
        writer.part(&audio, part(vec![7; SOUND_BYTES].into()));
        writer.part(&video, part(pictures.into()));
        if number % PARTS_A_SEGMENT == PARTS_A_SEGMENT - 1 {
            writer.end_segment(&video);
            writer.end_segment(&audio);
        }
    }
}

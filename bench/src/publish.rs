//! RTMP publishers, all from one file.
//!
//! One thread, one task a publisher, the file's bytes shared. Publishers begin one after another within a keyframe
//! interval, so that their pictures and keyframes do not coincide. Every picture of H.264 carries a [`Stamp`], by which
//! viewers know when it left.

use std::{cell::RefCell, fs, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::{
    task::spawn_local,
    time::{Instant, sleep, sleep_until},
};
use weir_testkit::{
    media::{Codec, Movie},
    rtmp::{Client, Handshake, Options, Playout, flv::Style},
    stamp::Stamp,
};

use crate::{
    Failure,
    cost::{Cost, Snapshot, machine_seconds, mib},
};

/// Over how long publishers begin: the keyframe interval of most streams.
const SPREAD: Duration = Duration::from_secs(2);

/// How to publish.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `rtmp://HOST[:PORT]/APP/KEY`; `{i}` becomes the publisher's number, from 0 on
    #[arg(long)]
    url: String,
    /// How many publishers
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// An MP4 file with H.264 and AAC; `weir-bench fixture` makes one
    #[arg(long)]
    file: PathBuf,
    /// How long to publish, in seconds after all have begun
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds after all have begun that do not count yet
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Use FourCC headers (Enhanced RTMP) for H.264 and AAC too
    #[arg(long)]
    enhanced: bool,
    /// The same with timestamps in nanoseconds (Enhanced RTMP v2)
    #[arg(long)]
    nanos: bool,
    /// Shake hands with digests, as many encoders do
    #[arg(long)]
    digests: bool,
    /// Chunk size in bytes; OBS has 4096
    #[arg(long, default_value_t = Options::default().chunk_bytes)]
    chunk_bytes: u32,
    /// Processes of the server, with their children: measures what they spend
    #[arg(long)]
    server_pid: Vec<u32>,
    /// What to call the server in results
    #[arg(long, default_value = "server")]
    label: String,
    /// Where to write when each picture left: `[[publisher, number, sent_nanos], …]`
    #[arg(long)]
    record: Option<PathBuf>,
    /// Where to write the result, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) publishers: u32,
    /// Publishers that the server did not accept.
    pub(crate) refused: u32,
    /// Publishers whose connection ended before the time.
    pub(crate) lost: u32,
    pub(crate) mbit_per_second: f64,
    /// How much later than planned pictures left: how busy this side is.
    pub(crate) late_p99_ms: f64,
    /// This process's share of its core.
    pub(crate) load_cores: f64,
    /// Cores that neither this process nor the server had: figures mean little when there are any.
    pub(crate) other_cores: f64,
    pub(crate) server: Option<Cost>,
    /// Percent of a core that the server spends on a publisher.
    pub(crate) core_percent_a_publisher: Option<f64>,
    /// Memory that the server took for a publisher.
    pub(crate) mib_a_publisher: Option<f64>,
    /// The part of it that is no mapped file's.
    pub(crate) anonymous_mib_a_publisher: Option<f64>,
}

struct Shared {
    counts: bool,
    refused: u32,
    lost: u32,
    begun: u32,
    bytes: u64,
    late_micros: Histogram<u64>,
    keeps_record: bool,
    /// Publisher, picture, when it was sent.
    record: Vec<(u32, u64, u64)>,
    last_words: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let movie = Arc::new(Movie::open(&arguments.file));
    let style = match (arguments.nanos, arguments.enhanced) {
        (true, _) => Style::EnhancedNanos,
        (false, true) => Style::Enhanced,
        (false, false) => Style::Legacy,
    };
    let handshake = if arguments.digests { Handshake::Complex } else { Handshake::Simple };
    let options = Options { handshake, chunk_bytes: arguments.chunk_bytes, ..Options::default() };
    let playout = Playout::new(movie, style);
    let shared = Rc::new(RefCell::new(Shared {
        counts: false,
        refused: 0,
        lost: 0,
        begun: 0,
        bytes: 0,
        late_micros: Histogram::new(2)?,
        keeps_record: arguments.record.is_some(),
        record: Vec::new(),
        last_words: None,
    }));

    let idle = Snapshot::take(&arguments.server_pid)?;
    let begin = Instant::now();
    for number in 0..arguments.count {
        let url = arguments.url.replace("{i}", &number.to_string());
        let (playout, options, shared) = (playout.clone(), options.clone(), shared.clone());
        spawn_local(async move {
            sleep_until(begin + SPREAD * number / arguments.count).await;
            publisher(number, &url, &options, playout, &shared).await;
        });
    }
    sleep(SPREAD + Duration::from_secs(arguments.warmup)).await;
    let (server, own) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?);
    let machine = machine_seconds()?;
    shared.borrow_mut().counts = true;
    sleep(Duration::from_secs(arguments.seconds)).await;
    let (server_after, own_after) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?);
    let machine = (machine_seconds()? - machine) / arguments.seconds as f64;

    let shared = shared.borrow();
    let publishers = f64::from(shared.begun.max(1));
    let cost = (!arguments.server_pid.is_empty()).then(|| server_after.since(&server));
    let grown = mib(server_after.memory.saturating_sub(idle.memory));
    let anonymous = mib(server_after.anonymous.saturating_sub(idle.anonymous));
    let load_cores = own_after.since(&own).cores;
    let outcome = Outcome {
        kind: "publish".into(),
        label: arguments.label,
        publishers: arguments.count,
        refused: shared.refused,
        lost: shared.lost,
        mbit_per_second: shared.bytes as f64 * 8e-6 / arguments.seconds as f64,
        late_p99_ms: shared.late_micros.value_at_quantile(0.99) as f64 / 1e3,
        load_cores,
        other_cores: (machine - load_cores - cost.map_or(0.0, |cost| cost.cores)).max(0.0),
        server: cost,
        core_percent_a_publisher: cost.map(|cost| cost.cores * 100.0 / publishers),
        mib_a_publisher: cost.map(|_| grown / publishers),
        anonymous_mib_a_publisher: cost.map(|_| anonymous / publishers),
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(path) = arguments.out {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    if let Some(path) = arguments.record {
        fs::write(path, serde_json::to_vec(&shared.record)?)?;
    }
    match &shared.last_words {
        Some(words) if shared.begun == 0 => Err(words.clone().into()),
        _ => Ok(()),
    }
}

async fn publisher(number: u32, url: &str, options: &Options, playout: Playout, shared: &RefCell<Shared>) {
    let mut client = match Client::publish(url, options).await {
        Ok(client) => client,
        Err(error) => {
            let mut shared = shared.borrow_mut();
            shared.refused += 1;
            shared.last_words = Some(error.to_string());
            return;
        }
    };
    shared.borrow_mut().begun += 1;
    if let Err(error) = play(number, &mut client, playout, shared).await {
        let mut shared = shared.borrow_mut();
        shared.lost += 1;
        shared.last_words = Some(error.to_string());
    }
}

/// Sends until the connection ends.
async fn play(
    number: u32,
    client: &mut Client,
    mut playout: Playout,
    shared: &RefCell<Shared>,
) -> Result<(), weir_testkit::rtmp::Error> {
    for header in playout.headers() {
        client.send(&header).await?;
    }
    let begin = Instant::now();
    let mut pictures = 0;
    loop {
        let due = playout.advance();
        let when = begin + due.at;
        wait_until(when, client).await?;
        let stamp = match due.codec {
            Codec::Video(weir_media::VideoCodec::H264) => {
                pictures += 1;
                let stamp = Stamp::now(pictures);
                let (before, after) = due.data.split_at(delimiter_bytes(&due.data));
                client.send_parts(due.head, &[&due.prefix, before, &stamp.h264_nal(), after]).await?;
                Some(stamp)
            }
            _ => {
                client.send_due(&due).await?;
                None
            }
        };
        let mut shared = shared.borrow_mut();
        if shared.counts {
            shared.bytes += due.data.len() as u64;
            // The histogram grows as needed.
            let _ = shared.late_micros.record(when.elapsed().as_micros() as u64);
        }
        if let (true, Some(stamp)) = (shared.keeps_record, stamp) {
            shared.record.push((number, stamp.number, stamp.sent_nanos));
        }
    }
}

/// Listens to the server until it is time to send.
async fn wait_until(when: Instant, client: &mut Client) -> Result<(), weir_testkit::rtmp::Error> {
    let timer = sleep_until(when);
    tokio::pin!(timer);
    loop {
        tokio::select! {
            biased;
            () = &mut timer => return Ok(()),
            message = client.receive() => message?,
        };
    }
}

/// The length of the access unit delimiter at the sample's begin, which must stay first; usually there is none.
fn delimiter_bytes(sample: &[u8]) -> usize {
    const DELIMITER: u8 = 9;
    match sample {
        [0, 0, 0, length, head, ..] if head & 0x1f == DELIMITER => (4 + usize::from(*length)).min(sample.len()),
        _ => 0,
    }
}

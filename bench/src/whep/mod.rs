//! WHEP viewers of any server.
//!
//! Read [`viewer`] first (what one does), then [`description`] (offer and answer), [`feedback`] (what it reports) and
//! [`tally`]. A viewer takes whole bursts of packets from the kernel, reads the headers of all and decrypts only what it
//! measures, so that one core can watch what another sends.

mod description;
mod feedback;
mod tally;
mod viewer;

use std::{cell::RefCell, collections::BTreeMap, fs, path::PathBuf, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    task::spawn_local,
    time::{Instant, sleep, sleep_until},
};
use weir_peer::transport::Certificate;

use self::{tally::Tally, viewer::Watch};
use crate::{
    Failure,
    cost::{Cost, Snapshot, machine_seconds},
    quantiles::Quantiles,
};

/// A server keeps up when at most one packet in so many is lost.
const LOST_ONE_IN: u64 = 1_000;

/// How to watch.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `http://HOST[:PORT]/PATH`, where a WHEP offer is posted
    #[arg(long)]
    url: String,
    /// How many viewers
    #[arg(long, default_value_t = 1)]
    viewers: u32,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds after all have come that do not count yet
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Viewers that come each second
    #[arg(long, default_value_t = 50)]
    ramp: u32,
    /// Every how manyth viewer decrypts and reads the pictures' stamps; the others only count
    #[arg(long, default_value_t = 20)]
    measure_each: u32,
    /// Send no reports of what arrived
    #[arg(long)]
    silent: bool,
    /// Processes of the server, with their children: measures what they spend
    #[arg(long)]
    server_pid: Vec<u32>,
    /// What to call the server in results
    #[arg(long, default_value = "server")]
    label: String,
    /// Where to write the result, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) viewers: u32,
    /// UDP payload that viewers got.
    pub(crate) gbit_per_second: f64,
    pub(crate) packets_per_second: f64,
    pub(crate) packets_lost: u64,
    pub(crate) pictures: u64,
    pub(crate) stalls: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// From when a picture left its publisher to its last packet's arrival at the viewer's socket, by the kernel's clock.
    pub(crate) age_ms: Quantiles,
    /// The same until this process read it: it is all viewers at once, and each waits for those before.
    pub(crate) read_ms: Quantiles,
    /// From the offer to the first packet of media.
    pub(crate) start_ms: Quantiles,
    /// Hardly a packet was lost and nobody stalled, so that the figures are of a server that keeps up.
    pub(crate) keeps_up: bool,
    /// This process's share of its core: figures mean little when it nears 1.
    pub(crate) load_cores: f64,
    /// Cores that neither this process nor the server had: figures mean little when there are any.
    pub(crate) other_cores: f64,
    pub(crate) server: Option<Cost>,
    pub(crate) cpu_seconds_per_gbit: Option<f64>,
    /// Viewers divided by the share of a core that they cost.
    pub(crate) viewers_a_core: Option<f64>,
    /// Memory that the server took for a viewer.
    pub(crate) mib_a_viewer: Option<f64>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let watch = Rc::new(Watch {
        url: arguments.url.clone(),
        certificate: Certificate::generate()?,
        reports: !arguments.silent,
        tally: tally.clone(),
    });
    let idle = Snapshot::take(&arguments.server_pid)?;
    let begin = Instant::now();
    for number in 0..arguments.viewers {
        let measured = number % arguments.measure_each.max(1) == 0;
        let (watch, when) = (watch.clone(), begin + Duration::from_secs(1) * number / arguments.ramp.max(1));
        spawn_local(async move {
            sleep_until(when).await;
            if let Err(error) = watch.clone().watch(measured).await {
                watch.tally.borrow_mut().failed(error.to_string());
            }
        });
    }
    let arriving = Duration::from_secs(1) * arguments.viewers / arguments.ramp.max(1);
    sleep(arriving + Duration::from_secs(arguments.warmup)).await;
    let (server, own) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?);
    let machine = machine_seconds()?;
    tally.borrow_mut().counts = true;
    sleep(Duration::from_secs(arguments.seconds)).await;
    tally.borrow_mut().counts = false;
    let (server_after, own_after) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?);
    let machine = (machine_seconds()? - machine) / arguments.seconds as f64;

    let tally = tally.borrow();
    let cost = (!arguments.server_pid.is_empty()).then(|| server_after.since(&server));
    let gbit = tally.bytes as f64 * 8e-9;
    let load_cores = own_after.since(&own).cores;
    let viewers = f64::from(tally.watching.max(1));
    let outcome = Outcome {
        kind: "whep".into(),
        label: arguments.label,
        viewers: tally.watching,
        gbit_per_second: gbit / arguments.seconds as f64,
        packets_per_second: tally.packets as f64 / arguments.seconds as f64,
        packets_lost: tally.lost,
        pictures: tally.pictures,
        stalls: tally.stalls,
        errors: tally.errors.clone(),
        age_ms: tally.ages(),
        read_ms: tally.reads(),
        start_ms: tally.starts(),
        keeps_up: tally.lost * LOST_ONE_IN <= tally.packets && tally.stalls == 0 && tally.errors.is_empty(),
        load_cores,
        other_cores: (machine - load_cores - cost.map_or(0.0, |cost| cost.cores)).max(0.0),
        server: cost,
        cpu_seconds_per_gbit: cost.map(|cost| cost.cpu_seconds / gbit),
        viewers_a_core: cost.map(|cost| viewers / cost.cores),
        mib_a_viewer: cost.map(|cost| (cost.memory_mib - crate::cost::mib(idle.memory)) / viewers),
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(path) = arguments.out {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    Ok(())
}

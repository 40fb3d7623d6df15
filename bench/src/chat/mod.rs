//! People in a room: many listen, a few talk at a set rate, and how late everybody hears it is measured.
//!
//! Read [`adapter`] first (what differs between servers: [`weir`], [`centrifugo`]), then [`client`] (one connection),
//! [`crowd`] (all of them, in one thread) and [`tally`]. Messages carry the moment they should have left, so that a
//! server that is asked too much cannot slow the clock it is measured by. [`bare`] is a server to compare with. A client looks for that moment and for the
//! offset in each message and reads nothing else, so that one core can listen to what another sends.

mod account;
mod adapter;
pub(crate) mod bare;
mod centrifugo;
mod client;
mod crowd;
mod poll;
mod tally;
#[cfg(test)]
mod tests;
mod weir;

use std::{
    collections::BTreeMap,
    fs,
    net::ToSocketAddrs as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use self::{adapter::Adapter, crowd::Crowd};
use crate::{
    Failure,
    cost::{Cost, Snapshot, kernel_bytes, machine_seconds},
    quantiles::Quantiles,
};

/// How long what was said last may take to reach everybody.
const DRAIN: Duration = Duration::from_secs(5);
/// Connections from which on their memory stands out from what a server makes once.
const MANY: usize = 4_000;
/// How long a server takes to do what is left to do when somebody came.
const SETTLED: Duration = Duration::from_secs(2);

/// Whose protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Weir's, many messages in one frame
    Weir,
    /// Weir's, a frame for each message
    WeirSingle,
    /// As much of it as `weir-bench bare-chat` speaks
    Bare,
    /// Centrifugo's JSON; its configuration must let anybody subscribe and publish
    Centrifugo,
}

/// How to crowd a room.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `http://HOST:PORT`
    #[arg(long)]
    url: String,
    /// Whose protocol is spoken
    #[arg(long, value_enum, default_value = "weir")]
    protocol: Protocol,
    /// How many are in the room
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Messages that are said each second, by all speakers together
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// How many of them speak, in turn
    #[arg(long, default_value_t = 20)]
    speakers: usize,
    /// Bytes of a message as everybody gets it: a JSON object
    #[arg(long, default_value_t = 280)]
    bytes: usize,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds of talk that do not count yet
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Seconds of silence after all have come, before their memory is measured
    #[arg(long, default_value_t = 3)]
    idle: u64,
    /// How many, in percent, stop reading once they are in
    #[arg(long, default_value_t = 0.0)]
    stalled_percent: f64,
    /// The channel; `{i}` is the room's number. Without it an account is made for the bench, and its channel taken
    #[arg(long)]
    channel: Option<String>,
    /// In how many rooms they are, in turn. All talk is in the first
    #[arg(long, default_value_t = 1)]
    rooms: usize,
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
    /// In the room, and reading.
    pub(crate) connections: usize,
    pub(crate) rooms: usize,
    /// Messages a second that were to be said.
    pub(crate) rate: f64,
    /// Messages of the measured time that were said, and those that the server took.
    pub(crate) said: u64,
    pub(crate) taken: u64,
    /// Messages that somebody got, each counted for each who got it.
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    /// What a message was on the wire, with its part of the frame.
    pub(crate) bytes_a_delivery: f64,
    /// Messages in one frame.
    pub(crate) messages_a_frame: f64,
    /// From when a message should have left to when it was read.
    pub(crate) age_ms: Quantiles,
    /// Said and taken, but not heard by somebody within five seconds.
    pub(crate) missing: u64,
    /// Offsets that were left out, and offsets that came again or out of order.
    pub(crate) holes: u64,
    pub(crate) doubles: u64,
    /// Why connections ended, and what was refused.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Who stopped reading, and how many of them the server told to come back, or let go of when they did not hear that.
    pub(crate) stalled: usize,
    pub(crate) stalled_let_go: usize,
    /// Everybody heard everything.
    pub(crate) keeps_up: bool,
    /// This process's share of its core: figures mean little when it nears 1.
    pub(crate) load_cores: f64,
    /// Cores that neither this process nor the server had: figures mean little when there are any.
    pub(crate) other_cores: f64,
    pub(crate) server: Option<Cost>,
    /// Deliveries a second divided by the share of a core that they cost.
    pub(crate) deliveries_a_core: Option<f64>,
    /// Resident memory that the server took for a connection while nothing was said, with what it made once for all of
    /// them: of thousands it is theirs.
    pub(crate) kib_a_connection: Option<f64>,
    /// What the server spent while nothing was said.
    pub(crate) idle_cores: Option<f64>,
    /// Memory that the kernel took for a connection then, for both its ends and with whatever else went on.
    pub(crate) kernel_kib_a_connection: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let host = arguments.url.strip_prefix("http://").ok_or("the URL is not http://HOST:PORT")?.trim_end_matches('/');
    let address = host.to_socket_addrs()?.next().ok_or("the host has no address")?;
    let rooms = arguments.rooms.max(1);
    let (before, kernel_before) = (Snapshot::take(&arguments.server_pid)?, kernel_bytes()?);
    let adapter: Box<dyn Adapter> = match arguments.protocol {
        Protocol::Centrifugo => {
            Box::new(centrifugo::Centrifugo::new(arguments.channel.clone().unwrap_or_else(|| "bench".into())))
        }
        Protocol::Bare => Box::new(weir::Weir::bare()),
        protocol => {
            let room = account::prepare(address, host, arguments.channel.clone())?;
            Box::new(weir::Weir::new(room, protocol == Protocol::Weir))
        }
    };
    let mut crowd = Crowd::new(adapter, arguments.bytes)?;

    let stalled = (arguments.connections as f64 * arguments.stalled_percent / 100.0).round() as usize;
    for number in 0..arguments.connections {
        // Speakers come first, and read.
        let reads = number < arguments.connections - stalled;
        let room = number % rooms;
        let speaks = room == 0 && crowd.speakers() < arguments.speakers;
        crowd.enter(address, host, room, speaks, reads)?;
    }
    let idle = Duration::from_secs(arguments.idle);
    crowd.listen_until(Instant::now() + idle.min(SETTLED))?;
    let quiet = Snapshot::take(&arguments.server_pid)?;
    crowd.listen_until(Instant::now() + idle)?;
    let (idle, kernel_idle) = (Snapshot::take(&arguments.server_pid)?, kernel_bytes()?);

    let window = Duration::from_secs(arguments.seconds);
    crowd.talk(arguments.rate);
    crowd.listen_until(Instant::now() + Duration::from_secs(arguments.warmup))?;
    let (server, own, machine) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?, machine_seconds()?);
    crowd.measure(window);
    crowd.listen_until(Instant::now() + window)?;
    let (server_after, own_after) = (Snapshot::take(&arguments.server_pid)?, Snapshot::own()?);
    let machine = (machine_seconds()? - machine) / window.as_secs_f64();
    crowd.hush();
    crowd.drain(Instant::now() + DRAIN)?;
    let stalled_let_go = crowd.let_go();

    let measured = !arguments.server_pid.is_empty();
    let cost = measured.then(|| server_after.since(&server));
    let load_cores = own_after.since(&own).cores;
    let everybody = arguments.connections as f64;
    let kib = |after: u64, before: u64| (after as f64 - before as f64) / 1024.0 / everybody;
    let (tally, connections) = (crowd.tally(), crowd.listeners());
    let deliveries_per_second = tally.deliveries_within as f64 / window.as_secs_f64();
    let missing = (tally.taken * connections as u64).saturating_sub(tally.deliveries);
    let outcome = Outcome {
        kind: "chat".into(),
        label: arguments.label.clone(),
        connections,
        rooms,
        rate: arguments.rate,
        said: tally.said,
        taken: tally.taken,
        deliveries: tally.deliveries,
        deliveries_per_second,
        bytes_a_delivery: tally.bytes as f64 / tally.messages.max(1) as f64,
        messages_a_frame: tally.messages as f64 / tally.frames.max(1) as f64,
        age_ms: tally.ages(),
        missing,
        holes: tally.holes,
        doubles: tally.doubles,
        errors: tally.errors.clone(),
        stalled,
        stalled_let_go,
        keeps_up: missing == 0 && tally.taken >= tally.said && tally.holes + tally.doubles == 0,
        load_cores,
        other_cores: (machine - load_cores - cost.map_or(0.0, |cost| cost.cores)).max(0.0),
        server: cost,
        deliveries_a_core: cost.map(|cost| deliveries_per_second / cost.cores),
        kib_a_connection: (measured && arguments.connections >= MANY).then(|| kib(idle.memory, before.memory)),
        idle_cores: measured.then(|| idle.since(&quiet).cores),
        kernel_kib_a_connection: kib(kernel_idle, kernel_before),
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(path) = &arguments.out {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    Ok(())
}

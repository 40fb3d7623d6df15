//! HLS viewers of any server.
//!
//! Read [`viewer`] first (what one does), then [`playlist`] and [`crate::http`] (how, cheaply), [`ts`] and [`tally`].

mod playlist;
mod tally;
mod ts;
mod viewer;

use std::{cell::RefCell, fs, net::ToSocketAddrs as _, path::PathBuf, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    task::spawn_local,
    time::{Instant, sleep, sleep_until},
};

use self::{tally::Tally, viewer::Watch};
use crate::{
    Failure,
    cost::{Cost, Snapshot, machine_seconds},
    http::Want,
    quantiles::Quantiles,
};

/// A server keeps up when at most one in so many parts is late or fails.
const TROUBLE_ONE_IN: u64 = 1_000;

/// How to watch.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `http://HOST[:PORT]/PATH.m3u8`, a multivariant or a media playlist
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
    #[arg(long, default_value_t = 500)]
    ramp: u32,
    /// Every how manyth viewer reads the pictures' stamps; the others only count
    #[arg(long, default_value_t = 20)]
    measure_each: u32,
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
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) viewers: u32,
    pub(crate) gbit_per_second: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) parts: u64,
    pub(crate) pictures_missed: u64,
    pub(crate) fell_behind: u64,
    pub(crate) stalls: u64,
    pub(crate) errors: std::collections::BTreeMap<String, u64>,
    /// Age of a part's newest picture when its last byte came, against the publisher's clock.
    pub(crate) newest_ms: Quantiles,
    /// The same of its oldest picture.
    pub(crate) oldest_ms: Quantiles,
    /// Hardly anyone waited or failed, so that the figures are of a server that keeps up.
    pub(crate) keeps_up: bool,
    /// This process's share of its core: figures mean little when it nears 1.
    pub(crate) load_cores: f64,
    /// Cores that neither this process nor the server had: figures mean little when there are any.
    pub(crate) other_cores: f64,
    pub(crate) server: Option<Cost>,
    pub(crate) cpu_seconds_per_gbit: Option<f64>,
    /// Viewers divided by the share of a core that they cost.
    pub(crate) viewers_a_core: Option<f64>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (host, path) = arguments
        .url
        .strip_prefix("http://")
        .and_then(|rest| Some(rest.split_at(rest.find('/')?)))
        .ok_or("the URL is not http://HOST[:PORT]/PATH")?;
    let authority = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let server = authority.to_socket_addrs()?.next().ok_or("the host has no address")?;
    let tally = Rc::new(RefCell::new(Tally::new()));
    let watch = Watch { server, host: host.into(), tally: tally.clone(), measured: false };

    let begin = Instant::now();
    for number in 0..arguments.viewers {
        let watch = Watch { measured: number % arguments.measure_each.max(1) == 0, ..watch.clone() };
        let (path, when) = (path.to_owned(), begin + Duration::from_secs(1) * number / arguments.ramp.max(1));
        spawn_local(async move {
            sleep_until(when).await;
            viewer(watch, path).await;
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
    let outcome = Outcome {
        kind: "hls".into(),
        label: arguments.label,
        viewers: tally.watching,
        gbit_per_second: gbit / arguments.seconds as f64,
        requests_per_second: tally.requests as f64 / arguments.seconds as f64,
        parts: tally.parts,
        pictures_missed: tally.pictures_missed,
        fell_behind: tally.fell_behind,
        stalls: tally.stalls,
        errors: tally.errors.clone(),
        newest_ms: tally.newest(),
        oldest_ms: tally.oldest(),
        keeps_up: (tally.stalls + tally.errors.values().sum::<u64>()) * TROUBLE_ONE_IN <= tally.parts,
        load_cores,
        other_cores: (machine - load_cores - cost.map_or(0.0, |cost| cost.cores)).max(0.0),
        server: cost,
        cpu_seconds_per_gbit: cost.map(|cost| cost.cpu_seconds / gbit),
        viewers_a_core: cost.map(|cost| f64::from(tally.watching) / cost.cores),
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(path) = arguments.out {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    Ok(())
}

/// Reads what is offered, then watches pictures and sound, each for itself as players do.
async fn viewer(watch: Watch, path: String) {
    let mut connection = watch.connection();
    let text = match connection.get(&path, Want::Body).await {
        Ok(answer) if answer.status == 200 => String::from_utf8_lossy(connection.body()).into_owned(),
        Ok(answer) => return watch.tally.borrow_mut().refused(format!("status {} at first", answer.status)),
        Err(error) => return watch.tally.borrow_mut().refused(error.to_string()),
    };
    drop(connection);
    watch.tally.borrow_mut().watching += 1;
    let Some(offer) = playlist::offer(&text) else { return watch.rendition(path).await };
    let video = watch.clone().rendition(playlist::resolve(&path, &offer.video));
    match offer.audio {
        Some(audio) => {
            let sound = Watch { measured: false, ..watch };
            spawn_local(sound.rendition(playlist::resolve(&path, &audio)));
            video.await;
        }
        None => video.await,
    }
}

#[cfg(test)]
mod tests;

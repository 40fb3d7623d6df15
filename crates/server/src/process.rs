//! What this process costs, as metrics, read from `/proc` when somebody asks for them.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the histograms of durations, in seconds: fine around the tens of milliseconds in which a part
/// should pass, coarse up to where something is broken.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Keeps what is measured. Durations become histograms, which can be summed over servers; quantiles could not.
pub(crate) fn recorder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
}

/// How often measured durations are put into their histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Puts measured durations into their histograms, for ever: until then each takes memory of its own, and without this
/// only a reader of `/metrics` would do it.
pub(crate) async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        metrics.run_upkeep();
    }
}

/// Names the metrics of this file and of the server.
pub(crate) fn describe() {
    describe_gauge!("weir_process_open_fds", "Open file descriptors.");
    describe_gauge!("weir_process_max_fds", "Most file descriptors that may be open.");
    describe_gauge!("weir_process_threads", "Threads.");
    describe_gauge!("weir_process_resident_memory_bytes", "Memory in RAM.");
    describe_gauge!("weir_process_cpu_seconds", "Processor time, user and system.");
    describe_gauge!("weir_live_publishes", "Publishers now.");
    describe_gauge!("weir_live_streams", "Playlists that are live, those in their grace time included.");
    describe_gauge!("weir_viewers", "Viewers now, an estimate.");
    describe_gauge!("weir_hls_held_requests", "Requests that wait for a part to come.");
    describe_gauge!("weir_build_info", "1, labelled with the version.");
    gauge!("weir_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Reads `/proc` and sets the metrics. What cannot be read keeps its last value.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
pub(crate) fn observe() {
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge!("weir_process_open_fds").set(open.count() as f64);
    }
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    let Some(usage) = Usage::parse(&stat) else { return };
    gauge!("weir_process_threads").set(usage.threads as f64);
    gauge!("weir_process_resident_memory_bytes").set((usage.resident_pages * page_bytes()) as f64);
    // A gauge, though it only grows: counters of the recorder are whole numbers.
    gauge!("weir_process_cpu_seconds").set(usage.ticks as f64 / ticks_a_second() as f64);
    if let Some(max) = max_fds() {
        gauge!("weir_process_max_fds").set(max as f64);
    }
}

/// The fields of `/proc/PID/stat` that are wanted (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Usage {
    ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Usage {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold spaces; the third comes after it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
        Some(Self { ticks: field(14)? + field(15)?, threads: field(20)?, resident_pages: field(24)? })
    }
}

fn page_bytes() -> u64 {
    // SAFETY: sysconf reads a constant of the system.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

fn ticks_a_second() -> u64 {
    // SAFETY: sysconf reads a constant of the system.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1)
}

fn max_fds() -> Option<u64> {
    Some(open_files_limit()?.rlim_cur)
}

fn open_files_limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (got == 0).then_some(limit)
}

/// Lets this process open as many files as it may: a connection is a file, and the soft limit is often 1024. Gives how
/// many that are, if the system says so.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = open_files_limit()?;
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: the pointer is to a live rlimit of ours.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    }
    max_fds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_anything() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 5 0 0 0 30 12 0 0 20 0 9 0 100 1000 250 18446744073709551615 1";
        assert_eq!(Usage::parse(stat), Some(Usage { ticks: 42, threads: 9, resident_pages: 250 }));
        assert_eq!(Usage::parse("nonsense"), None);
    }

    #[test]
    fn as_many_files_may_be_opened_as_the_system_allows() {
        let raised = raise_open_files();
        assert_eq!(raised, open_files_limit().map(|limit| limit.rlim_max));
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let usage = Usage::parse(&std::fs::read_to_string("/proc/self/stat").unwrap()).unwrap();
        assert!(usage.threads > 0 && usage.resident_pages * page_bytes() > 100_000);
    }
}

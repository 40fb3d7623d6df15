//! What processes spend, read from `/proc` (Linux, proc(5)).

use std::{
    fs, io,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// CPU and memory of some processes up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    at: Instant,
    cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) memory: u64,
    /// The part of it that is no file's: files that are mapped can be dropped and read again.
    pub(crate) anonymous: u64,
}

/// What they spent between two snapshots.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
    /// 1.0 is a whole core.
    pub(crate) cores: f64,
    /// Resident memory at the end.
    pub(crate) memory_mib: f64,
    /// The part of it that is no file's.
    pub(crate) anonymous_mib: f64,
}

impl Snapshot {
    /// Looks at `pids`, and at every process they started.
    pub(crate) fn take(pids: &[u32]) -> io::Result<Self> {
        let (mut cpu, mut memory, mut anonymous) = (Duration::ZERO, 0, 0);
        for pid in with_children(pids) {
            cpu += cpu_time(pid)?;
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            memory += bytes_of("VmRSS:", &status);
            anonymous += bytes_of("RssAnon:", &status);
        }
        Ok(Self { at: Instant::now(), cpu, memory, anonymous })
    }

    /// This process.
    pub(crate) fn own() -> io::Result<Self> {
        Self::take(&[std::process::id()])
    }

    pub(crate) fn since(&self, earlier: &Self) -> Cost {
        let cpu_seconds = self.cpu.saturating_sub(earlier.cpu).as_secs_f64();
        let wall = (self.at - earlier.at).as_secs_f64();
        Cost {
            cpu_seconds,
            cores: cpu_seconds / wall,
            memory_mib: mib(self.memory),
            anonymous_mib: mib(self.anonymous),
        }
    }
}

/// nginx does its work in children of the process that was started.
fn with_children(pids: &[u32]) -> Vec<u32> {
    let mut all = pids.to_vec();
    let mut at = 0;
    while at < all.len() {
        let path = format!("/proc/{0}/task/{0}/children", all[at]);
        let children = fs::read_to_string(path).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Fields 14 and 15 of `stat`, in clock ticks. The second field, the name, may have spaces but ends with the last `)`.
fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// What `pids` have run for so far. Finer than [`Snapshot`], and without threads that ended: to compare turns that are
/// shorter than a second.
pub(crate) fn run_time(pids: &[u32]) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for pid in with_children(pids) {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end meanwhile.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// What all processes of the machine have used its cores for so far, in core-seconds.
pub(crate) fn machine_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    // The fourth and fifth are idle time and waiting for disks.
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok((ticks.iter().sum::<f64>() - idle) / per_second as f64)
}

/// Memory of the kernel's objects, sockets among them, that it cannot drop (`/proc/meminfo`), in bytes.
pub(crate) fn kernel_bytes() -> io::Result<u64> {
    Ok(bytes_of("SUnreclaim:", &fs::read_to_string("/proc/meminfo")?))
}

fn bytes_of(field: &str, status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

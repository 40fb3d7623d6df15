//! What a worker gives up before it looks at anything that strangers made.

use std::time::Duration;

/// How much work that fills a core steps back behind the server.
const NICE: i32 = 5;

/// How much of the machine a worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most address space, in bytes.
    pub address_space_bytes: u64,
    /// Most open files, those it begins with included: below that number it opens none.
    pub open_files: u64,
    /// Most time on a processor, in whole seconds; without it, any. What takes longer is killed.
    pub cpu: Option<Duration>,
    /// Longest file that it may write, in bytes; without it, any.
    pub file_bytes: Option<u64>,
}

/// Takes from this process what it does not need. What the kernel refuses stays as it was: the worker is a process of its
/// own all the same.
pub fn confine(limits: Limits) {
    // A crash is the server's to tell; a core file would hold what a stranger sent.
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_AS, limits.address_space_bytes);
    limit(libc::RLIMIT_NOFILE, limits.open_files);
    if let Some(cpu) = limits.cpu {
        limit(libc::RLIMIT_CPU, cpu.as_secs());
    }
    if let Some(bytes) = limits.file_bytes {
        limit(libc::RLIMIT_FSIZE, bytes);
    }
    // SAFETY: these calls take numbers only and change this process alone.
    unsafe {
        // Ends with the server, even while it is busy and does not see that the socket did.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // Neither its memory nor its files can be looked at by others of this user.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
}

/// Lets the server go first from now on, for work that fills a core.
pub fn step_back() {
    // SAFETY: it takes numbers only and changes this process alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the limit outlives the call; only this process is changed.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

//! What a worker gives up before it looks at anything that strangers made.

/// Most address space, in bytes: decoders of the largest pictures, and the threads' stacks.
const ADDRESS_SPACE_MAX: u64 = 4 << 30;
/// Most open files: the socket, and what GStreamer loads.
const FILES_MAX: u64 = 64;
/// How much work that fills a core steps back behind the server.
const NICE: i32 = 5;

/// Takes from this process what it does not need. What the kernel refuses stays as it was: the worker is a process of its
/// own all the same.
pub(super) fn give_up_privileges() {
    // A crash is the server's to tell; a core file would hold the publisher's pictures.
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_AS, ADDRESS_SPACE_MAX);
    limit(libc::RLIMIT_NOFILE, FILES_MAX);
    // SAFETY: these calls take numbers only and change this process alone.
    unsafe {
        // Ends with the server, even while it is busy and does not see that the socket did.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // Neither its memory nor its files can be looked at by others of this user.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
}

/// Lets the server go first from now on. Pictures fill a core; sound is little work, and late soon.
pub(super) fn step_back() {
    // SAFETY: it takes numbers only and changes this process alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the limit outlives the call; only this process is changed.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

//! How this process takes memory.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps the kernel from backing our heaps with huge pages. Every thread has a heap of its own, a muxer's thread uses a
/// few hundred KiB of it, and with huge pages each heap that is touched costs 2 MiB and more: 12 MiB a publisher instead
/// of 3. Call it before threads start.
pub(crate) fn no_huge_pages() {
    // SAFETY: this prctl takes plain numbers and changes only how later page faults of this process are served. That it
    // is refused on a kernel without huge pages is no loss.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
}

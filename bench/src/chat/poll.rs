//! Which of many sockets have something to read (epoll(7), level-triggered).

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    time::Duration,
};

/// Sockets that are looked at before the clock is: few, so that what is due leaves in time.
const EVENTS: usize = 64;

/// The poll.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no preconditions; a descriptor that is returned is ours alone.
        let epoll = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if epoll < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(epoll)
        };
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    /// Looks at `socket` from now on, until it is closed, and calls it `name`.
    pub(crate) fn add(&self, socket: RawFd, name: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: name as u64 };
        // SAFETY: `event` is valid for the call.
        match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, socket, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits for at most `longest`, and gives the names of some that can be read.
    pub(crate) fn wait(&mut self, longest: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        ready.clear();
        let longest = libc::timespec {
            tv_sec: longest.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(longest.subsec_nanos() as i32),
        };
        // SAFETY: the kernel writes at most `EVENTS` events, which there is room for, and says how many.
        unsafe {
            let count = libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                &raw const longest,
                std::ptr::null(),
            );
            match usize::try_from(count) {
                Ok(count) => self.events.set_len(count),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
                }
            }
        }
        ready.extend(self.events.iter().map(|event| event.u64 as usize));
        Ok(())
    }
}

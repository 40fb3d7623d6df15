//! The process that looks at one picture, and ends.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{fd::AsFd as _, unix::net::UnixStream},
    time::Duration,
};

use weir_worker::{Limits, confine, step_back};

use crate::{Made, Refused, decode, encode, wire};

/// What it may take: the largest picture takes some 200 MiB while it is decoded, and the allocator sets a GiB of addresses
/// aside; it opens and writes nothing; the work is
/// done within a second or two.
pub(crate) const LIMITS: Limits =
    Limits { address_space_bytes: 2 << 30, open_files: 0, cpu: Some(Duration::from_secs(10)), file_bytes: Some(0) };

/// Makes a picture anew: reads one from standard input, a socket, up to its end, and answers there.
///
/// # Errors
/// When the server cannot be reached.
pub fn run() -> io::Result<()> {
    // The last file that it opens.
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    confine(LIMITS);
    step_back();
    let mut sent = Vec::new();
    (&socket).take(wire::INPUT_BYTES_MAX as u64 + 1).read_to_end(&mut sent)?;
    let answer = if sent.len() > wire::INPUT_BYTES_MAX { Err(Refused::TooMuch) } else { make(&sent) };
    socket.write_all(&wire::write(&answer))?;
    socket.shutdown(Shutdown::Write)
}

/// What a picture looks like, as a picture of ours.
pub(crate) fn make(sent: &[u8]) -> Result<Made, Refused> {
    encode::encode(decode::decode(sent)?)
}

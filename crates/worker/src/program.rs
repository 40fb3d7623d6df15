//! A worker's process, from the server's side: how it is started, and the socket to it.

use std::{ffi::OsString, io, os::fd::OwnedFd, path::PathBuf, process::Stdio};

use tokio::{
    net::UnixStream,
    process::{Child, Command},
};

/// Variables of the environment that a worker gets: what finds libraries, plugins and their cache. Secrets stay out.
const ENVIRONMENT: &[&str] = &["PATH", "HOME", "XDG_CACHE_HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR"];
/// All variables that begin so: GStreamer's own.
const ENVIRONMENT_OF_GSTREAMER: &str = "GST_";

/// What a worker is started from.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables that it gets beside the usual ones.
    pub environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// This program, called with these arguments. It is the very file that runs, even if another lies in its place now.
    #[must_use]
    pub fn this(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self { path: "/proc/self/exe".into(), arguments, environment: Vec::new() }
    }

    /// Starts it; it reads and writes the socket as its standard input. Dropping the child kills it.
    ///
    /// # Errors
    /// What the operating system says against it.
    pub fn start(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, its) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let usual = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            ENVIRONMENT.contains(&&*name) || name.starts_with(ENVIRONMENT_OF_GSTREAMER)
        });
        let mut command = Command::new(&self.path);
        command
            .arg0("weir")
            .args(&self.arguments)
            .env_clear()
            .envs(usual)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(its)))
            // What libraries print about a stranger's stream is the stranger's to fill.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn()?;
        Ok((child, UnixStream::from_std(ours)?))
    }
}

//! nginx as a cache in front, started by `tests/services/nginx`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use crate::server::free_port;

/// A running cache. Killed when dropped.
pub struct Nginx {
    _child: Child,
    /// Where it listens.
    pub listen: SocketAddr,
    folder: PathBuf,
}

impl Nginx {
    /// Starts a cache in front of `origin`; its files go into `folder`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(origin: SocketAddr, folder: &Path) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/nginx");
        let child = Command::new(script)
            .args([origin.to_string(), listen.to_string()])
            .arg(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the script starts");
        crate::hls::wait_for_status(&format!("http://{listen}/nginx-is-up"), 204).await;
        Self { _child: child, listen, folder: folder.to_owned() }
    }

    /// What it asked of the origin so far: a request line each.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.join("upstream.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

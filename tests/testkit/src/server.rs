//! The real server, started as a user would, on ports and in a folder of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::net::Net;

/// Longest that any test waits for one thing to happen. Not a promise of speed: only the end of hope.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// First port that [`free_port`] tries: above the well-known ones and below those that clients are given.
const PORTS_FROM: u16 = 21_000;
/// One past the last.
const PORTS_TO: u16 = 32_000;

/// A port of this machine that nothing listens on, and that no other test of this process was given.
///
/// # Panics
/// When every port is taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let seat = (std::process::id() % 100) as u16 * 100;
    for _ in PORTS_FROM..PORTS_TO {
        let port = PORTS_FROM + (seat + NEXT.fetch_add(1, Relaxed)) % (PORTS_TO - PORTS_FROM);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free {
            return port;
        }
    }
    panic!("no free port between {PORTS_FROM} and {PORTS_TO}");
}

/// The stream key that [`Server::start`] gives the channel `admin`.
pub const ADMIN_KEY: &str = "admin-key-for-tests-0123456789";

/// A running server. Killed when dropped, if it is still there.
pub struct Server {
    child: Child,
    /// Its `data_dir`, and whatever else a test puts there. Kept when another server goes on with it.
    pub dir: Arc<TempDir>,
    env: Vec<(String, String)>,
    /// Pages, API and HLS.
    pub http: SocketAddr,
    /// HTTPS, when a certificate was configured.
    pub https: SocketAddr,
    /// RTMP.
    pub rtmp: SocketAddr,
    /// RTMPS, when a certificate was configured.
    pub rtmps: SocketAddr,
    /// Health, metrics, command line.
    pub internal: SocketAddr,
    /// WebRTC, over UDP and TCP.
    pub webrtc: SocketAddr,
    output: Arc<Mutex<Vec<String>>>,
    grown: watch::Receiver<usize>,
}

/// Where the binaries of this build are: beside the test's own.
///
/// # Panics
/// When the test does not run from a target folder.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let path = test.parent().and_then(Path::parent).expect("…/target/debug/deps/test").join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    path
}

impl Server {
    /// Starts with an empty store and default settings, but for the ports.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with some settings of the environment changed.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let dir = Arc::new(tempfile::Builder::new().prefix("weir-test-").tempdir().expect("a temporary folder"));
        Self::start_in(dir, settings).await
    }

    /// Starts with its pages and WebRTC reachable from the far end of `net` only, at [`Net::near`].
    pub async fn start_behind(net: &Net, settings: &[(&str, &str)]) -> Self {
        let near = || SocketAddr::from((net.near, free_port())).to_string();
        let (http, webrtc) = (near(), near());
        let listen = [("WEIR__HTTP__LISTEN", http.as_str()), ("WEIR__WEBRTC__LISTEN", webrtc.as_str())];
        Self::start_with(&[&listen, settings].concat()).await
    }

    /// Starts in a folder that may hold the data of an earlier server.
    ///
    /// # Panics
    /// When it does not become ready; the panic carries its output.
    pub async fn start_in(dir: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        let here = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (mut http, https, rtmp, rtmps, internal, mut webrtc) = (here(), here(), here(), here(), here(), here());
        let mut env: Vec<(String, String)> = [
            ("WEIR__DATA_DIR", dir.path().join("data").display().to_string()),
            ("WEIR__HTTP__LISTEN", http.to_string()),
            ("WEIR__HTTP__TLS_LISTEN", https.to_string()),
            ("WEIR__INGEST__RTMP__LISTEN", rtmp.to_string()),
            ("WEIR__INGEST__RTMP__TLS_LISTEN", rtmps.to_string()),
            ("WEIR__INTERNAL__LISTEN", internal.to_string()),
            ("WEIR__WEBRTC__LISTEN", webrtc.to_string()),
            ("WEIR__FIRST_START__STREAM_KEY", ADMIN_KEY.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in settings {
            env.retain(|(known, _)| known != name);
            env.push(((*name).to_owned(), (*value).to_owned()));
            let set = match *name {
                "WEIR__HTTP__LISTEN" => &mut http,
                "WEIR__WEBRTC__LISTEN" => &mut webrtc,
                _ => continue,
            };
            *set = value.parse().expect("an address and a port");
        }
        let mut child = Command::new(binary("weir"))
            .arg("serve")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let output = Arc::new(Mutex::new(Vec::new()));
        let (grow, grown) = watch::channel(0);
        let grow = Arc::new(grow);
        collect(child.stdout.take().expect("piped"), output.clone(), grow.clone());
        collect(child.stderr.take().expect("piped"), output.clone(), grow);
        let mut server = Self { child, dir, env, http, https, rtmp, rtmps, internal, webrtc, output, grown };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&mut self) {
        let ready = async {
            loop {
                if crate::http::get(&format!("http://{}/readyz", self.internal)).await.is_ok_and(|a| a.status == 200) {
                    return true;
                }
                tokio::select! {
                    _ = self.child.wait() => return false,
                    // Between two tries of a server that is still starting.
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        };
        let ready = timeout(PATIENCE, ready).await.unwrap_or(false);
        assert!(ready, "the server did not become ready:\n{}", self.output());
    }

    /// Everything it printed and logged so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().expect("no one panics while writing").join("\n")
    }

    /// Waits for a line of output that holds `text`, past or to come, and gives it.
    ///
    /// # Panics
    /// When none comes.
    pub async fn line_with(&self, text: &str) -> String {
        let mut grown = self.grown.clone();
        let found = async {
            loop {
                let line = self.output.lock().expect("as above").iter().find(|line| line.contains(text)).cloned();
                if let Some(line) = line {
                    return line;
                }
                if grown.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("no line with {text:?} in:\n{}", self.output()),
        }
    }

    /// Runs another `weir` command with this server's settings. Gives whether it went well, and what it printed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn weir(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(binary("weir"))
            .args(arguments)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .output()
            .await
            .expect("the command starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// Makes a channel with a key, through the command line.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn channel(&self, name: &str, key: &str) {
        let (well, text) = self.weir(&["channel", "create", name, "--key", key]).await;
        assert!(well, "{text}");
    }

    /// Where a publisher with `key` pushes.
    #[must_use]
    pub fn rtmp_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.rtmp)
    }

    /// A URL of its public listener.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// The multivariant playlist of a channel.
    #[must_use]
    pub fn playlist(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/index.m3u8"))
    }

    /// The value of a metric on the internal listener; the sum over its labels, 0 when it is not there yet.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn metric(&self, name: &str) -> f64 {
        let answer = crate::http::get(&format!("http://{}/metrics", self.internal)).await.expect("metrics answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub async fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().await;
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.expect("the status of our own child"),
            Err(_) => panic!("the server does not end:\n{}", self.output()),
        }
    }
}

/// Keeps the lines of a pipe.
fn collect(
    pipe: impl AsyncRead + Unpin + Send + 'static,
    output: Arc<Mutex<Vec<String>>>,
    grow: Arc<watch::Sender<usize>>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.lock().expect("no one panics while writing").push(line);
            grow.send_modify(|count| *count += 1);
        }
    });
}

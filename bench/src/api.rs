//! Callers of the API: channel reads, with a token and without, one's own account, logins; beside a bare route.
//!
//! Routes take short turns, so that whatever else the machine does meets all of them alike, and what one costs is the
//! median of its turns. Each is asked over the same few connections, by each as fast as it is answered.

use std::{
    cell::RefCell, collections::BTreeMap, fs, hint::black_box, net::SocketAddr, net::ToSocketAddrs as _, path::PathBuf,
    rc::Rc, time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{task::spawn_local, time::Instant};
use weir_identity::{
    AccountId, ChannelName, FamilyId,
    token::{Subject, TokenKeys},
};

use crate::{
    Failure,
    cost::{Snapshot, machine_seconds, run_time},
    http::{Connection, Want},
    quantiles::Quantiles,
};

/// How long a route is asked before another has its turn.
const TURN: Duration = Duration::from_millis(200);
/// Longest latency that is told from longer ones, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;
/// Tokens checked to know what one costs.
const TOKENS: u32 = 2_000;
/// Names of routes that are compared.
const CHANNEL: &str = "channel";
const CHANNEL_WITH_TOKEN: &str = "channel, with a token";
/// Of the account that this makes.
const PASSWORD: &str = "a password for the bench";

/// What to ask.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `http://HOST:PORT`
    #[arg(long)]
    url: String,
    /// The same of a server that `weir-bench bare` runs
    #[arg(long)]
    bare_url: Option<String>,
    /// The process of that server
    #[arg(long)]
    bare_pid: Option<u32>,
    /// Connections that ask at once
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Connections that log in at once: each login keeps a core busy for tens of milliseconds
    #[arg(long, default_value_t = 2)]
    logins: usize,
    /// How long each route is measured, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Processes of the server, with their children: measures what they spend
    #[arg(long)]
    server_pid: Vec<u32>,
    /// What to call the server in results
    #[arg(long, default_value = "server")]
    label: String,
    /// Where to write the result, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) routes: Vec<Route>,
    /// What a token adds to a channel read, as a share of it with one.
    pub(crate) token_percent: Option<f64>,
    /// What checking the signature of a token that was not seen before takes, in microseconds. Once in its ten minutes.
    pub(crate) first_check_us: f64,
}

/// One route.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    /// As many as a core of the server's has time for.
    pub(crate) requests_a_core: Option<f64>,
    /// What one costs the server, in microseconds of a core: the median of the turns.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) latency_ms: Quantiles,
    /// Answers other than 200, and none at all.
    pub(crate) errors: BTreeMap<String, u64>,
    /// This process's share of its core: latencies mean little when it nears 1.
    pub(crate) load_cores: f64,
    /// Cores that neither this process nor the server had: figures mean little when there are any.
    pub(crate) other_cores: f64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = Server::at(&arguments.url, &arguments.server_pid)?;
    let name = format!("bench_{}", std::process::id());
    let token = register(&server, &name).await?;
    let channel = format!("/api/v1/channels/{name}");

    let most = arguments.connections;
    let mut asked = vec![
        Asked::new(CHANNEL, &server, server.get(&channel, None), most),
        Asked::new(CHANNEL_WITH_TOKEN, &server, server.get(&channel, Some(&token)), most),
        Asked::new("one's own account", &server, server.get("/api/v1/me", Some(&token)), most),
    ];
    if let Some(url) = &arguments.bare_url {
        let bare = Server::at(url, arguments.bare_pid.as_slice())?;
        asked.insert(0, Asked::new("bare route", &bare, bare.get(&channel, None), most));
    }
    let login = json!({"username": name, "password": PASSWORD});
    let mut logins = Asked::new("login", &server, server.post("/api/v1/auth/login", &login), arguments.logins);
    // Caches and connections of all are there before anything counts.
    for asked in asked.iter_mut().chain([&mut logins]) {
        asked.turn().await?;
        asked.forget();
    }
    let turns = (Duration::from_secs(1) * arguments.seconds).div_duration_f64(TURN).round() as u32;
    for _ in 0..turns {
        for asked in &mut asked {
            asked.turn().await?;
        }
    }
    for _ in 0..turns {
        logins.turn().await?;
    }
    asked.push(logins);

    let routes: Vec<Route> = asked.iter().map(Asked::route).collect();
    let costs = |name: &str| asked.iter().find(|asked| asked.name == name).map_or(&[][..], |asked| &asked.costs_us);
    let pairs = costs(CHANNEL).iter().zip(costs(CHANNEL_WITH_TOKEN));
    let token_percent = median(pairs.map(|(without, with)| (with - without) / with * 100.0).collect());
    let outcome = Outcome {
        kind: "api".into(),
        label: arguments.label,
        routes,
        token_percent,
        first_check_us: first_check_us()?,
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(path) = arguments.out {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    Ok(())
}

/// A server, and the processes whose cost is its.
struct Server {
    address: SocketAddr,
    host: String,
    pids: Vec<u32>,
}

impl Server {
    fn at(url: &str, pids: &[u32]) -> Result<Self, Failure> {
        let host = url.strip_prefix("http://").ok_or("the URL is not http://HOST:PORT")?.trim_end_matches('/');
        let address = host.to_socket_addrs()?.next().ok_or("the host has no address")?;
        Ok(Self { address, host: host.to_owned(), pids: pids.to_vec() })
    }

    fn get(&self, path: &str, token: Option<&str>) -> Vec<u8> {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{token}\r\n", self.host).into_bytes()
    }

    fn post(&self, path: &str, body: &Value) -> Vec<u8> {
        let (body, host) = (body.to_string(), &self.host);
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: ");
        format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
    }
}

/// Makes an account with its channel. Gives its access token.
async fn register(server: &Server, name: &str) -> Result<String, Failure> {
    let mut connection = Connection::new(server.address, &server.host);
    let wanted = json!({"username": name, "password": PASSWORD});
    let answer = connection.send(&server.post("/api/v1/auth/register", &wanted), Want::Body).await?;
    let body: Value = serde_json::from_slice(connection.body()).unwrap_or_default();
    let token = body["access_token"].as_str().filter(|_| answer.status == 201);
    token.map(str::to_owned).ok_or_else(|| format!("no account: status {}, {body}", answer.status).into())
}

/// One route, and what came of asking so far.
struct Asked {
    name: &'static str,
    request: Rc<[u8]>,
    pids: Vec<u32>,
    connections: Vec<Connection>,
    tally: Rc<RefCell<Tally>>,
    /// What a request cost the server, in each turn.
    costs_us: Vec<f64>,
    cpu_seconds: f64,
    own_seconds: f64,
    machine_seconds: f64,
    seconds: f64,
}

struct Tally {
    latencies: Histogram<u64>,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    fn new() -> Self {
        let latencies = Histogram::new_with_max(LATENCY_MAX_US, 3).expect("the bounds are valid");
        Self { latencies, errors: BTreeMap::new() }
    }
}

impl Asked {
    fn new(name: &'static str, server: &Server, request: Vec<u8>, connections: usize) -> Self {
        Self {
            name,
            request: request.into(),
            pids: server.pids.clone(),
            connections: (0..connections).map(|_| Connection::new(server.address, &server.host)).collect(),
            tally: Rc::new(RefCell::new(Tally::new())),
            costs_us: Vec::new(),
            cpu_seconds: 0.0,
            own_seconds: 0.0,
            machine_seconds: 0.0,
            seconds: 0.0,
        }
    }

    fn forget(&mut self) {
        *self.tally.borrow_mut() = Tally::new();
        self.costs_us.clear();
        (self.cpu_seconds, self.own_seconds, self.machine_seconds, self.seconds) = (0.0, 0.0, 0.0, 0.0);
    }

    /// Asks for [`TURN`] over all connections, and until what was asked last is answered.
    async fn turn(&mut self) -> Result<(), Failure> {
        let before = (run_time(&self.pids)?, Snapshot::own()?, machine_seconds()?);
        let answered = self.tally.borrow().latencies.len();
        let began = Instant::now();
        let until = began + TURN;
        let asking: Vec<_> = std::mem::take(&mut self.connections)
            .into_iter()
            .map(|connection| spawn_local(ask(connection, self.request.clone(), until, self.tally.clone())))
            .collect();
        for asking in asking {
            self.connections.push(asking.await?);
        }
        let cpu_seconds = run_time(&self.pids)?.saturating_sub(before.0).as_secs_f64();
        let answered = self.tally.borrow().latencies.len() - answered;
        if answered > 0 && !self.pids.is_empty() {
            self.costs_us.push(cpu_seconds * 1e6 / answered as f64);
        }
        self.cpu_seconds += cpu_seconds;
        self.own_seconds += Snapshot::own()?.since(&before.1).cpu_seconds;
        self.machine_seconds += machine_seconds()? - before.2;
        self.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    fn route(&self) -> Route {
        let tally = self.tally.borrow();
        let requests = tally.latencies.len();
        let cpu_us = median(self.costs_us.clone());
        Route {
            name: self.name.into(),
            connections: self.connections.len(),
            requests,
            requests_per_second: requests as f64 / self.seconds,
            requests_a_core: cpu_us.map(|cost| 1e6 / cost),
            cpu_us,
            latency_ms: Quantiles::of(&tally.latencies),
            errors: tally.errors.clone(),
            load_cores: self.own_seconds / self.seconds,
            other_cores: ((self.machine_seconds - self.own_seconds - self.cpu_seconds) / self.seconds).max(0.0),
        }
    }
}

/// Asks over one connection until the time is up.
async fn ask(mut connection: Connection, request: Rc<[u8]>, until: Instant, tally: Rc<RefCell<Tally>>) -> Connection {
    while Instant::now() < until {
        let began = Instant::now();
        let answer = connection.send(&request, Want::Length).await;
        let mut tally = tally.borrow_mut();
        match answer {
            Ok(answer) if answer.status == 200 => {
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                tally.latencies.saturating_record(took);
            }
            Ok(answer) => *tally.errors.entry(format!("status {}", answer.status)).or_default() += 1,
            Err(error) => *tally.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    connection
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Checks signatures of many tokens of Weir's kind, here.
fn first_check_us() -> Result<f64, Failure> {
    let keys = TokenKeys::new("weir-bench", &[("bench".into(), [1; 32])]).ok_or("no keys")?;
    let name = ChannelName::parse("bench_channel")?;
    let subject = Subject { account: AccountId::new(), family: FamilyId::new(), name, role: "user".into() };
    let token = keys.sign(&subject, 1_000);
    let began = Instant::now();
    for _ in 0..TOKENS {
        black_box(keys.verify(black_box(&token), 1_000))?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(TOKENS))
}

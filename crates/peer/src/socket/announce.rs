//! Keeps what peers are told true while the machine's addresses change.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::time::{self, Instant};

use super::{
    Candidate, Shared,
    addresses::{self, Known},
    discovery,
};
use crate::{
    config::{Config, PublicAddress},
    path::{Carrier, Path},
};

/// How often the machine's addresses are looked at: a laptop changes its network, a lease ends. It costs the kernel
/// some microseconds.
const MACHINE_INTERVAL: Duration = Duration::from_secs(10);

/// How often STUN servers are asked.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(180);

/// What the candidates are made of.
pub(super) struct Announcer {
    bound: SocketAddr,
    tcp: bool,
    public: Vec<PublicAddress>,
    stun_servers: Vec<String>,
    machine: Vec<IpAddr>,
    discovered: Vec<SocketAddr>,
}

impl Announcer {
    pub(super) fn new(config: &Config, bound: SocketAddr, tcp: bool) -> Self {
        Self {
            bound,
            tcp,
            public: config.public_addresses.clone(),
            stun_servers: config.stun_servers.clone(),
            machine: Vec::new(),
            discovered: Vec::new(),
        }
    }

    /// Whether the candidates may change at all.
    pub(super) fn has_news(&self) -> bool {
        self.watches_the_machine() || !self.stun_servers.is_empty()
    }

    fn watches_the_machine(&self) -> bool {
        self.public.is_empty() && self.bound.ip().is_unspecified()
    }

    /// The candidates now.
    pub(super) fn candidates(&mut self) -> Vec<Candidate> {
        if self.watches_the_machine() {
            match addresses::machine() {
                Ok(machine) => self.machine = machine,
                Err(error) => tracing::debug!(%error, "the machine's addresses cannot be listed"),
            }
        }
        let Self { bound, tcp, public, machine, discovered, .. } = self;
        addresses::candidates(&Known { bound: *bound, tcp: *tcp, public, machine, discovered })
    }

    /// Asks the STUN servers. What was known stays if none answers.
    async fn discover(&mut self, shared: &Shared) {
        let servers = discovery::resolve(&self.stun_servers, self.bound.is_ipv6()).await;
        let send = |remote, datagram: &[u8]| {
            shared.send(&Path { carrier: Carrier::Udp, local: self.bound, remote }, datagram);
        };
        let found = shared.discovery.ask(&servers, send).await;
        if found.is_empty() {
            tracing::warn!("no STUN server of `webrtc.stun_servers` answers");
        } else if found != self.discovered {
            tracing::info!(addresses = ?found, "STUN servers see the WebRTC port under");
            self.discovered = found;
        }
    }
}

/// Looks and asks forever.
pub(super) async fn run(shared: Arc<Shared>, mut announcer: Announcer) {
    let mut next_discovery = Instant::now();
    loop {
        if !announcer.stun_servers.is_empty() && Instant::now() >= next_discovery {
            announcer.discover(&shared).await;
            next_discovery = Instant::now() + DISCOVERY_INTERVAL;
        }
        let candidates = announcer.candidates();
        if **shared.candidates.read() != *candidates {
            tracing::info!(candidates = candidates.len(), "the addresses that WebRTC peers are told have changed");
            *shared.candidates.write() = candidates.into();
        }
        time::sleep(MACHINE_INTERVAL).await;
    }
}

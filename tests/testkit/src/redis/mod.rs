//! Redis, started by `tests/services/redis`: one server, a primary that sentinels watch, or a cluster; and a [`Proxy`] on the
//! way to it.

mod proxy;

pub use proxy::Proxy;

use crate::service::Service;

/// What the sentinels call the primary.
const PRIMARY: &str = "weir";

/// Running servers, numbered from 1, which keep nothing on disk. They end when this is dropped, or with the process,
/// however it ends.
pub struct Redis {
    service: Service,
    servers: Vec<String>,
    url: String,
}

impl Redis {
    /// One server. Blocks until it serves, which takes a tenth of a second; so do the others, for longer.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn single() -> Self {
        Self::start("single", |servers| format!("redis://{}", servers.join(",")))
    }

    /// The primary 1, its replica 2, and three sentinels, 3 to 5. Takes two seconds. When the primary is gone for a
    /// second, the replica becomes it.
    ///
    /// # Panics
    /// When they cannot be started.
    #[must_use]
    pub fn sentinel() -> Self {
        Self::start("sentinel", |servers| format!("redis+sentinel://{}/{PRIMARY}", servers[2..].join(",")))
    }

    /// A cluster of three, with a third of the slots each and no replicas. Takes four seconds. While one is gone for
    /// more than two seconds, none serves.
    ///
    /// # Panics
    /// When they cannot be started.
    #[must_use]
    pub fn cluster() -> Self {
        Self::start("cluster", |servers| format!("redis+cluster://{}", servers.join(",")))
    }

    fn start(kind: &str, url: impl FnOnce(&[String]) -> String) -> Self {
        let (service, servers) = Service::start("redis", kind);
        let url = url(&servers);
        Self { service, servers, url }
    }

    /// The `redis.url` of them all.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where a server listens, as `HOST:PORT`.
    ///
    /// # Panics
    /// When there is no such server.
    #[must_use]
    pub fn address(&self, server: usize) -> &str {
        &self.servers[server - 1]
    }

    /// Has a server hang: its connections stay open, and it answers nothing.
    pub fn pause(&self, server: usize) {
        self.service.command(&format!("pause {server}"), &format!("paused {server}"));
    }

    /// Has a paused server go on, first with what was sent to it meanwhile.
    pub fn resume(&self, server: usize) {
        self.service.command(&format!("continue {server}"), &format!("continued {server}"));
    }

    /// Ends a server at once, as a crash would.
    pub fn kill(&self, server: usize) {
        self.service.command(&format!("kill {server}"), &format!("killed {server}"));
    }

    /// Starts a killed server again, with nothing in it, at the same address.
    pub fn revive(&self, server: usize) {
        self.service.command(&format!("start {server}"), &format!("started {server}"));
    }
}

//! Apache Cassandra, started by `tests/services/cassandra`: a real CQL server, one node or several.

use std::sync::OnceLock;

use crate::service::Service;

/// A running cluster. Its nodes end when this is dropped, or with the process, however it ends.
pub struct Cassandra {
    service: Service,
    nodes: Vec<String>,
}

impl Cassandra {
    /// Starts a cluster of `nodes`. Blocks until they serve, which takes 5 to 20 seconds.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(nodes: usize) -> Self {
        let (service, nodes) = Service::start("cassandra", &nodes.to_string());
        Self { service, nodes }
    }

    /// One node for all tests of this process; started by the first who asks. Blocks like [`Self::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cassandra> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1))
    }

    /// The `store.url` of a keyspace, through every node.
    #[must_use]
    pub fn url(&self, keyspace: &str) -> String {
        format!("cql://{}/{keyspace}", self.nodes.join(","))
    }

    /// Ends a node at once, as a crash would. The first is number 1.
    pub fn kill(&self, node: usize) {
        self.service.command(&format!("kill {node}"), &format!("killed {node}"));
    }

    /// Has a node hang: it takes what is sent, and answers nothing.
    pub fn pause(&self, node: usize) {
        self.service.command(&format!("pause {node}"), &format!("paused {node}"));
    }

    /// Has a node that hangs go on.
    pub fn resume(&self, node: usize) {
        self.service.command(&format!("resume {node}"), &format!("resumed {node}"));
    }

    /// Starts a killed node again with what it had, and waits until every node sees every other.
    pub fn revive(&self, node: usize) {
        self.service.command(&format!("start {node}"), &format!("started {node}"));
    }
}

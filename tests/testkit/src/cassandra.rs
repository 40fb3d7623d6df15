//! Apache Cassandra, started by `tests/services/cassandra`: a real CQL server, one node or several.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock},
};

/// A running cluster. Its nodes end when this is dropped, or with the process, however it ends.
pub struct Cassandra {
    pipes: Mutex<Pipes>,
    nodes: Vec<String>,
}

struct Pipes {
    child: Child,
    /// Closing it ends the cluster.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cassandra {
    /// Starts a cluster of `nodes`. Blocks until they serve, which takes 5 to 20 seconds.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(nodes: usize) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/cassandra");
        let mut child = Command::new(script)
            .arg(nodes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut pipes = Pipes { child, commands, answers };
        let ready = pipes.answer();
        let nodes = ready.strip_prefix("ready ").unwrap_or_else(|| panic!("no Cassandra: {ready:?}"));
        let nodes = nodes.split(',').map(str::to_owned).collect();
        Self { pipes: Mutex::new(pipes), nodes }
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
        self.command(&format!("kill {node}"), &format!("killed {node}"));
    }

    /// Starts a killed node again with what it had, and waits until every node sees every other.
    pub fn revive(&self, node: usize) {
        self.command(&format!("start {node}"), &format!("started {node}"));
    }

    fn command(&self, command: &str, answer: &str) {
        let mut pipes = self.pipes.lock().expect("no one panics while holding it");
        let commands = pipes.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("the script listens");
        assert_eq!(pipes.answer(), answer);
    }
}

impl Pipes {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the script answers");
        line.trim_end().to_owned()
    }
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        if let Ok(pipes) = self.pipes.get_mut() {
            drop(pipes.commands.take());
            let _ = pipes.child.wait();
        }
    }
}

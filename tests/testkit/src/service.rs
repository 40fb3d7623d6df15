//! A service that a script of `tests/services` runs for as long as its standard input is open, and that takes commands.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

/// A running service. It ends when this is dropped, or with the process, however it ends.
pub(crate) struct Service {
    pipes: Mutex<Pipes>,
}

struct Pipes {
    child: Child,
    /// Closing it ends the service.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Service {
    /// Starts the script with one argument. Gives what it says of itself once it is ready: the addresses of its
    /// servers. Blocks until then.
    pub(crate) fn start(script: &str, argument: &str) -> (Self, Vec<String>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(script);
        let mut child = Command::new(path)
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut pipes = Pipes { child, commands, answers };
        let ready = pipes.answer();
        let servers = ready.strip_prefix("ready ").unwrap_or_else(|| panic!("no {script}: {ready:?}"));
        let servers = servers.split(',').map(str::to_owned).collect();
        (Self { pipes: Mutex::new(pipes) }, servers)
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn command(&self, command: &str, answer: &str) {
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

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(pipes) = self.pipes.get_mut() {
            drop(pipes.commands.take());
            let _ = pipes.child.wait();
        }
    }
}

//! Chromium, driven by `tests/e2e/browser/driver.mjs`.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    net::Net,
    server::{PATIENCE, Server},
};

/// One browser with one page.
pub struct Browser {
    _child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// Starts Chromium.
    ///
    /// # Panics
    /// When Node cannot be started.
    #[must_use]
    pub fn launch() -> Self {
        Self::start(Command::new("node"))
    }

    /// Starts Chromium at the far end of `net`. Pages of `http://`[`Net::near`] count as secure there, as those of this
    /// machine do.
    ///
    /// # Panics
    /// When Node cannot be started.
    #[must_use]
    pub fn launch_behind(net: &Net, server: &Server) -> Self {
        let mut node = net.command("node");
        node.env("CHROMIUM_SECURE_ORIGIN", server.url(""));
        Self::start(node)
    }

    fn start(mut node: Command) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/browser");
        let mut child = node
            .arg("driver.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let stdin = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { _child: child, stdin, answers }
    }

    /// Ends it in good order, so that its profile folder goes too.
    pub async fn close(mut self) {
        let _ = self.stdin.shutdown().await;
        drop(self.stdin);
        let _ = timeout(PATIENCE, self._child.wait()).await;
    }

    async fn ask(&mut self, command: Value) -> Result<Value, String> {
        let line = format!("{command}\n");
        self.stdin.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
        let answer = timeout(PATIENCE * 2, self.answers.next_line()).await.map_err(|_| "the browser hangs")?;
        let answer = answer.map_err(|error| error.to_string())?.ok_or("the browser is gone")?;
        let mut answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["ok"].take()),
        }
    }

    async fn must(&mut self, command: Value) -> Value {
        let told = command.to_string();
        match self.ask(command).await {
            Ok(value) => value,
            Err(error) => panic!("{told}: {error}"),
        }
    }

    /// Opens a page.
    pub async fn goto(&mut self, url: &str) {
        self.must(json!({"op": "goto", "url": url})).await;
    }

    /// The value of a JavaScript expression in the page.
    pub async fn eval(&mut self, code: &str) -> Value {
        self.must(json!({"op": "eval", "code": code})).await
    }

    /// Waits until a JavaScript expression is truthy; gives its value.
    pub async fn wait(&mut self, code: &str) -> Value {
        let command = json!({"op": "wait", "code": code, "ms": PATIENCE.as_millis() as u64});
        match self.ask(command).await {
            Ok(value) => value,
            Err(error) => {
                let text = self.eval("document.body.innerText").await;
                let complaints = self.complaints().await;
                panic!("waiting for {code}: {error}\npage: {text}\ncomplaints: {complaints:?}");
            }
        }
    }

    /// Clicks what a selector finds.
    pub async fn click(&mut self, selector: &str) {
        self.must(json!({"op": "click", "selector": selector})).await;
    }

    /// Types into the field that a selector finds, instead of what it holds.
    pub async fn fill(&mut self, selector: &str, text: &str) {
        self.must(json!({"op": "fill", "selector": selector, "text": text})).await;
    }

    /// Chooses an option of a `<select>`, by its value.
    pub async fn choose(&mut self, selector: &str, value: &str) {
        self.must(json!({"op": "choose", "selector": selector, "value": value})).await;
    }

    /// Gives a file to the field that a selector finds.
    pub async fn attach(&mut self, selector: &str, path: &Path) {
        self.must(json!({"op": "attach", "selector": selector, "path": path})).await;
    }

    /// Presses a key, such as `Space`.
    pub async fn press(&mut self, key: &str) {
        self.must(json!({"op": "press", "key": key})).await;
    }

    /// Sets the size of the window, in CSS pixels.
    pub async fn size(&mut self, width: u32, height: u32) {
        self.must(json!({"op": "size", "width": width, "height": height})).await;
    }

    /// Saves a picture of the page.
    pub async fn screenshot(&mut self, path: &Path) {
        self.must(json!({"op": "shot", "path": path})).await;
    }

    /// Saves a picture of the whole page, however long it is.
    pub async fn whole_screenshot(&mut self, path: &Path) {
        self.must(json!({"op": "shot", "path": path, "whole": true})).await;
    }

    /// What keeps people from using the page, by axe: what it calls serious or critical.
    pub async fn barriers(&mut self) -> Vec<String> {
        lines(&self.must(json!({"op": "axe"})).await)
    }

    /// What the pages complained of so far: console errors, CSP violations, uncaught errors.
    pub async fn complaints(&mut self) -> Vec<String> {
        lines(&self.must(json!({"op": "complaints"})).await)
    }
}

fn lines(list: &Value) -> Vec<String> {
    list.as_array().map_or_else(Vec::new, |list| list.iter().map(|line| line.to_string()).collect())
}

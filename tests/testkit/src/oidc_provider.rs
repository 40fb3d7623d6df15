//! A certified OpenID Connect provider, started by `tests/services/oidc-provider`, and a browser that logs in there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use bytes::Bytes;

use crate::http::{Answer, send};

/// A running provider. Ends when this is dropped, or with the process, however it ends.
pub struct OidcProvider {
    child: Child,
    /// Kept open: it ends when it cannot write.
    _stdout: BufReader<ChildStdout>,
    /// Its address, as it names itself.
    pub issuer: String,
}

/// The client that it knows.
pub const CLIENT_ID: &str = "weir";
/// That client's secret.
pub const CLIENT_SECRET: &str = "secret-of-the-tests";

/// Steps from a provider's door to where it sends the browser in the end; more are a circle.
const STEPS_MAX: usize = 10;

impl OidcProvider {
    /// Starts one that sends browsers back to `redirect_uri`. Blocks until it listens; the first time installs it.
    #[must_use]
    pub fn start(redirect_uri: &str) -> Self {
        Self::start_at(0, redirect_uri)
    }

    /// As [`Self::start`], at a port that another one may have had. It has new keys, and remembers nothing.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_at(port: u16, redirect_uri: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/oidc-provider/start");
        let mut child = Command::new(script)
            .args([&port.to_string(), redirect_uri])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("the script answers");
        let issuer = line.trim_end().strip_prefix("ready ").unwrap_or_else(|| panic!("no provider: {line:?}"));
        Self { issuer: issuer.to_owned(), child, _stdout: stdout }
    }

    /// Its port.
    ///
    /// # Panics
    /// Never: it named its address itself.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.issuer.rsplit(':').next().and_then(|port| port.parse().ok()).expect("an address with a port")
    }

    /// Logs `person` in, as a browser that never was there and goes to `url`. Gives the address that the provider sends
    /// it back to.
    ///
    /// # Panics
    /// When it does not come to that.
    pub async fn log_in(&self, url: &str, person: &str) -> String {
        let mut cookies = BTreeMap::new();
        let mut url = url.to_owned();
        for _ in 0..STEPS_MAX {
            let mut answer = ask("GET", &url, &mut cookies, "").await;
            if answer.status == 200 {
                // The login page: its form goes to the page's own address.
                let form = format!("prompt=login&login={person}&password=any");
                answer = ask("POST", &url, &mut cookies, &form).await;
            }
            let to = answer.header("location").to_owned();
            assert!(matches!(answer.status, 302 | 303), "{url}: {} {}", answer.status, answer.text());
            url = if to.starts_with('/') { format!("{}{to}", self.issuer) } else { to };
            if !url.starts_with(&format!("{}/", self.issuer)) {
                return url;
            }
        }
        panic!("the provider sends browsers in circles: {url}");
    }
}

async fn ask(method: &str, url: &str, cookies: &mut BTreeMap<String, String>, form: &str) -> Answer {
    let carried: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = [("cookie", carried.join("; ")), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = send(method, url, &headers, Bytes::copy_from_slice(form.as_bytes())).await;
    let answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
    for set in answer.headers.get_all("set-cookie") {
        let pair = set.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        if value.is_empty() {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
    answer
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

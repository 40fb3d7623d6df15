//! `[auth]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::oidc;

/// `[auth]`: how people log in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether anyone may register. Otherwise only the command line makes accounts.
    pub registration: bool,
    /// Memory that hashing one password takes, in KiB (Argon2id). More makes guessing dearer, and logging in as well.
    pub argon2_memory_kib: u32,
    /// Passes over that memory.
    pub argon2_passes: u32,
    /// Passwords hashed at once; further logins wait for their turn.
    pub hashing_at_once: usize,
    /// Logins that wait for their turn at most; further ones are told to come back.
    pub hashing_waiting_max: usize,
    /// How long a device stays logged in without being used.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub device_idle_max: Duration,
    /// How long a key signs access tokens before the next is made. What it signed counts on.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub signing_key_lifetime: Duration,
    /// The address under which browsers reach this server, such as `https://live.example.org`: login providers send them
    /// back there. Empty: the address that the browser used, which is wrong behind a proxy that does not pass on `Host`.
    pub public_url: String,
    /// Login providers, by name.
    pub oidc: oidc::Providers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registration: true,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            hashing_at_once: 2,
            hashing_waiting_max: 128,
            device_idle_max: Duration::from_secs(30 * 24 * 3_600),
            signing_key_lifetime: Duration::from_secs(30 * 24 * 3_600),
            public_url: String::new(),
            oidc: oidc::Providers::new(),
        }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `auth`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        // RFC 9106 §3.1 allows less; OWASP's floor for Argon2id is 7 MiB with 5 passes.
        if !(7_168..=1_048_576).contains(&self.argon2_memory_kib) {
            return Err(("argon2_memory_kib", "must be 7168 to 1048576".into()));
        }
        if !(1..=20).contains(&self.argon2_passes) {
            return Err(("argon2_passes", "must be 1 to 20".into()));
        }
        if !(1..=64).contains(&self.hashing_at_once) {
            return Err(("hashing_at_once", "must be 1 to 64".into()));
        }
        if !(1..=10_000).contains(&self.hashing_waiting_max) {
            return Err(("hashing_waiting_max", "must be 1 to 10000".into()));
        }
        if !(Duration::from_secs(3_600)..=Duration::from_secs(400 * 24 * 3_600)).contains(&self.device_idle_max) {
            return Err(("device_idle_max", "must be 1 h to 400 days".into()));
        }
        if !(Duration::from_secs(3_600)..=Duration::from_secs(400 * 24 * 3_600)).contains(&self.signing_key_lifetime) {
            return Err(("signing_key_lifetime", "must be 1 h to 400 days".into()));
        }
        if !self.public_url.is_empty() && self.public_origin().is_none() {
            return Err(("public_url", "must be https:// or http:// and a host, without a path".into()));
        }
        oidc::validate(&self.oidc).map_err(|what| ("oidc", what))
    }

    /// `public_url` as it stands before a path, if there is one.
    pub(crate) fn public_origin(&self) -> Option<String> {
        let url = Url::parse(&self.public_url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        (bare && url.username().is_empty() && url.password().is_none()).then(|| url.origin().ascii_serialization())
    }
}

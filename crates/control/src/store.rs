//! The store: every domain's trait joined, and opening the one that a URL names.
//!
//! The traits ask in the language of the domain and say what must hold; no statement, row or transaction shows. What
//! a store must do is fixed by `conformance.rs`, which every implementation passes. Answers are boxed futures, so
//! that a server holds one `Arc<dyn Store>` whatever is below; a box is nothing beside a query.

use std::{future::Future, path::Path, pin::Pin, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_identity::KeySecret;

use crate::{
    accounts::{Account, Accounts},
    audit::Audit,
    bans::Bans,
    channels::{Channel, Channels},
    cql::{self, Cluster, Cql},
    emotes::Emotes,
    error::Error,
    families::Families,
    follows::Follows,
    held::HeldMessages,
    idempotency::Idempotency,
    keys::{Key, Keys},
    messages::Messages,
    oidc_identities::OidcIdentities,
    reports::Reports,
    roles::Roles,
    sessions::Sessions,
    signing::SigningKeys,
    sqlite::Sqlite,
    vods::Vods,
    webhooks::Webhooks,
    words::WordLists,
};

/// What a store's call gives.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Longest name of a keyspace, as Apache Cassandra and ScyllaDB have it.
const KEYSPACE_CHARS_MAX: usize = 48;

/// Everything that is kept. Cloned as `Arc<dyn Store>`; calls may come from any task.
pub trait Store:
    Accounts
    + Audit
    + Bans
    + Channels
    + Emotes
    + Families
    + Follows
    + HeldMessages
    + Idempotency
    + Installation
    + Keys
    + Messages
    + OidcIdentities
    + Reports
    + Roles
    + Sessions
    + SigningKeys
    + Vods
    + Webhooks
    + WordLists
{
    /// Whether it answers and can be written, for readiness. Costs one small query.
    fn ping(&self) -> Answer<'_, ()>;
}

/// What belongs to the installation and is shared by all its nodes.
pub trait Installation: Send + Sync + 'static {
    /// The secret under which stream keys are hashed; made by the first who asks, the same for everyone after.
    fn key_secret(&self) -> Answer<'_, KeySecret>;

    /// Puts the first account with its channel and key into an empty store: all three or none. False when an account
    /// exists, or another node was first.
    fn found(&self, foundation: Foundation) -> Answer<'_, bool>;
}

/// What an empty store begins with.
#[derive(Debug, Clone)]
pub struct Foundation {
    /// The operator.
    pub account: Account,
    /// A channel of the same name.
    pub channel: Channel,
    /// Its first stream key.
    pub key: Key,
}

/// `[store]`: where accounts, channels and keys are kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite:PATH` keeps everything in one file on this machine; a relative path is below the server's working
    /// directory. Empty means `sqlite:` and `weir.db` inside `data_dir`. `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE` keeps
    /// it in a cluster of Apache Cassandra or ScyllaDB that several nodes share; some of its servers are enough, the
    /// others are learned from them. A keyspace that is missing is made.
    pub url: String,
    /// Calls that may wait for the one writer of an SQLite store; more are refused as busy.
    pub writes_waiting_max: usize,
    /// Threads that read an SQLite store, beside the one that writes.
    pub readers: usize,
    /// Who logs in at a CQL store. Empty: nobody does.
    pub username: String,
    /// The password for it.
    pub password: Password,
    /// Servers that keep each row, in each datacenter, when the keyspace of a CQL store is made: 3 outlives the loss of
    /// one. Changes nothing once it is there.
    pub replication_factor: u8,
    /// What else to say when the keyspace is made, as in `CREATE KEYSPACE … AND`: `tablets = {'enabled': false}` for a
    /// ScyllaDB whose tablets know no lightweight transactions yet.
    pub keyspace_options: String,
}

/// A password in the settings. `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password in clear, for whom it is meant.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            writes_waiting_max: 1024,
            readers: 2,
            username: String::new(),
            password: Password::default(),
            replication_factor: 1,
            keyspace_options: String::new(),
        }
    }
}

impl Config {
    /// Whether several nodes may share the store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(Place::parse(&self.url, Path::new("")), Ok(Place::Cql(_)))
    }

    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `store`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if let Err(error) = Place::parse(&self.url, Path::new("")) {
            return Err(("url", error.to_string()));
        }
        if !(1..=65_536).contains(&self.writes_waiting_max) {
            return Err(("writes_waiting_max", "must be 1 to 65536".into()));
        }
        if !(1..=64).contains(&self.readers) {
            return Err(("readers", "must be 1 to 64".into()));
        }
        if !(1..=9).contains(&self.replication_factor) {
            return Err(("replication_factor", "must be 1 to 9".into()));
        }
        if self.keyspace_options.contains(';') {
            return Err(("keyspace_options", "must be what follows AND in one statement".into()));
        }
        Ok(())
    }
}

/// Opens the store that `config.url` names, making or migrating it first. `data_dir` is where an unnamed one lies.
///
/// # Errors
/// [`Error`], as a sentence for the operator.
pub async fn open(config: &Config, data_dir: &Path) -> Result<Arc<dyn Store>, Error> {
    match Place::parse(&config.url, data_dir)? {
        Place::Sqlite(path) => Ok(Arc::new(Sqlite::open(path, config).await?)),
        Place::Cql(cluster) => Ok(Arc::new(Box::pin(Cql::open(&cluster, config)).await?)),
    }
}

/// Where a URL points.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite(std::path::PathBuf),
    Cql(Cluster),
}

impl Place {
    pub(crate) fn parse(url: &str, data_dir: &Path) -> Result<Self, Error> {
        if url.is_empty() {
            return Ok(Self::Sqlite(data_dir.join("weir.db")));
        }
        if let Some(path) = url.strip_prefix("sqlite:") {
            if path.is_empty() || path.contains('\0') {
                return Err(Error::Url("`sqlite:` must be followed by the path of a file".into()));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if let Some(rest) = url.strip_prefix("cql://") {
            return cluster(rest)
                .map(Self::Cql)
                .map_err(|why| Error::Url(format!("{why}: a CQL store is `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE`")));
        }
        Err(Error::Url("a store is `sqlite:PATH` or `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE`".into()))
    }
}

/// What follows `cql://`.
fn cluster(text: &str) -> Result<Cluster, &'static str> {
    let (servers, keyspace) = text.split_once('/').ok_or("no keyspace is named")?;
    if servers.contains('@') {
        return Err("who logs in is said by `store.username` and `store.password`");
    }
    let servers = servers.split(',').map(server).collect::<Option<Vec<_>>>().ok_or("a server cannot be read")?;
    let well = keyspace.len() <= KEYSPACE_CHARS_MAX
        && keyspace.starts_with(|c: char| c.is_ascii_lowercase())
        && keyspace.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !well {
        return Err("a keyspace begins with a-z and has up to 48 of a-z, 0-9 and _");
    }
    Ok(Cluster { servers, keyspace: keyspace.into() })
}

/// `HOST[:PORT]`, an IPv6 address in brackets, with its port.
fn server(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
        _ => (text, cql::PORT),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let well = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    (well && bare.contains(':') == (bare.len() != host.len())).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, path: Option<&str>) {
        let place = Place::parse(url, Path::new("/data")).ok();
        assert_eq!(place, path.map(|path| Place::Sqlite(path.into())), "{url}");
    }

    #[test]
    fn a_url_names_a_file() {
        check("", Some("/data/weir.db"));
        check("sqlite:/srv/a.db", Some("/srv/a.db"));
        check("sqlite:here.db", Some("here.db"));
    }

    #[test]
    fn a_url_names_a_cluster() {
        let check = |url: &str, servers: &[&str], keyspace: &str| {
            let servers = servers.iter().map(|server| (*server).to_owned()).collect();
            let cluster = Cluster { servers, keyspace: keyspace.into() };
            assert_eq!(Place::parse(url, Path::new("")).unwrap(), Place::Cql(cluster), "{url}");
        };
        check("cql://db/weir", &["db:9042"], "weir");
        check(
            "cql://10.0.0.1:9142,db-2.local,[::1]:9/weir_2",
            &["10.0.0.1:9142", "db-2.local:9042", "[::1]:9"],
            "weir_2",
        );
        check("cql://[2001:db8::1]/w", &["[2001:db8::1]:9042"], "w");
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["sqlite:", "postgres://x", "cql://one,two", "cql:///weir", "cql://one,/weir", "cql://one:0/weir"] {
            check(url, None);
        }
        for url in ["cql://one/Weir", "cql://one/", "cql://one/1", "cql://one/a;b", "cql://me:secret@one/weir"] {
            check(url, None);
        }
        check("cql://::1/weir", None);
        check(&format!("cql://one/{}", "k".repeat(49)), None);
    }
}

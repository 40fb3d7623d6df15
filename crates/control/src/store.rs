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
    error::Error,
    families::Families,
    idempotency::Idempotency,
    keys::{Key, Keys},
    oidc_identities::OidcIdentities,
    roles::Roles,
    sessions::Sessions,
    signing::SigningKeys,
    sqlite::Sqlite,
};

/// What a store's call gives.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Everything that is kept. Cloned as `Arc<dyn Store>`; calls may come from any task.
pub trait Store:
    Accounts
    + Audit
    + Bans
    + Channels
    + Families
    + Idempotency
    + Installation
    + Keys
    + OidcIdentities
    + Roles
    + Sessions
    + SigningKeys
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
    /// directory. Empty means `sqlite:` and `weir.db` inside `data_dir`. `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE` is
    /// understood by builds with the cluster's store.
    pub url: String,
    /// Calls that may wait for the store's one writer; more are refused as busy.
    pub writes_waiting_max: usize,
    /// Threads that read, beside the one that writes.
    pub readers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: String::new(), writes_waiting_max: 1024, readers: 2 }
    }
}

impl Config {
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
        Ok(())
    }
}

/// Opens the store that `config.url` names, making or migrating it first. `data_dir` is where an unnamed one lies.
///
/// # Errors
/// [`Error`], as a sentence for the operator.
pub async fn open(config: &Config, data_dir: &Path) -> Result<Arc<dyn Store>, Error> {
    let Place::Sqlite(path) = Place::parse(&config.url, data_dir)?;
    Ok(Arc::new(Sqlite::open(path, config).await?))
}

/// Where a URL points.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Sqlite(std::path::PathBuf),
}

impl Place {
    fn parse(url: &str, data_dir: &Path) -> Result<Self, Error> {
        if url.is_empty() {
            return Ok(Self::Sqlite(data_dir.join("weir.db")));
        }
        if let Some(path) = url.strip_prefix("sqlite:") {
            if path.is_empty() || path.contains('\0') {
                return Err(Error::Url("`sqlite:` must be followed by the path of a file".into()));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if url.starts_with("cql://") {
            return Err(Error::Url("this build of weir has no CQL store: use `sqlite:PATH`".into()));
        }
        Err(Error::Url("a store is `sqlite:PATH` (or `cql://HOST/KEYSPACE` in builds that have it)".into()))
    }
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
    fn other_urls_are_refused() {
        check("sqlite:", None);
        check("cql://one,two/weir", None);
        check("postgres://x", None);
    }
}

//! What a `redis.url` names.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisError};

/// Most servers that a URL lists: sentinels, or where a cluster is first asked who belongs to it.
const SERVERS_MAX: usize = 64;
/// Where servers listen unless the URL says so.
const PORT: u16 = 6_379;
/// Where sentinels listen unless the URL says so.
const SENTINEL_PORT: u16 = 26_379;

/// Which Redis, and how to log in there. `Debug` never prints the password.
///
/// | URL | is |
/// |---|---|
/// | `redis://HOST[:PORT][/DATABASE]` | one server |
/// | `redis+sentinel://HOST[:PORT],…/NAME[/DATABASE]` | the primary that these sentinels call NAME |
/// | `redis+cluster://HOST[:PORT],…` | a cluster, asked of any of these who belongs to it |
///
/// `rediss` instead of `redis` is over TLS, with certificates that the system trusts. `USER:PASSWORD@`, percent-encoded,
/// may stand before the first host; sentinels are asked without.
#[derive(Clone)]
pub struct Target {
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Single(ConnectionInfo),
    Sentinel { sentinels: Vec<ConnectionInfo>, primary: String },
    Cluster(Vec<ConnectionInfo>),
}

/// Why a URL names no Redis. Does not repeat the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not one of the schemes.
    #[error(
        "must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
    )]
    Scheme,
    /// Sentinels may watch several.
    #[error("must name the primary that the sentinels watch: redis+sentinel://HOST,HOST/NAME")]
    NoPrimary,
    /// More than [`SERVERS_MAX`].
    #[error("lists more than 64 servers")]
    TooMany,
    /// Clusters have only one.
    #[error("a cluster has no databases and no path")]
    Path,
    /// A host, a port or a database that is none.
    #[error("does not say where a server is: {0}")]
    Server(String),
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let (plain, form) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(plain, "redis" | "rediss") {
            return Err(TargetError::Scheme);
        }
        let kind = match form {
            "" if scheme.contains('+') => return Err(TargetError::Scheme),
            "" => Kind::Single(server(url)?),
            "sentinel" => {
                let (hosts, path) = rest.split_once('/').ok_or(TargetError::NoPrimary)?;
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                if primary.is_empty() {
                    return Err(TargetError::NoPrimary);
                }
                let sentinels = servers(plain, hosts, SENTINEL_PORT, database)?;
                Kind::Sentinel { sentinels, primary: primary.to_owned() }
            }
            "cluster" => match rest.split_once('/').unwrap_or((rest, "")) {
                (hosts, "") => Kind::Cluster(servers(plain, hosts, PORT, "")?),
                _ => return Err(TargetError::Path),
            },
            _ => return Err(TargetError::Scheme),
        };
        Ok(Self { kind })
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = match &self.kind {
            Kind::Single(server) => std::slice::from_ref(server),
            Kind::Sentinel { sentinels: servers, .. } | Kind::Cluster(servers) => servers,
        };
        f.debug_list().entries(servers.iter().map(|server| server.addr().to_string())).finish()
    }
}

/// `USER:PASSWORD@HOST:PORT,HOST:PORT`, each as the client reads a URL of one server.
fn servers(scheme: &str, listed: &str, port: u16, database: &str) -> Result<Vec<ConnectionInfo>, TargetError> {
    // Up to the last `@`, and with it: the login of all.
    let (login, hosts) = listed.split_at(listed.rfind('@').map_or(0, |at| at + 1));
    if hosts.split(',').count() > SERVERS_MAX {
        return Err(TargetError::TooMany);
    }
    let at = |host: &str| {
        // The colons of an IPv6 address stand within brackets.
        let port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) { "" } else { &format!(":{port}") };
        server(&format!("{scheme}://{login}{host}{port}/{database}"))
    };
    hosts.split(',').map(at).collect()
}

fn server(url: &str) -> Result<ConnectionInfo, TargetError> {
    url.into_connection_info().map_err(|error: RedisError| TargetError::Server(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, read: Result<&str, TargetError>) {
        let said = Target::parse(url).map(|target| {
            let form = match &target.kind {
                Kind::Single(server) => format!("one, database {}", server.redis_settings().db()),
                Kind::Sentinel { sentinels, primary } => {
                    format!("{primary}, database {}", sentinels[0].redis_settings().db())
                }
                Kind::Cluster(_) => "cluster".to_owned(),
            };
            format!("{form}: {target:?}")
        });
        assert_eq!(said, read.map(str::to_owned), "{url}");
    }

    #[test]
    fn a_url_names_one_server_a_watched_primary_or_a_cluster() {
        check("redis://localhost", Ok(r#"one, database 0: ["localhost:6379"]"#));
        check("redis://10.0.0.1:7000/3", Ok(r#"one, database 3: ["10.0.0.1:7000"]"#));
        check("rediss://cache.example.org", Ok(r#"one, database 0: ["cache.example.org:6379"]"#));
        check("redis+sentinel://a,b:7000,[::1]/weir", Ok(r#"weir, database 0: ["a:26379", "b:7000", "::1:26379"]"#));
        check("redis+sentinel://a/weir/2", Ok(r#"weir, database 2: ["a:26379"]"#));
        check("redis+cluster://a,[::1]:7000", Ok(r#"cluster: ["a:6379", "::1:7000"]"#));
        check("rediss+cluster://a/", Ok(r#"cluster: ["a:6379"]"#));
    }

    #[test]
    fn a_login_is_of_all_servers_and_is_not_shown() {
        for url in ["redis://u:p%40ss@a", "redis+sentinel://u:p%40ss@a,b/weir", "redis+cluster://u:p%40ss@a,b"] {
            let target = Target::parse(url).unwrap();
            let servers = match &target.kind {
                Kind::Single(server) => vec![server.clone()],
                Kind::Sentinel { sentinels: servers, .. } | Kind::Cluster(servers) => servers.clone(),
            };
            for server in servers {
                let login = server.redis_settings();
                assert_eq!((login.username(), login.password()), (Some("u"), Some("p@ss")), "{url}");
            }
            assert!(!format!("{target:?}").contains("ss"), "{target:?}");
        }
    }

    #[test]
    fn what_is_no_redis_is_refused() {
        check("localhost:6379", Err(TargetError::Scheme));
        check("http://localhost", Err(TargetError::Scheme));
        check("redis+other://localhost", Err(TargetError::Scheme));
        check("redis+sentinel://a,b", Err(TargetError::NoPrimary));
        check("redis+sentinel://a,b/", Err(TargetError::NoPrimary));
        check("redis+cluster://a,b/1", Err(TargetError::Path));
        check(&format!("redis+cluster://{}", ["a"; 65].join(",")), Err(TargetError::TooMany));
        for url in [
            "redis://",
            "redis://a:99999",
            "redis://a/one",
            "redis+cluster://a,,b",
            "redis+cluster://",
            "redis://0.0.0.0",
        ] {
            assert!(matches!(Target::parse(url), Err(TargetError::Server(_))), "{url}");
        }
    }
}

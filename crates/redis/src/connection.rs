//! One connection, to whichever kind of Redis.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, Pipeline, ProtocolVersion, RedisError, RedisFuture,
    RedisResult, TlsMode, Value,
    aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

use crate::target::{Kind, Target};

/// Longest that reaching a server takes before it is given up.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Longest that a server may take for an answer, whatever whoever asked is ready to wait for.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How often a cluster is asked again within a call: it says where keys have moved to.
const CLUSTER_RETRIES: u32 = 2;

/// A connection to Redis. Clones share it: their commands go over it side by side.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To every server of a cluster.
    Cluster(ClusterConnection),
}

impl Target {
    /// Connects once; of sentinels, to whom they call the primary now. May take several seconds.
    ///
    /// # Errors
    /// Nobody is there, or does not let us in.
    pub async fn connect(&self) -> RedisResult<Connection> {
        self.open(None).await
    }

    /// Connects once, to hear what is published: `pushes` gets that where it is read, and a
    /// [`redis::PushKind::Disconnection`] when it is over. A cluster's connection finds its channels again by itself.
    pub(crate) async fn listen(&self, pushes: impl AsyncPushSender) -> RedisResult<Connection> {
        self.open(Some(Arc::new(pushes))).await
    }

    async fn open(&self, pushes: Option<Arc<dyn AsyncPushSender>>) -> RedisResult<Connection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        // Only the newer protocol has answers and what is published side by side.
        let listens = pushes.is_some();
        if let (Some(pushes), false) = (&pushes, matches!(self.kind, Kind::Cluster(_))) {
            config = config.set_push_sender(pushes.clone());
        }
        match &self.kind {
            Kind::Single(server) => {
                let mut server = server.clone();
                if listens {
                    let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
                    server = server.set_redis_settings(settings);
                }
                let client = Client::open(server)?;
                Ok(Connection::Single(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
            Kind::Sentinel { sentinels, primary } => {
                let addresses: Vec<ConnectionAddr> = sentinels.iter().map(|server| server.addr().clone()).collect();
                let mut client = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?;
                if listens {
                    client = client.set_client_to_redis_protocol(ProtocolVersion::RESP3);
                }
                if let Some(first) = sentinels.first() {
                    if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
                        client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
                    }
                    let login = first.redis_settings();
                    client = client.set_client_to_redis_db(login.db());
                    client = login
                        .username()
                        .into_iter()
                        .fold(client, |client, name| client.set_client_to_redis_username(name));
                    client = login
                        .password()
                        .into_iter()
                        .fold(client, |client, word| client.set_client_to_redis_password(word));
                }
                Ok(Connection::Single(client.build()?.get_async_connection_with_config(&config).await?))
            }
            Kind::Cluster(servers) => {
                let mut client = ClusterClientBuilder::new(servers.clone())
                    .connection_timeout(CONNECT_MAX)
                    .response_timeout(ANSWER_MAX)
                    .retries(CLUSTER_RETRIES);
                if let Some(pushes) = pushes {
                    client = client.use_protocol(ProtocolVersion::RESP3).push_sender(pushes);
                }
                let client = client.build()?;
                Ok(Connection::Cluster(client.get_async_connection().await?))
            }
        }
    }
}

impl Connection {
    /// Hears what is published in a channel of one shard (`SSUBSCRIBE`), over a connection that listens.
    pub(crate) async fn hear(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Single(connection) => redis::cmd("SSUBSCRIBE").arg(channel).exec_async(connection).await,
            Self::Cluster(connection) => connection.ssubscribe(channel).await,
        }
    }

    /// Hears it no more.
    pub(crate) async fn unhear(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Single(connection) => redis::cmd("SUNSUBSCRIBE").arg(channel).exec_async(connection).await,
            Self::Cluster(connection) => connection.sunsubscribe(channel).await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Whether after this error the same connection is of no more use: it broke, or leads to a server that no longer is
/// the primary, or that does not serve now.
pub(crate) fn ends_the_connection(error: &RedisError) -> bool {
    use redis::ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    let not_now = matches!(error.kind(), ErrorKind::Server(ReadOnly | BusyLoading | ClusterDown | MasterDown));
    not_now || error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

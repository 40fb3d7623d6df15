//! Limits that all nodes of a cluster share.
//!
//! Each node also counts by itself, and asks Redis only about what it would admit: a flood at one node stays there, and
//! while Redis is away the node's own count goes on from where it is.

use std::sync::Arc;

use super::{
    Class, Config, InMemory, Ledger, Taken, Wait,
    buckets::{Buckets, Size},
    guesses::{From, Key},
    who::Hashed,
};

/// Requests, counted together.
#[derive(Debug)]
pub(super) struct Shared {
    own: InMemory,
    buckets: Arc<Buckets>,
    config: Config,
}

impl Shared {
    pub(super) fn new(config: &Config, buckets: Arc<Buckets>) -> Self {
        Self { own: InMemory::new(config), buckets, config: config.clone() }
    }
}

impl Ledger for Shared {
    fn take(&self, class: Class, who: Hashed) -> Taken<'_> {
        Box::pin(async move {
            self.own.take(class, who).await?;
            let (most, whose, key) = match who {
                Hashed::Account(key) => (self.config.per_account(class), "account", key),
                Hashed::Address(key) => (self.config.per_address(class), "address", key),
            };
            let bucket = named(&format!("limit:{}:{whose}", class.as_str()), key);
            self.buckets.fill(&bucket, Size::per_minute(most)).await
        })
    }
}

/// Tries at passwords, counted together.
#[derive(Debug)]
pub(super) struct SharedGuesses {
    buckets: Arc<Buckets>,
    /// Of an account, for strangers, or for somebody where it is logged in.
    account: Size,
    address: Size,
}

impl SharedGuesses {
    pub(super) fn new(config: &Config, buckets: Arc<Buckets>) -> Self {
        let account = Size { most: config.wrong_passwords, every: config.wrong_password_every };
        let address = Size { most: config.wrong_passwords_per_address, every: super::guesses::PER_ADDRESS_EVERY };
        Self { buckets, account, address }
    }

    /// Takes a try that the node itself would give.
    pub(super) async fn take(&self, from: From) -> Result<(), Wait> {
        match from {
            From::Known(key) => self.buckets.fill(&named("guess:known", key), self.account).await,
            From::Stranger { account, address } => {
                let address = named("guess:address", address);
                self.buckets.fill(&address, self.address).await?;
                let Some(account) = account else { return Ok(()) };
                let taken = self.buckets.fill(&named("guess:account", account), self.account).await;
                if taken.is_err() {
                    self.buckets.take_back(&address, self.address).await;
                }
                taken
            }
        }
    }

    /// The password was right, or was not looked at.
    pub(super) async fn give_back(&self, from: From) {
        match from {
            From::Known(key) => self.buckets.take_back(&named("guess:known", key), self.account).await,
            From::Stranger { account, address } => {
                self.buckets.take_back(&named("guess:address", address), self.address).await;
                if let Some(account) = account {
                    self.buckets.take_back(&named("guess:account", account), self.account).await;
                }
            }
        }
    }
}

/// The name of a bucket.
fn named(of: &str, key: Key) -> String {
    format!("weir:{of}:{:032x}", u128::from_be_bytes(key))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use redis::AsyncCommands;
    use weir_identity::{AccountId, KeySecret};
    use weir_redis::{Link, Target};
    use weir_testkit::{redis::Redis, server::PATIENCE};

    use super::*;
    use crate::limits::{Limits, Who};

    /// Two nodes of a cluster.
    struct Nodes {
        redis: Redis,
        links: [Link; 2],
        limits: [Arc<Limits>; 2],
    }

    /// What an account may change a minute in these tests: one more each 12 s.
    const WRITES: u32 = 5;

    impl Nodes {
        async fn start() -> Self {
            let redis = Redis::single();
            let config = Config { writes_per_minute: WRITES, ..Config::default() };
            let links = [(), ()].map(|()| Link::open(Target::parse(redis.url()).unwrap(), "limits"));
            let limits = links.clone().map(|link| Limits::shared(&config, KeySecret::from_bytes([7; 32]), link));
            let nodes = Self { redis, links, limits };
            nodes.connected().await;
            nodes
        }

        async fn connected(&self) {
            for link in &self.links {
                tokio::time::timeout(PATIENCE, link.connected()).await.unwrap();
            }
        }

        /// How many of `count` requests of one account each node admits, in turns.
        async fn admitted(&self, who: Who, count: u32) -> [u32; 2] {
            let mut admitted = [0; 2];
            for _ in 0..count {
                for (limits, admitted) in self.limits.iter().zip(&mut admitted) {
                    *admitted += u32::from(limits.take(Class::Write, who).await.is_ok());
                }
            }
            admitted
        }
    }

    fn somebody() -> Who {
        Who::Account(AccountId::new())
    }

    #[tokio::test]
    async fn nodes_share_a_budget_and_it_leaves_nothing_behind() {
        let nodes = Nodes::start().await;
        let (one, other) = (somebody(), somebody());
        assert_eq!(nodes.admitted(one, 10).await, [3, 2]);
        let wait = nodes.limits[1].take(Class::Write, one).await.unwrap_err();
        assert!((1..=12).contains(&wait.seconds()), "{wait}");
        assert_eq!(nodes.admitted(other, 2).await, [2, 2], "another account");
        let address = Who::Address(IpAddr::from([192, 0, 2, 1]));
        nodes.limits[0].take(Class::Read, address).await.unwrap();

        let mut redis = Target::parse(nodes.redis.url()).unwrap().connect().await.unwrap();
        let keys: Vec<String> = redis.keys("weir:*").await.unwrap();
        assert!(keys.len() >= 2, "{keys:?}");
        for key in keys {
            let left_ms: i64 = redis.pttl(&key).await.unwrap();
            assert!((-2..=60_001).contains(&left_ms) && left_ms != -1, "{key} is there for {left_ms} ms");
        }
    }

    #[tokio::test]
    async fn while_redis_hangs_each_node_counts_alone_and_requests_do_not_wait() {
        let nodes = Nodes::start().await;
        nodes.redis.pause(1);
        let everybody = async {
            // Were each to wait, they would be at it for minutes.
            for _ in 0..1_000 {
                assert_eq!(nodes.admitted(somebody(), 1).await, [1, 1]);
            }
            assert_eq!(nodes.admitted(somebody(), 10).await, [WRITES, WRITES]);
        };
        tokio::time::timeout(PATIENCE, everybody).await.expect("requests go on");
        nodes.redis.resume(1);
        nodes.connected().await;
        assert_eq!(nodes.admitted(somebody(), 10).await, [3, 2], "they share again");
    }

    #[tokio::test]
    async fn nodes_share_again_with_a_redis_that_came_back_empty() {
        let nodes = Nodes::start().await;
        let one = somebody();
        assert_eq!(nodes.admitted(one, 10).await, [3, 2]);
        nodes.redis.kill(1);
        assert_eq!(nodes.admitted(somebody(), 10).await, [WRITES, WRITES]);
        nodes.redis.revive(1);
        nodes.connected().await;
        assert_eq!(nodes.admitted(somebody(), 10).await, [3, 2]);
        let more = nodes.admitted(one, 10).await;
        assert!(more[0] <= 2 && more[1] <= 3, "each still knows what it admitted: {more:?}");
    }

    #[tokio::test]
    async fn guessing_at_several_nodes_is_no_faster() {
        let nodes = Nodes::start().await;
        let [first, second] = &nodes.limits;
        let stranger = |address: u8| From::Stranger { account: Some([1; 16]), address: [address; 16] };
        let mut taken = 0;
        for address in 0..40 {
            for limits in [first, second] {
                taken += u32::from(limits.take_guess(stranger(address)).await.is_ok());
            }
        }
        assert_eq!(taken, Config::default().wrong_passwords);
        first.take_guess(From::Known([1; 16])).await.expect("where the account is logged in it has tries of its own");
    }

    #[tokio::test]
    async fn right_passwords_cost_nothing_at_any_node() {
        let nodes = Nodes::start().await;
        for from in [From::Stranger { account: Some([1; 16]), address: [2; 16] }, From::Known([3; 16])] {
            for _ in 0..50 {
                for limits in &nodes.limits {
                    limits.take_guess(from).await.unwrap();
                    limits.give_guess_back(from).await;
                }
            }
        }
    }
}

//! Links to real Redis, which hangs, crashes and comes back.

use std::{future::Future, time::Duration};

use redis::AsyncCommands;
use weir_testkit::{redis::Redis, server::PATIENCE};

use super::{Bulletin, Error, Link, Target};

/// What calls of these tests may take: longer than any that is answered.
const WITHIN: Duration = Duration::from_secs(1);

fn link(redis: &Redis) -> Link {
    Link::open(Target::parse(redis.url()).unwrap(), "tests")
}

async fn count(link: &Link, key: &str) -> Result<u32, Error> {
    link.call(WITHIN, |mut redis| async move { redis.incr(key, 1).await }).await
}

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"))
}

/// Counts until it succeeds.
async fn count_again(link: &Link, key: &str) -> u32 {
    loop {
        soon("a connection", link.connected()).await;
        match count(link, key).await {
            Ok(counted) => return counted,
            // Where it says so at once, the connection is gone or goes on: let the background have its turn.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn while_redis_hangs_one_call_waits_and_the_others_are_told_at_once() {
    let redis = Redis::single();
    let link = link(&redis);
    soon("connects", link.connected()).await;
    assert_eq!(count(&link, "a").await.unwrap(), 1);
    redis.pause(1);
    assert!(matches!(count(&link, "a").await, Err(Error::TooSlow)));
    for _ in 0..1_000 {
        assert!(matches!(count(&link, "a").await, Err(Error::Away)));
    }
    redis.resume(1);
    soon("comes back", link.connected()).await;
    assert!(count(&link, "a").await.unwrap() >= 2, "what was asked meanwhile may have been done");
}

#[tokio::test]
async fn a_crash_is_noticed_though_nobody_asks_and_redis_is_used_again_when_it_is_back() {
    let redis = Redis::single();
    let link = link(&redis);
    soon("connects", link.connected()).await;
    count(&link, "a").await.unwrap();
    redis.kill(1);
    soon("is looked after", link.away()).await;
    assert!(matches!(count(&link, "a").await, Err(Error::Away)));
    redis.revive(1);
    soon("comes back", link.connected()).await;
    assert_eq!(count(&link, "a").await.unwrap(), 1, "it came back empty");
}

#[tokio::test]
async fn where_redis_never_was_calls_end_at_once() {
    let link = Link::open(Target::parse("redis://127.0.0.1:1").unwrap(), "tests");
    assert!(matches!(count(&link, "a").await, Err(Error::Away)));
}

#[tokio::test]
async fn sentinels_lead_to_whoever_is_the_primary_now() {
    let redis = Redis::sentinel();
    let link = link(&redis);
    soon("connects", link.connected()).await;
    assert_eq!(count(&link, "a").await.unwrap(), 1);
    redis.kill(1);
    assert!(soon("the replica takes over", count_again(&link, "b")).await >= 1);
}

#[tokio::test]
async fn a_cluster_is_one_redis_and_serves_again_when_a_lost_server_is_back() {
    let redis = Redis::cluster();
    let link = link(&redis);
    soon("connects", link.connected()).await;
    for key in 0..100 {
        assert_eq!(count(&link, &key.to_string()).await.unwrap(), 1);
    }
    redis.kill(2);
    redis.revive(2);
    let mut counted = 0;
    for key in 0..100 {
        counted += soon("all serve", count_again(&link, &key.to_string())).await;
    }
    assert!((101..200).contains(&counted), "one third was forgotten: {counted}");
}

/// Says something until it is heard: whoever does not listen yet misses it.
async fn is_heard(one: &Bulletin, heard: &mut tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>, words: &str) {
    soon("is heard", async {
        loop {
            one.say(words.into());
            let next = async { while heard.recv().await.is_some_and(|heard| heard != words.as_bytes()) {} };
            if tokio::time::timeout(Duration::from_millis(200), next).await.is_ok() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_one_says_all_hear_again_when_redis_is_back() {
    for redis in [Redis::single(), Redis::cluster()] {
        let target = Target::parse(redis.url()).unwrap();
        let one = Bulletin::open(&target, "news", |_| {});
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let _two = Bulletin::open(&target, "news", move |words| drop(sender.send(words.to_vec())));
        is_heard(&one, &mut heard, "good morning").await;
        if !redis.url().contains("cluster") {
            redis.kill(1);
            redis.revive(1);
            is_heard(&one, &mut heard, "good evening").await;
        }
    }
}

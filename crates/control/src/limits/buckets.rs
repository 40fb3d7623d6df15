//! Buckets in Redis, which nodes fill together.
//!
//! Each holds `most`; a request fills it by one, and each `every` one leaks out (the generic cell rate algorithm, ITU-T
//! I.371 Annex A). All that is kept of a bucket is when it will be empty, by Redis' clock, in a key that expires then.
//! Counting is one script, so that nobody comes in between.

use std::time::Duration;

use redis::Script;
use weir_redis::Link;

use super::Wait;

/// Longest that one question to Redis holds up a request. When nothing comes back for so long Redis counts as away, and
/// until it answers again requests do not wait for it at all.
const ASK_MAX: Duration = Duration::from_millis(100);

/// Answers 0, or for how many microseconds the bucket is too full. `ARGV`: the time that one takes to leak out, the time
/// that a full bucket takes, both in microseconds, and 1 to fill or -1 to take back.
const SCRIPT: &str = r"
local every, full, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local empty_at = tonumber(redis.call('GET', KEYS[1]) or now)
-- The clock may be another's since then: nothing is fuller than full.
empty_at = math.min(math.max(empty_at, now), now + full) + every * count
if empty_at > now + full then
    return empty_at - now - full
end
if empty_at > now then
    local left_ms = math.ceil((empty_at - now) / 1000)
    redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', string.format('%.0f', left_ms))
else
    redis.call('DEL', KEYS[1])
end
return 0
";

/// All buckets of a Redis.
#[derive(Debug)]
pub(super) struct Buckets {
    link: Link,
    script: Script,
}

/// How much a bucket holds, and how fast it leaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// 0 is without limit.
    pub(super) most: u32,
    pub(super) every: Duration,
}

impl Size {
    /// So many a minute, and at most one minute's worth at once.
    pub(super) fn per_minute(most: u32) -> Self {
        Self { most, every: Duration::from_secs(60) / most.max(1) }
    }
}

impl Buckets {
    pub(super) fn new(link: Link) -> Self {
        metrics::describe_counter!(
            "weir_limits_alone_total",
            "Requests that this node counted alone, because Redis was away or did not answer in time."
        );
        Self { link, script: Script::new(SCRIPT) }
    }

    /// Fills a bucket by one. Where Redis does not say, there is room: each node counts by itself as well.
    ///
    /// # Errors
    /// [`Wait`] until there is room.
    pub(super) async fn fill(&self, bucket: &str, size: Size) -> Result<(), Wait> {
        match self.add(bucket, size, 1).await {
            0 => Ok(()),
            micros => Err(Wait(Duration::from_micros(micros))),
        }
    }

    /// Takes back what was filled.
    pub(super) async fn take_back(&self, bucket: &str, size: Size) {
        self.add(bucket, size, -1).await;
    }

    async fn add(&self, bucket: &str, size: Size, count: i32) -> u64 {
        if size.most == 0 {
            return 0;
        }
        let every = size.every.as_micros().max(1);
        let mut asked = self.script.key(bucket);
        asked.arg(every.to_string()).arg((every * u128::from(size.most)).to_string()).arg(count);
        let answer = self.link.call(ASK_MAX, |mut redis| async move { asked.invoke_async(&mut redis).await }).await;
        answer.unwrap_or_else(|error| {
            tracing::debug!(%error, "counted alone");
            metrics::counter!("weir_limits_alone_total").increment(1);
            0
        })
    }
}

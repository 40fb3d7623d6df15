//! What is said once and heard by every node that is there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{Connection, Link, Target};

/// Longest that Redis may take for one thing.
const ASK_MAX: Duration = Duration::from_secs(1);
/// Until a connection that hears is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a connection that hears is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// Things said that wait to leave.
const WAITING_MAX: usize = 1_024;
/// How long one waits for Redis to come back before it is given up: later it would tell of what has passed.
const KEPT_MAX: Duration = Duration::from_secs(30);

/// One channel of Redis (sharded, so Redis 7) that every node says things in and hears, what it said itself included.
/// Whoever is away misses what is said meanwhile: it hurries things up and is not what they rest on. Cheap to clone; ends
/// with the last clone.
#[derive(Debug, Clone)]
pub struct Bulletin {
    says: mpsc::Sender<(Instant, Vec<u8>)>,
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Tasks([AbortHandle; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Bulletin {
    /// Begins to connect. `heard` gets everything that is said in `channel` and must not block. Must be called within a
    /// runtime of Tokio.
    #[must_use]
    pub fn open(target: &Target, channel: &'static str, heard: impl FnMut(&[u8]) + Send + 'static) -> Self {
        let (says, said) = mpsc::channel(WAITING_MAX);
        let link = Link::open(target.clone(), "nodes");
        let tell = tokio::spawn(tell(link, channel, said)).abort_handle();
        let hear = tokio::spawn(hear(target.clone(), channel, heard)).abort_handle();
        Self { says, _tasks: Arc::new(Tasks([tell, hear])) }
    }

    /// Says something to all, now or as soon as Redis is there. Does not wait.
    pub fn say(&self, words: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.says.try_send((Instant::now(), words)) {
            warn!("Redis is slow or away, and too much waits for it: other nodes miss some news");
        }
    }
}

async fn tell(link: Link, channel: &'static str, mut said: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((at, words)) = said.recv().await {
        while at.elapsed() < KEPT_MAX {
            let publish = redis::cmd("SPUBLISH").arg(channel).arg(&words[..]).take();
            let told = link.call(ASK_MAX, async |mut connection| publish.exec_async(&mut connection).await).await;
            if told.is_ok() {
                break;
            }
            let _ = timeout(KEPT_MAX.saturating_sub(at.elapsed()), link.connected()).await;
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn hear(target: Target, channel: &'static str, mut heard: impl FnMut(&[u8]) + Send) {
    loop {
        let (sender, mut pushes) = mpsc::unbounded_channel();
        if let Ok(Ok(mut connection)) = timeout(ASK_MAX * 2, target.listen(sender)).await
            && matches!(timeout(ASK_MAX, connection.hear(channel)).await, Ok(Ok(())))
        {
            listen(&mut connection, channel, &mut pushes, &mut heard).await;
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Hears over one connection, until that is gone.
async fn listen(
    connection: &mut Connection,
    channel: &str,
    pushes: &mut mpsc::UnboundedReceiver<PushInfo>,
    heard: &mut (impl FnMut(&[u8]) + Send),
) {
    loop {
        tokio::select! {
            push = pushes.recv() => match push {
                Some(push) if push.kind == PushKind::SMessage => {
                    if let [Value::BulkString(at), Value::BulkString(words)] = &push.data[..]
                        && at == channel.as_bytes()
                    {
                        heard(words);
                    }
                }
                // A cluster's connection comes back by itself.
                Some(push) if push.kind == PushKind::Disconnection && !matches!(connection, Connection::Cluster(_)) => return,
                Some(_) => {}
                None => return,
            },
            () = sleep(PROBE_EVERY) => {
                let probe = redis::cmd("EXISTS").arg(channel).take();
                if !matches!(timeout(ASK_MAX, probe.query_async::<u8>(connection)).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

//! What is said once and heard by every node that is there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{Link, Listener, Target};

/// Longest that Redis may take for one thing.
const ASK_MAX: Duration = Duration::from_secs(1);
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
struct Tasks {
    tell: AbortHandle,
    hear: AbortHandle,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.tell.abort();
        self.hear.abort();
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
        let heard = Mutex::new(heard);
        let listener = Listener::open(target.clone(), move |_, words| (*heard.lock())(words));
        let hear = tokio::spawn(async move {
            listener.hear(channel, Duration::MAX).await;
            // It listens for as long as it is held.
            std::future::pending::<()>().await;
        });
        Self { says, _tasks: Arc::new(Tasks { tell, hear: hear.abort_handle() }) }
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

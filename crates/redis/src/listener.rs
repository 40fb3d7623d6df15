//! What is published, heard over one connection after another.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{Connection, Target};

/// Longest that Redis may take to say that it lets us hear a channel, or that it is there.
const ASK_MAX: Duration = Duration::from_secs(1);
/// Longest that connecting takes, finding out where included.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How often a connection over which nothing was asked is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long until a connection that was lost is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Gets the channel and what was published there. Called where it is read from the connection: must not block.
type Heard = Box<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Hears sharded channels (Redis 7) for as long as it lives, over a connection that is made again when it is lost. What is
/// published meanwhile is missed.
///
/// Nothing waits in a queue here: what is published is handed on where it is read, and a reader that is slower than Redis
/// fills the socket. Redis itself then ends a connection that is 32 MiB behind, or 8 MiB for a minute
/// (`client-output-buffer-limit pubsub`), and another is made.
#[derive(Debug)]
pub struct Listener {
    channels: Arc<Channels>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Channels {
    state: Mutex<State>,
    /// Something is asked for.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be heard, and whether it is now.
    wanted: HashMap<String, watch::Sender<bool>>,
    /// What was asked for, or no longer, since the connection was made. Holds nothing while there is none.
    changes: HashSet<String>,
    connected: bool,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Begins to connect. Must be called within a runtime of Tokio.
    #[must_use]
    pub fn open(target: Target, heard: impl Fn(&str, &[u8]) + Send + Sync + 'static) -> Self {
        let channels = Arc::<Channels>::default();
        let task = tokio::spawn(keep(target, channels.clone(), Arc::new(Box::new(heard)))).abort_handle();
        Self { channels, task }
    }

    /// Hears a channel from now on. True once it does; false when it does not within `wait`: it will, when Redis is there.
    pub async fn hear(&self, channel: &str, wait: Duration) -> bool {
        let mut is_heard = {
            let mut state = self.channels.state.lock();
            let known = state.wanted.contains_key(channel);
            if !known && state.connected {
                state.changes.insert(channel.to_owned());
            }
            state.wanted.entry(channel.to_owned()).or_insert_with(|| watch::Sender::new(false)).subscribe()
        };
        self.channels.changed.notify_one();
        matches!(timeout(wait, is_heard.wait_for(|is_heard| *is_heard)).await, Ok(Ok(_)))
    }

    /// Hears it no more.
    pub fn unhear(&self, channel: &str) {
        let mut state = self.channels.state.lock();
        if state.wanted.remove(channel).is_some() && state.connected {
            state.changes.insert(channel.to_owned());
            self.channels.changed.notify_one();
        }
    }
}

/// Makes one connection after the other.
async fn keep(target: Target, channels: Arc<Channels>, heard: Arc<Heard>) {
    loop {
        let lost = Arc::new(Notify::new());
        let pushed = {
            let (heard, lost) = (heard.clone(), lost.clone());
            move |push: PushInfo| pushed(&push, &heard, &lost)
        };
        if let Ok(Ok(mut connection)) = timeout(CONNECT_MAX, target.listen(pushed)).await {
            channels.begin();
            listen(&mut connection, &channels, &lost).await;
            channels.end();
        }
        sleep(AGAIN_AFTER).await;
    }
}

fn pushed(push: &PushInfo, heard: &Heard, lost: &Notify) -> Result<(), std::convert::Infallible> {
    match (&push.kind, &push.data[..]) {
        (PushKind::SMessage, [Value::BulkString(channel), Value::BulkString(words)]) => {
            if let Ok(channel) = std::str::from_utf8(channel) {
                heard(channel, words);
            }
        }
        (PushKind::Disconnection, _) => lost.notify_one(),
        _ => {}
    }
    Ok(())
}

/// Hears over one connection, until that is gone.
async fn listen(connection: &mut Connection, channels: &Channels, lost: &Notify) {
    let is_cluster = matches!(connection, Connection::Cluster(_));
    loop {
        for channel in channels.take() {
            if channels.is_wanted(&channel) {
                if !matches!(timeout(ASK_MAX, connection.hear(&channel)).await, Ok(Ok(()))) {
                    return;
                }
                channels.heard(&channel);
            } else {
                // One that goes on being told is told to nobody.
                let _ = timeout(ASK_MAX, connection.unhear(&channel)).await;
            }
        }
        tokio::select! {
            () = channels.changed.notified() => {}
            // A cluster's connection comes back by itself, and finds its channels again.
            () = lost.notified(), if !is_cluster => return,
            () = sleep(PROBE_EVERY) => {
                let probe = redis::cmd("EXISTS").arg("weir:check").take();
                if !matches!(timeout(ASK_MAX, probe.query_async::<u8>(connection)).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

impl Channels {
    fn begin(&self) {
        let mut state = self.state.lock();
        state.connected = true;
        state.changes = state.wanted.keys().cloned().collect();
    }

    fn end(&self) {
        let mut state = self.state.lock();
        state.connected = false;
        state.changes = HashSet::new();
        for is_heard in state.wanted.values() {
            is_heard.send_replace(false);
        }
    }

    fn take(&self) -> HashSet<String> {
        std::mem::take(&mut self.state.lock().changes)
    }

    fn is_wanted(&self, channel: &str) -> bool {
        self.state.lock().wanted.contains_key(channel)
    }

    fn heard(&self, channel: &str) {
        if let Some(is_heard) = self.state.lock().wanted.get(channel) {
            is_heard.send_replace(true);
        }
    }
}

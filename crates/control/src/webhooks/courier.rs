//! Takes deliveries from the queue and posts them, off the media path.
//!
//! Owner: the server, which spawns [`Courier::run`]. Restart: never, it does not end by itself. Any number of nodes may
//! run one over the same store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use weir_identity::KeySecret;

use super::{
    Announcer, Answered, Client, Config, Delivery, Failed, GIVEN_UP_AFTER, Hook, Outcome, Secret, backoff, open_secret,
};
use crate::{error::Error, store::Store};

/// How often the queue is looked at for what others put there, or what is due again.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);
/// How long a claimed delivery belongs to this node. Longer than a post may take.
const CLAIMED_FOR: Duration = Duration::from_secs(60);
/// The queue is not read while the store fails; it is tried again after this long.
const AWAY: Duration = Duration::from_secs(5);
/// Gone (RFC 9110 §15.5.11): the receiver wants no more of this message.
const GONE: u16 = 410;

/// Delivers.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    secret: KeySecret,
    client: Client,
    config: Config,
    waiting: Arc<Notify>,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}

impl Courier {
    /// Delivers what `announcer`, or another node, puts into the queue of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, secret: KeySecret, announcer: &Announcer, config: Config) -> Self {
        let client = Client::new(config.allow_private);
        let turns = Arc::new(Semaphore::new(config.at_once));
        Self(Arc::new(Inner { store, secret, client, waiting: announcer.waiting(), turns, config }))
    }

    /// Delivers for ever. Dropped, it leaves what is under way to end by itself.
    pub async fn run(self) {
        loop {
            let turn = self.turn().await;
            match self.claim().await {
                Ok(claimed) if claimed.is_empty() => {
                    drop(turn);
                    let _ = tokio::time::timeout(LOOKED_AT_EVERY, self.0.waiting.notified()).await;
                }
                Ok(claimed) => self.carry(claimed, turn),
                Err(error) => {
                    tracing::debug!(%error, "the queue of webhooks cannot be read");
                    tokio::time::sleep(AWAY).await;
                }
            }
        }
    }

    async fn turn(&self) -> OwnedSemaphorePermit {
        self.0.turns.clone().acquire_owned().await.expect("turns are never closed")
    }

    /// As many as there are turns; at least the one that the caller holds.
    async fn claim(&self) -> Result<Vec<Delivery>, Error> {
        let now = crate::store_time(Timestamp::now());
        let until = now.checked_add(CLAIMED_FOR).unwrap_or(now);
        self.0.store.claim_deliveries(now, until, self.0.turns.available_permits() + 1).await
    }

    fn carry(&self, claimed: Vec<Delivery>, turn: OwnedSemaphorePermit) {
        let mut first = Some(turn);
        for delivery in claimed {
            // Only this task takes turns, so those that were counted are still there.
            let turn = first.take().or_else(|| self.0.turns.clone().try_acquire_owned().ok());
            let this = self.clone();
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = this.deliver(delivery).await {
                    tracing::debug!(%error, "what became of a webhook could not be kept: it comes again");
                }
            });
        }
    }

    /// Posts one, and keeps what became of it.
    async fn deliver(&self, delivery: Delivery) -> Result<(), Error> {
        let store = &self.0.store;
        let hooks = store.hooks_of(delivery.whose).await?;
        let hook = hooks.into_iter().map(|(hook, _)| hook).find(|hook| hook.id == delivery.hook);
        let Some(hook) = hook else { return store.dequeue(delivery.id).await };
        let Some(secret) = open_secret(&self.0.secret, &hook) else { return store.dequeue(delivery.id).await };
        let answered = self.post(&hook, &secret, &delivery).await;
        let at = crate::store_time(Timestamp::now());
        let (ok, note) = judge(&answered);
        let again = if ok || matches!(&answered, Ok(answered) if answered.status == GONE) {
            None
        } else {
            next_try(&delivery, at)
        };
        let became = match (ok, again) {
            (true, _) => "delivered",
            (false, Some(_)) => "failed",
            (false, None) => "given_up",
        };
        metrics::counter!("weir_webhook_deliveries_total", "became" => became).increment(1);
        tracing::debug!(hook = %hook.id, delivery = %delivery.id, became, note, "webhook");
        let (id, tries) = (delivery.id, delivery.tries);
        match again {
            Some(due_at) => store.postpone(delivery, due_at).await?,
            None => store.dequeue(id).await?,
        }
        let note = if became == "given_up" { format!("{note}; given up after {tries} tries") } else { note };
        store.note_outcome(hook.whose, hook.id, Outcome { at, ok, note }).await
    }

    async fn post(&self, hook: &Hook, secret: &Secret, delivery: &Delivery) -> Result<Answered, Failed> {
        let headers = secret.headers(&delivery.id.to_string(), Timestamp::now().as_second(), &delivery.body);
        let body = Bytes::from(delivery.body.clone());
        self.0.client.post(&hook.url, &headers, body, self.0.config.timeout).await
    }
}

/// Whether it was taken, and what to say about it.
fn judge(answered: &Result<Answered, Failed>) -> (bool, String) {
    match answered {
        Ok(answered) => ((200..300).contains(&answered.status), format!("answered {}", answered.status)),
        Err(failed) => (false, failed.to_string()),
    }
}

/// When one that failed at `now` is tried again, if it is.
fn next_try(delivery: &Delivery, now: Timestamp) -> Option<Timestamp> {
    let mut chance = [128];
    // Without chance all wait equally long, which is no harm.
    let _ = getrandom::fill(&mut chance);
    let due_at = now.checked_add(backoff::wait(delivery.tries, chance[0])?).ok()?;
    (due_at < delivery.created_at + GIVEN_UP_AFTER).then(|| crate::store_time(due_at))
}

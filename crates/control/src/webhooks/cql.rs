//! Hooks and their queue in CQL.
//!
//! The queue lies in a few partitions, by the random end of each delivery's id. Taking one moves its `due_at` under
//! a condition: of several nodes that saw it due, one gets it. What nobody took goes by itself.

use jiff::Timestamp;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, DeliveryId, HookId};

use super::{Delivery, Event, HOOKS_MAX, Hook, Outcome, Webhooks, Whose};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

/// Partitions of the queue.
const SHARDS: u8 = 8;
/// Rows looked at in one of them at once.
const SCANNED_MAX: i32 = 200;
/// How long a delivery lives, in seconds: a little longer than it is tried, since clocks differ.
const LIVES_S: i32 = 90_000;

statements! { Statements {
    add: Decide = "INSERT INTO hooks (whose, id, url, events, secret, by_account, created_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
    of: Read = "SELECT id, url, events, secret, by_account, created_at FROM hooks WHERE whose = ?";
    one: Read = "SELECT id, url, events, secret, by_account, created_at FROM hooks WHERE whose = ? AND id = ?";
    remove: Decide = "DELETE FROM hooks WHERE whose = ? AND id = ? IF EXISTS";
    note: Write = "INSERT INTO hook_outcomes (whose, id, at, ok, note) VALUES (?, ?, ?, ?, ?)";
    outcomes: Read = "SELECT id, at, ok, note FROM hook_outcomes WHERE whose = ?";
    enqueue: Decide = "INSERT INTO deliveries (shard, id, hook, whose, body, created_at, tries, due_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?";
    queue: Read = "SELECT id, hook, whose, body, created_at, tries, due_at FROM deliveries WHERE shard = ? LIMIT ?";
    delivery: Read = "SELECT id, hook, whose, body, created_at, tries, due_at FROM deliveries \
        WHERE shard = ? AND id = ?";
    claim: Decide = "UPDATE deliveries USING TTL ? SET tries = ?, due_at = ? WHERE shard = ? AND id = ? IF due_at = ?";
    postpone: Decide = "UPDATE deliveries USING TTL ? SET due_at = ? WHERE shard = ? AND id = ? IF due_at = ?";
    dequeue: Decide = "DELETE FROM deliveries WHERE shard = ? AND id = ? IF EXISTS";
} }

#[derive(Debug, DeserializeRow)]
struct HookRow {
    id: Uuid,
    url: String,
    events: String,
    secret: Vec<u8>,
    by_account: Uuid,
    created_at: CqlTimestamp,
}

impl HookRow {
    fn hook(self, whose: Whose) -> Result<Hook, Error> {
        Ok(Hook {
            id: HookId::of(self.id),
            whose,
            url: self.url,
            events: Event::list(&self.events),
            secret: self.secret,
            by: AccountId::of(self.by_account),
            created_at: column::time(self.created_at)?,
        })
    }
}

#[derive(Debug, DeserializeRow)]
struct DeliveryRow {
    id: Uuid,
    hook: Option<Uuid>,
    whose: Option<String>,
    body: Option<String>,
    created_at: Option<CqlTimestamp>,
    tries: Option<i32>,
    due_at: Option<CqlTimestamp>,
}

impl DeliveryRow {
    /// Nothing for one of which only what a claim wrote is left.
    fn delivery(self) -> Result<Option<Delivery>, Error> {
        let (Some(hook), Some(whose), Some(body), Some(created_at)) =
            (self.hook, self.whose, self.body, self.created_at)
        else {
            return Ok(None);
        };
        Ok(Some(Delivery {
            id: DeliveryId::of(self.id),
            hook: HookId::of(hook),
            whose: column::read(&whose, Whose::parse)?,
            body,
            created_at: column::time(created_at)?,
            tries: self.tries.and_then(|tries| u32::try_from(tries).ok()).unwrap_or_default(),
            due_at: column::time(column::there(self.due_at)?)?,
        }))
    }
}

impl Webhooks for Cql {
    fn add_hook(&self, hook: Hook) -> Answer<'_, ()> {
        Box::pin(async move {
            if let Whose::Channel(channel) = hook.whose
                && self.live_channel(channel).await?.is_none()
            {
                return Err(Error::Missing);
            }
            let whose = hook.whose.to_text();
            // Two at once may make one too many, which harms nobody.
            let there: Vec<HookRow> = self.settled_rows(&self.webhooks.of, (whose.as_str(),)).await?;
            if there.len() >= HOOKS_MAX {
                return Err(Error::TooMany);
            }
            let (id, by, at) = (hook.id.column(), hook.by.column(), column::at(hook.created_at));
            let events = Event::join(&hook.events);
            let values = (whose.as_str(), id, hook.url.as_str(), events.as_str(), hook.secret.as_slice(), by, at);
            let took = || async {
                let row: Option<HookRow> = self.settled(&self.webhooks.one, (whose.as_str(), id)).await?;
                Ok(row.is_some())
            };
            if self.decide(&self.webhooks.add, values, took).await? { Ok(()) } else { Err(Error::Exists) }
        })
    }

    fn hooks_of(&self, whose: Whose) -> Answer<'_, Vec<(Hook, Option<Outcome>)>> {
        Box::pin(async move {
            let text = whose.to_text();
            let hooks: Vec<HookRow> = self.rows(&self.webhooks.of, (text.as_str(),)).await?;
            let outcomes: Vec<(Uuid, CqlTimestamp, bool, String)> =
                self.rows(&self.webhooks.outcomes, (text.as_str(),)).await?;
            let mut all = Vec::with_capacity(hooks.len());
            for hook in hooks {
                let outcome = outcomes.iter().find(|(id, ..)| *id == hook.id).map(|(_, at, ok, note)| {
                    Ok::<_, Error>(Outcome { at: column::time(*at)?, ok: *ok, note: note.clone() })
                });
                all.push((hook.hook(whose)?, outcome.transpose()?));
            }
            Ok(all)
        })
    }

    fn remove_hook(&self, whose: Whose, id: HookId) -> Answer<'_, bool> {
        Box::pin(async move {
            let key = (whose.to_text(), id.column());
            let gone = || async {
                let row: Option<HookRow> = self.settled(&self.webhooks.one, (key.0.as_str(), key.1)).await?;
                Ok(row.is_none())
            };
            self.decide(&self.webhooks.remove, (key.0.as_str(), key.1), gone).await
        })
    }

    fn note_outcome(&self, whose: Whose, id: HookId, outcome: Outcome) -> Answer<'_, ()> {
        Box::pin(async move {
            let values = (whose.to_text(), id.column(), column::at(outcome.at), outcome.ok, outcome.note);
            self.put(&self.webhooks.note, values).await
        })
    }

    fn enqueue(&self, deliveries: Vec<Delivery>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.each(&deliveries, |delivery| {
                let delivery = delivery.clone();
                async move {
                    let id = delivery.id.column();
                    let values = (
                        shard(id),
                        id,
                        delivery.hook.column(),
                        delivery.whose.to_text(),
                        delivery.body.as_str(),
                        column::at(delivery.created_at),
                        i32::try_from(delivery.tries).unwrap_or(i32::MAX),
                        column::at(delivery.due_at),
                        LIVES_S,
                    );
                    let took = || async { Ok(self.settled_delivery(id).await?.is_some()) };
                    self.decide(&self.webhooks.enqueue, values, took).await
                }
            })
            .await
            .map(drop)
        })
    }

    fn claim_deliveries(&self, now: Timestamp, until: Timestamp, limit: usize) -> Answer<'_, Vec<Delivery>> {
        Box::pin(async move {
            let mut claimed = Vec::new();
            for shard in 0..SHARDS {
                let rows: Vec<DeliveryRow> = self.rows(&self.webhooks.queue, (i32::from(shard), SCANNED_MAX)).await?;
                for row in rows {
                    if claimed.len() >= limit {
                        return Ok(claimed);
                    }
                    let Some(delivery) = row.delivery()?.filter(|delivery| delivery.due_at <= now) else { continue };
                    claimed.extend(self.claim(delivery, until).await?);
                }
            }
            Ok(claimed)
        })
    }

    fn postpone(&self, claimed: Delivery, due_at: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let id = claimed.id.column();
            let values = (LIVES_S, column::at(due_at), shard(id), id, column::at(claimed.due_at));
            let took = || async { Ok(self.settled_delivery(id).await?.is_some_and(|kept| kept.due_at == due_at)) };
            self.decide(&self.webhooks.postpone, values, took).await.map(drop)
        })
    }

    fn dequeue(&self, id: DeliveryId) -> Answer<'_, ()> {
        Box::pin(async move {
            let id = id.column();
            let gone = || async { Ok(self.settled_delivery(id).await?.is_none()) };
            self.decide(&self.webhooks.dequeue, (shard(id), id), gone).await.map(drop)
        })
    }
}

impl Cql {
    /// Takes a delivery that was seen due, unless another node did.
    async fn claim(&self, seen: Delivery, until: Timestamp) -> Result<Option<Delivery>, Error> {
        let (id, tries) = (seen.id.column(), seen.tries.saturating_add(1));
        let tried = i32::try_from(tries).unwrap_or(i32::MAX);
        let values = (LIVES_S, tried, column::at(until), shard(id), id, column::at(seen.due_at));
        // When the answer is lost nobody knows who has it: it is due again at `until`.
        let took = || async { Ok(false) };
        let claimed = self.decide(&self.webhooks.claim, values, took).await?;
        Ok(claimed.then_some(Delivery { tries, due_at: until, ..seen }))
    }

    async fn settled_delivery(&self, id: Uuid) -> Result<Option<Delivery>, Error> {
        let row: Option<DeliveryRow> = self.settled(&self.webhooks.delivery, (shard(id), id)).await?;
        row.map(DeliveryRow::delivery).transpose().map(Option::flatten)
    }

    /// Removes the hooks of a channel that is gone.
    pub(crate) async fn remove_hooks_in(&self, channel: ChannelId) -> Result<(), Error> {
        let whose = Whose::Channel(channel);
        for (hook, _) in self.hooks_of(whose).await? {
            self.remove_hook(whose, hook.id).await?;
        }
        Ok(())
    }
}

/// The partition of a delivery.
pub(crate) fn shard(id: Uuid) -> i32 {
    i32::from(id.as_bytes()[15] % SHARDS)
}

//! Hooks and their queue in SQLite.

use jiff::Timestamp;
use rusqlite::{Row, params};
use weir_identity::{DeliveryId, HookId};

use super::{Delivery, Event, HOOKS_MAX, Hook, Outcome, WAITING_MAX, Webhooks, Whose};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const HOOK: &str = "id, whose, url, events, secret, by_account, created_at_ms";
const DELIVERY: &str = "id, hook, whose, body, created_at_ms, tries, due_at_ms";

impl Webhooks for Sqlite {
    fn add_hook(&self, hook: Hook) -> Answer<'_, ()> {
        self.write(move |db| {
            let whose = hook.whose.to_text();
            let there: u32 = db.query_row("SELECT count(*) FROM hooks WHERE whose = ?1", [&whose], |row| row.get(0))?;
            if there as usize >= HOOKS_MAX {
                return Err(Error::TooMany);
            }
            let channel = match hook.whose {
                Whose::Installation => None,
                Whose::Channel(id) => Some(id.to_string()),
            };
            db.execute(
                &format!("INSERT INTO hooks ({HOOK}, channel) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
                params![
                    hook.id.to_string(),
                    whose,
                    hook.url,
                    Event::join(&hook.events),
                    hook.secret,
                    hook.by.to_string(),
                    hook.created_at.as_millisecond(),
                    channel,
                ],
            )?;
            Ok(())
        })
    }

    fn hooks_of(&self, whose: Whose) -> Answer<'_, Vec<(Hook, Option<Outcome>)>> {
        self.read(move |db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {HOOK}, last_at_ms, last_ok, last_note FROM hooks WHERE whose = ?1 ORDER BY id"
            ))?;
            Ok(query.query_map([whose.to_text()], hook)?.collect::<Result<_, _>>()?)
        })
    }

    fn remove_hook(&self, whose: Whose, id: HookId) -> Answer<'_, bool> {
        self.write(move |db| {
            let (whose, id) = (whose.to_text(), id.to_string());
            let removed = db.execute("DELETE FROM hooks WHERE whose = ?1 AND id = ?2", [&whose, &id])?;
            Ok(removed == 1)
        })
    }

    fn note_outcome(&self, whose: Whose, id: HookId, outcome: Outcome) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                "UPDATE hooks SET last_at_ms = ?3, last_ok = ?4, last_note = ?5 WHERE whose = ?1 AND id = ?2",
                params![whose.to_text(), id.to_string(), outcome.at.as_millisecond(), outcome.ok, outcome.note],
            )?;
            Ok(())
        })
    }

    fn enqueue(&self, deliveries: Vec<Delivery>) -> Answer<'_, ()> {
        self.write(move |db| {
            for delivery in deliveries {
                let hook = delivery.hook.to_string();
                db.execute(
                    "DELETE FROM deliveries WHERE hook = ?1 AND id IN
                     (SELECT id FROM deliveries WHERE hook = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
                    params![hook, WAITING_MAX - 1],
                )?;
                db.execute(
                    &format!("INSERT INTO deliveries ({DELIVERY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
                    params![
                        delivery.id.to_string(),
                        hook,
                        delivery.whose.to_text(),
                        delivery.body,
                        delivery.created_at.as_millisecond(),
                        delivery.tries,
                        delivery.due_at.as_millisecond(),
                    ],
                )?;
            }
            Ok(())
        })
    }

    fn claim_deliveries(&self, now: Timestamp, until: Timestamp, limit: usize) -> Answer<'_, Vec<Delivery>> {
        Box::pin(async move {
            let now = now.as_millisecond();
            // Most of the time there is nothing, and nothing needs to be written.
            let due = self.read(move |db| {
                let mut query = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM deliveries WHERE due_at_ms <= ?1)")?;
                Ok(query.query_row([now], |row| row.get::<_, bool>(0))?)
            });
            if !due.await? {
                return Ok(Vec::new());
            }
            let claim = self.write(move |db| {
                let mut query = db.prepare_cached(&format!(
                    "UPDATE deliveries SET tries = tries + 1, due_at_ms = ?2 WHERE id IN
                     (SELECT id FROM deliveries WHERE due_at_ms <= ?1 ORDER BY due_at_ms, id LIMIT ?3)
                     RETURNING {DELIVERY}"
                ))?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = query.query_map(params![now, until.as_millisecond(), limit], delivery)?;
                Ok(rows.collect::<Result<_, _>>()?)
            });
            claim.await
        })
    }

    fn postpone(&self, claimed: Delivery, due_at: Timestamp) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute(
                "UPDATE deliveries SET due_at_ms = ?3 WHERE id = ?1 AND due_at_ms = ?2",
                params![claimed.id.to_string(), claimed.due_at.as_millisecond(), due_at.as_millisecond()],
            )?;
            Ok(())
        })
    }

    fn dequeue(&self, id: DeliveryId) -> Answer<'_, ()> {
        self.write(move |db| {
            db.execute("DELETE FROM deliveries WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
    }
}

fn hook(row: &Row<'_>) -> rusqlite::Result<(Hook, Option<Outcome>)> {
    let events: String = row.get(3)?;
    let hook = Hook {
        id: column::parsed(row, 0)?,
        whose: column::read(row, 1, Whose::parse)?,
        url: row.get(2)?,
        events: Event::list(&events),
        secret: row.get(4)?,
        by: column::parsed(row, 5)?,
        created_at: column::time(row, 6)?,
    };
    let at = column::time_or_null(row, 7)?;
    let outcome = at.map(|at| Ok::<_, rusqlite::Error>(Outcome { at, ok: row.get(8)?, note: row.get(9)? }));
    Ok((hook, outcome.transpose()?))
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: column::parsed(row, 0)?,
        hook: column::parsed(row, 1)?,
        whose: column::read(row, 2, Whose::parse)?,
        body: row.get(3)?,
        created_at: column::time(row, 4)?,
        tries: row.get(5)?,
        due_at: column::time(row, 6)?,
    })
}

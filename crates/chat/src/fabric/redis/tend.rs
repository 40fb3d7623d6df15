//! Looking after rooms: what got lost, and Redis going away and coming back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::stream::StreamExt;
use tokio::time::sleep;
use tracing::{info, warn};
use weir_identity::ChannelId;

use super::{CALL_MAX, Shared, keys::Keys};
use crate::{fabric::Delivery, room::log::Terms};

/// How often it is looked whether Redis is there, and at the heads of rooms where something happens.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// A room in which nothing happened for so long is looked at less often.
const QUIET_AFTER: Duration = Duration::from_secs(60);
/// So often.
const QUIET_EVERY: Duration = Duration::from_secs(20);
/// Rooms looked at at once.
const LOOKS_MAX: usize = 64;

/// Looks after rooms, for ever.
pub(super) async fn tend(shared: Arc<Shared>) {
    loop {
        sleep(TEND_EVERY).await;
        let asked = shared.link.call(CALL_MAX, |mut redis| async move {
            redis::cmd("EXISTS").arg("weir:chat").query_async::<u8>(&mut redis).await
        });
        if asked.await.is_err() {
            shared.part();
            continue;
        }
        shared.rejoin().await;
        let due = futures::stream::iter(shared.due());
        due.for_each_concurrent(LOOKS_MAX, |room| shared.look(room)).await;
    }
}

impl Shared {
    /// Looks at a room's head.
    async fn look(&self, room: ChannelId) {
        let key = Keys::of(room).room();
        let read = self.link.call(CALL_MAX, |mut redis| async move {
            redis::cmd("HMGET")
                .arg(key)
                .arg("epoch")
                .arg("head")
                .query_async::<(Option<String>, Option<u64>)>(&mut redis)
                .await
        });
        let Ok((epoch, head)) = read.await else { return };
        let rooms = self.rooms.lock();
        let Some(heard) = rooms.get(&room) else { return };
        let Some(known) = &heard.epoch else { return };
        // A Redis that came back empty has no epoch.
        let same = epoch.as_deref() == Some(&**known);
        let delivery = if same { Delivery::Head(known.clone(), head.unwrap_or(0)) } else { Delivery::Restarted };
        for (sink, _) in &heard.sinks {
            sink(delivery.clone());
        }
    }

    /// Redis is away: rooms that hear from it begin anew on this node.
    fn part(&self) {
        let rooms = self.rooms.lock();
        if !rooms.is_empty() {
            warn!(rooms = rooms.len(), "Redis is away: rooms go on, each node by itself");
        }
        // One that is just being opened finds out by itself.
        for (sink, _) in rooms.values().flat_map(|heard| &heard.sinks).filter(|(_, knows)| *knows) {
            sink(Delivery::Restarted);
        }
    }

    /// Redis is back: what was said meanwhile is appended, and rooms begin anew there.
    async fn rejoin(&self) {
        let apart: Vec<ChannelId> = self.apart.lock().keys().copied().collect();
        if !apart.is_empty() {
            info!(rooms = apart.len(), "Redis is back: rooms of all nodes are one again");
        }
        for room in apart {
            loop {
                let next = self.apart.lock().get(&room).and_then(|apart| apart.journal.first().cloned());
                let Some((event, terms)) = next else { break };
                // It was taken already: only the id counts, so that it is not said twice.
                let terms = Terms { by: terms.by, once: terms.once, ..Terms::default() };
                if self.append(room, &event, &terms).await.is_err() {
                    return;
                }
                if let Some(apart) = self.apart.lock().get_mut(&room) {
                    apart.journal.remove(0);
                }
            }
            let mut apart = self.apart.lock();
            // Something was said in this moment: the next round takes it along.
            if apart.get(&room).is_some_and(|apart| apart.journal.is_empty())
                && let Some(gone) = apart.remove(&room)
            {
                self.local.remove(room);
                for sink in &gone.sinks {
                    sink(Delivery::Restarted);
                }
            }
        }
    }

    /// Rooms whose heads are to be looked at now.
    fn due(&self) -> Vec<ChannelId> {
        let now = Instant::now();
        let mut rooms = self.rooms.lock();
        let due = rooms
            .iter_mut()
            .filter(|(_, heard)| now - heard.happened < QUIET_AFTER || now - heard.looked >= QUIET_EVERY);
        due.map(|(room, heard)| {
            heard.looked = now;
            *room
        })
        .collect()
    }
}

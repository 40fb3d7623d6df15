//! Looking after rooms: what got lost, and Redis going away and coming back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::stream::{self, StreamExt};
use tokio::time::sleep;
use tracing::warn;
use weir_identity::ChannelId;

use super::{CALL_MAX, Heard, Shared, keys::Keys, memory::Memory};
use crate::fabric::Delivery;

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
        tokio::select! {
            () = sleep(TEND_EVERY) => {}
            () = shared.wake.notified() => {}
        }
        let asked = shared.link.call(CALL_MAX, |mut redis| async move {
            redis::cmd("EXISTS").arg("weir:chat").query_async::<u8>(&mut redis).await
        });
        if asked.await.is_err() {
            shared.part_all();
            continue;
        }
        stream::iter(shared.apart()).for_each_concurrent(LOOKS_MAX, |room| shared.reunite(room)).await;
        stream::iter(shared.due()).for_each_concurrent(LOOKS_MAX, |room| shared.look(room)).await;
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
        let head = head.unwrap_or(0);
        let is_stray = {
            let rooms = self.rooms.lock();
            let Some(heard) = rooms.get(&room) else { return };
            let Some(memory) = heard.memory.as_ref().filter(|memory| !memory.is_alone()) else { return };
            let known = memory.epoch().clone();
            // A Redis that came back empty has no epoch, and one that came back with what it once had is behind.
            let is_stray = epoch.as_deref() != Some(&*known) || head < memory.head().min(heard.seen);
            if !is_stray {
                heard.tell(&Delivery::Head(known, head));
            }
            is_stray
        };
        if is_stray {
            self.stray(room);
        }
    }

    /// Redis counts in another epoch than this node: the room goes on by itself for the moment it takes to find out.
    pub(super) fn stray(&self, room: ChannelId) {
        {
            let mut rooms = self.rooms.lock();
            let Some(heard) = rooms.get_mut(&room) else { return };
            if heard.memory.as_ref().is_some_and(|memory| !memory.is_alone()) {
                heard.part(self.entries_max);
            }
        }
        self.wake.notify_one();
    }

    /// Redis is away: rooms that hear from it go on on this node.
    fn part_all(&self) {
        let mut rooms = self.rooms.lock();
        let together = |heard: &&mut Heard| heard.memory.as_ref().is_some_and(|memory| !memory.is_alone());
        let mut parted = 0_usize;
        // One that is just being opened finds out by itself.
        for heard in rooms.values_mut().filter(together) {
            heard.part(self.entries_max);
            parted += 1;
        }
        if parted > 0 {
            warn!(rooms = parted, "Redis is away: rooms go on, each node by itself");
        }
    }

    /// Rooms that go on by themselves.
    fn apart(&self) -> Vec<ChannelId> {
        let rooms = self.rooms.lock();
        let alone = rooms.iter().filter(|(_, heard)| heard.memory.as_ref().is_some_and(Memory::is_alone));
        alone.map(|(room, _)| *room).collect()
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
            if let Some(memory) = &heard.memory {
                heard.seen = memory.head();
            }
            *room
        })
        .collect()
    }
}

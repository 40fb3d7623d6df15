//! Rooms that take long to begin, since the store does that has to say how they were.

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    Archive,
    archive::{Beginning, Happened},
    fabric::{Archived, Down, Opened},
};

/// Says how a room was once it may.
#[derive(Debug, Default)]
struct Slow {
    may: Notify,
}

const SLOW: ChannelId = ChannelId::from_bytes([1; 16]);

impl Archive for Slow {
    fn note(&self, _: ChannelId, _: Happened) {}

    fn compare(&self, _: ChannelId, _: &Opened) {}

    fn beginning(&self, room: ChannelId, _: usize) -> Answer<'_, Result<Beginning, Down>> {
        Box::pin(async move {
            if room == SLOW {
                self.may.notified().await;
            }
            Ok(Beginning::default())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_takes_long_to_begin_holds_up_who_waits_for_it_and_nobody_else() {
    let archive = Arc::new(Slow::default());
    let server =
        Server::over(Arc::new(Archived::new(Arc::new(Local::new(9)), archive.clone(), 9)), Config::default()).await;
    let rooms = server.chat.0.rooms.clone();
    let other = ChannelId::from_bytes([2; 16]);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let rooms = rooms.clone();
            tokio::spawn(async move { rooms.enter(SLOW).await })
        })
        .collect();
    // Whoever gives up is not waited for.
    assert!(timeout(Duration::from_secs(1), rooms.enter(SLOW)).await.is_err());
    for _ in 0..2 {
        assert!(rooms.enter(other).await.is_some());
    }
    assert!(waiting.iter().all(|waits| !waits.is_finished()));
    archive.may.notify_one();
    let mut guests = Vec::new();
    for waits in waiting {
        guests.push(waits.await.unwrap().expect("the room has begun"));
    }
    let ids: Vec<_> = guests.iter().map(|guest| guest.room.actor.get_id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one room for all of them");
    drop(guests);
    sleep(Duration::from_secs(60)).await;
    let later = rooms.enter(SLOW);
    archive.may.notify_one();
    assert_ne!(later.await.expect("it begins again").room.actor.get_id(), ids[0], "an empty room goes");
}

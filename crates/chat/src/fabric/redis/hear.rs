//! The connection over which a node hears what is published.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use weir_identity::ChannelId;
use weir_redis::{Connection, Target};

use super::{Ask, HEAR_MAX, Shared, calls::entry, keys::Keys};
use crate::fabric::{Delivery, Signal};

/// How long until a connection that hears is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Hears what is published in the rooms of this node, over one connection after the other.
pub(super) async fn hear_all(shared: Arc<Shared>, target: Target, mut asks: mpsc::UnboundedReceiver<Ask>) {
    loop {
        let (sender, mut pushes) = mpsc::unbounded_channel();
        let connected = timeout(HEAR_MAX * 2, target.listen(sender)).await;
        let Ok(Ok(mut connection)) = connected else {
            // Who asked meanwhile hears that nothing is heard.
            while asks.try_recv().is_ok() {}
            sleep(AGAIN_AFTER).await;
            continue;
        };
        let rooms: Vec<ChannelId> = shared.rooms.lock().keys().copied().collect();
        let mut well = true;
        for room in rooms {
            well &= hear(&mut connection, room).await;
        }
        while well {
            tokio::select! {
                ask = asks.recv() => match ask {
                    None => return,
                    Some(Ask::Hear(room, reply)) => {
                        well = hear(&mut connection, room).await;
                        if well {
                            let _ = reply.send(());
                        }
                    }
                    Some(Ask::Unhear(room)) => {
                        if !shared.rooms.lock().contains_key(&room) {
                            let _ = timeout(HEAR_MAX, connection.unhear(&Keys::of(room).room())).await;
                        }
                    }
                },
                push = pushes.recv() => match push {
                    None => well = false,
                    // A cluster's connection comes back by itself.
                    Some(push) if push.kind == PushKind::Disconnection => {
                        well = matches!(connection, Connection::Cluster(_));
                    }
                    Some(push) if push.kind == PushKind::SMessage => shared.published(&push),
                    Some(_) => {}
                },
                () = sleep(HEAR_MAX) => well = is_there(&mut connection).await,
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn hear(connection: &mut Connection, room: ChannelId) -> bool {
    matches!(timeout(HEAR_MAX, connection.hear(&Keys::of(room).room())).await, Ok(Ok(())))
}

async fn is_there(connection: &mut Connection) -> bool {
    let asked = redis::cmd("EXISTS").arg("weir:chat").take();
    matches!(timeout(HEAR_MAX, asked.query_async::<u8>(connection)).await, Ok(Ok(_)))
}

impl Shared {
    /// What was published.
    fn published(&self, push: &PushInfo) {
        let [Value::BulkString(channel), Value::BulkString(said)] = &push.data[..] else { return };
        let text = |bytes: &'_ [u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let (Some(channel), Some(said)) = (text(channel), text(said)) else { return };
        let Some(room) = Keys::read(&channel) else { return };
        let mut rooms = self.rooms.lock();
        let Some(heard) = rooms.get_mut(&room) else { return };
        let delivery = match said.split_once(' ') {
            Some(("s", signal)) => {
                let Ok(signal) = serde_json::from_str(signal) else { return };
                if let Signal::Settings(settings) = &signal {
                    heard.settings = settings.clone();
                }
                Delivery::Signal(signal)
            }
            Some(("e", event)) => {
                let mut parts = event.splitn(3, ' ');
                let (Some(epoch), Some(offset), Some(event)) = (parts.next(), parts.next(), parts.next()) else {
                    return;
                };
                heard.happened = Instant::now();
                match (heard.epoch.as_deref(), offset.parse().ok().and_then(|offset| entry(offset, event))) {
                    (Some(known), _) if known != epoch => Delivery::Restarted,
                    (_, Some(entry)) => Delivery::Entry(entry),
                    _ => return,
                }
            }
            _ => return,
        };
        for (sink, _) in &heard.sinks {
            sink(delivery.clone());
        }
    }
}

//! What is published in the rooms of this node.

use std::time::Instant;

use weir_identity::ChannelId;

use super::{Shared, calls::entry, keys::Keys};
use crate::fabric::{Delivery, Signal};

/// What is published in a room's channel.
enum Published<'a> {
    /// What takes no offset.
    Signal(Signal),
    /// An entry: its epoch, offset, event and what the client called it.
    Entry(&'a str, u64, &'a str, &'a str),
    /// The room stands in this epoch, at this offset.
    Head(&'a str, u64),
}

impl<'a> Published<'a> {
    fn read(words: &'a str) -> Option<Self> {
        let (what, rest) = words.split_once(' ')?;
        match what {
            "s" => serde_json::from_str(rest).ok().map(Self::Signal),
            "h" => {
                let (epoch, head) = rest.split_once(' ')?;
                Some(Self::Head(epoch, head.parse().ok()?))
            }
            "e" => {
                let mut parts = rest.splitn(4, ' ');
                let (epoch, offset) = (parts.next()?, parts.next()?.parse().ok()?);
                let (called_bytes, rest) = (parts.next()?.parse().ok()?, parts.next()?);
                let (called, event) = rest.split_at_checked(called_bytes)?;
                Some(Self::Entry(epoch, offset, event, called))
            }
            _ => None,
        }
    }
}

impl Shared {
    /// Something was published. Runs where it is read from Redis.
    pub(super) fn published(&self, channel: &str, words: &[u8]) {
        let Some(room) = Keys::read(channel) else { return };
        let Some(published) = std::str::from_utf8(words).ok().and_then(Published::read) else { return };
        let is_stray = self.heard(room, published);
        if is_stray {
            self.stray(room);
        }
    }

    /// True when Redis counts in another epoch than this node.
    fn heard(&self, room: ChannelId, published: Published<'_>) -> bool {
        let mut rooms = self.rooms.lock();
        let Some(heard) = rooms.get_mut(&room) else { return false };
        match published {
            Published::Signal(signal) => {
                match (&signal, &mut heard.memory) {
                    // By itself it goes on as it was set there.
                    (_, Some(memory)) if memory.is_alone() => return false,
                    (Signal::Settings(settings), Some(memory)) => memory.settings = settings.clone(),
                    _ => {}
                }
                heard.tell(&Delivery::Signal(signal));
                false
            }
            Published::Entry(epoch, offset, event, called) => {
                heard.happened = Instant::now();
                let Some(memory) = &mut heard.memory else {
                    if let Some(entry) = entry(offset, event, called) {
                        heard.wait(epoch, entry);
                    }
                    return false;
                };
                if memory.is_alone() {
                    return false;
                }
                if **memory.epoch() != *epoch {
                    return true;
                }
                // What was appended here is known already.
                if !memory.knows(offset)
                    && let Some(entry) = entry(offset, event, called)
                {
                    memory.hear(entry.clone());
                    heard.tell(&Delivery::Entry(entry));
                }
                false
            }
            Published::Head(epoch, head) => match &heard.memory {
                Some(memory) if !memory.is_alone() => {
                    let is_same = **memory.epoch() == *epoch;
                    if is_same {
                        let epoch = memory.epoch().clone();
                        heard.tell(&Delivery::Head(epoch, head));
                    }
                    !is_same
                }
                _ => false,
            },
        }
    }
}

//! Channels that were opened or closed a moment ago.
//!
//! A publisher that was let in just before a channel's visibility changed begins just after, when the one to be ended was
//! already looked up. So a change is remembered for longer than a login takes, and every publish that begins is held
//! against it: it comes back to the new visibility.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use weir_identity::ChannelName;
use weir_media::{Live, Registry, registry::Kick};

/// Longer than the longest login.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Shared by who changes and who begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(Arc<Mutex<HashMap<ChannelName, (bool, Instant)>>>);

impl Moved {
    /// Ends what a channel publishes, now or in a moment, under the other visibility.
    pub(crate) fn end(&self, channel: &ChannelName, private: bool, registry: &Registry) {
        {
            let mut moved = self.0.lock();
            let now = Instant::now();
            moved.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
            moved.insert(channel.clone(), (private, now));
        }
        if let Some(live) = registry.get(channel) {
            self.check(&live);
        }
    }

    /// Ends a publish that begins under a visibility that is no more.
    pub(crate) fn check(&self, live: &Live) {
        let private = self.0.lock().get(&live.publish.channel).map(|(private, _)| *private);
        if private.is_some_and(|private| private != live.publish.private) {
            live.kick(Kick::Ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_identity::KeyId;
    use weir_media::{Publish, registry::Conflict};

    use super::*;

    fn publish(private: bool) -> Publish {
        let (channel, key, conflict) = ("anna".parse().unwrap(), KeyId::new(), Conflict::TakeOver);
        Publish { channel, key, conflict, private, protocol: "rtmp" }
    }

    #[tokio::test]
    async fn a_publish_of_the_old_visibility_ends_though_it_begins_later() {
        let (registry, moved) = (Registry::new(9), Moved::default());
        let running = registry.publish(publish(false)).unwrap();
        let channel = "anna".parse().unwrap();
        moved.end(&channel, false, &registry);
        assert!(!running.live().is_told_to_go());
        moved.end(&channel, true, &registry);
        assert_eq!(running.kicked().await, Kick::Ended);
        let late = registry.publish(publish(false)).unwrap();
        moved.check(late.live());
        assert_eq!(late.kicked().await, Kick::Ended);
        let back = registry.publish(publish(true)).unwrap();
        moved.check(back.live());
        assert!(!back.live().is_told_to_go());
    }
}

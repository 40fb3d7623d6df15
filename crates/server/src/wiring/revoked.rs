//! Keys that were revoked a moment ago.
//!
//! A publisher whose key was checked just before it was revoked begins just after, when those to be cut were already
//! looked up. So a revoked key is remembered for longer than a login takes, and every publish that begins is held
//! against it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use weir_identity::KeyId;
use weir_media::{Live, Registry, registry::Kick};

/// Longer than the longest login.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Shared by who revokes and who begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revoked(Arc<Mutex<HashMap<KeyId, Instant>>>);

impl Revoked {
    /// Cuts whoever publishes with one of `keys`, now or in a moment. Gives how many were cut now.
    pub(crate) fn cut(&self, keys: &[KeyId], registry: &Registry) -> usize {
        {
            let mut revoked = self.0.lock();
            let now = Instant::now();
            revoked.retain(|_, at| now.duration_since(*at) < REMEMBERED);
            revoked.extend(keys.iter().map(|key| (*key, now)));
        }
        let publishing: Vec<_> = registry.all().into_iter().filter(|live| keys.contains(&live.publish.key)).collect();
        publishing.iter().for_each(|live| live.kick(Kick::KeyRevoked));
        publishing.len()
    }

    /// Cuts a publish that begins with a revoked key.
    pub(crate) fn check(&self, live: &Live) {
        if self.0.lock().contains_key(&live.publish.key) {
            live.kick(Kick::KeyRevoked);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_media::{Publish, registry::Conflict};

    use super::*;

    fn publish(key: KeyId) -> Publish {
        Publish {
            channel: "anna".parse().unwrap(),
            key,
            conflict: Conflict::TakeOver,
            private: false,
            protocol: "rtmp",
        }
    }

    #[tokio::test]
    async fn who_publishes_with_a_revoked_key_is_cut() {
        let (registry, revoked, key) = (Registry::new(9), Revoked::default(), KeyId::new());
        let publisher = registry.publish(publish(key)).unwrap();
        assert_eq!(revoked.cut(&[KeyId::new()], &registry), 0);
        assert_eq!(revoked.cut(&[key], &registry), 1);
        assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
    }

    #[tokio::test]
    async fn who_was_let_in_just_before_is_cut_as_it_begins() {
        let (registry, revoked, key) = (Registry::new(9), Revoked::default(), KeyId::new());
        revoked.cut(&[key], &registry);
        let publisher = registry.publish(publish(key)).unwrap();
        revoked.check(publisher.live());
        assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
    }
}

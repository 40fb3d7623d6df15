//! What is done to publishers and people over one node, and counts on all.
//!
//! A key is revoked at the node that was asked, and its publisher may be on another. With Redis every node hears of it at
//! once. And each node of a cluster looks from time to time whether its publishers still may what they do ([`watch`]):
//! that is what holds when Redis is away.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};
use weir_chat::Chat;
use weir_control::{Error, Store};
use weir_identity::{AccountId, ChannelName, KeyId, PublishId};
use weir_media::{Live, Registry, registry::Kick};
use weir_redis::{Bulletin, Target};

use super::{moved::Moved, revoked::Revoked};

/// The channel of Redis.
const CHANNEL: &str = "weir:nodes";
/// How often a node looks after its publishers where Redis tells it of changes.
pub(crate) const LOOK_WITH_REDIS: Duration = Duration::from_secs(5);
/// And where nobody does.
pub(crate) const LOOK_ALONE: Duration = Duration::from_millis(500);

/// What other nodes are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// The publish of a channel is ended.
    Ended(ChannelName),
    /// Whether a channel is closed has changed.
    Moved(ChannelName, bool),
    /// These keys were revoked.
    Revoked(Vec<KeyId>),
    /// An account was suspended, is so no longer, or is gone.
    Account(AccountId),
}

/// As it goes over Redis.
#[derive(Serialize, Deserialize)]
struct Told {
    /// Which node says so: it has done it already.
    by: Box<str>,
    news: News,
}

/// Does what is done to publishers, here and on the other nodes.
#[derive(Debug, Clone)]
pub(crate) struct Nodes {
    pub(crate) registry: Registry,
    pub(crate) revoked: Revoked,
    pub(crate) moved: Moved,
    me: Box<str>,
    others: Arc<OnceLock<Bulletin>>,
    chat: Arc<OnceLock<Chat>>,
}

impl Nodes {
    pub(crate) fn new(registry: Registry) -> Self {
        let (revoked, moved, others, chat) = Default::default();
        Self { registry, revoked, moved, me: PublishId::random().to_string().into(), others, chat }
    }

    /// From now on rooms hear as well what is done to people.
    pub(crate) fn with_rooms(&self, chat: Chat) {
        // It is said once.
        let _ = self.chat.set(chat);
    }

    /// Begins to hear what other nodes do, and to tell them.
    pub(crate) fn join(&self, redis: &Target) {
        // It must not keep itself alive.
        let alone = Self { others: Arc::default(), ..self.clone() };
        let bulletin = Bulletin::open(redis, CHANNEL, move |words| alone.heard(words));
        // It joins once.
        let _ = self.others.set(bulletin);
    }

    /// Does something here, and has the other nodes do it. Gives how many publishers it hit here. Does not block.
    pub(crate) fn tell(&self, news: News) -> usize {
        let hit = self.apply(&news);
        if let Some(others) = self.others.get()
            && let Ok(words) = serde_json::to_vec(&Told { by: self.me.clone(), news })
        {
            others.say(words);
        }
        hit
    }

    fn heard(&self, words: &[u8]) {
        match serde_json::from_slice::<Told>(words) {
            Ok(told) if told.by == self.me => {}
            Ok(told) => {
                debug!(news = ?told.news, by = %told.by, "another node did something to publishers");
                self.apply(&told.news);
            }
            // A newer node may know more.
            Err(error) => debug!(%error, "another node says what this one does not understand"),
        }
    }

    fn apply(&self, news: &News) -> usize {
        match news {
            News::Ended(channel) => {
                let live = self.registry.get(channel);
                if let Some(live) = &live {
                    live.kick(Kick::Ended);
                }
                usize::from(live.is_some())
            }
            News::Moved(channel, private) => {
                self.moved.end(channel, *private, &self.registry);
                0
            }
            News::Account(account) => {
                if let Some(chat) = self.chat.get() {
                    chat.account_changed(*account);
                }
                0
            }
            News::Revoked(keys) => self.revoked.cut(keys, &self.registry),
        }
    }
}

/// Looks after this node's publishers for ever: one whose key, channel or owner may no longer, is cut. While the store is
/// away they go on.
pub(crate) async fn watch(store: Arc<dyn Store>, registry: Registry, every: Duration) {
    let mut was_away = false;
    loop {
        tokio::time::sleep(every).await;
        let mut channels: HashMap<ChannelName, Vec<Arc<Live>>> = HashMap::new();
        for live in registry.all() {
            channels.entry(live.publish.channel.clone()).or_default().push(live);
        }
        for (channel, publishes) in channels {
            match look(&*store, &channel, &publishes).await {
                Ok(()) => was_away = false,
                Err(error) => {
                    if !std::mem::replace(&mut was_away, true) {
                        warn!(%error, "the store does not say whether publishers still may: they go on");
                    }
                    break;
                }
            }
        }
    }
}

async fn look(store: &dyn Store, name: &ChannelName, publishes: &[Arc<Live>]) -> Result<(), Error> {
    let end = |why: Kick| publishes.iter().for_each(|live| live.kick(why.clone()));
    let Some(channel) = store.channel_named(name).await? else {
        end(Kick::Ended);
        return Ok(());
    };
    if let Some(owner) = channel.owner
        && store.account(owner).await?.is_none_or(|owner| owner.suspended_at.is_some())
    {
        end(Kick::Ended);
        return Ok(());
    }
    let keys = store.keys_of(channel.id).await?;
    for live in publishes {
        // One that only expired may finish what it began.
        let is_good = keys.iter().any(|key| key.id == live.publish.key && key.revoked_at.is_none());
        if !is_good {
            live.kick(Kick::KeyRevoked);
        } else if live.publish.private != channel.visibility.is_closed() {
            live.kick(Kick::Ended);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use weir_media::{Publish, registry::Conflict};

    use super::*;

    fn nodes() -> Nodes {
        Nodes::new(Registry::new(9))
    }

    fn publish(nodes: &Nodes, key: KeyId) -> weir_media::Publisher {
        let channel = "anna".parse().unwrap();
        let publish = Publish { channel, key, conflict: Conflict::TakeOver, private: false, protocol: "rtmp" };
        nodes.registry.publish(publish).unwrap()
    }

    fn told(by: &Nodes, news: News) -> Vec<u8> {
        serde_json::to_vec(&Told { by: by.me.clone(), news }).unwrap()
    }

    #[tokio::test]
    async fn what_another_node_did_is_done_here() {
        let (here, there, key) = (nodes(), nodes(), KeyId::new());
        let channel: ChannelName = "anna".parse().unwrap();
        let publisher = publish(&here, key);
        here.heard(&told(&here, News::Ended(channel.clone())));
        here.heard(b"{\"by\": 7}");
        here.heard(&told(&there, News::Moved(channel.clone(), false)));
        assert!(!publisher.live().is_told_to_go());
        here.heard(&told(&there, News::Revoked(vec![key])));
        assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
        let publisher = publish(&here, KeyId::new());
        here.heard(&told(&there, News::Ended(channel.clone())));
        assert_eq!(publisher.kicked().await, Kick::Ended);
        let publisher = publish(&here, KeyId::new());
        here.heard(&told(&there, News::Moved(channel, true)));
        assert_eq!(publisher.kicked().await, Kick::Ended);
    }
}

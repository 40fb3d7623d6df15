//! Which emotes there are: a room needs to know only while nothing else may be said.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use ractor::ActorRef;
use tracing::warn;

use super::{Msg, State};
use crate::gate::Denied;

/// How often a room looks whether it missed a change, while somebody speaks.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(20);

impl State {
    /// Looks which emotes there are, if nothing else may be said and that was not looked at lately.
    pub(super) fn look_at_emotes(&mut self, me: &ActorRef<Msg>) {
        let lately = self.emotes_looked.is_some_and(|at| at.elapsed() < LOOKED_AT_EVERY);
        if lately || !self.rules.settings().emote_only {
            return;
        }
        self.emotes_looked = Some(Instant::now());
        let (gate, channel, me) = (self.arguments.gate.clone(), self.arguments.id, me.clone());
        tokio::spawn(async move {
            let codes = gate.emotes(channel).await;
            let _ = me.cast(Msg::Emotes(codes));
        });
    }

    /// They are others now.
    pub(super) fn emotes_changed(&mut self, me: &ActorRef<Msg>) {
        self.emotes_looked = None;
        self.look_at_emotes(me);
    }

    pub(super) fn learn_emotes(&mut self, codes: Result<HashSet<Box<str>>, Denied>) {
        match codes {
            Ok(codes) => self.rules.set_emotes(codes),
            // Those before count on; whoever speaks later looks again.
            Err(error) => warn!(%error, room = %self.arguments.id, "a channel's emotes cannot be read"),
        }
    }
}

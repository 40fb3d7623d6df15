//! Noting a deed: who, what, from where.

use std::fmt::Display;

use jiff::Timestamp;
use weir_identity::AuditId;

use super::{Actor, DETAIL_BYTES_MAX, Entry, Scope};
use crate::{
    auth::{Caller, Origin},
    channels::Channel,
    store::Store,
};

/// Something that somebody did.
#[derive(Debug, Clone)]
pub struct Deed {
    entry: Entry,
    scopes: Vec<Scope>,
}

impl Deed {
    /// What a caller did, such as `key.make`.
    #[must_use]
    pub fn by(caller: &Caller, from: Origin, action: &str) -> Self {
        let account = caller.0.sub;
        Self::new(Actor::Account(account), from.address.to_string(), action).also(Scope::Account(account))
    }

    /// What an account did over a connection that stays.
    #[must_use]
    pub fn by_account(account: weir_identity::AccountId, action: &str) -> Self {
        Self::new(Actor::Account(account), String::new(), action).also(Scope::Account(account))
    }

    /// What an operator did at the command line.
    #[must_use]
    pub fn by_operator(action: &str) -> Self {
        Self::new(Actor::Operator, String::new(), action)
    }

    fn new(actor: Actor, address: String, action: &str) -> Self {
        let (action, target, detail) = (action.to_owned(), String::new(), "{}".to_owned());
        let at = crate::store_time(Timestamp::now());
        Self { entry: Entry { id: AuditId::new(), at, actor, address, action, target, detail }, scopes: Vec::new() }
    }

    /// It concerns a channel.
    #[must_use]
    pub fn on(self, channel: &Channel) -> Self {
        let entry = Entry { target: channel.name.to_string(), ..self.entry };
        Self { entry, scopes: self.scopes }.also(Scope::Channel(channel.id))
    }

    /// It stands in that log as well.
    #[must_use]
    pub fn also(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// To what it was done.
    #[must_use]
    pub fn target(mut self, target: impl Display) -> Self {
        self.entry.target = target.to_string();
        self
    }

    /// What changed. Left out when it is longer than an entry's detail may be.
    #[must_use]
    pub fn detail(mut self, detail: &serde_json::Value) -> Self {
        self.entry.detail = Some(detail.to_string()).filter(|text| text.len() <= DETAIL_BYTES_MAX).unwrap_or_default();
        self
    }

    /// Writes it down. What was done is done: a store that fails here is told to the operator, not to the caller.
    pub async fn note(self, store: &dyn Store) {
        let action = self.entry.action.clone();
        if let Err(error) = store.note(self.entry, self.scopes).await {
            tracing::error!(%error, action, "the audit log could not be written");
        }
    }
}

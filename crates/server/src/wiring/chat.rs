//! Who may talk in a channel's room: chat asks, accounts, roles and bans answer.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use jiff::Timestamp;
use serde_json::json;
use tracing::warn;
use weir_chat::{
    gate::{Admission, Answer, Deed, Denied, Held, OwnWords, Queues, Verdict, Waiting, until},
    room::{
        Person, Role,
        rules::{Sentence, Speaker},
    },
};
use weir_control::{
    Error, Store, accounts,
    accounts::Account,
    audit,
    auth::Auth,
    bans::{Ban, hash_address},
    channels::Channel,
    held,
    rights::Right,
    roles::ChannelRole,
    webhooks::{Announcer, Event, Whose},
};
use weir_identity::{AccountId, ChannelId, ChannelName, HeldId, KeySecret};

use super::rooms::word;

/// Answers chat.
pub(crate) struct ChatGate {
    store: Arc<dyn Store>,
    auth: Arc<Auth>,
    announcer: Announcer,
    secret: KeySecret,
}

impl ChatGate {
    pub(crate) fn new(store: Arc<dyn Store>, auth: Arc<Auth>, announcer: Announcer, secret: KeySecret) -> Self {
        Self { store, auth, announcer, secret }
    }

    /// Who wants to say something that a moderator allows.
    pub(crate) async fn author(&self, channel: ChannelId, account: AccountId) -> Result<Speaker, Denied> {
        let channel = self.channel(channel).await?;
        self.known(&channel, account, None).await
    }

    async fn channel(&self, id: ChannelId) -> Result<Channel, Denied> {
        self.store.channel(id).await.map_err(away)?.ok_or(Denied::NoChannel)
    }

    async fn right(&self, channel: &Channel, account: &Account) -> Result<Right, Denied> {
        if account.role == accounts::Role::Admin || channel.owner == Some(account.id) {
            return Ok(Right::Owner);
        }
        Ok(match self.store.role_of(channel.id, account.id).await.map_err(away)? {
            Some(ChannelRole::Moderator) => Right::Moderator,
            Some(ChannelRole::Vip) => Right::Vip,
            None => Right::Nobody,
        })
    }

    /// What is known of an account in a channel, which is at `address`. Suspended ones do not talk.
    async fn known(&self, channel: &Channel, account: AccountId, address: Option<IpAddr>) -> Result<Speaker, Denied> {
        let account = self.store.account(account).await.map_err(away)?.ok_or(Denied::BadToken)?;
        if account.suspended_at.is_some() {
            return Err(Denied::Forbidden);
        }
        let right = self.right(channel, &account).await?;
        if !right.may_watch(channel.visibility) {
            return Err(Denied::Forbidden);
        }
        let ban = self.store.ban_of(channel.id, account.id).await.map_err(away)?;
        let mut ban = ban.filter(|ban| ban.holds(Timestamp::now()));
        // Others at the address of somebody who is banned are held back with them, but for those whom the channel knows.
        if let Some(address) = address.filter(|_| ban.is_none() && right < Right::Vip) {
            let address = hash_address(&self.secret, channel.id, address);
            let of_address = self.store.ban_of_address(channel.id, address).await.map_err(away)?;
            ban = of_address.filter(|ban| ban.holds(Timestamp::now()));
        }
        let display_name = account.display_name.to_string();
        let display_name = if display_name == account.name.as_str() { String::new() } else { display_name };
        Ok(Speaker {
            person: Person { id: account.id, name: account.name, display_name, role: role(right) },
            sentence: ban.map(|ban| Sentence { until: ban.until }),
            follows_since: self.store.follows_since(channel.id, account.id).await.map_err(away)?,
        })
    }

    async fn let_in(&self, name: &ChannelName, token: Option<&str>, address: IpAddr) -> Result<Admission, Denied> {
        let claims = token.map(|token| self.auth.verify(token)).transpose().map_err(|_| Denied::BadToken)?;
        let channel = self.store.channel_named(name).await.map_err(away)?.ok_or(Denied::NoChannel)?;
        let speaker = match claims {
            Some(claims) => Some(self.known(&channel, claims.sub, Some(address)).await?),
            None if Right::Nobody.may_watch(channel.visibility) => None,
            None => return Err(Denied::Forbidden),
        };
        Ok(Admission { channel: channel.id, speaker })
    }

    async fn keep(&self, verdict: Verdict) -> Result<Sentence, Denied> {
        let channel = self.channel(verdict.channel).await?;
        let account = self.store.account(verdict.account).await.map_err(away)?.ok_or(Denied::NoAccount)?;
        let by = self.store.account(verdict.by).await.map_err(away)?.ok_or(Denied::Forbidden)?;
        let now = whole_milliseconds(Timestamp::now());
        let address = match verdict.address {
            true => self.store.spoke_from(channel.id, account.id).await.map_err(away)?,
            false => None,
        };
        let until = until(verdict.lasts, now);
        let reason = verdict.reason;
        let ban = Ban { account: account.id, address, by: by.id, reason: reason.clone(), at: now, until };
        self.store.ban(channel.id, ban).await.map_err(away)?;
        let until_text = until.map(|until| until.to_string());
        let detail = json!({
            "account": account.name.as_str(), "reason": reason, "until": until_text, "address": address.is_some(),
        });
        let deed = audit::Deed::by_account(by.id, "ban").on(&channel).also(audit::Scope::Account(account.id));
        deed.detail(&detail).note(&*self.store).await;
        let said = json!({
            "username": account.name.as_str(), "by": by.name.as_str(), "reason": reason, "until": until_text,
        });
        self.announcer.announce(&channel, Event::Ban, said).await;
        Ok(Sentence { until })
    }

    async fn lift(&self, channel: ChannelId, account: AccountId, by: AccountId) -> Result<(), Denied> {
        let channel = self.channel(channel).await?;
        self.store.unban(channel.id, account).await.map_err(away)?;
        let deed = audit::Deed::by_account(by, "unban").on(&channel).also(audit::Scope::Account(account));
        deed.detail(&json!({"account": account})).note(&*self.store).await;
        Ok(())
    }
}

impl weir_chat::Gate for ChatGate {
    fn admit<'a>(
        &'a self,
        channel: &'a ChannelName,
        token: Option<&'a str>,
        address: IpAddr,
    ) -> Answer<'a, Result<Admission, Denied>> {
        Box::pin(self.let_in(channel, token, address))
    }

    fn speaker(&self, channel: ChannelId, person: Person, address: IpAddr) -> Answer<'_, Result<Speaker, Denied>> {
        Box::pin(async move {
            let channel = self.channel(channel).await?;
            self.known(&channel, person.id, Some(address)).await
        })
    }

    fn reader(&self, channel: ChannelId) -> Answer<'_, Result<(), Denied>> {
        Box::pin(async move {
            let channel = self.channel(channel).await?;
            if Right::Nobody.may_watch(channel.visibility) { Ok(()) } else { Err(Denied::Forbidden) }
        })
    }

    fn spoke(&self, channel: ChannelId, account: AccountId, address: IpAddr) {
        let (store, address) = (self.store.clone(), hash_address(&self.secret, channel, address));
        let at = whole_milliseconds(Timestamp::now());
        tokio::spawn(async move {
            if let Err(error) = store.spoke(channel, account, address, at).await {
                warn!(%error, "from where somebody speaks could not be noted: a ban would not cover it");
            }
        });
    }

    fn hold(&self, waiting: Waiting) -> Answer<'_, Result<Held, Denied>> {
        Box::pin(async move {
            let (channel, author) = (waiting.channel, waiting.author);
            let held = held::Held {
                id: HeldId::new(),
                author: author.id,
                author_name: author.name,
                text: waiting.text,
                reply_to: waiting.reply_to.map(|to| held::Answered { id: to.id, name: to.name }),
                at: whole_milliseconds(Timestamp::now()),
            };
            match self.store.hold(channel, held).await {
                Ok(()) => Ok(Held::Waits(self.store.held_count(channel).await.map_err(away)?)),
                Err(Error::TooMany) => Ok(Held::Full),
                Err(Error::Missing) => Err(Denied::NoChannel),
                Err(error) => Err(away(error)),
            }
        })
    }

    fn queues(&self, channel: ChannelId) -> Answer<'_, Result<Option<Queues>, Denied>> {
        Box::pin(async move {
            let held = self.store.held_count(channel).await.map_err(away)?;
            let reported = self.store.reported_count(channel).await.map_err(away)?;
            Ok(Some(Queues { held, reported }))
        })
    }

    fn words(&self, channel: ChannelId, known: u32) -> Answer<'_, Result<Option<OwnWords>, Denied>> {
        Box::pin(async move {
            if self.store.words_version(channel).await.map_err(away)? == known {
                return Ok(None);
            }
            let list = self.store.words_of(channel).await.map_err(away)?;
            Ok(Some(OwnWords { version: list.version, words: list.words.into_iter().map(word).collect() }))
        })
    }

    fn emotes(&self, channel: ChannelId) -> Answer<'_, Result<HashSet<Box<str>>, Denied>> {
        Box::pin(async move {
            let own = self.store.emotes_of(Whose::Channel(channel)).await.map_err(away)?;
            let others = self.store.emotes_of(Whose::Installation).await.map_err(away)?;
            Ok(own.iter().chain(&others).map(|emote| emote.code.as_str().into()).collect())
        })
    }

    fn role(&self, channel: ChannelId, account: AccountId) -> Answer<'_, Result<Role, Denied>> {
        Box::pin(async move {
            let channel = self.channel(channel).await?;
            let account = self.store.account(account).await.map_err(away)?.ok_or(Denied::NoAccount)?;
            Ok(role(self.right(&channel, &account).await?))
        })
    }

    fn ban(&self, verdict: Verdict) -> Answer<'_, Result<Sentence, Denied>> {
        Box::pin(self.keep(verdict))
    }

    fn unban(&self, channel: ChannelId, account: AccountId, by: AccountId) -> Answer<'_, Result<(), Denied>> {
        Box::pin(self.lift(channel, account, by))
    }

    fn note(&self, deed: Deed) {
        let store = self.store.clone();
        tokio::spawn(async move {
            let noted = audit::Deed::by_account(deed.by, deed.action);
            match store.channel(deed.channel).await {
                Ok(Some(channel)) => {
                    noted.on(&channel).detail(&json!({"subject": deed.subject})).note(&*store).await;
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "the audit log could not be written"),
            }
        });
    }
}

fn role(right: Right) -> Role {
    match right {
        Right::Nobody => Role::Viewer,
        Right::Vip => Role::Vip,
        Right::Moderator => Role::Moderator,
        Right::Owner => Role::Owner,
    }
}

/// As a store keeps it.
fn whole_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

fn away(error: Error) -> Denied {
    warn!(%error, "the store does not answer chat");
    Denied::Unavailable
}

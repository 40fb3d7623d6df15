//! Who may talk in a channel's room: chat asks, accounts, roles and bans answer.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use serde_json::json;
use tracing::warn;
use weir_chat::{
    Chat,
    gate::{Admission, Answer, Deed, Denied, Verdict, until},
    room::{
        Person, Role,
        rules::{Sentence, Speaker},
    },
};
use weir_control::{
    Error, HealthInfo, LiveInfo, Presence, Store, accounts,
    accounts::Account,
    audit,
    auth::Auth,
    bans::Ban,
    channels::{Channel, Visibility},
    rights::Right,
    roles::ChannelRole,
    webhooks::{Announcer, Event},
};
use weir_identity::{AccountId, ChannelId, ChannelName, KeyId};

use super::presence::Streams;

/// Answers chat.
pub(crate) struct ChatGate {
    store: Arc<dyn Store>,
    auth: Arc<Auth>,
    announcer: Announcer,
}

impl ChatGate {
    pub(crate) fn new(store: Arc<dyn Store>, auth: Arc<Auth>, announcer: Announcer) -> Self {
        Self { store, auth, announcer }
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

    /// What is known of an account in a channel. Suspended ones do not talk.
    async fn known(&self, channel: &Channel, account: AccountId) -> Result<Speaker, Denied> {
        let account = self.store.account(account).await.map_err(away)?.ok_or(Denied::BadToken)?;
        if account.suspended_at.is_some() {
            return Err(Denied::Forbidden);
        }
        let right = self.right(channel, &account).await?;
        if !right.may_watch(channel.visibility) {
            return Err(Denied::Forbidden);
        }
        let ban = self.store.ban_of(channel.id, account.id).await.map_err(away)?;
        let ban = ban.filter(|ban| ban.holds(Timestamp::now()));
        let display_name = account.display_name.to_string();
        let display_name = if display_name == account.name.as_str() { String::new() } else { display_name };
        Ok(Speaker {
            person: Person { id: account.id, name: account.name, display_name, role: role(right) },
            sentence: ban.map(|ban| Sentence { until: ban.until }),
            follows_since: None,
        })
    }

    async fn let_in(&self, name: &ChannelName, token: Option<&str>) -> Result<Admission, Denied> {
        let claims = token.map(|token| self.auth.verify(token)).transpose().map_err(|_| Denied::BadToken)?;
        let channel = self.store.channel_named(name).await.map_err(away)?.ok_or(Denied::NoChannel)?;
        let speaker = match claims {
            Some(claims) => Some(self.known(&channel, claims.sub).await?),
            None if Right::Nobody.may_watch(channel.visibility) => None,
            None => return Err(Denied::Forbidden),
        };
        Ok(Admission { channel: channel.id, speaker })
    }

    async fn keep(&self, verdict: Verdict) -> Result<Sentence, Denied> {
        let channel = self.channel(verdict.channel).await?;
        let account = self.store.account(verdict.account).await.map_err(away)?.ok_or(Denied::NoAccount)?;
        let by = self.store.account(verdict.by).await.map_err(away)?.ok_or(Denied::Forbidden)?;
        // A store keeps whole milliseconds.
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH);
        let until = until(verdict.lasts, now);
        let reason = verdict.reason;
        let ban = Ban { account: account.id, address: None, by: by.id, reason: reason.clone(), at: now, until };
        self.store.ban(channel.id, ban).await.map_err(away)?;
        let until_text = until.map(|until| until.to_string());
        let detail = json!({"account": account.name.as_str(), "reason": reason, "until": until_text});
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
        _: IpAddr,
    ) -> Answer<'a, Result<Admission, Denied>> {
        Box::pin(self.let_in(channel, token))
    }

    fn speaker(&self, channel: ChannelId, person: Person) -> Answer<'_, Result<Speaker, Denied>> {
        Box::pin(async move {
            let channel = self.channel(channel).await?;
            self.known(&channel, person.id).await
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

/// What is live, for the API; whom it bans, rooms hear of at once.
pub(crate) struct WithRooms {
    pub(crate) streams: Streams,
    pub(crate) chat: Chat,
}

impl Presence for WithRooms {
    fn live(&self, channel: &ChannelName) -> Option<LiveInfo> {
        self.streams.live(channel)
    }

    fn health(&self, channel: &ChannelName) -> Option<HealthInfo> {
        self.streams.health(channel)
    }

    fn serves_whep(&self) -> bool {
        self.streams.serves_whep()
    }

    fn live_channels(&self) -> Vec<ChannelName> {
        self.streams.live_channels()
    }

    fn end(&self, channel: &ChannelName) {
        self.streams.end(channel);
    }

    fn visibility_changed(&self, channel: &ChannelName, visibility: Visibility) {
        self.streams.visibility_changed(channel, visibility);
    }

    fn revoked(&self, keys: &[KeyId]) {
        self.streams.revoked(keys);
    }

    fn banned(&self, channel: ChannelId, account: AccountId, ban: Option<&Ban>) {
        self.chat.sentence(channel, account, ban.map(|ban| (Sentence { until: ban.until }, ban.by)));
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

fn away(error: Error) -> Denied {
    warn!(%error, "the store does not answer chat");
    Denied::Unavailable
}

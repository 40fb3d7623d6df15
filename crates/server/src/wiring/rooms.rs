//! The rooms of channels: the API asks and tells, chat answers and hears.

use std::sync::Arc;

use jiff::Timestamp;
use weir_chat::{
    Chat, filter,
    gate::Denied,
    room::{ClientId, event::Reply, rules::Sentence},
};
use weir_control::{
    HealthInfo, LiveInfo, Presence, Rooms,
    bans::Ban,
    channels::Visibility,
    held::Held,
    reports::Message,
    rooms::{Changed, NotSaid, Said, Waiting},
    words::{Action, Word},
};
use weir_identity::{AccountId, ChannelId, ChannelName, KeyId, MessageId, VodId};

use super::{chat::ChatGate, nodes::News, presence::Streams, recordings::Recordings};

/// What is live, and the rooms beside it, for the API.
pub(crate) struct WithRooms {
    pub(crate) streams: Streams,
    pub(crate) chat: Chat,
    pub(crate) gate: Arc<ChatGate>,
    pub(crate) recordings: Recordings,
}

impl Rooms for WithRooms {
    fn banned(&self, channel: ChannelId, account: AccountId, ban: Option<&Ban>) {
        self.chat.sentence(channel, account, ban.map(|ban| (Sentence { until: ban.until }, ban.by)));
    }

    fn rights_changed(&self, changed: Changed) {
        match changed {
            Changed::Channel(channel) => self.chat.rights_changed(channel, None, true),
            Changed::Role(channel, account) => self.chat.rights_changed(channel, Some(account), true),
            // Whoever only reads is not held back: it is early enough before they write.
            Changed::Addresses(channel) => self.chat.rights_changed(channel, None, false),
            Changed::Account(account) => {
                // It may be gone, with its channels and what was recorded there.
                self.recordings.look_at_all();
                self.streams.nodes.tell(News::Account(account));
            }
        }
    }

    fn waiting(&self, channel: ChannelId, waiting: Waiting) {
        match waiting {
            Waiting::Held(count) => self.chat.queues_changed(channel, Some(count), None),
            Waiting::Reported(count) => self.chat.queues_changed(channel, None, Some(count)),
        }
    }

    fn words_changed(&self, channel: ChannelId, version: u32) {
        self.chat.words_changed(channel, version);
    }

    fn check_words(&self, words: Vec<Word>) -> Said<'_, Result<(), String>> {
        Box::pin(Chat::check_words(words.into_iter().map(word).collect()))
    }

    fn say(&self, channel: ChannelId, held: Held) -> Said<'_, Result<(), NotSaid>> {
        Box::pin(async move {
            let author = self.gate.author(channel, held.author).await.map_err(|denied| match denied {
                Denied::Unavailable => NotSaid::Unavailable,
                _ => NotSaid::Author,
            })?;
            // Its own words are not looked for again: a moderator has read them.
            if author.sentence.is_some() {
                return Err(NotSaid::Author);
            }
            let reply_to = held.reply_to.map(|to| Reply { id: to.id, name: to.name });
            let once = ClientId::parse(&format!("held:{}", held.id)).ok_or(NotSaid::Unavailable)?;
            let said = self.chat.allow(channel, author.person, held.text, reply_to, once).await;
            if said { Ok(()) } else { Err(NotSaid::Unavailable) }
        })
    }

    fn message(&self, channel: ChannelId, id: MessageId) -> Said<'_, Option<Message>> {
        Box::pin(async move {
            let found = self.chat.message(channel, id).await?;
            let (author, author_name) = (found.user.id, found.user.name);
            Some(Message { id, author, author_name, text: found.text, at: found.at })
        })
    }
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

    fn followed(&self, channel: ChannelId, account: AccountId, _: Option<Timestamp>) {
        self.chat.rights_changed(channel, Some(account), false);
    }

    fn emotes_changed(&self, channel: Option<ChannelId>) {
        self.chat.emotes_changed(channel);
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

    fn vod_changed(&self, id: VodId) {
        self.recordings.look_at(id);
    }
}

/// A channel's word, as chat looks for it.
pub(super) fn word(Word { word, action }: Word) -> filter::Word {
    let action = match action {
        Action::Mask => filter::Action::Mask,
        Action::Hold => filter::Action::Hold,
        Action::Block => filter::Action::Block,
    };
    filter::Word { text: word, action }
}

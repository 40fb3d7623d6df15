//! Messages in CQL.
//!
//! A partition holds five minutes of a channel: at 500 messages a second of 280 bytes, 150 000 rows and about 60 MB. A
//! small table says which five minutes a channel has, so that a month of silence costs nothing, and another in which
//! of them an account spoke. What was cleared is a time in a table of its own that is read with the messages; no clear
//! changes rows.
//!
//! Rows are dated by the time of their ids, what takes one back by the clock: so it counts whichever is written first.
//! That a channel or account is there is asked when it first speaks in five minutes.

mod removal;

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use parking_lot::Mutex;
use scylla::{DeserializeRow, client::session::Session, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, MessageId};

use super::{Flight, Found, Message, Messages, Note, Role, RoomKept, Wanted, Way, first_of, ms};
use crate::{
    cql::{
        Cql, Id, column,
        statement::{ABREAST, statements},
    },
    error::Error,
    store::Answer,
};

/// A partition's span, in milliseconds.
const BUCKET_MS: i64 = 300_000;
/// Rows written side by side.
const WRITES_ABREAST: usize = 64;
/// Partitions that a page or a search reads at most, for one answer.
const BUCKETS_MAX: usize = 64;
/// Messages that a search reads at most, about, for one answer.
const SCANNED_MAX: usize = 10_000;
/// Rows that a search or a removal reads at once.
const ROWS_AT_ONCE: usize = 1_000;
/// Pointers that a node remembers it has written, so that it does not write them with each message.
const POINTERS_KEPT: usize = 1 << 16;
/// Stands for everybody where an account does.
const EVERYBODY: Uuid = Uuid::nil();

statements! { Rows {
    say: Write = "INSERT INTO messages (channel, bucket, id, account, name, display_name, role, said, at, reply_to, \
        reply_name, called, way, color) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    take_back: Write = "UPDATE messages SET deleted = true, said = null, reply_to = null, reply_name = null \
        WHERE channel = ? AND bucket = ? AND id = ?";
    remove: Write = "DELETE FROM messages WHERE channel = ? AND bucket = ? AND id = ?";
    remove_bucket: Write = "DELETE FROM messages WHERE channel = ? AND bucket = ?";
    page: Read = "SELECT id, account, name, display_name, role, said, at, reply_to, reply_name, called, deleted, way, color \
        FROM messages \
        WHERE channel = ? AND bucket = ? AND id < ? LIMIT ?";
    one: Read = "SELECT id, account, name, display_name, role, said, at, reply_to, reply_name, called, deleted, way, color \
        FROM messages \
        WHERE channel = ? AND bucket = ? AND id = ?";
    point: Write = "INSERT INTO message_buckets (channel, bucket) VALUES (?, ?)";
    buckets: Read = "SELECT bucket FROM message_buckets WHERE channel = ? AND bucket <= ? LIMIT ?";
    unpoint_all: Write = "DELETE FROM message_buckets WHERE channel = ?";
    point_speaker: Write = "INSERT INTO message_speakers (account, channel, bucket) VALUES (?, ?, ?)";
    spoke_in: Read = "SELECT bucket FROM message_speakers WHERE account = ? AND channel = ? AND bucket <= ? LIMIT ?";
    spoke: Read = "SELECT channel, bucket FROM message_speakers WHERE account = ? LIMIT ?";
    forget_speaker: Write = "DELETE FROM message_speakers WHERE account = ? AND channel = ? AND bucket = ?";
    clear: Write = "INSERT INTO message_clears (channel, account, until) VALUES (?, ?, ?) USING TIMESTAMP ?";
    cleared: Read = "SELECT account, until FROM message_clears WHERE channel = ? AND account IN ?";
    unclear_all: Write = "DELETE FROM message_clears WHERE channel = ?";
    set: Write = "UPDATE rooms SET settings = ? WHERE channel = ?";
    pin: Write = "UPDATE rooms SET pinned = ? WHERE channel = ?";
    room: Read = "SELECT settings, pinned FROM rooms WHERE channel = ?";
    remove_room: Write = "DELETE FROM rooms WHERE channel = ?";
} }

/// The statements about messages, and which pointers this node has written.
#[derive(Debug)]
pub(crate) struct Statements {
    rows: Rows,
    pointers: Mutex<HashSet<(Uuid, Option<Uuid>, i32)>>,
}

impl Statements {
    pub(crate) async fn prepare(session: &Session) -> Result<Self, Error> {
        Ok(Self { rows: Rows::prepare(session).await?, pointers: Mutex::default() })
    }
}

#[derive(Debug, DeserializeRow)]
struct MessageRow {
    id: Uuid,
    account: Option<Uuid>,
    name: Option<String>,
    display_name: Option<String>,
    role: Option<String>,
    said: Option<String>,
    at: Option<CqlTimestamp>,
    reply_to: Option<Uuid>,
    reply_name: Option<String>,
    called: Option<String>,
    deleted: Option<bool>,
    way: Option<String>,
    color: Option<String>,
}

impl MessageRow {
    /// Nothing when it is only known that it was taken back.
    fn message(self) -> Result<Option<Message>, Error> {
        let Some(account) = self.account else { return Ok(None) };
        let reply_to = match (self.reply_to, self.reply_name) {
            (Some(id), Some(name)) => Some((MessageId::of(id), column::parsed(&name)?)),
            _ => None,
        };
        let message = Message {
            id: MessageId::of(self.id),
            account: AccountId::of(account),
            name: column::parsed(&column::there(self.name)?)?,
            display_name: self.display_name.unwrap_or_default(),
            role: column::read(&column::there(self.role)?, Role::parse)?,
            text: self.said.unwrap_or_default(),
            at: column::time(column::there(self.at)?)?,
            reply_to,
            called: self.called,
            deleted: self.deleted == Some(true),
            flight: match self.way {
                Some(way) => Some(Flight { way: column::read(&way, Way::parse)?, color: self.color }),
                None => None,
            },
        };
        Ok(Some(if message.deleted { message.taken_back() } else { message }))
    }
}

/// Some rows of a partition.
struct Part {
    messages: Vec<Message>,
    /// Rows that were read for them.
    read: usize,
    /// What to ask for before next; nothing at the partition's end.
    rest: Option<Uuid>,
}

impl Messages for Cql {
    fn keep_messages(&self, notes: Vec<(ChannelId, Note)>) -> Answer<'_, ()> {
        Box::pin(async move {
            let notes = self.with_pointers(notes).await?;
            // Settings and pins of one room count in their order.
            let (ordered, rest): (Vec<_>, Vec<_>) =
                notes.into_iter().partition(|(_, note)| matches!(note, Note::Set(_) | Note::Pinned(_)));
            let writes: Vec<_> = rest.iter().map(|(channel, note)| self.keep_note(*channel, note)).collect();
            stream::iter(writes).buffer_unordered(WRITES_ABREAST).try_collect::<()>().await?;
            for (channel, note) in &ordered {
                self.keep_note(*channel, note).await?;
            }
            Ok(())
        })
    }

    fn messages(&self, channel: ChannelId, wanted: Wanted) -> Answer<'_, Found> {
        Box::pin(async move {
            if wanted.is_search() { self.search(channel, &wanted).await } else { self.page(channel, &wanted).await }
        })
    }

    fn message(&self, channel: ChannelId, id: MessageId) -> Answer<'_, Option<Message>> {
        Box::pin(async move {
            let key = (channel.column(), bucket(id), id.column());
            let row: Option<MessageRow> = self.one(&self.messages.rows.one, key).await?;
            let Some(message) = row.map(MessageRow::message).transpose()?.flatten() else { return Ok(None) };
            Ok(self.without_cleared(channel, vec![message]).await?.pop())
        })
    }

    fn room(&self, channel: ChannelId) -> Answer<'_, RoomKept> {
        Box::pin(async move {
            let row: Option<(Option<String>, Option<Uuid>)> =
                self.one(&self.messages.rows.room, (channel.column(),)).await?;
            let Some((settings, pinned)) = row else { return Ok(RoomKept::default()) };
            let pinned = match pinned {
                Some(id) => self.message(channel, MessageId::of(id)).await?,
                None => None,
            };
            Ok(RoomKept { settings, pinned: pinned.filter(|message| !message.deleted) })
        })
    }
}

impl Cql {
    /// Writes which five minutes the notes are of, and leaves out those of channels and accounts that are gone.
    async fn with_pointers(&self, notes: Vec<(ChannelId, Note)>) -> Result<Vec<(ChannelId, Note)>, Error> {
        let (mut wanted, now) = (BTreeSet::new(), this_bucket());
        for (channel, note) in &notes {
            match note {
                Note::Said(message) => {
                    let bucket = bucket(message.id);
                    wanted.extend([
                        (channel.column(), None, bucket),
                        (channel.column(), Some(message.account.column()), bucket),
                    ]);
                }
                Note::Set(_) | Note::Pinned(_) => drop(wanted.insert((channel.column(), None, now))),
                Note::TakenBack(_) | Note::Cleared { .. } => {}
            }
        }
        let new: Vec<_> = {
            let pointers = self.messages.pointers.lock();
            wanted.into_iter().filter(|pointer| !pointers.contains(pointer)).collect()
        };
        let gone: HashSet<_> = self.each(&new, |pointer| self.point(*pointer)).await?.into_iter().flatten().collect();
        {
            let mut pointers = self.messages.pointers.lock();
            if pointers.len() + new.len() > POINTERS_KEPT {
                pointers.clear();
            }
            pointers.extend(new.into_iter().filter(|pointer| !gone.contains(pointer)));
        }
        let stays = |(channel, note): &(ChannelId, Note)| match note {
            Note::Said(message) => {
                let (channel, bucket) = (channel.column(), bucket(message.id));
                !gone.contains(&(channel, None, bucket))
                    && !gone.contains(&(channel, Some(message.account.column()), bucket))
            }
            Note::Set(_) | Note::Pinned(_) => !gone.contains(&(channel.column(), None, now)),
            Note::TakenBack(_) | Note::Cleared { .. } => true,
        };
        Ok(notes.into_iter().filter(stays).collect())
    }

    /// Writes a pointer. Gives it back when what it is of is gone.
    async fn point(&self, pointer: (Uuid, Option<Uuid>, i32)) -> Result<Option<(Uuid, Option<Uuid>, i32)>, Error> {
        let (channel, account, bucket) = pointer;
        let rows = &self.messages.rows;
        match account {
            None if self.live_channel(ChannelId::of(channel)).await?.is_none() => Ok(Some(pointer)),
            None => self.put(&rows.point, (channel, bucket)).await.map(|()| None),
            Some(account) if self.live_account(AccountId::of(account)).await?.is_none() => Ok(Some(pointer)),
            Some(account) => self.put(&rows.point_speaker, (account, channel, bucket)).await.map(|()| None),
        }
    }

    async fn keep_note(&self, channel: ChannelId, note: &Note) -> Result<(), Error> {
        let (rows, of) = (&self.messages.rows, channel.column());
        match note {
            Note::Said(message) => {
                let key = (of, bucket(message.id), message.id.column());
                let said = (Some(message.text.as_str()).filter(|_| !message.deleted), column::at(message.at));
                let who = (message.account.column(), message.name.as_str(), message.role.as_str());
                let (answered, name) = message.reply_to.as_ref().map(|(id, name)| (id.column(), name.as_str())).unzip();
                let display_name = Some(message.display_name.as_str()).filter(|name| !name.is_empty());
                let called = message.called.as_deref();
                let flight = message.flight.as_ref();
                let flown =
                    (flight.map(|flight| flight.way.as_str()), flight.and_then(|flight| flight.color.as_deref()));
                let dated = ms(message.id).saturating_mul(1_000);
                let values = (
                    key.0,
                    key.1,
                    key.2,
                    who.0,
                    who.1,
                    display_name,
                    who.2,
                    said.0,
                    said.1,
                    answered,
                    name,
                    called,
                    flown.0,
                    flown.1,
                    dated,
                );
                self.put(&rows.say, values).await?;
                if message.deleted { self.put(&rows.take_back, key).await } else { Ok(()) }
            }
            Note::TakenBack(id) => self.put(&rows.take_back, (of, bucket(*id), id.column())).await,
            Note::Cleared { account, until } => {
                let account = account.map_or(EVERYBODY, Id::column);
                let dated = until.as_millisecond().saturating_mul(1_000);
                self.put(&rows.clear, (of, account, column::at(*until), dated)).await
            }
            Note::Set(settings) => self.put(&rows.set, (settings.as_str(), of)).await,
            Note::Pinned(id) => self.put(&rows.pin, (id.map(Id::column), of)).await,
        }
    }

    async fn page(&self, channel: ChannelId, wanted: &Wanted) -> Result<Found, Error> {
        let (mut found, mut read) = (Vec::new(), 0);
        let mut before = wanted.before.map_or(Uuid::max(), Id::column);
        // One more says whether there is more.
        let enough = wanted.limit + 1;
        let mut buckets = self.buckets(channel, None, before, 1).await?;
        loop {
            let rows = self
                .each(&buckets, |bucket| {
                    self.newest_of(channel, *bucket, before, enough - found.len(), wanted.comments)
                })
                .await?;
            read += buckets.len();
            found.extend(rows.into_iter().flatten());
            found.truncate(enough);
            let Some(last) = buckets.last().copied() else { break };
            // All of the last partition was read, or enough.
            before = first_of(begin(last)).column();
            if found.len() == enough || read >= BUCKETS_MAX {
                break;
            }
            buckets = self.buckets(channel, None, before, ABREAST).await?;
        }
        let full = found.len() == enough;
        found.truncate(wanted.limit);
        let at_end = !full && read < BUCKETS_MAX;
        let next = if full { found.last().map(|message| message.id) } else { Some(MessageId::of(before)) };
        let messages = self.without_cleared(channel, found).await?;
        Ok(Found { messages, next: next.filter(|_| !at_end) })
    }

    async fn search(&self, channel: ChannelId, wanted: &Wanted) -> Result<Found, Error> {
        let (mut found, mut scanned) = (Found::default(), 0);
        let mut before = wanted.before.map_or(Uuid::max(), Id::column);
        let buckets = self.buckets(channel, wanted.account, before, BUCKETS_MAX + 1).await?;
        let more = buckets.len() > BUCKETS_MAX;
        for bucket in buckets.into_iter().take(BUCKETS_MAX) {
            loop {
                let part = self.rows_of(channel, bucket, before, ROWS_AT_ONCE).await?;
                scanned += part.read;
                let theirs = |message: &Message| {
                    let said_by = wanted.account.is_none_or(|account| account == message.account);
                    let stands = !message.deleted && message.flight.is_none();
                    stands && said_by && wanted.words.as_ref().is_none_or(|words| words.are_in(&message.text))
                };
                let some = part.messages.into_iter().filter(theirs).collect();
                let some = self.without_cleared(channel, some).await?;
                for message in some.into_iter().filter(|message| !message.deleted) {
                    if found.messages.len() == wanted.limit {
                        found.next = found.messages.last().map(|message| message.id);
                        return Ok(found);
                    }
                    found.messages.push(message);
                }
                before = part.rest.unwrap_or_else(|| first_of(begin(bucket)).column());
                if scanned >= SCANNED_MAX {
                    found.next = Some(MessageId::of(before));
                    return Ok(found);
                }
                if part.rest.is_none() {
                    break;
                }
            }
        }
        found.next = more.then(|| MessageId::of(before));
        Ok(found)
    }

    /// Partitions with messages before an id, newest first.
    async fn buckets(
        &self,
        channel: ChannelId,
        account: Option<AccountId>,
        before: Uuid,
        limit: usize,
    ) -> Result<Vec<i32>, Error> {
        // No message is before the first of a partition in that partition.
        let newest = bucket(MessageId::of(before));
        let newest = if first_of(begin(newest)).column() < before { newest } else { newest - 1 };
        let (of, limit) = (channel.column(), i32::try_from(limit).unwrap_or(i32::MAX));
        let rows: Vec<(i32,)> = match account {
            None => self.rows(&self.messages.rows.buckets, (of, newest, limit)).await?,
            Some(account) => self.rows(&self.messages.rows.spoke_in, (account.column(), of, newest, limit)).await?,
        };
        Ok(rows.into_iter().map(|(bucket,)| bucket).collect())
    }

    /// The newest messages of a partition before an id, at most `limit`.
    async fn newest_of(
        &self,
        channel: ChannelId,
        bucket: i32,
        mut before: Uuid,
        limit: usize,
        comments: bool,
    ) -> Result<Vec<Message>, Error> {
        let mut found = Vec::new();
        loop {
            let some = self.rows_of(channel, bucket, before, limit - found.len()).await?;
            found.extend(some.messages.into_iter().filter(|message| comments || message.flight.is_none()));
            match some.rest {
                Some(rest) if found.len() < limit => before = rest,
                _ => return Ok(found),
            }
        }
    }

    async fn rows_of(&self, channel: ChannelId, bucket: i32, before: Uuid, limit: usize) -> Result<Part, Error> {
        let values = (channel.column(), bucket, before, i32::try_from(limit).unwrap_or(i32::MAX));
        let rows: Vec<MessageRow> = self.rows(&self.messages.rows.page, values).await?;
        let rest = rows.last().filter(|_| rows.len() == limit).map(|row| row.id);
        let read = rows.len();
        let messages = rows.into_iter().filter_map(|row| row.message().transpose()).collect::<Result<_, _>>()?;
        Ok(Part { messages, read, rest })
    }

    /// Takes back what was cleared.
    async fn without_cleared(&self, channel: ChannelId, messages: Vec<Message>) -> Result<Vec<Message>, Error> {
        if messages.is_empty() {
            return Ok(messages);
        }
        let accounts: BTreeSet<Uuid> =
            messages.iter().map(|message| message.account.column()).chain([EVERYBODY]).collect();
        let mut until = HashMap::new();
        for some in Vec::from_iter(accounts).chunks(100) {
            let rows: Vec<(Uuid, CqlTimestamp)> =
                self.rows(&self.messages.rows.cleared, (channel.column(), some)).await?;
            until.extend(rows.into_iter().map(|(account, until)| (account, until.0)));
        }
        let cleared = |message: &Message| {
            let by = [EVERYBODY, message.account.column()];
            by.iter().any(|account| until.get(account).is_some_and(|until| ms(message.id) <= *until))
        };
        let take_back = |message: Message| if cleared(&message) { message.taken_back() } else { message };
        Ok(messages.into_iter().map(take_back).collect())
    }
}

/// The partition of an id.
pub(crate) fn bucket(id: MessageId) -> i32 {
    i32::try_from(ms(id) / BUCKET_MS).unwrap_or(i32::MAX)
}

/// When a partition begins, in milliseconds since the Unix epoch.
fn begin(bucket: i32) -> i64 {
    i64::from(bucket) * BUCKET_MS
}

fn this_bucket() -> i32 {
    i32::try_from(Timestamp::now().as_millisecond() / BUCKET_MS).unwrap_or(i32::MAX)
}

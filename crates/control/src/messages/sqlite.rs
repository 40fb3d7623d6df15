//! Messages in SQLite.
//!
//! A message's place is a number that grows with time, so that a page is a range of the table and an index of words
//! gives what it finds in order. What a gone channel or account leaves is not shown, and removed a little with each
//! batch: removing millions of rows at once would keep every other writer waiting.

mod sweep;

use std::collections::{HashMap, hash_map::Entry};

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_identity::{AccountId, ChannelId, MessageId};

use super::{Flight, Found, Message, Messages, Note, Role, RoomKept, Wanted, Way, Words, ms, words};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

/// A place's bits below its milliseconds: a million messages a millisecond.
const PLACE_BITS: u32 = 20;
/// Messages that a search reads at most, for one answer.
const SCANNED_MAX: usize = 2_000;
/// Before the tokens of rooms and of speakers in the index of words: in no word, since these signs are for private use.
const ROOM_MARK: char = '\u{e000}';
const SPEAKER_MARK: char = '\u{e001}';
/// Stands for everybody where a speaker's number does.
const EVERYBODY: i64 = 0;

const COLUMNS: &str = "m.id, a.id, a.name, m.display_name, m.role, m.said, m.at_ms, m.reply_to, m.reply_name,
    m.called, m.deleted OR m.place < max(?1, coalesce(c.until, 0)), m.way, m.color";
/// Messages with who said them, if they are still there, and what was taken back of them.
const JOINED: &str = "JOIN speakers s ON s.number = m.speaker JOIN accounts a ON a.id = s.account
    LEFT JOIN message_clears c ON c.room = m.room AND c.speaker = m.speaker";

impl Messages for Sqlite {
    fn keep_messages(&self, notes: Vec<(ChannelId, Note)>) -> Answer<'_, ()> {
        self.write(move |db| {
            let mut numbers = Numbers::default();
            for (channel, note) in notes {
                if let Some(room) = numbers.room(db, channel)? {
                    keep(db, &mut numbers, room, note)?;
                }
            }
            sweep::sweep(db)
        })
    }

    fn messages(&self, channel: ChannelId, wanted: Wanted) -> Answer<'_, Found> {
        self.read(move |db| {
            let Some(room) = room_of(db, channel)? else { return Ok(Found::default()) };
            let before = before(db, wanted.before)?;
            let cleared = cleared(db, room, EVERYBODY)?;
            let limit = wanted.limit;
            if !wanted.is_search() {
                return page(db, room, before, cleared, limit, wanted.comments);
            }
            let speaker = match wanted.account {
                Some(account) => match speaker_of(db, account)? {
                    Some(speaker) => Some(speaker),
                    None => return Ok(Found::default()),
                },
                None => None,
            };
            match wanted.words {
                Some(words) => search(db, &Search { room, before, cleared, speaker, words }, limit),
                None => said_by(db, room, before, cleared, speaker.unwrap_or(EVERYBODY), limit),
            }
        })
    }

    fn message(&self, channel: ChannelId, id: MessageId) -> Answer<'_, Option<Message>> {
        self.read(move |db| {
            let Some(room) = room_of(db, channel)? else { return Ok(None) };
            message_at(db, room, id)
        })
    }

    fn room(&self, channel: ChannelId) -> Answer<'_, RoomKept> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT number, settings, pinned FROM rooms WHERE channel = ?1")?;
            let kept = query.query_row([channel.to_string()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, id_or_null(row, 2)?))
            });
            let Some((room, settings, pinned)) = kept.optional()? else { return Ok(RoomKept::default()) };
            let pinned = pinned.map(|id| message_at(db, room, id)).transpose()?.flatten();
            Ok(RoomKept { settings, pinned: pinned.filter(|message| !message.deleted) })
        })
    }
}

/// Numbers of rooms and speakers, asked once for a batch.
#[derive(Default)]
struct Numbers {
    rooms: HashMap<ChannelId, Option<i64>>,
    speakers: HashMap<AccountId, Option<i64>>,
}

impl Numbers {
    /// Nothing when the channel is gone.
    fn room(&mut self, db: &Connection, channel: ChannelId) -> Result<Option<i64>, Error> {
        match self.rooms.entry(channel) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(unknown) => {
                let id = channel.to_string();
                db.prepare_cached("INSERT OR IGNORE INTO rooms (channel) SELECT id FROM channels WHERE id = ?1")?
                    .execute([&id])?;
                Ok(*unknown.insert(room_of(db, channel)?))
            }
        }
    }

    /// Nothing when the account is gone.
    fn speaker(&mut self, db: &Connection, account: AccountId) -> Result<Option<i64>, Error> {
        match self.speakers.entry(account) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(unknown) => {
                let id = account.to_string();
                db.prepare_cached("INSERT OR IGNORE INTO speakers (account) SELECT id FROM accounts WHERE id = ?1")?
                    .execute([&id])?;
                Ok(*unknown.insert(speaker_of(db, account)?))
            }
        }
    }
}

fn room_of(db: &Connection, channel: ChannelId) -> Result<Option<i64>, Error> {
    let mut query = db.prepare_cached("SELECT number FROM rooms WHERE channel = ?1")?;
    Ok(query.query_row([channel.to_string()], |row| row.get(0)).optional()?)
}

fn speaker_of(db: &Connection, account: AccountId) -> Result<Option<i64>, Error> {
    let mut query = db.prepare_cached("SELECT number FROM speakers WHERE account = ?1")?;
    Ok(query.query_row([account.to_string()], |row| row.get(0)).optional()?)
}

fn keep(db: &Connection, numbers: &mut Numbers, room: i64, note: Note) -> Result<(), Error> {
    match note {
        Note::Said(message) => match numbers.speaker(db, message.account)? {
            Some(speaker) => said(db, room, speaker, &message),
            None => Ok(()),
        },
        Note::TakenBack(id) => take_back(db, room, id),
        Note::Cleared { account, until } => {
            let speaker = match account {
                Some(account) => match numbers.speaker(db, account)? {
                    Some(speaker) => speaker,
                    None => return Ok(()),
                },
                None => EVERYBODY,
            };
            let until = first_place(until.as_millisecond().saturating_add(1));
            let mut clear = db.prepare_cached(
                "INSERT INTO message_clears (room, speaker, until) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
            )?;
            clear.execute([room, speaker, until])?;
            Ok(())
        }
        Note::Set(settings) => {
            db.prepare_cached("UPDATE rooms SET settings = ?2 WHERE number = ?1")?.execute(params![room, settings])?;
            Ok(())
        }
        Note::Pinned(id) => {
            let id = id.map(|id| *id.as_bytes());
            db.prepare_cached("UPDATE rooms SET pinned = ?2 WHERE number = ?1")?.execute(params![room, id])?;
            Ok(())
        }
    }
}

fn said(db: &Connection, room: i64, speaker: i64, message: &Message) -> Result<(), Error> {
    match place_of(db, message.id)? {
        Spot::Taken(place) => {
            if message.deleted {
                take_back_at(db, place)?;
            }
            // One that was taken back before it came gets its speaker; its words stay away.
            let mut fill = db.prepare_cached(
                "UPDATE messages SET speaker = ?2, display_name = ?3, role = ?4, at_ms = ?5
                 WHERE place = ?1 AND speaker IS NULL",
            )?;
            let (role, at) = (message.role.as_str(), message.at.as_millisecond());
            fill.execute(params![place, speaker, message.display_name, role, at])?;
        }
        Spot::Free(place) => {
            let mut insert = db.prepare_cached(
                "INSERT INTO messages (place, id, room, speaker, display_name, role, said, at_ms, reply_to, reply_name,
                     called, deleted, way, color)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?;
            let (answered, name) = message.reply_to.as_ref().map(|(id, name)| (*id.as_bytes(), name.as_str())).unzip();
            let flight = message.flight.as_ref();
            insert.execute(params![
                place,
                message.id.as_bytes(),
                room,
                speaker,
                message.display_name,
                message.role.as_str(),
                message.text,
                message.at.as_millisecond(),
                answered,
                name,
                message.called,
                message.deleted,
                flight.map(|flight| flight.way.as_str()),
                flight.and_then(|flight| flight.color.as_deref()),
            ])?;
            if !message.deleted && flight.is_none() {
                let mut tokens = words::tokens(&message.text);
                tokens.extend([token(ROOM_MARK, room), token(SPEAKER_MARK, speaker)]);
                let tokens = Vec::from_iter(tokens).join(" ");
                let mut index = db.prepare_cached("INSERT INTO message_words (rowid, words) VALUES (?1, ?2)")?;
                index.execute(params![place, tokens])?;
            }
        }
    }
    Ok(())
}

fn take_back(db: &Connection, room: i64, id: MessageId) -> Result<(), Error> {
    match place_of(db, id)? {
        Spot::Taken(place) => take_back_at(db, place),
        Spot::Free(place) => {
            let mut note =
                db.prepare_cached("INSERT INTO messages (place, id, room, deleted) VALUES (?1, ?2, ?3, TRUE)")?;
            note.execute(params![place, id.as_bytes(), room])?;
            Ok(())
        }
    }
}

fn take_back_at(db: &Connection, place: i64) -> Result<(), Error> {
    let gone = db
        .prepare_cached(
            "UPDATE messages SET said = '', reply_to = NULL, reply_name = NULL, deleted = TRUE
             WHERE place = ?1 AND NOT deleted",
        )?
        .execute([place])?;
    if gone == 1 {
        db.prepare_cached("DELETE FROM message_words WHERE rowid = ?1")?.execute([place])?;
    }
    Ok(())
}

/// Where a message stands, or would.
enum Spot {
    Taken(i64),
    Free(i64),
}

fn place_of(db: &Connection, id: MessageId) -> Result<Spot, Error> {
    let first = first_place(ms(id));
    let mut query = db.prepare_cached("SELECT place, id = ?3 FROM messages WHERE place >= ?1 AND place < ?2")?;
    let mut rows = query.query(params![first, first + (1 << PLACE_BITS), id.as_bytes()])?;
    let mut free = first;
    while let Some(row) = rows.next()? {
        let place = row.get(0)?;
        if row.get(1)? {
            return Ok(Spot::Taken(place));
        }
        free = place + 1;
    }
    Ok(Spot::Free(free))
}

/// The last millisecond before a place.
pub(crate) fn last_ms_before(place: i64) -> i64 {
    (place >> PLACE_BITS) - 1
}

/// The first place of a millisecond.
fn first_place(ms: i64) -> i64 {
    ms.clamp(0, (1 << (62 - PLACE_BITS)) - 1) << PLACE_BITS
}

/// Messages before that place are older than `id`.
fn before(db: &Connection, id: Option<MessageId>) -> Result<i64, Error> {
    let Some(id) = id else { return Ok(i64::MAX) };
    Ok(match place_of(db, id)? {
        Spot::Taken(place) => place,
        Spot::Free(_) => first_place(ms(id)),
    })
}

/// Everything before that place was taken back.
fn cleared(db: &Connection, room: i64, speaker: i64) -> Result<i64, Error> {
    let mut query = db.prepare_cached("SELECT until FROM message_clears WHERE room = ?1 AND speaker = ?2")?;
    Ok(query.query_row([room, speaker], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn token(mark: char, number: i64) -> String {
    format!("{mark}{number}")
}

fn message_at(db: &Connection, room: i64, id: MessageId) -> Result<Option<Message>, Error> {
    let Spot::Taken(place) = place_of(db, id)? else { return Ok(None) };
    let cleared = cleared(db, room, EVERYBODY)?;
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM messages m {JOINED} WHERE m.place = ?2 AND m.room = ?3"))?;
    Ok(query.query_row([cleared, place, room], message).optional()?)
}

fn page(db: &Connection, room: i64, before: i64, cleared: i64, limit: usize, comments: bool) -> Result<Found, Error> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages m {JOINED} WHERE m.room = ?2 AND m.place < ?3 AND (?5 OR m.way IS NULL)
         ORDER BY m.place DESC LIMIT ?4"
    ))?;
    let rows = query.query_map(params![cleared, room, before, one_more(limit), comments], message)?;
    Ok(cut(rows.collect::<Result<_, _>>()?, limit))
}

fn said_by(
    db: &Connection,
    room: i64,
    before: i64,
    cleared_of_all: i64,
    speaker: i64,
    limit: usize,
) -> Result<Found, Error> {
    let from = cleared_of_all.max(cleared(db, room, speaker)?);
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages m {JOINED}
         WHERE m.speaker = ?2 AND m.room = ?3 AND m.place < ?4 AND m.place >= ?1 AND NOT m.deleted AND m.way IS NULL
         ORDER BY m.place DESC LIMIT ?5"
    ))?;
    let rows = query.query_map([from, speaker, room, before, one_more(limit)], message)?;
    Ok(cut(rows.collect::<Result<_, _>>()?, limit))
}

/// What a search looks for.
struct Search {
    room: i64,
    before: i64,
    cleared: i64,
    speaker: Option<i64>,
    words: Words,
}

fn search(db: &Connection, search: &Search, limit: usize) -> Result<Found, Error> {
    // The index has no more than whether a text has a token; the text itself says whether it has the words.
    let mut wanted = search.words.tokens();
    wanted.insert(token(ROOM_MARK, search.room));
    wanted.extend(search.speaker.map(|speaker| token(SPEAKER_MARK, speaker)));
    let wanted = wanted.iter().map(|token| format!("\"{token}\"")).collect::<Vec<_>>().join(" AND ");
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM message_words w CROSS JOIN messages m ON m.place = w.rowid {JOINED}
         WHERE w.message_words MATCH ?2 AND w.rowid < ?3 AND w.rowid >= ?1 ORDER BY w.rowid DESC LIMIT ?4"
    ))?;
    let mut rows = query.query(params![search.cleared, wanted, search.before, one_more(SCANNED_MAX)])?;
    let (mut found, mut scanned, mut last) = (Found::default(), 0, None);
    while let Some(row) = rows.next()? {
        if found.messages.len() == limit || scanned == SCANNED_MAX {
            found.next = last;
            break;
        }
        scanned += 1;
        let message = message(row)?;
        last = Some(message.id);
        if !message.deleted && search.words.are_in(&message.text) {
            found.messages.push(message);
        }
    }
    Ok(found)
}

/// One row more says whether there is more.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

fn cut(mut messages: Vec<Message>, limit: usize) -> Found {
    let more = messages.len() > limit;
    messages.truncate(limit);
    let next = messages.last().filter(|_| more).map(|message| message.id);
    Found { messages, next }
}

fn id_or_null(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<MessageId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(index)?.map(MessageId::from_bytes))
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let reply_to = match (id_or_null(row, 7)?, column::parsed_or_null(row, 8)?) {
        (Some(id), Some(name)) => Some((id, name)),
        _ => None,
    };
    let flight = match column::read_or_null(row, 11, Way::parse)? {
        Some(way) => Some(Flight { way, color: row.get(12)? }),
        None => None,
    };
    let message = Message {
        id: MessageId::from_bytes(row.get(0)?),
        account: column::parsed(row, 1)?,
        name: column::parsed(row, 2)?,
        display_name: row.get(3)?,
        role: column::read(row, 4, Role::parse)?,
        text: row.get(5)?,
        at: column::time(row, 6)?,
        reply_to,
        called: row.get(9)?,
        deleted: row.get(10)?,
        flight,
    };
    Ok(if message.deleted { message.taken_back() } else { message })
}

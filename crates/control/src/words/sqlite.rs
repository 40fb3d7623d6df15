//! Words of channels in SQLite.

use rusqlite::{OptionalExtension, params};
use weir_identity::ChannelId;

use super::{WordList, WordLists};
use crate::{
    sqlite::{Sqlite, column},
    store::Answer,
};

impl WordLists for Sqlite {
    fn words_of(&self, channel: ChannelId) -> Answer<'_, WordList> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT version, list FROM words WHERE channel = ?1")?;
            let list = query.query_row([channel.to_string()], |row| {
                Ok(WordList { version: row.get(0)?, words: column::json(row, 1)? })
            });
            Ok(list.optional()?.unwrap_or_default())
        })
    }

    fn words_version(&self, channel: ChannelId) -> Answer<'_, u32> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT version FROM words WHERE channel = ?1")?;
            Ok(query.query_row([channel.to_string()], |row| row.get(0)).optional()?.unwrap_or_default())
        })
    }

    fn set_words(&self, channel: ChannelId, list: WordList) -> Answer<'_, bool> {
        self.write(move |db| {
            let channel = channel.to_string();
            let words = serde_json::to_string(&list.words).expect("texts are JSON");
            let changed = if list.version == 0 {
                db.execute(
                    "INSERT INTO words (channel, version, list) VALUES (?1, 1, ?2) ON CONFLICT DO NOTHING",
                    params![channel, words],
                )?
            } else {
                db.execute(
                    "UPDATE words SET version = version + 1, list = ?3 WHERE channel = ?1 AND version = ?2",
                    params![channel, list.version, words],
                )?
            };
            Ok(changed == 1)
        })
    }
}

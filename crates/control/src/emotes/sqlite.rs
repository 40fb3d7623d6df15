//! Emotes in SQLite.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};
use weir_identity::EmoteId;

use super::{Code, Emote, Emotes, Whose};
use crate::{
    error::Error,
    sqlite::{Sqlite, column},
    store::Answer,
};

const COLUMNS: &str = "id, whose, code, width, height, animated, by_account, at_ms";

impl Emotes for Sqlite {
    fn add_emote(&self, emote: Emote, image: Bytes, most: usize) -> Answer<'_, ()> {
        self.write(move |db| {
            let (whose, code) = (emote.whose.to_text(), emote.code.as_str());
            let is_taken: bool = db.query_row(
                "SELECT count(*) FROM emotes WHERE whose = ?1 AND code = ?2",
                [whose.as_str(), code],
                |row| row.get(0),
            )?;
            if is_taken {
                return Err(Error::Exists);
            }
            let there: u32 =
                db.query_row("SELECT count(*) FROM emotes WHERE whose = ?1", [&whose], |row| row.get(0))?;
            if there as usize >= most {
                return Err(Error::TooMany);
            }
            let channel = match emote.whose {
                Whose::Installation => None,
                Whose::Channel(id) => Some(id.to_string()),
            };
            db.execute(
                &format!(
                    "INSERT INTO emotes ({COLUMNS}, channel, image) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                ),
                params![
                    emote.id.to_string(),
                    whose,
                    code,
                    emote.width,
                    emote.height,
                    emote.animated,
                    emote.by.to_string(),
                    emote.at.as_millisecond(),
                    channel,
                    &image[..],
                ],
            )?;
            Ok(())
        })
    }

    fn remove_emote(&self, whose: Whose, code: Code) -> Answer<'_, Option<Emote>> {
        self.write(move |db| {
            let query = format!("DELETE FROM emotes WHERE whose = ?1 AND code = ?2 RETURNING {COLUMNS}");
            Ok(db.query_row(&query, [whose.to_text().as_str(), code.as_str()], emote).optional()?)
        })
    }

    fn emotes_of(&self, whose: Whose) -> Answer<'_, Vec<Emote>> {
        self.read(move |db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM emotes WHERE whose = ?1 ORDER BY code"))?;
            Ok(query.query_map([whose.to_text()], emote)?.collect::<Result<_, _>>()?)
        })
    }

    fn emote_image(&self, id: EmoteId) -> Answer<'_, Option<Bytes>> {
        self.read(move |db| {
            let mut query = db.prepare_cached("SELECT image FROM emotes WHERE id = ?1")?;
            let image: Option<Vec<u8>> = query.query_row([id.to_string()], |row| row.get(0)).optional()?;
            Ok(image.map(Bytes::from))
        })
    }
}

fn emote(row: &Row<'_>) -> rusqlite::Result<Emote> {
    Ok(Emote {
        id: column::parsed(row, 0)?,
        whose: column::read(row, 1, Whose::parse)?,
        code: column::parsed(row, 2)?,
        width: row.get(3)?,
        height: row.get(4)?,
        animated: row.get(5)?,
        by: column::parsed(row, 6)?,
        at: column::time(row, 7)?,
    })
}

//! Emotes in CQL.
//!
//! Those of a channel are one partition with a gate, as its roles are: the limit holds, a code is taken once, and none
//! comes to a channel that is being removed. A picture is a row of its own, written before its emote and removed after it.

use bytes::Bytes;
use scylla::{DeserializeRow, value::CqlTimestamp};
use uuid::Uuid;
use weir_identity::{AccountId, ChannelId, EmoteId};

use super::{Code, Emote, Emotes, Whose};
use crate::{
    cql::{
        Cql, Id, column, gate,
        statement::{Values, Within, statements, step_aside},
    },
    error::Error,
    store::Answer,
};

statements! { Statements {
    all: Read = "SELECT code, gate, id, width, height, animated, by_account, at FROM emotes WHERE whose = ?";
    pass: Decide = "UPDATE emotes SET gate = ? WHERE whose = ? IF gate = ?";
    close: Decide = "UPDATE emotes USING TTL ? SET gate = ? WHERE whose = ? IF gate = ?";
    add: Within = "INSERT INTO emotes (whose, code, id, width, height, animated, by_account, at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    remove: Within = "DELETE FROM emotes WHERE whose = ? AND code = ?";
    image: Read = "SELECT image FROM emote_images WHERE id = ?";
    keep_image: Write = "INSERT INTO emote_images (id, image) VALUES (?, ?)";
    drop_image: Write = "DELETE FROM emote_images WHERE id = ?";
} }

/// A row. One without a code says only the partition's gate.
#[derive(Debug, DeserializeRow)]
struct EmoteRow {
    code: Option<String>,
    gate: Option<i64>,
    id: Option<Uuid>,
    width: Option<i32>,
    height: Option<i32>,
    animated: Option<bool>,
    by_account: Option<Uuid>,
    at: Option<CqlTimestamp>,
}

impl EmoteRow {
    fn counts(&self) -> bool {
        self.code.is_some() && !gate::is_closed(self.gate)
    }

    fn is(&self, code: &Code) -> bool {
        self.counts() && self.code.as_deref() == Some(code.as_str())
    }

    fn emote(self, whose: Whose) -> Result<Emote, Error> {
        let side = |side| column::there::<i32>(side).map(|side| u32::try_from(side).unwrap_or_default());
        Ok(Emote {
            id: EmoteId::of(column::there(self.id)?),
            whose,
            code: column::parsed(&column::there(self.code)?)?,
            width: side(self.width)?,
            height: side(self.height)?,
            animated: column::there(self.animated)?,
            by: AccountId::of(column::there(self.by_account)?),
            at: column::time(column::there(self.at)?)?,
        })
    }
}

impl Emotes for Cql {
    fn add_emote(&self, emote: Emote, image: Bytes, most: usize) -> Answer<'_, ()> {
        Box::pin(async move {
            let whose = emote.whose.to_text();
            self.put(&self.emotes.keep_image, (emote.id.column(), &image[..])).await?;
            let added = self.add_emote_row(&emote, &whose, most).await;
            if added.is_err() {
                // Nobody knows its id. When that fails as well it only takes room.
                let _ = self.put(&self.emotes.drop_image, (emote.id.column(),)).await;
            }
            added
        })
    }

    fn remove_emote(&self, whose: Whose, code: Code) -> Answer<'_, Option<Emote>> {
        Box::pin(async move {
            let text = whose.to_text();
            for _ in 0..gate::TRIES {
                let rows: Vec<EmoteRow> = self.settled_rows(&self.emotes.all, (&text,)).await?;
                let Some(row) = rows.into_iter().find(|row| row.is(&code)) else { return Ok(None) };
                let seen = row.gate;
                let emote = row.emote(whose)?;
                let key: Values = Box::new((text.clone(), code.as_str().to_owned()));
                if self.pass_emote_gate(&text, seen, vec![(&self.emotes.remove, key)]).await? {
                    self.put(&self.emotes.drop_image, (emote.id.column(),)).await?;
                    return Ok(Some(emote));
                }
                step_aside().await;
            }
            Err(Error::Busy)
        })
    }

    fn emotes_of(&self, whose: Whose) -> Answer<'_, Vec<Emote>> {
        Box::pin(async move {
            let rows: Vec<EmoteRow> = self.rows(&self.emotes.all, (whose.to_text(),)).await?;
            rows.into_iter().filter(EmoteRow::counts).map(|row| row.emote(whose)).collect()
        })
    }

    fn emote_image(&self, id: EmoteId) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            let row: Option<(Option<Vec<u8>>,)> = self.one(&self.emotes.image, (id.column(),)).await?;
            Ok(row.and_then(|(image,)| image).map(Bytes::from))
        })
    }
}

impl Cql {
    async fn add_emote_row(&self, emote: &Emote, whose: &str, most: usize) -> Result<(), Error> {
        for _ in 0..gate::TRIES {
            if let Whose::Channel(channel) = emote.whose
                && self.live_channel(channel).await?.is_none()
            {
                return Err(Error::Missing);
            }
            let rows: Vec<EmoteRow> = self.rows(&self.emotes.all, (whose,)).await?;
            let seen = rows.first().and_then(|row| row.gate);
            if gate::is_closed(seen) {
                return Err(Error::Missing);
            }
            if let Some(row) = rows.iter().find(|row| row.is(&emote.code)) {
                // It may be this very one, whose answer was lost.
                return if row.id == Some(emote.id.column()) { Ok(()) } else { Err(Error::Exists) };
            }
            if rows.iter().filter(|row| row.counts()).count() >= most {
                return Err(Error::TooMany);
            }
            let row: Values = Box::new((
                whose.to_owned(),
                emote.code.as_str().to_owned(),
                emote.id.column(),
                i32::try_from(emote.width).unwrap_or(i32::MAX),
                i32::try_from(emote.height).unwrap_or(i32::MAX),
                emote.animated,
                emote.by.column(),
                column::at(emote.at),
            ));
            if self.pass_emote_gate(whose, seen, vec![(&self.emotes.add, row)]).await? {
                return Ok(());
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }

    async fn pass_emote_gate(
        &self,
        whose: &str,
        seen: Option<i64>,
        parts: Vec<(&Within, Values)>,
    ) -> Result<bool, Error> {
        let next = gate::next();
        let took = || async { Ok(self.emote_gate(whose).await? == Some(next)) };
        self.decide_with(&self.emotes.pass, Box::new((next, whose.to_owned(), seen)), parts, took).await
    }

    async fn emote_gate(&self, whose: &str) -> Result<Option<i64>, Error> {
        let row: Option<EmoteRow> = self.settled(&self.emotes.all, (whose,)).await?;
        Ok(row.and_then(|row| row.gate))
    }

    /// Removes the emotes of a channel that is gone, and closes its gate.
    pub(crate) async fn remove_emotes_in(&self, channel: ChannelId) -> Result<(), Error> {
        let whose = Whose::Channel(channel).to_text();
        for _ in 0..gate::TRIES {
            let rows: Vec<EmoteRow> = self.rows(&self.emotes.all, (&whose,)).await?;
            let seen = rows.first().and_then(|row| row.gate);
            let images: Vec<Uuid> = rows.iter().filter_map(|row| row.id).collect();
            if gate::is_closed(seen) && images.is_empty() {
                return Ok(());
            }
            self.each(&images, |image| self.put(&self.emotes.drop_image, (*image,))).await?;
            let codes = rows.iter().filter_map(|row| row.code.clone());
            let parts = codes.map(|code| (&self.emotes.remove, Box::new((whose.clone(), code)) as Values)).collect();
            let took = || async { Ok(gate::is_closed(self.emote_gate(&whose).await?)) };
            let close: Values = Box::new((gate::CLOSED_FOR_S, gate::CLOSED, whose.clone(), seen));
            if self.decide_with(&self.emotes.close, close, parts, took).await? {
                return Ok(());
            }
            step_aside().await;
        }
        Err(Error::Busy)
    }
}

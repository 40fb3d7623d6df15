//! Words of channels in CQL.

use weir_identity::ChannelId;

use super::{Word, WordList, WordLists};
use crate::{
    cql::{Cql, Id, column, statement::statements},
    error::Error,
    store::Answer,
};

statements! { Statements {
    find: Read = "SELECT version, list FROM words WHERE channel = ?";
    version: Read = "SELECT version FROM words WHERE channel = ?";
    add: Decide = "INSERT INTO words (channel, version, list) VALUES (?, 1, ?) IF NOT EXISTS";
    change: Decide = "UPDATE words SET version = ?, list = ? WHERE channel = ? IF version = ?";
    remove: Decide = "DELETE FROM words WHERE channel = ? IF EXISTS";
} }

impl WordLists for Cql {
    fn words_of(&self, channel: ChannelId) -> Answer<'_, WordList> {
        Box::pin(async move {
            let row: Option<(i32, String)> = self.one(&self.words.find, (channel.column(),)).await?;
            row.map(list).transpose().map(Option::unwrap_or_default)
        })
    }

    fn words_version(&self, channel: ChannelId) -> Answer<'_, u32> {
        Box::pin(async move {
            let row: Option<(i32,)> = self.one(&self.words.version, (channel.column(),)).await?;
            Ok(row.map_or(0, |(version,)| u32::try_from(version).unwrap_or_default()))
        })
    }

    fn set_words(&self, channel: ChannelId, list: WordList) -> Answer<'_, bool> {
        Box::pin(async move {
            if self.live_channel(channel).await?.is_none() {
                return Err(Error::Missing);
            }
            let of = channel.column();
            let words = serde_json::to_string(&list.words).expect("texts are JSON");
            let next = list.version.saturating_add(1);
            let took = || async {
                let row: Option<(i32, String)> = self.settled(&self.words.find, (of,)).await?;
                Ok(row.map(self::list).transpose()? == Some(WordList { version: next, words: list.words.clone() }))
            };
            if list.version == 0 {
                return self.decide(&self.words.add, (of, words.as_str()), took).await;
            }
            let (next, seen) = (column_of(next), column_of(list.version));
            self.decide(&self.words.change, (next, words.as_str(), of, seen), took).await
        })
    }
}

impl Cql {
    /// Removes the words of a channel that is gone.
    pub(crate) async fn remove_words_of(&self, channel: ChannelId) -> Result<(), Error> {
        let of = channel.column();
        let gone = || async {
            let row: Option<(i32,)> = self.settled(&self.words.version, (of,)).await?;
            Ok(row.is_none())
        };
        self.decide(&self.words.remove, (of,), gone).await.map(drop)
    }
}

fn list((version, words): (i32, String)) -> Result<WordList, Error> {
    let words: Vec<Word> = column::json(&words)?;
    Ok(WordList { version: u32::try_from(version).unwrap_or_default(), words })
}

fn column_of(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

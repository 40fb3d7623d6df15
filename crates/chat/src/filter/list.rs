//! The words of an operator, in a file of their own: a word a line, read anew when the file changes.
//!
//! `mask` (the default), `hold` or `block` and a colon may stand before a word; what follows `#` is for people.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::{Action, Filter, InvalidWords, Word};

/// How often the file is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads a list.
#[must_use]
pub fn parse(text: &str) -> Vec<Word> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Word> {
    let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
    let (action, text) = match line.split_once(':') {
        Some(("mask", text)) => (Action::Mask, text),
        Some(("hold", text)) => (Action::Hold, text),
        Some(("block", text)) => (Action::Block, text),
        _ => (Action::Mask, line),
    };
    let text = text.trim();
    (!text.is_empty()).then(|| Word { text: text.to_owned(), action })
}

/// Why a file gives no filter.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// It is larger than 16 MiB.
    #[error("{0} is larger than 16 MiB")]
    TooLarge(PathBuf),
    /// What stands in it.
    #[error("{0}: {1}")]
    Words(PathBuf, InvalidWords),
}

/// The filter that counts now.
pub type Current = Arc<ArcSwap<Filter>>;

/// Reads the file, if one is named, and goes on looking at it for as long as somebody has what is returned.
///
/// # Errors
/// [`Error`]. Later ones are told to the operator, and the words before them count on.
pub async fn watch(path: PathBuf) -> Result<Current, Error> {
    if path.as_os_str().is_empty() {
        return Ok(Current::default());
    }
    let (filter, mut seen) = read(path.clone()).await?;
    let current: Current = Arc::new(ArcSwap::from_pointee(filter));
    let weak = Arc::downgrade(&current);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOKED_AT_EVERY).await;
            let Some(current) = weak.upgrade() else { return };
            let changed = tokio::fs::metadata(&path).await.ok().map(|is| (is.modified().ok(), is.len()));
            if changed.is_none() || changed == seen {
                continue;
            }
            match read(path.clone()).await {
                Ok((filter, now)) => {
                    seen = now;
                    info!(path = %path.display(), words = filter.words.len(), "words of the chat filter were read anew");
                    current.store(Arc::new(filter));
                }
                Err(error) => {
                    seen = changed;
                    warn!(%error, "the chat filter's words cannot be read: those before count on");
                }
            }
        }
    });
    Ok(current)
}

type Seen = Option<(Option<SystemTime>, u64)>;

async fn read(path: PathBuf) -> Result<(Filter, Seen), Error> {
    let reading = move || {
        let failed = |error| Error::File(path.clone(), error);
        let is = std::fs::metadata(&path).map_err(failed)?;
        if is.len() > FILE_BYTES_MAX {
            return Err(Error::TooLarge(path));
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let filter = Filter::new(&parse(&text)).map_err(|error| Error::Words(path.clone(), error))?;
        Ok((filter, Some((is.modified().ok(), is.len()))))
    };
    match tokio::task::spawn_blocking(reading).await {
        Ok(read) => read,
        Err(error) => Err(Error::File(PathBuf::new(), std::io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_and_what_happens_to_it() {
        let words = parse("bad\n\n  block: worse  # the worst\n# only for people\nhold:so so\nmask:*part*\nhttp://x\n");
        let read: Vec<_> = words.iter().map(|word| (word.text.as_str(), word.action)).collect();
        assert_eq!(
            read,
            [
                ("bad", Action::Mask),
                ("worse", Action::Block),
                ("so so", Action::Hold),
                ("*part*", Action::Mask),
                ("http://x", Action::Mask)
            ]
        );
    }
}

//! Words that must not be said, however they are spelled.
//!
//! [`spelling`] reads a text as a person would; the words, read the same way, are looked for in that, all at once. What
//! is found counts where a word begins and ends, so that no place and no longer word is hit by what stands inside it.
//! [`list`] is the file that an operator writes, and reads it anew when it changes; [`own`] is what a channel has beside it.

pub mod list;
pub(crate) mod own;
mod spelling;

use std::cmp::Reverse;

use aho_corasick::{AhoCorasick, MatchKind};
use serde::{Deserialize, Serialize};

use self::spelling::{Letter, spell};

/// Most words of one filter.
pub const WORDS_MAX: usize = 100_000;
/// Longest word, in characters.
pub const WORD_CHARS_MAX: usize = 100;

/// What happens to a text with such a word. The strongest of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The word is replaced by stars.
    Mask,
    /// The text waits until a moderator has read it.
    Hold,
    /// The text is refused.
    Block,
}

/// A word, and what happens where it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word. A star before or behind it lets it be a part of a longer word on that side.
    pub text: String,
    /// What happens.
    pub action: Action,
}

/// What is to be done with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has no such word.
    Clean,
    /// It is said like this.
    Masked(String),
    /// It waits.
    Held,
    /// It is refused.
    Blocked,
}

/// Why words make no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWords {
    /// More than [`WORDS_MAX`].
    #[error("more than {WORDS_MAX} words")]
    TooMany,
    /// More than [`WORD_CHARS_MAX`], or nothing that can be read.
    #[error("`{0}` is no word: it has 1 to {WORD_CHARS_MAX} characters that can be read")]
    Word(String),
    /// Too large to be looked for.
    #[error("the words are too large together")]
    Together,
}

#[derive(Debug)]
struct Known {
    action: Action,
    /// How often each of its letters stands there, at least.
    counts: Box<[usize]>,
    /// Whether it must begin, and end, where a word does.
    bounds: (bool, bool),
}

/// Words that are looked for together.
#[derive(Debug, Default)]
pub struct Filter {
    words: Vec<Known>,
    automaton: Option<AhoCorasick>,
}

impl Filter {
    /// A filter of `words`.
    ///
    /// # Errors
    /// [`InvalidWords`].
    pub fn new(words: &[Word]) -> Result<Self, InvalidWords> {
        if words.len() > WORDS_MAX {
            return Err(InvalidWords::TooMany);
        }
        let (mut known, mut patterns) = (Vec::new(), Vec::new());
        for word in words {
            let bounds = (!word.text.starts_with('*'), !word.text.ends_with('*'));
            let bare = word.text.trim_matches('*');
            let letters = spell(bare);
            let pattern: String = letters.iter().map(|letter| letter.read).collect();
            if pattern.is_empty() || bare.chars().count() > WORD_CHARS_MAX {
                return Err(InvalidWords::Word(word.text.clone()));
            }
            let counts = letters.iter().map(|letter| letter.count).collect();
            known.push(Known { action: word.action, counts, bounds });
            patterns.push(pattern);
        }
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns);
        Ok(Self { words: known, automaton: Some(automaton.map_err(|_| InvalidWords::Together)?) })
    }

    /// Whether there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What is to be done with `text`.
    #[must_use]
    pub fn judge(&self, text: &str) -> Verdict {
        self.judge_with(None, text)
    }

    /// What is to be done with `text`, by these words and `others` together.
    #[must_use]
    pub fn judge_with(&self, others: Option<&Self>, text: &str) -> Verdict {
        if self.is_empty() && others.is_none_or(Self::is_empty) {
            return Verdict::Clean;
        }
        let letters = spell(text);
        let mut found = self.find(&letters);
        found.extend(others.into_iter().flat_map(|others| others.find(&letters)));
        match found.iter().map(|(action, _)| *action).max() {
            None => Verdict::Clean,
            Some(Action::Block) => Verdict::Blocked,
            Some(Action::Hold) => Verdict::Held,
            Some(Action::Mask) => Verdict::Masked(mask(text, found.into_iter().map(|(_, range)| range).collect())),
        }
    }

    /// Words in a text of these letters: what happens, and which of its bytes they are.
    fn find(&self, letters: &[Letter]) -> Vec<(Action, std::ops::Range<usize>)> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let (mut read, mut starts) = (String::new(), Vec::with_capacity(letters.len()));
        for letter in letters {
            starts.push(read.len());
            read.push(letter.read);
        }
        let at = |byte: usize| starts.binary_search(&byte).ok();
        let mut found = Vec::new();
        for one in automaton.find_overlapping_iter(&read) {
            let first = at(one.start());
            let end = if one.end() == read.len() { Some(letters.len()) } else { at(one.end()) };
            let (Some(first), Some(end), Some(known)) = (first, end, self.words.get(one.pattern().as_usize())) else {
                continue;
            };
            let Some(these) = letters.get(first..end) else { continue };
            let before = first.checked_sub(1).and_then(|before| letters.get(before));
            let as_often = these.iter().zip(&known.counts).all(|(letter, count)| letter.count >= *count);
            if as_often
                && counts(before, these, letters.get(end), known.bounds)
                && let (Some(begin), Some(last)) = (these.first(), these.last())
            {
                found.push((known.action, begin.begin..last.end));
            }
        }
        found
    }
}

/// Whether letters that read like a word are one.
fn counts(before: Option<&Letter>, these: &[Letter], after: Option<&Letter>, bounds: (bool, bool)) -> bool {
    let (Some(first), Some(last)) = (these.first(), these.last()) else { return false };
    let begins = first.opens_word || before.is_none() || first.stands_alone;
    let ends = after.is_none_or(|after| after.opens_word || !after.is_letter) || last.stands_alone;
    let gaps = these.iter().skip(1).filter(|letter| letter.opens_word && !letter.stands_alone).count();
    if gaps > 0 {
        // Words side by side make another one by chance; single letters, or whole pieces, do not.
        return begins && ends;
    }
    (begins || !bounds.0) && (ends || !bounds.1)
}

/// `text` with stars for the bytes of `ranges`.
fn mask(text: &str, mut ranges: Vec<std::ops::Range<usize>>) -> String {
    ranges.sort_by_key(|range| (range.start, Reverse(range.end)));
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        if range.end <= done {
            continue;
        }
        let begin = range.start.max(done);
        masked.push_str(text.get(done..begin).unwrap_or_default());
        let hidden = text.get(begin..range.end).unwrap_or_default();
        masked.extend(hidden.chars().map(|c| if c.is_whitespace() { c } else { '*' }));
        done = range.end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests;

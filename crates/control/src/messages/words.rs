//! Words as search finds them, the same in every store.
//!
//! Texts are compared after NFKC and in lower case. Where a script writes its words apart, a word is found whole. Han,
//! kana, Hangul and the scripts of South-East Asia are written together: there any part of what stands together is
//! found, down to one sign. An index holds such text as its signs and as each two that follow each other.

use std::collections::BTreeSet;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Most words that are looked for at once.
pub const WORDS_MAX: usize = 16;
/// Longest text that is looked for, in characters.
pub const QUERY_CHARS_MAX: usize = 200;

/// What is looked for: texts that have all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<Run>);

/// Signs that stand together, of one way to write.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Run {
    /// A word between others.
    Apart(String),
    /// Words that are written together.
    Together(String),
}

impl Words {
    /// Reads what somebody looks for. Nothing when there is no word in it, or more than [`WORDS_MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().count() > QUERY_CHARS_MAX {
            return None;
        }
        let mut words: Vec<Run> = Vec::new();
        for run in runs(text) {
            if !words.contains(&run) {
                words.push(run);
            }
        }
        (1..=WORDS_MAX).contains(&words.len()).then_some(Self(words))
    }

    /// Whether a text has all of them.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let there: Vec<Run> = runs(text).collect();
        self.0.iter().all(|wanted| match wanted {
            Run::Apart(_) => there.contains(wanted),
            Run::Together(part) => there.iter().any(|run| matches!(run, Run::Together(run) if run.contains(part))),
        })
    }

    /// What an index must have of every text that has these words. It may have it of others as well.
    pub(crate) fn tokens(&self) -> BTreeSet<String> {
        let mut tokens = BTreeSet::new();
        for run in &self.0 {
            match run {
                Run::Apart(word) => drop(tokens.insert(word.clone())),
                Run::Together(part) if part.chars().nth(1).is_none() => drop(tokens.insert(part.clone())),
                Run::Together(part) => tokens.extend(pairs(part)),
            }
        }
        tokens
    }
}

/// What an index holds of a text.
pub(crate) fn tokens(text: &str) -> BTreeSet<String> {
    let mut tokens = BTreeSet::new();
    for run in runs(text) {
        match run {
            Run::Apart(word) => drop(tokens.insert(word)),
            Run::Together(run) => {
                tokens.extend(run.chars().map(String::from));
                tokens.extend(pairs(&run));
            }
        }
    }
    tokens
}

fn pairs(run: &str) -> impl Iterator<Item = String> {
    run.chars().zip(run.chars().skip(1)).map(|(one, next)| String::from_iter([one, next]))
}

/// The runs of a text, folded.
fn runs(text: &str) -> impl Iterator<Item = Run> {
    let mut signs = text.nfkc().flat_map(char::to_lowercase).nfkc().peekable();
    std::iter::from_fn(move || {
        while signs.next_if(|c| !is_together(*c) && !c.is_alphanumeric()).is_some() {}
        let together = is_together(*signs.peek()?);
        let mut run = String::new();
        while let Some(c) = signs.next_if(|c| {
            let goes_on = is_together(*c) == together && (together || c.is_alphanumeric());
            goes_on || is_combining_mark(*c)
        }) {
            run.push(c);
        }
        Some(if together { Run::Together(run) } else { Run::Apart(run) })
    })
}

/// Whether a sign is of a script that is written without spaces between words, or with endings that are written on
/// (Hangul).
fn is_together(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{edf}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1100}'..='\u{11ff}' // Hangul Jamo
        | '\u{1780}'..='\u{17dd}' // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}' | '\u{303b}'
        | '\u{3041}'..='\u{30ff}' // Kana
        | '\u{3105}'..='\u{318e}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}') // Han
        && c != '\u{30fb}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, query: &str, found: bool) {
        let words = Words::parse(query).unwrap_or_else(|| panic!("{query:?} has words"));
        assert_eq!(words.are_in(text), found, "{query:?} in {text:?}");
        let indexed = tokens(text);
        assert!(!found || words.tokens().is_subset(&indexed), "{:?} in {indexed:?}", words.tokens());
    }

    #[test]
    fn words_are_found_whole_whatever_their_case_and_width() {
        check("Hello, World!", "world", true);
        check("Hello, World!", "hello WORLD", true);
        check("Hello, World!", "hell", false);
        check("Ｈｅｌｌｏ ﬁne", "hello fine", true);
        check("Straße café", "CAFE\u{301}", true);
        check("it's 3.14", "14", true);
        check("привет, мир", "МИР", true);
        check("नमस्ते दुनिया", "नमस्ते", true);
    }

    #[test]
    fn any_part_of_what_is_written_together_is_found() {
        check("今天天气很好，我们开始吧", "天气", true);
        check("今天天气很好，我们开始吧", "好", true);
        check("今天天气很好，我们开始吧", "好我", false);
        check("今天天气很好", "天很", false);
        check("안녕하세요 여러분", "안녕", true);
        check("안녕하세요 여러분", "하세요 여러", true);
        check("안녕하세요 여러분", "분", true);
        check("日本語のテスト", "語のテ", true);
        check("ﾃｽﾄ", "テスト", true);
        check("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", true);
        check("lol안녕gg", "안녕 gg", true);
        check("สวัสดีครับ", "ครับ", true);
        check("𠮷野家", "𠮷", true);
    }

    #[test]
    fn what_has_no_words_is_nothing_to_look_for() {
        for query in ["", "  ", "!?", "😀", "・"] {
            assert_eq!(Words::parse(query), None, "{query:?}");
        }
        assert_eq!(Words::parse(&"a ".repeat(101)), None);
        let many: String = (0..=WORDS_MAX).map(|word| format!("{word} ")).collect();
        assert_eq!(Words::parse(&many), None);
        assert!(Words::parse(&"a ".repeat(99)).is_some());
    }

    proptest! {
        #[test]
        fn what_is_found_is_in_the_index(text in "\\PC{0,40}", from in 0_usize..40, count in 1_usize..8) {
            let part: String = text.chars().skip(from).take(count).collect();
            if let Some(words) = Words::parse(&part) && words.are_in(&text) {
                prop_assert!(words.tokens().is_subset(&tokens(&text)));
            }
            if let Some(all) = Words::parse(&text) {
                prop_assert!(all.are_in(&text));
            }
        }

        #[test]
        fn tokens_have_nothing_that_an_index_would_cut(text in "\\PC{0,40}") {
            for token in tokens(&text) {
                prop_assert!(!token.is_empty());
                prop_assert!(token.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()), "{token:?}");
            }
        }
    }
}

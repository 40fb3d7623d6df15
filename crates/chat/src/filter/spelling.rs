//! A text, letter by letter, as a person reads it: not as it is written.
//!
//! What looks alike is alike (NFKD of Unicode's UAX #15, the confusables of UTS #39, and digits that stand for letters);
//! what is not seen is left out, and so is a letter that is only repeated. Between words nothing is left: each letter
//! knows whether a word begins with it, and where in the text it stands.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// A letter, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// What all its spellings have in common.
    pub(super) read: char,
    /// How often it stands there.
    pub(super) count: usize,
    /// Where in the text it begins, in bytes, and where it and its repetitions end.
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Whether a word begins with it.
    pub(super) opens_word: bool,
    /// Whether its script has no spaces between words, so that it may begin and end one anywhere.
    pub(super) stands_alone: bool,
    /// A letter or a digit, as against a sign that stands for one.
    pub(super) is_letter: bool,
    /// Which piece of the text it is in, of those that something separates.
    piece: usize,
}

/// Reads a text.
pub(super) fn spell(text: &str) -> Vec<Letter> {
    let all = letters(text);
    let mut sizes = vec![0; all.last().map_or(0, |last| last.piece + 1)];
    for letter in &all {
        sizes[letter.piece] += 1;
    }
    let mut read: Vec<Letter> = Vec::with_capacity(all.len());
    for letter in all {
        // One letter apart from others, as in a word that is spaced out, may be repeated as within a word.
        let spaced = |last: &Letter| sizes[letter.piece] == 1 && sizes[last.piece] == 1;
        match read.last_mut() {
            Some(last) if last.read == letter.read && (last.piece == letter.piece || spaced(last)) => {
                last.end = letter.end;
                last.count += 1;
                last.piece = letter.piece;
            }
            _ => read.push(letter),
        }
    }
    read
}

/// Every letter by itself.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    let (mut piece, mut opens_word) = (0, true);
    for (begin, c) in text.char_indices() {
        if is_unseen(c) {
            continue;
        }
        let read = read(c);
        if read.is_empty() {
            (piece, opens_word) = (piece + 1, true);
        }
        let (end, stands_alone, is_letter) = (begin + c.len_utf8(), stands_alone(c), c.is_alphanumeric());
        for read in read.chars() {
            letters.push(Letter { read, count: 1, begin, end, opens_word, stands_alone, is_letter, piece });
            opens_word = false;
        }
    }
    letters
}

/// What a character is read as; nothing when it only separates.
fn read(c: char) -> String {
    if c.is_ascii() {
        let c = stands_for(c.to_ascii_lowercase());
        return if c.is_alphanumeric() { c.into() } else { String::new() };
    }
    let alike: String = skeleton(c.encode_utf8(&mut [0; 4])).collect();
    let decomposed: String = [boxed(c).unwrap_or(c)].into_iter().nfkd().filter(|c| !is_accent(*c)).collect();
    // What is made of plain letters, or looks like one, is those.
    let plain = match (decomposed.is_ascii(), alike.is_ascii()) {
        (true, _) => decomposed,
        (_, true) => alike,
        _ => skeleton(&decomposed).collect(),
    };
    // To confusables, these two look like that one; alone they are no disguise.
    let plain = if plain == "rn" { "m".into() } else { plain };
    let lower = plain.chars().flat_map(char::to_lowercase);
    lower.filter(|c| !is_accent(*c)).map(stands_for).filter(|c| c.is_alphanumeric()).collect()
}

/// Letters in boxes and circles that no decomposition knows.
fn boxed(c: char) -> Option<char> {
    let at = |first: char| char::from_u32(u32::from('a') + (u32::from(c) - u32::from(first)));
    match c {
        '\u{1f130}'..='\u{1f149}' => at('\u{1f130}'),
        '\u{1f150}'..='\u{1f169}' => at('\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => at('\u{1f170}'),
        '\u{1f1e6}'..='\u{1f1ff}' => at('\u{1f1e6}'),
        _ => None,
    }
}

/// Signs and digits that are read as letters, and letters that confusables know but do not join.
fn stands_for(c: char) -> char {
    match c {
        '@' | '4' | 'ɑ' | 'ᴀ' | 'α' | 'λ' => 'a',
        '8' | 'ʙ' | 'β' | 'ß' => 'b',
        'ᴄ' | 'с' | 'ϲ' | '¢' | '©' => 'c',
        'ᴅ' => 'd',
        '3' | 'ᴇ' | 'є' | 'ε' | '€' => 'e',
        'ꜰ' => 'f',
        '6' | '9' | 'ɢ' | 'ɡ' => 'g',
        'ʜ' => 'h',
        // One stroke each: they are taken for one another.
        '1' | 'l' | '|' | '!' | 'ɪ' | 'ι' | 'ı' | 'ʟ' | 'ⅼ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' | 'κ' | 'ĸ' | 'к' => 'k',
        'ᴍ' | 'ʍ' | 'м' => 'm',
        'ɴ' | 'η' | 'π' | 'п' => 'n',
        '0' | 'ᴏ' | 'ο' | 'σ' => 'o',
        'ᴘ' | 'ρ' => 'p',
        'ʀ' | 'я' | 'г' => 'r',
        '$' | '5' | 'ꜱ' | '§' => 's',
        '7' | '+' | 'ᴛ' | 'τ' | 'т' => 't',
        'ᴜ' | 'υ' | 'µ' | 'μ' => 'u',
        'ᴠ' | 'ν' => 'v',
        'ᴡ' | 'ω' => 'w',
        'ʏ' | '¥' | 'γ' => 'y',
        '2' | 'ᴢ' => 'z',
        other => other,
    }
}

/// Accents that sit on Latin, Greek and Cyrillic letters. Those of other scripts make other letters.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Shows nothing, and separates nothing.
fn is_unseen(c: char) -> bool {
    is_accent(c)
        || matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean puts endings behind its words.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

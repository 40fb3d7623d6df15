//! What people read beside an account: any script, but never the look of somebody else's name.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, confusable_detection::skeleton};
use weir_identity::ChannelName;

/// Most characters of a display name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 50;

/// A name in any script: NFC, 1 to [`DISPLAY_NAME_CHARS_MAX`] characters, no control or invisible ones, words parted by
/// single spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// The text cannot be a display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDisplayName {
    /// Empty or too long.
    #[error("a display name has 1 to {DISPLAY_NAME_CHARS_MAX} characters")]
    Length,
    /// A control, format or unassigned character.
    #[error("a display name has only letters, digits, marks, punctuation, symbols and single spaces between them")]
    Character,
}

impl DisplayName {
    /// Reads a display name; what Unicode says to be the same is written the same afterwards (NFC).
    ///
    /// # Errors
    /// [`InvalidDisplayName`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidDisplayName> {
        if text.len() > DISPLAY_NAME_CHARS_MAX * 16 {
            return Err(InvalidDisplayName::Length);
        }
        let name: String = text.trim().nfc().collect();
        if !(1..=DISPLAY_NAME_CHARS_MAX).contains(&name.chars().count()) {
            return Err(InvalidDisplayName::Length);
        }
        let allowed = |c: char| c == ' ' || c.is_ascii_graphic() || c.identifier_allowed() || is_pictograph(c);
        if name.contains("  ") || !name.chars().all(allowed) || Self(name.clone()).looks_like().is_empty() {
            return Err(InvalidDisplayName::Character);
        }
        Ok(Self(name))
    }

    /// The display name that an account begins with.
    #[must_use]
    pub fn from_name(name: &ChannelName) -> Self {
        Self(name.as_str().to_owned())
    }

    /// The display name as it was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it looks like: the skeleton of UTS 39 §4, without case and spaces. Two names that look the same have the
    /// same.
    #[must_use]
    pub fn looks_like(&self) -> String {
        // Letters are compared as they are seen first, since I looks like l and i does not; then without case.
        let seen: String = skeleton(&self.0).filter(|c| *c != ' ').flat_map(char::to_lowercase).collect();
        skeleton(&seen).collect()
    }
}

/// Emoji and other pictures; people want them, and they pretend to be nobody.
fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{fe0f}')
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> String {
        DisplayName::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).looks_like()
    }

    #[test]
    fn names_in_any_script_are_fine() {
        for name in ["Anna", "안나의 방송", "小明", "Анна", "José 🎮", "O'Neil-7"] {
            assert_eq!(DisplayName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn invisible_and_endless_ones_are_not() {
        for (text, error) in [
            ("", InvalidDisplayName::Length),
            ("   ", InvalidDisplayName::Length),
            (&"a".repeat(51), InvalidDisplayName::Length),
            ("a\u{200b}b", InvalidDisplayName::Character),
            ("a\u{202e}b", InvalidDisplayName::Character),
            ("a\nb", InvalidDisplayName::Character),
            ("a  b", InvalidDisplayName::Character),
        ] {
            assert_eq!(DisplayName::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (one, two) in [("paypal", "раураl"), ("Anna", "ANNA"), ("Il", "ll"), ("a b", "ab"), ("rn", "m"), ("0", "O")]
        {
            assert_eq!(look(one), look(two), "{one} {two}");
        }
        assert_ne!(look("anna"), look("hanna"));
    }
}

//! What a channel, and the account that owns it, may be called.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Fewest characters of a name.
pub const NAME_CHARS_MIN: usize = 3;
/// Most characters of a name.
pub const NAME_CHARS_MAX: usize = 32;

/// First path segments that pages and protocols use, now or by contract: `/NAME` is a channel's page.
const RESERVED: &[&str] = &[
    "about",
    "account",
    "api",
    "assets",
    "browse",
    "channels",
    "chat",
    "dash",
    "directory",
    "docs",
    "emotes",
    "favicon",
    "feed",
    "golive",
    "health",
    "help",
    "hls",
    "internal",
    "live",
    "livez",
    "login",
    "logout",
    "messages",
    "metrics",
    "oidc",
    "openapi",
    "readyz",
    "register",
    "robots",
    "rooms",
    "rtmp",
    "search",
    "settings",
    "signup",
    "static",
    "status",
    "studio",
    "upload",
    "uploads",
    "videos",
    "vod",
    "vods",
    "webrtc",
    "weir",
    "whep",
    "whip",
];

/// A channel's name: 3 to 32 of `[a-z0-9_]`, compared without case (it is kept in lower case), never a route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Too short or too long.
    #[error("a name has {NAME_CHARS_MIN} to {NAME_CHARS_MAX} characters")]
    Length,
    /// A character outside `[A-Za-z0-9_]`.
    #[error("a name has only letters a to z, digits and underscores")]
    Character,
    /// The name of a route.
    #[error("this name is reserved")]
    Reserved,
}

impl ChannelName {
    /// Reads a name; upper case becomes lower case.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.len()) {
            return Err(InvalidName::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(InvalidName::Character);
        }
        let name = text.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidName::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ChannelName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl std::borrow::Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(ChannelName::parse("Anna_7"), ChannelName::parse("anna_7"));
    }

    #[test]
    fn routes_and_odd_texts_are_refused() {
        assert_eq!(ChannelName::parse("API"), Err(InvalidName::Reserved));
        assert_eq!(ChannelName::parse("ab"), Err(InvalidName::Length));
        assert_eq!(ChannelName::parse(&"a".repeat(33)), Err(InvalidName::Length));
        for text in ["../etc", "a b", "a%2fb", "name.html", "안녕하세요", "a\0bc"] {
            assert_eq!(ChannelName::parse(text), Err(InvalidName::Character), "{text:?}");
        }
    }

    #[test]
    fn the_reserved_list_is_sorted_and_holds_what_could_be_a_name() {
        assert!(RESERVED.is_sorted());
        assert!(RESERVED.iter().all(|word| word.len() >= NAME_CHARS_MIN));
    }
}

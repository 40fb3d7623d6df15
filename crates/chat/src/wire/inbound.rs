//! What clients say.

use serde::Deserialize;
use weir_identity::AccountId;

use crate::room::{ClientId, MessageId, Settings};

/// The first frame: where a client stands, and who it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
pub struct Join {
    /// An access token. Without it, reads only.
    #[serde(default)]
    pub token: Option<String>,
    /// The last offset that it has.
    #[serde(default)]
    pub since: Option<u64>,
    /// What that is an offset of.
    #[serde(default)]
    pub epoch: Option<String>,
    /// Whether it takes many messages in one frame.
    #[serde(default)]
    pub batch: bool,
}

/// How a bullet comment moves over the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From one side to the other.
    #[default]
    Scroll,
    /// It stands at the top.
    Top,
    /// It stands at the bottom.
    Bottom,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The first.
    Join(Join),
    /// Says something.
    Say {
        /// What the client calls it.
        id: ClientId,
        /// What is said.
        text: String,
        /// The message that it answers.
        #[serde(default)]
        reply_to: Option<MessageId>,
    },
    /// Sends a comment over the picture.
    Danmaku {
        /// What is said.
        text: String,
        /// How it moves.
        #[serde(default)]
        mode: Way,
        /// `#rrggbb`.
        #[serde(default)]
        color: Option<String>,
    },
    /// Takes a message back.
    Delete {
        /// Which.
        id: MessageId,
    },
    /// Takes everything back, or what one account said.
    Clear {
        /// Whose.
        #[serde(default)]
        user: Option<AccountId>,
    },
    /// Bans for a while.
    Timeout {
        /// Whom.
        user: AccountId,
        /// For so long.
        seconds: u32,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Bans for good.
    Ban {
        /// Whom.
        user: AccountId,
        /// Whether whoever writes from the same address is held back as well.
        #[serde(default)]
        address: bool,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Lifts a ban or a timeout.
    Unban {
        /// Whose.
        user: AccountId,
    },
    /// Pins a message, or none.
    Pin {
        /// Which.
        #[serde(default)]
        id: Option<MessageId>,
    },
    /// Sets how the room is.
    Settings {
        /// So.
        settings: Settings,
    },
    /// Asks who is there.
    Viewers,
    /// Asks whether anybody is there.
    Ping,
}

/// Reads a frame.
///
/// # Errors
/// What is wrong with it, in words for whoever wrote the client.
pub fn read(text: &str) -> Result<Request, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, request: &Request) {
        assert_eq!(read(text).as_ref(), Ok(request), "{text}");
    }

    #[test]
    fn requests_are_read_as_the_protocol_has_them() {
        check(r#"{"type":"join","token":null,"since":null,"epoch":null}"#, &Request::Join(Join::default()));
        check(r#"{"type":"join"}"#, &Request::Join(Join::default()));
        check(
            r#"{"type":"join","token":"t","since":7,"epoch":"e","batch":true}"#,
            &Request::Join(Join { token: Some("t".into()), since: Some(7), epoch: Some("e".into()), batch: true }),
        );
        let id = ClientId::parse("a").unwrap();
        check(
            r#"{"type":"say","id":"a","text":"hi","later":1}"#,
            &Request::Say { id, text: "hi".into(), reply_to: None },
        );
        check(r#"{"type":"ping"}"#, &Request::Ping);
        check(r#"{"type":"viewers"}"#, &Request::Viewers);
        check(r#"{"type":"ping","at":5}"#, &Request::Ping);
        check(r#"{"type":"clear"}"#, &Request::Clear { user: None });
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"say"}"#,
            r#"{"type":"say","id":"","text":"x"}"#,
            r#"{"type":"fly"}"#,
            r#"{"type":"join","since":-1}"#,
            r#"{"type":"delete","id":"x"}"#,
            r#"{"type":"settings","settings":{"slow":1,"fast":2}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&format!(r#"{{"type":"say","id":"{}","text":"x"}}"#, "a".repeat(65))).is_err());
        assert!(read(&"[".repeat(100_000)).is_err(), "deep nesting ends");
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_breaks_the_reader(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}

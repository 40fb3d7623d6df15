//! What clients are told, beside the entries of a room.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::inbound::Way;
use crate::room::{ClientId, MessageId, Person, Settings, event::Message, rules::Refusal};

/// A comment over the picture. It takes no offset: who was not there did not see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Danmaku {
    /// Its id.
    pub id: MessageId,
    /// Who sent it.
    pub user: Person,
    /// What is said.
    pub text: String,
    /// How it moves.
    pub mode: Way,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub color: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A frame that does not stand in a room's log.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said<'a> {
    /// The client is in.
    Joined {
        /// What offsets count in.
        epoch: &'a str,
        /// The last offset of what follows.
        offset: u64,
        /// Whether everything follows that was missed; else a fresh page follows.
        recovered: bool,
        /// Who the client is.
        you: Option<&'a Person>,
        /// How the room is.
        settings: &'a Settings,
        /// What is pinned.
        pinned: Option<&'a Message>,
        /// Who is there, on all nodes.
        present: u64,
        /// Said only when it is so: the other nodes cannot be reached, and who is there does not hear this one.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        alone: bool,
    },
    /// Offsets count in another epoch from here on, because the other nodes cannot be reached, or can be again.
    Epoch {
        /// So.
        epoch: &'a str,
        /// Up to here everything is as it was; what comes after it follows, some of it a second time and at another
        /// offset. Null: nothing is; a fresh page follows.
        since: Option<u64>,
        /// The last offset of what follows.
        offset: u64,
        /// Whether the other nodes cannot be reached.
        alone: bool,
    },
    /// A message was taken.
    Ack {
        /// What the client called it.
        id: &'a ClientId,
        /// Where it stands.
        offset: u64,
        /// What everybody calls it.
        message: MessageId,
    },
    /// How many are there.
    Presence {
        /// So many.
        count: u64,
    },
    /// Messages wait for moderators. Only they hear it.
    Held {
        /// So many.
        count: u64,
    },
    /// Messages were reported to moderators. Only they hear it.
    Reported {
        /// So many.
        count: u64,
    },
    /// The client is something else in the room than before.
    You {
        /// This.
        you: &'a Person,
    },
    /// Who is there.
    Viewers {
        /// So many, on all nodes.
        count: u64,
        /// Those with an account; nobody is named where they are too many.
        people: Option<&'a [Person]>,
    },
    /// There are other emotes: ask for them again.
    Emotes,
    /// The room is another.
    Settings {
        /// So.
        settings: &'a Settings,
    },
    /// Something was not done, or goes badly.
    Error {
        /// For programs.
        code: &'a str,
        /// For people.
        text: &'a str,
        /// Seconds after which it may be tried again.
        retry_after: Option<f64>,
        /// What the client called it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a ClientId>,
    },
    /// Come back: this connection ends.
    Reconnect {
        /// Why: `slow`, `stopping` or `room`.
        reason: &'a str,
        /// Longest time to wait before, in seconds: each takes some time in between.
        within: f64,
    },
    /// Over the picture.
    Danmaku(&'a Danmaku),
    /// An answer to `ping`.
    Pong,
}

impl Said<'_> {
    /// As clients read it.
    #[must_use]
    pub fn json(&self) -> Bytes {
        serde_json::to_vec(self).expect("these have no map with keys other than texts").into()
    }
}

/// A refusal, as clients read it.
#[must_use]
pub fn refusal(refusal: &Refusal, id: Option<&ClientId>) -> Bytes {
    // Rounded up: who waits for so long is not refused again.
    let seconds = |time: Duration| (time.as_secs_f64() * 1_000.0).ceil() / 1_000.0;
    let retry_after = refusal.retry_after.map(seconds);
    Said::Error { code: refusal.code, text: &refusal.text, retry_after, id }.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &Said<'_>, json: &str) {
        assert_eq!(String::from_utf8_lossy(&said.json()), json);
    }

    #[test]
    fn frames_are_as_the_protocol_has_them() {
        let settings = Settings::default();
        let settings_json = r#"{"slow":0,"followers_only":null,"members_only":false,"emote_only":false,"links_off":false,"unique":false}"#;
        let joined = Said::Joined {
            epoch: "e",
            offset: 7,
            recovered: true,
            you: None,
            settings: &settings,
            pinned: None,
            present: 1,
            alone: false,
        };
        let json = format!(
            r#"{{"type":"joined","epoch":"e","offset":7,"recovered":true,"you":null,"settings":{settings_json},"pinned":null,"present":1}}"#
        );
        check(&joined, &json);
        let moved = Said::Epoch { epoch: "f", since: Some(7), offset: 9, alone: true };
        check(&moved, r#"{"type":"epoch","epoch":"f","since":7,"offset":9,"alone":true}"#);
        check(&Said::Presence { count: 3 }, r#"{"type":"presence","count":3}"#);
        check(&Said::Held { count: 2 }, r#"{"type":"held","count":2}"#);
        check(&Said::Reported { count: 0 }, r#"{"type":"reported","count":0}"#);
        check(&Said::Pong, r#"{"type":"pong"}"#);
        check(&Said::Emotes, r#"{"type":"emotes"}"#);
        check(&Said::Viewers { count: 3, people: None }, r#"{"type":"viewers","count":3,"people":null}"#);
        let refused = refusal(&Refusal::for_now("slow_mode", "Wait.", Duration::from_micros(2_500_100)), None);
        assert_eq!(refused, r#"{"type":"error","code":"slow_mode","text":"Wait.","retry_after":2.501}"#);
        let refused = refusal(&Refusal::new("empty", "No."), ClientId::parse("a").as_ref());
        assert_eq!(refused, r#"{"type":"error","code":"empty","text":"No.","retry_after":null,"id":"a"}"#);
    }
}

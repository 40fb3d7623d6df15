//! Identifiers. Rows get UUIDs of version 7 (RFC 9562 §5.7), which sort by the time they were made; a publish gets
//! 128 random bits, because its id stands in URLs and must not be guessable for a private channel.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, later in order than every id made before it on this machine.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a store kept it.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id's 16 bytes, in the order in which ids sort.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

row_id!(
    /// One account.
    AccountId
);
row_id!(
    /// One channel. Its name may change hands; its id does not.
    ChannelId
);
row_id!(
    /// One stream key. Names a key in lists, logs and calls; the key itself never appears there.
    KeyId
);

row_id!(
    /// One device that is logged in: the family of refresh tokens that follow each other on it.
    FamilyId
);
row_id!(
    /// One entry of the audit log.
    AuditId
);
row_id!(
    /// One hook: somebody who wants to be told what happens.
    HookId
);
row_id!(
    /// One message for one hook.
    DeliveryId
);
row_id!(
    /// One message of a room, wherever it is shown.
    MessageId
);
row_id!(
    /// One message that waits until a moderator has read it.
    HeldId
);

row_id!(
    /// One emote: a picture for a word of chat.
    EmoteId
);
row_id!(
    /// One recording.
    VodId
);
row_id!(
    /// One node: the data directory that a server runs on, which keeps it over restarts.
    NodeId
);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// 128 random bits.
            ///
            /// # Panics
            /// When the operating system has no randomness to give, which Linux does not do after boot.
            #[must_use]
            pub fn random() -> Self {
                let mut bits = [0; 16];
                getrandom::fill(&mut bits).expect("the operating system gives random bytes");
                Self(bits)
            }

            /// The id written as 32 hex digits, or `None` for anything else, upper case included: one spelling a
            /// resource.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 32 {
                    return None;
                }
                let mut bits = [0; 16];
                for (byte, pair) in bits.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
                }
                Some(Self(bits))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

random_id!(
    /// One publish: from the first frame a publisher sends to the end of its playlist. 32 lower-case hex digits.
    PublishId
);
random_id!(
    /// What stands in the addresses of a recording's media, known to whoever was let in. It is another one once others
    /// may watch. 32 lower-case hex digits.
    WatchId
);

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_id_reads_back_what_it_wrote_and_nothing_else() {
        let id = PublishId::random();
        assert_eq!(PublishId::parse(&id.to_string()), Some(id));
        assert_eq!(PublishId::parse(&"A".repeat(32)), None);
        assert_eq!(PublishId::parse("00"), None);
        assert_eq!(PublishId::parse(&"é".repeat(16)), None);
    }

    #[test]
    fn row_ids_sort_by_age() {
        let ids: Vec<_> = (0..100).map(|_| KeyId::new()).collect();
        assert!(ids.is_sorted());
    }
}

//! Weir's protocol: JSON objects, one a frame, or many as an array.

use super::{
    account::Room,
    adapter::{Adapter, Aside},
};

/// An entry of a viewer with a name like the bench's, without its text.
const AROUND: &str = concat!(
    r#"{"offset":10000,"type":"message","id":"00000000-0000-0000-0000-000000000000","user":"#,
    r#"{"id":"00000000-0000-0000-0000-000000000000","name":"speaker_00000","role":"viewer"},"#,
    r#""text":"","at":"2026-11-21T00:00:00.000Z"}"#
);

/// What `weir-bench bare-chat` makes of what is said, without its text.
const AROUND_BARE: &str = r#"{"offset":10000,"type":"message","id":"1000","text":""}"#;

/// The adapter.
pub(crate) struct Weir {
    room: Room,
    batch: bool,
    around: usize,
}

impl Weir {
    pub(crate) fn new(room: Room, batch: bool) -> Self {
        Self { room, batch, around: AROUND.len() }
    }

    /// As much of it as `weir-bench bare-chat` speaks.
    pub(crate) fn bare() -> Self {
        let room = Room { channel: String::new(), token: String::new() };
        Self { room, batch: false, around: AROUND_BARE.len() }
    }
}

impl Adapter for Weir {
    fn path(&self, room: usize) -> String {
        format!("/api/v1/channels/{}/chat", self.room.channel.replace("{i}", &room.to_string()))
    }

    fn hello(&self, _room: usize, speaks: bool) -> Vec<String> {
        let token = if speaks { format!("\"{}\"", self.room.token) } else { "null".into() };
        vec![format!(r#"{{"type":"join","token":{token},"batch":{}}}"#, self.batch)]
    }

    fn say(&self, number: u64, text: &str) -> String {
        format!(r#"{{"type":"say","id":"{number}","text":"{text}"}}"#)
    }

    fn around(&self) -> usize {
        self.around
    }

    fn read<'a>(&self, frame: &'a [u8], aside: &mut dyn FnMut(Aside)) -> &'a [u8] {
        if frame.starts_with(br#"{"offset""#) || frame.starts_with(b"[") {
            return frame;
        }
        let starts = |kind: &str| frame.starts_with(format!(r#"{{"type":"{kind}""#).as_bytes());
        aside(if starts("ack") {
            Aside::Taken
        } else if starts("joined") {
            Aside::In
        } else if starts("reconnect") {
            Aside::ComeBack
        } else if starts("error") {
            Aside::Refused(String::from_utf8_lossy(frame).into_owned())
        } else {
            Aside::Other
        });
        &[]
    }
}

//! Centrifugo's client protocol, version 2, as JSON: commands and replies, a line each, several of them in a frame.

use super::adapter::{Adapter, Aside};

/// A publication with a short channel's name, without its text.
const AROUND: &str = r#"{"push":{"channel":"bench","pub":{"data":{"text":""},"offset":10000}}}"#;

/// The adapter.
pub(crate) struct Centrifugo {
    channel: String,
}

impl Centrifugo {
    pub(crate) fn new(channel: String) -> Self {
        Self { channel }
    }

    fn channel(&self, room: usize) -> String {
        self.channel.replace("{i}", &room.to_string())
    }
}

/// The command that enters; those that say something have higher numbers.
const SUBSCRIBE: u64 = 2;

impl Adapter for Centrifugo {
    fn path(&self, _room: usize) -> String {
        "/connection/websocket".into()
    }

    fn hello(&self, room: usize, _speaks: bool) -> Vec<String> {
        let subscribe = format!(r#"{{"id":{SUBSCRIBE},"subscribe":{{"channel":"{}"}}}}"#, self.channel(room));
        vec![r#"{"id":1,"connect":{}}"#.into(), subscribe]
    }

    fn say(&self, number: u64, text: &str) -> String {
        let id = number + SUBSCRIBE + 1;
        format!(r#"{{"id":{id},"publish":{{"channel":"{}","data":{{"text":"{text}"}}}}}}"#, self.channel(0))
    }

    fn around(&self) -> usize {
        AROUND.len()
    }

    fn read<'a>(&self, frame: &'a [u8], aside: &mut dyn FnMut(Aside)) -> &'a [u8] {
        // Pushes begin otherwise; a frame of them alone is the common one.
        if frame.starts_with(br#"{"push""#) && memchr::memmem::find(frame, b"\n{\"id\":").is_none() {
            return frame;
        }
        for line in frame.split(|byte| *byte == b'\n') {
            if line == b"{}" {
                aside(Aside::Ping("{}"));
            } else if let Some(rest) = line.strip_prefix(br#"{"id":"#) {
                let id = std::str::from_utf8(rest).ok().and_then(|rest| rest.split([',', '}']).next()?.parse().ok());
                let is_error = memchr::memmem::find(line, br#""error":"#).is_some();
                aside(match id {
                    _ if is_error => Aside::Refused(String::from_utf8_lossy(line).into_owned()),
                    Some(1) => Aside::Other,
                    Some(SUBSCRIBE) => Aside::In,
                    _ => Aside::Taken,
                });
            }
        }
        frame
    }
}

//! Commands (RTMP 1.0 §7.2), and the bodies of our answers.

use std::collections::HashMap;

use rml_amf0::Amf0Value;
use weir_identity::StreamKey;

use super::amf0::{self, Amf0Error};

/// A command as sent: name, transaction, and what follows the command object.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    /// 0 means: no answer is expected.
    pub(crate) transaction: f64,
    /// The command object; null for most.
    pub(crate) object: Amf0Value,
    pub(crate) arguments: Vec<Amf0Value>,
}

impl Command {
    /// Reads the body of a command message. What encoders leave out at its end is null.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Amf0Error> {
        let mut values = amf0::parse(body)?.into_iter();
        let Some(Amf0Value::Utf8String(name)) = values.next() else { return Err(Amf0Error::Malformed) };
        let transaction = match values.next() {
            Some(Amf0Value::Number(transaction)) => transaction,
            _ => 0.0,
        };
        let object = values.next().unwrap_or(Amf0Value::Null);
        Ok(Self { name, transaction, object, arguments: values.collect() })
    }

    /// A text in the command object.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        match &self.object {
            Amf0Value::Object(properties) => match properties.get(name) {
                Some(Amf0Value::Utf8String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The first argument, if it is a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.arguments.first() {
            Some(Amf0Value::Utf8String(text)) => Some(text),
            _ => None,
        }
    }
}

/// The stream key among what a publisher connected to and published.
///
/// `rtmp://HOST/live` with the key as stream name is what we ask for. Encoders that split an address at its last slash
/// make the same of `rtmp://HOST/live/KEY`; those that don't put the key behind `live` and leave the name empty.
/// Parameters behind `?` are ignored.
pub(crate) fn stream_key(app: &str, name: &str) -> Result<StreamKey, BadAddress> {
    let app = before_query(app).trim_matches('/');
    let (first, below) = app.split_once('/').unwrap_or((app, ""));
    if !first.eq_ignore_ascii_case("live") {
        return Err(BadAddress::App);
    }
    let name = before_query(name).trim_matches('/');
    let key = if name.is_empty() { below } else { name };
    StreamKey::parse(key.trim()).map_err(|_| BadAddress::Key)
}

fn before_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(before, _)| before)
}

/// Why an address has no key. Carries nothing of the address, which may hold somebody's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    /// The application is not `live`.
    #[error("There is nothing at this address. Use the server rtmp://HOST/live and your stream key.")]
    App,
    /// There is no key, or one that cannot be.
    #[error("There is no valid stream key. Copy the key from your channel's settings.")]
    Key,
}

/// The body of a command that we send.
pub(crate) fn body(name: &str, transaction: f64, object: Amf0Value, arguments: Vec<Amf0Value>) -> Vec<u8> {
    let mut values = vec![text(name), Amf0Value::Number(transaction), object];
    values.extend(arguments);
    rml_amf0::serialize(&values).expect("no text of ours reaches the 65535 bytes that AMF0 allows")
}

/// The body of the answer to a successful `connect`. Enhanced RTMP v2 asks for what we can do.
pub(crate) fn connected(transaction: f64) -> Vec<u8> {
    /// `FourCcInfoMask`: we pass it on, and neither decode nor encode.
    const CAN_FORWARD: f64 = 4.0;
    /// `CapsExMask`: ModEx, and its nanoseconds.
    const CAPS_EX: f64 = (0x04 | 0x08) as f64;
    let video = ["avc1", "hvc1", "av01", "vp09"];
    let audio = ["mp4a", "Opus"];
    let map = |names: &[&str]| object(names.iter().map(|name| (*name, Amf0Value::Number(CAN_FORWARD))));
    let properties = object([
        ("fmsVer", text("FMS/3,5,7,7009")),
        ("capabilities", Amf0Value::Number(31.0)),
        ("mode", Amf0Value::Number(1.0)),
        ("fourCcList", Amf0Value::StrictArray(video.iter().chain(&audio).map(|name| text(name)).collect())),
        ("videoFourCcInfoMap", map(&video)),
        ("audioFourCcInfoMap", map(&audio)),
        ("capsEx", Amf0Value::Number(CAPS_EX)),
    ]);
    let information = object([
        ("level", text("status")),
        ("code", text("NetConnection.Connect.Success")),
        ("description", text("Connection succeeded.")),
        ("objectEncoding", Amf0Value::Number(0.0)),
    ]);
    body("_result", transaction, properties, vec![information])
}

/// The body of an answer that has no content.
pub(crate) fn done(transaction: f64) -> Vec<u8> {
    body("_result", transaction, Amf0Value::Null, vec![Amf0Value::Undefined])
}

/// The body of the answer to a command that we do not know.
pub(crate) fn failed(transaction: f64) -> Vec<u8> {
    let information = status_object("error", "NetConnection.Call.Failed", "This server does not know that call.");
    body("_error", transaction, Amf0Value::Null, vec![information])
}

/// The body of an `onStatus`.
pub(crate) fn status(level: &str, code: &str, description: &str) -> Vec<u8> {
    body("onStatus", 0.0, Amf0Value::Null, vec![status_object(level, code, description)])
}

/// What a status says.
pub(crate) fn status_object(level: &str, code: &str, description: &str) -> Amf0Value {
    object([("level", text(level)), ("code", text(code)), ("description", text(cut(description)))])
}

/// A text that AMF0 can hold, however long its maker made it.
fn cut(sentence: &str) -> &str {
    /// A sentence longer than this is not read.
    const SENTENCE_BYTES_MAX: usize = 1000;
    &sentence[..sentence.floor_char_boundary(SENTENCE_BYTES_MAX)]
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Amf0Value)>) -> Amf0Value {
    Amf0Value::Object(properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(app: &str, name: &str, expected: Result<&str, BadAddress>) {
        let key = stream_key(app, name);
        assert_eq!(key.as_ref().map(StreamKey::reveal).map_err(|error| *error), expected, "{app:?} {name:?}");
    }

    #[test]
    fn keys_are_found_where_encoders_put_them() {
        check("live", "abcd-1234", Ok("abcd-1234"));
        check("live/", "abcd-1234", Ok("abcd-1234"));
        check("Live?x=1", "abcd-1234?backup=1", Ok("abcd-1234"));
        check("live/abcd-1234", "", Ok("abcd-1234"));
        check("live/abcd-1234?x", "?y", Ok("abcd-1234"));
        check("/live", "/abcd-1234", Ok("abcd-1234"));
    }

    #[test]
    fn other_addresses_are_refused() {
        check("app", "abcd-1234", Err(BadAddress::App));
        check("", "abcd-1234", Err(BadAddress::App));
        check("live", "", Err(BadAddress::Key));
        check("live", "short", Err(BadAddress::Key));
        check("live", "with space and more", Err(BadAddress::Key));
    }

    #[test]
    fn commands_that_leave_out_their_end_are_read() {
        let bytes = rml_amf0::serialize(&vec![text("FCPublish")]).unwrap();
        let command = Command::parse(&bytes).unwrap();
        assert_eq!((command.name.as_str(), command.transaction, command.text()), ("FCPublish", 0.0, None));
        assert!(Command::parse(&[]).is_err());
        assert!(Command::parse(&[5]).is_err());
    }
}

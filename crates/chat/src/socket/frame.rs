//! WebSocket frames (RFC 6455 §5): headers of what is sent, and a reader of what clients send.
//!
//! Frames to clients are not masked, so that everybody can be sent the same bytes. What clients send is small: it is
//! gathered whole, up to a limit that is checked before anything is kept.

use std::io::Cursor;

use bytes::{BufMut, Bytes, BytesMut};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Longest header of an unmasked frame.
pub(crate) const HEADER_BYTES_MAX: usize = 10;
/// Longest payload of a control frame (§5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// Writes the header of a text frame of `length` bytes.
pub(crate) fn text_header(length: usize, into: &mut BytesMut) {
    header(0x81, length, into);
}

fn header(first: u8, length: usize, into: &mut BytesMut) {
    into.put_u8(first);
    match length {
        0..=125 => into.put_u8(length as u8),
        126..=0xffff => {
            into.put_u8(126);
            into.put_u16(length as u16);
        }
        _ => {
            into.put_u8(127);
            into.put_u64(length as u64);
        }
    }
}

/// A text frame.
#[must_use]
pub(crate) fn text(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + HEADER_BYTES_MAX);
    text_header(json.len(), &mut frame);
    frame.put_slice(json);
    frame.freeze()
}

/// Asks whether the client is there.
pub(crate) const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// Answers a ping.
#[must_use]
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    control(0x8a, payload)
}

/// Says goodbye.
#[must_use]
pub(crate) fn close(code: u16) -> Bytes {
    control(0x88, &code.to_be_bytes())
}

fn control(first: u8, payload: &[u8]) -> Bytes {
    let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
    let mut frame = BytesMut::with_capacity(payload.len() + 2);
    header(first, payload.len(), &mut frame);
    frame.put_slice(payload);
    frame.freeze()
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole text.
    Text(String),
    /// It asks whether we are there.
    Ping(Vec<u8>),
    /// It is there.
    Pong,
    /// It goes.
    Close,
}

/// What a client must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Frames that are none.
    #[error("not a WebSocket frame, or one that must not come here")]
    Protocol,
    /// Bytes instead of text.
    #[error("only text is understood")]
    NotText,
    /// Text that is none.
    #[error("not UTF-8")]
    NotUtf8,
    /// Too much at once.
    #[error("too long")]
    TooLong,
}

impl Violation {
    /// How the connection is closed (§7.4.1).
    #[must_use]
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotText => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLong => 1009,
        }
    }
}

/// Reads a client's frames. Holds nothing between two of them.
#[derive(Debug)]
pub(crate) struct Reader {
    bytes_max: usize,
    /// What was read and is not a whole frame yet.
    raw: Vec<u8>,
    /// Frames of a text that has more of them.
    text: Option<Vec<u8>>,
}

impl Reader {
    /// Refuses texts of more than `bytes_max`.
    #[must_use]
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, raw: Vec::new(), text: None }
    }

    /// Bytes arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
    }

    /// The next thing that is whole.
    ///
    /// # Errors
    /// [`Violation`]; the connection must be closed.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        while let Some((opcode, last, payload)) = self.frame()? {
            let whole = match opcode {
                OpCode::Control(Control::Ping) => Some(Incoming::Ping(payload)),
                OpCode::Control(Control::Pong) => Some(Incoming::Pong),
                OpCode::Control(Control::Close) => Some(Incoming::Close),
                OpCode::Data(Data::Text) => self.part(None, payload, last)?,
                OpCode::Data(Data::Continue) => {
                    let begun = self.text.take().ok_or(Violation::Protocol)?;
                    self.part(Some(begun), payload, last)?
                }
                OpCode::Data(Data::Binary) => return Err(Violation::NotText),
                _ => return Err(Violation::Protocol),
            };
            if whole.is_some() {
                return Ok(whole);
            }
        }
        Ok(None)
    }

    /// The next whole frame.
    fn frame(&mut self) -> Result<Option<(OpCode, bool, Vec<u8>)>, Violation> {
        let mut cursor = Cursor::new(&self.raw[..]);
        let header = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
        let Some((header, length)) = header else { return Ok(None) };
        let begin = usize::try_from(cursor.position()).map_err(|_| Violation::Protocol)?;
        let mask = header.mask.ok_or(Violation::Protocol)?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol);
        }
        let is_control = matches!(header.opcode, OpCode::Control(_));
        if is_control && (length > CONTROL_BYTES_MAX as u64 || !header.is_final) {
            return Err(Violation::Protocol);
        }
        let length = usize::try_from(length).map_err(|_| Violation::TooLong)?;
        if !is_control && length > self.bytes_max.saturating_sub(self.text.as_ref().map_or(0, Vec::len)) {
            return Err(Violation::TooLong);
        }
        let end = begin + length;
        let Some(masked) = self.raw.get(begin..end) else { return Ok(None) };
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        if end == self.raw.len() {
            self.raw = Vec::new();
        } else {
            self.raw.drain(..end);
        }
        Ok(Some((header.opcode, header.is_final, payload)))
    }

    fn part(&mut self, begun: Option<Vec<u8>>, payload: Vec<u8>, last: bool) -> Result<Option<Incoming>, Violation> {
        if self.text.is_some() {
            return Err(Violation::Protocol);
        }
        let whole = match begun {
            Some(mut begun) => {
                begun.extend_from_slice(&payload);
                begun
            }
            None => payload,
        };
        if !last {
            self.text = Some(whole);
            return Ok(None);
        }
        String::from_utf8(whole).map(|text| Some(Incoming::Text(text))).map_err(|_| Violation::NotUtf8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        header(first, payload.len(), &mut frame);
        let mut frame = frame.to_vec();
        frame[1] |= 0x80;
        frame.extend([1, 2, 3, 4]);
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn read(bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let mut reader = Reader::new(1_000);
        reader.feed(bytes);
        let mut all = Vec::new();
        while let Some(incoming) = reader.next()? {
            all.push(incoming);
        }
        Ok(all)
    }

    #[test]
    fn texts_may_come_in_parts_with_pings_between() {
        let frames = [
            masked(0x01, b"he"),
            masked(0x89, b"you?"),
            masked(0x00, b"l"),
            masked(0x80, b"lo"),
            masked(0x81, b""),
            masked(0x8a, b""),
            masked(0x88, &[3, 232]),
        ];
        let text = |text: &str| Incoming::Text(text.into());
        let all = [text("hello"), text(""), Incoming::Pong, Incoming::Close];
        let mut expected = vec![Incoming::Ping(b"you?".to_vec())];
        expected.extend(all);
        assert_eq!(read(&frames.concat()), Ok(expected));
    }

    #[test]
    fn what_must_not_come_ends_the_connection() {
        let check = |frames: &[Vec<u8>], violation| assert_eq!(read(&frames.concat()), Err(violation), "{frames:?}");
        check(&[vec![0x81, 0]], Violation::Protocol);
        check(&[masked(0x80, b"more")], Violation::Protocol);
        check(&[masked(0x01, b"a"), masked(0x01, b"b")], Violation::Protocol);
        check(&[masked(0xc1, b"deflated")], Violation::Protocol);
        check(&[masked(0x09, b"in parts")], Violation::Protocol);
        check(&[masked(0x89, &[0; 126])], Violation::Protocol);
        check(&[masked(0x83, b"")], Violation::Protocol);
        check(&[masked(0x82, b"bytes")], Violation::NotText);
        check(&[masked(0x81, &[0xff])], Violation::NotUtf8);
        check(&[masked(0x81, &[b'a'; 1_001])], Violation::TooLong);
        check(&[masked(0x01, &[b'a'; 600]), masked(0x80, &[b'a'; 600])], Violation::TooLong);
        // Only the header has to be there.
        check(&[masked(0x81, &[b'a'; 1 << 20])[..14].to_vec()], Violation::TooLong);
    }

    #[test]
    fn frames_that_are_sent_have_the_shortest_header() {
        let length = |bytes: usize| text(&vec![b'a'; bytes]).len() - bytes;
        assert_eq!([0, 125, 126, 65_535, 65_536].map(length), [2, 2, 4, 4, 10]);
        assert_eq!(&close(1001)[..], &[0x88, 2, 3, 233]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
            let mut reader = Reader::new(100);
            'all: for chunk in chunks {
                reader.feed(&chunk);
                loop {
                    match reader.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'all,
                    }
                }
                prop_assert!(reader.raw.len() <= 114 + 40);
            }
        }

        #[test]
        fn texts_are_read_however_they_are_cut(texts in prop::collection::vec(".{0,80}", 1..5), cut in 1_usize..20) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| masked(0x81, text.as_bytes())).collect();
            let mut reader = Reader::new(1_000);
            let mut all = Vec::new();
            for chunk in bytes.chunks(cut) {
                reader.feed(chunk);
                while let Some(Incoming::Text(text)) = reader.next().unwrap() {
                    all.push(text);
                }
            }
            prop_assert_eq!(all, texts);
            prop_assert_eq!(reader.raw.capacity(), 0, "nothing is kept");
        }
    }
}

//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use rml_amf0::Amf0Value;

use crate::rtmp::{
    Config, amf0,
    chunks::{Limits, Reader, Writer, kind},
    command,
    core::{Core, Input, Output},
    flv::Demuxer,
    handshake::Handshake,
};

/// The handshake, in pieces whose size is the first byte.
pub fn handshake(data: &[u8]) {
    let mut handshake = Handshake::new();
    in_pieces(data, |mut piece| match handshake.feed(&mut piece) {
        Ok(progress) => !progress.done,
        Err(_) => false,
    });
}

/// The chunk stream, in pieces whose size is the first byte.
pub fn chunks(data: &[u8]) {
    let mut reader = Reader::new(Limits { message_bytes_max: 1 << 20, held_bytes_max: 1 << 20, streams_max: 16 });
    in_pieces(data, |mut piece| {
        loop {
            match reader.next(&mut piece) {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    });
}

/// AMF0: the guard and the parser behind it.
pub fn amf0(data: &[u8]) {
    let _ = amf0::parse(data);
}

/// Audio and video bodies: for each, a byte for which and its time, a byte for its length, then the body.
pub fn flv(mut data: &[u8]) {
    let mut demuxer = Demuxer::default();
    let now = Instant::now();
    while let [which, length, rest @ ..] = data {
        let (body, after) = rest.split_at(rest.len().min((*length).into()));
        let time = u32::from(*which) << 24;
        let body = Bytes::copy_from_slice(body);
        let _ = if which & 1 == 0 { demuxer.video(time, &body, now) } else { demuxer.audio(time, &body, now) };
        data = after;
    }
}

/// A whole session that was let in: what follows `publish`, in pieces whose size is the first byte. Every further
/// publish is let in too.
pub fn session(data: &[u8]) {
    let now = Instant::now();
    let mut core = Core::new(&Config::default(), now);
    let mut out = VecDeque::new();
    if core.step(now, Input::Bytes(&login()), &mut out).is_err() {
        return;
    }
    in_pieces(data, |piece| {
        let mut input = Input::Bytes(piece);
        loop {
            if core.step(now, input, &mut out).is_err() {
                return false;
            }
            match out.drain(..).next_back() {
                Some(Output::AskGate(_)) => input = Input::Granted,
                Some(Output::Close(_)) => return false,
                _ => return true,
            }
        }
    });
}

/// What a publisher says up to and with `publish`.
fn login() -> Vec<u8> {
    let writer = Writer::new();
    let text = |text: &str| Amf0Value::Utf8String(text.to_owned());
    let connect = command::body("connect", 1.0, Amf0Value::Object([("app".to_owned(), text("live"))].into()), vec![]);
    let publish = command::body("publish", 2.0, Amf0Value::Null, vec![text("abcd-1234")]);
    let mut bytes = [&[3][..], &[0; 3072]].concat();
    writer.message(3, 0, kind::COMMAND, 0, &connect, &mut bytes);
    writer.message(3, 0, kind::COMMAND, 1, &publish, &mut bytes);
    bytes
}

/// Hands `data` over in pieces whose size is its first byte, until `take` says that it is enough.
fn in_pieces(data: &[u8], take: impl FnMut(&[u8]) -> bool) {
    let Some((size, data)) = data.split_first() else { return };
    let _ = data.chunks(usize::from(*size).max(1)).all(take);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Runs a target on every input of its corpus, and on each of them cut short.
    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let inputs: Vec<_> = fs::read_dir(&corpus).expect("the corpus is in the repository").collect();
        assert!(!inputs.is_empty(), "{} has inputs", corpus.display());
        for input in inputs {
            let bytes = fs::read(input.unwrap().path()).unwrap();
            run(&bytes);
            run(&bytes[..bytes.len() / 2]);
        }
    }

    #[test]
    fn no_known_handshake_does_harm() {
        replay("handshake", super::handshake);
    }

    #[test]
    fn no_known_chunks_do_harm() {
        replay("chunks", super::chunks);
    }

    #[test]
    fn no_known_amf0_does_harm() {
        replay("amf0", super::amf0);
    }

    #[test]
    fn no_known_media_does_harm() {
        replay("flv", super::flv);
    }

    #[test]
    fn no_known_session_does_harm() {
        replay("session", super::session);
    }
}

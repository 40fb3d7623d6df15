//! What server and worker say to each other, as bytes: a length, a kind, a body. All numbers are big endian.
//!
//! Neither end trusts the other: a length beyond the reader's limit, a kind that is not known or a body that is cut
//! short is [`Bad`], after which nothing can be read any more.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_media::{AudioCodec, VideoCodec, derive::Want};

/// Most bytes of a message with a picture: a keyframe of 4K at any sane rate.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Most bytes of a message with sound, 120 ms at the highest rates many times over.
pub(crate) const SOUND_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a sentence that says why something failed.
const SENTENCE_BYTES_MAX: usize = 512;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// To the worker, first of all: what to make.
    Begin(Job),
    /// The frames that follow are coded so. Either way.
    Track(Coding),
    /// A frame. Either way; times are the publisher's.
    Frame(Coded),
    /// From the worker, last of all: why it cannot go on.
    Failed(String),
}

/// What to make, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// What.
    pub(crate) want: Want,
    /// Of sound, in bits a second.
    pub(crate) sound_bitrate: u32,
    /// Whether Opus carries what hides a lost packet.
    pub(crate) opus_fec: bool,
}

/// How frames are coded. What else a track says follows from its configuration record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coding {
    /// With what.
    pub(crate) codec: Codec,
    /// Of pictures, in pixels; else 0.
    pub(crate) width: u32,
    /// Of pictures, in pixels; else 0.
    pub(crate) height: u32,
    /// The codec's configuration.
    pub(crate) config: Bytes,
}

/// Any codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Of sound.
    Audio(AudioCodec),
    /// Of pictures.
    Video(VideoCodec),
}

/// A frame on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coded {
    /// When it is shown or heard, in nanoseconds.
    pub(crate) pts: i64,
    /// When it is decoded, in nanoseconds.
    pub(crate) dts: i64,
    /// Decodable without any before.
    pub(crate) keyframe: bool,
    /// The coded bytes.
    pub(crate) data: Bytes,
}

/// What was read is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    /// A message longer than the limit.
    #[error("a message of {0} bytes")]
    TooLong(usize),
    /// A kind or a value that does not exist.
    #[error("a message that means nothing")]
    Unknown,
    /// A message whose body ends early.
    #[error("a message that is cut short")]
    Short,
}

/// Kinds, as they are written.
const BEGIN: u8 = 1;
const TRACK: u8 = 2;
const FRAME: u8 = 3;
const FAILED: u8 = 4;
/// Bytes before the body: a length of what follows it, and a kind.
const HEAD_BYTES: usize = 5;

impl Message {
    /// Appends the message.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(0);
        match self {
            Self::Begin(job) => {
                out.put_u8(BEGIN);
                out.put_u8(want_code(job.want));
                out.put_u32(job.sound_bitrate);
                out.put_u8(u8::from(job.opus_fec));
            }
            Self::Track(coding) => {
                out.put_u8(TRACK);
                out.put_u8(codec_code(coding.codec));
                out.put_u32(coding.width);
                out.put_u32(coding.height);
                out.put_slice(&coding.config);
            }
            Self::Frame(coded) => {
                out.put_u8(FRAME);
                out.put_i64(coded.pts);
                out.put_i64(coded.dts);
                out.put_u8(u8::from(coded.keyframe));
                out.put_slice(&coded.data);
            }
            Self::Failed(why) => {
                out.put_u8(FAILED);
                out.put_slice(&why.as_bytes()[..why.floor_char_boundary(SENTENCE_BYTES_MAX)]);
            }
        }
        let length = u32::try_from(out.len() - start - HEAD_BYTES + 1).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Reads what stands behind a length.
    fn read(mut body: Bytes) -> Result<Self, Bad> {
        match body.try_get_u8().map_err(|_| Bad::Short)? {
            BEGIN => {
                let want = want_of(body.try_get_u8().map_err(|_| Bad::Short)?)?;
                let sound_bitrate = body.try_get_u32().map_err(|_| Bad::Short)?;
                let opus_fec = body.try_get_u8().map_err(|_| Bad::Short)? != 0;
                Ok(Self::Begin(Job { want, sound_bitrate, opus_fec }))
            }
            TRACK => {
                let codec = codec_of(body.try_get_u8().map_err(|_| Bad::Short)?)?;
                let width = body.try_get_u32().map_err(|_| Bad::Short)?;
                let height = body.try_get_u32().map_err(|_| Bad::Short)?;
                Ok(Self::Track(Coding { codec, width, height, config: body }))
            }
            FRAME => {
                let pts = body.try_get_i64().map_err(|_| Bad::Short)?;
                let dts = body.try_get_i64().map_err(|_| Bad::Short)?;
                let keyframe = body.try_get_u8().map_err(|_| Bad::Short)? != 0;
                Ok(Self::Frame(Coded { pts, dts, keyframe, data: body }))
            }
            FAILED => {
                body.truncate(SENTENCE_BYTES_MAX);
                // Whatever it says goes into a log and to the streamer, on one line.
                let words = String::from_utf8_lossy(&body);
                Ok(Self::Failed(words.chars().filter(|character| !character.is_control()).collect()))
            }
            _ => Err(Bad::Unknown),
        }
    }
}

/// Bytes that came in, up to the next whole message.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What came; whoever reads appends to it.
    pub(crate) held: BytesMut,
    message_bytes_max: usize,
}

impl Reader {
    /// A reader that takes messages up to this long.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { held: BytesMut::new(), message_bytes_max }
    }

    /// The next message, if it is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Bad> {
        let Some((length, _)) = self.held.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.message_bytes_max {
            return Err(Bad::TooLong(length));
        }
        if self.held.len() < 4 + length {
            self.held.reserve(4 + length - self.held.len());
            return Ok(None);
        }
        self.held.advance(4);
        Message::read(self.held.split_to(length).freeze()).map(Some)
    }
}

fn want_code(want: Want) -> u8 {
    match want {
        Want::Opus => 1,
        Want::Aac => 2,
        Want::PlainH264 => 3,
    }
}

fn want_of(code: u8) -> Result<Want, Bad> {
    Ok(match code {
        1 => Want::Opus,
        2 => Want::Aac,
        3 => Want::PlainH264,
        _ => return Err(Bad::Unknown),
    })
}

fn codec_code(codec: Codec) -> u8 {
    match codec {
        Codec::Audio(AudioCodec::Aac) => 1,
        Codec::Audio(AudioCodec::Opus) => 2,
        Codec::Video(VideoCodec::H264) => 16,
        Codec::Video(VideoCodec::Hevc) => 17,
        Codec::Video(VideoCodec::Av1) => 18,
        Codec::Video(VideoCodec::Vp8) => 19,
        Codec::Video(VideoCodec::Vp9) => 20,
    }
}

fn codec_of(code: u8) -> Result<Codec, Bad> {
    Ok(match code {
        1 => Codec::Audio(AudioCodec::Aac),
        2 => Codec::Audio(AudioCodec::Opus),
        16 => Codec::Video(VideoCodec::H264),
        17 => Codec::Video(VideoCodec::Hevc),
        18 => Codec::Video(VideoCodec::Av1),
        19 => Codec::Video(VideoCodec::Vp8),
        20 => Codec::Video(VideoCodec::Vp9),
        _ => return Err(Bad::Unknown),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> Vec<Message> {
        let config = Bytes::from_static(&[0x11, 0x90]);
        let data = Bytes::from(vec![7; 3000]);
        vec![
            Message::Begin(Job { want: Want::PlainH264, sound_bitrate: 96_000, opus_fec: true }),
            Message::Track(Coding { codec: Codec::Audio(AudioCodec::Aac), width: 0, height: 0, config }),
            Message::Frame(Coded { pts: -5, dts: i64::MIN, keyframe: true, data }),
            Message::Failed("It broke.".into()),
        ]
    }

    fn read_all(reader: &mut Reader) -> Result<Vec<Message>, Bad> {
        let mut messages = Vec::new();
        while let Some(message) = reader.next()? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn messages_survive_however_they_are_cut() {
        let mut bytes = BytesMut::new();
        messages().iter().for_each(|message| message.write(&mut bytes));
        for step in [1, 7, 1000, bytes.len()] {
            let mut reader = Reader::new(MESSAGE_BYTES_MAX);
            let mut read = Vec::new();
            for piece in bytes.chunks(step) {
                reader.held.extend_from_slice(piece);
                read.extend(read_all(&mut reader).expect("messages"));
            }
            assert_eq!(read, messages(), "in pieces of {step}");
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_is_held() {
        let mut reader = Reader::new(SOUND_BYTES_MAX);
        reader.held.put_u32(SOUND_BYTES_MAX as u32 + 1);
        assert_eq!(reader.next(), Err(Bad::TooLong(SOUND_BYTES_MAX + 1)));
        assert!(reader.held.capacity() < 1024);
    }

    #[test]
    fn sentences_stay_on_one_line_and_short() {
        let mut reader = Reader::new(MESSAGE_BYTES_MAX);
        Message::Failed(format!("a\n\u{1b}[1mb{}", "ü".repeat(1000))).write(&mut reader.held);
        let Ok(Some(Message::Failed(words))) = reader.next() else { panic!("a sentence") };
        assert!(words.starts_with("a[1mbü") && words.len() <= SENTENCE_BYTES_MAX, "{words}");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = Reader::new(300);
            reader.held.extend_from_slice(&bytes);
            let _ = read_all(&mut reader);
        }

        #[test]
        fn bodies_of_any_kind_are_read_or_refused(
            kind in 0u8..6, body in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            let mut reader = Reader::new(300);
            reader.held.put_u32(body.len() as u32 + 1);
            reader.held.put_u8(kind);
            reader.held.extend_from_slice(&body);
            if let Ok(Some(message)) = reader.next() {
                let mut again = BytesMut::new();
                message.write(&mut again);
                let mut reader = Reader::new(3000);
                reader.held = again;
                prop_assert_eq!(reader.next(), Ok(Some(message)));
            }
        }
    }
}
